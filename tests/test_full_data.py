"""The data ladder: full data sets that are prepared, and what happens where there are none."""

from pathlib import Path

import pytest
from support import MNIST, REGRESSION, SENTIMENT, SHARED, TEXT, dlrecipes, files_below

from dlrecipes.catalog.find import find_recipe
from dlrecipes.tasks import find_task
from dlrecipes.tasks.opening import DataRequest, RecipeData, open_source
from dlrecipes.training.listener import Silence

OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""Sends every request to a port where nobody answers."""


@pytest.mark.shared
@pytest.mark.parametrize(
    ("recipe", "rows"),
    [
        (MNIST, {"train": 60_000, "test": 10_000}),
        (SENTIMENT, {"train": 25_000, "test": 25_000}),
        # One text each.
        (TEXT, {"train": 1, "validation": 1, "test": 1}),
        # A fixed random tenth of its one split is held out.
        (REGRESSION, {"train": 48_546, "test": 5_394}),
    ],
)
def test_full_data_sets_open_with_all_their_rows(recipe: str, rows: dict[str, int]) -> None:
    facts = find_recipe(recipe)
    data = RecipeData(find_task(facts.task), facts.dataset, None, facts.features)
    source = open_source(data, DataRequest("full", str(SHARED)), 0, Silence())
    assert source.rung == "full"
    assert source.name == facts.dataset
    assert {split: len(examples) for split, examples in source.splits().items()} == rows


@pytest.mark.shared
def test_a_run_on_full_data_is_stamped_so_and_auto_finds_what_is_prepared(tmp_path: Path) -> None:
    arguments = ("train", REGRESSION, "--preset", "dense-32", "--epochs", "1", "--json")
    named = dlrecipes(*arguments, "--data", "full", "--data-dir", SHARED, cwd=tmp_path).document
    found = dlrecipes(*arguments, cwd=tmp_path, env={"DLRECIPES_DATA": str(SHARED)}).document
    for document in (named, found):
        assert document["data"]["rung"] == "full"
        assert document["data"]["name"] == "diamonds"
        assert sum(document["data"]["rows"].values()) == 53_940
        assert document["data"]["rows"]["test"] == 5394
    assert found["data"]["requested"] == "auto"
    assert found["data"]["fingerprint"] == named["data"]["fingerprint"]
    assert found["metrics"] == named["metrics"]


@pytest.mark.shared
def test_mnist_cnn_learns_full_mnist_in_one_small_epoch(tmp_path: Path) -> None:
    document = dlrecipes(
        *("train", MNIST, "--data", "full", "--data-dir", SHARED, "--json"),
        *("--epochs", "1", "--filters", "4,8", "--dense-units", "16", "--batch-size", "256"),
        cwd=tmp_path,
    ).document
    assert document["data"]["rung"] == "full"
    assert document["data"]["rows"] == {"train": 57_000, "validation": 3000, "test": 10_000}
    assert document["metrics"]["accuracy"] > 0.9


def test_full_data_that_cannot_be_had_is_an_error_that_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a" / "data"
    outcome = dlrecipes(
        *("train", REGRESSION, "--data", "full", "--data-dir", folder),
        cwd=tmp_path,
        code=1,
        env=OFFLINE,
    )
    assert outcome.err.startswith("Error: The full data set diamonds is not in")
    assert "--data sample" in outcome.err
    assert len(outcome.err.splitlines()) == 2
    assert outcome.out == ""
    assert files_below(tmp_path) == {}


def test_auto_without_a_network_trains_on_the_sample_and_says_so_in_one_line(
    tmp_path: Path,
) -> None:
    outcome = dlrecipes(
        *("train", REGRESSION, "--epochs", "3", "--json", "--quiet"),
        *("--data-dir", tmp_path / "data"),
        cwd=tmp_path,
        env=OFFLINE,
    )
    assert outcome.document["data"]["rung"] == "sample"
    assert outcome.document["data"]["requested"] == "auto"
    (note,) = outcome.err.splitlines()
    assert "Training on the sample instead (diamonds.csv)." in note
    assert not (tmp_path / "data").exists()
