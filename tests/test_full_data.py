"""The data ladder: full data sets that are prepared, and what happens where there are none."""

import json
from pathlib import Path

import pytest
from support import MNIST, REGRESSION, SHARED, dlrecipes, files_below, run_python

OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""Sends every request to a port where nobody answers."""

COUNT_ROWS = """
import json, sys
from dlrecipes.datasets.published.catalog import DATA_SETS
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.ladder import open_data_set
counts = {}
for name in DATA_SETS:
    source = open_data_set(name, "full", sys.argv[1], FetchDisplay(quiet=True))
    assert source.rung == "full" and source.name == name
    splits = source.splits()
    if name == "tiny_shakespeare":
        counts[name] = {split: len(rows.features[0]) for split, rows in splits.items()}
    else:
        counts[name] = {split: len(rows) for split, rows in splits.items()}
print(json.dumps(counts))
"""


@pytest.mark.shared
def test_full_data_sets_open_with_all_their_rows(tmp_path: Path) -> None:
    counts = json.loads(run_python(COUNT_ROWS, SHARED, cwd=tmp_path).out.splitlines()[-1])
    assert counts == {
        "mnist": {"train": 60_000, "test": 10_000},
        "imdb_reviews": {"train": 25_000, "test": 25_000},
        # In characters.
        "tiny_shakespeare": {"train": 1_003_854, "validation": 55_770, "test": 55_770},
        # A fixed random tenth of its one split is held out.
        "diamonds": {"train": 48_546, "test": 5_394},
    }


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
    assert "Training on the bundled sample instead (diamonds-sample)." in note
    assert not (tmp_path / "data").exists()
