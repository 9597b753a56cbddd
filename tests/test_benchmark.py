"""`benchmark`: samples a second and latencies of the recipes on this machine."""

from pathlib import Path
from typing import Any

import pytest
from support import MNIST, RECIPES, REGRESSION, dlrecipes, files_below

SHORT = ("--seconds", "0.2")


def assert_plausible(document: dict[str, Any]) -> None:
    """Fail unless every figure is there and can be true."""
    assert document["parameters"] > 0
    assert document["training_samples_per_second"] > 0
    assert document["inference_samples_per_second"] > 0
    assert set(document["latency_ms"]) == {"1", "32"}
    for latency in document["latency_ms"].values():
        assert latency["calls"] >= 3
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
    assert document["device"] == "cpu"
    assert document["machine"]["cores"] >= 1
    assert {"python", "tensorflow", "keras"} <= set(document["versions"])


@pytest.mark.long
def test_all_recipes_are_measured_into_one_document(tmp_path: Path) -> None:
    documents = dlrecipes("benchmark", *SHORT, "--json", cwd=tmp_path).document
    assert sorted(document["recipe"] for document in documents) == sorted(RECIPES)
    for document in documents:
        assert_plausible(document)
        assert document["data"]["rung"] == "sample"
    assert files_below(tmp_path) == {}


def test_a_recipe_file_is_measured_with_its_settings_in_a_table_for_people(tmp_path: Path) -> None:
    dlrecipes("copy", REGRESSION, "mine.py", cwd=tmp_path)
    flags = ("--preset", "dense-32", "--hidden-units", "8")
    outcome = dlrecipes("benchmark", "./mine.py", *flags, *SHORT, cwd=tmp_path)
    header, row, _, latency, *_ = outcome.out.splitlines()
    assert header.split() == ["recipe", "parameters", "training", "samples/s", "predictions/s"]
    assert latency.split() == [
        "recipe",
        "inputs",
        "in",
        "a",
        "call",
        "p50",
        "(ms)",
        "p90",
        "(ms)",
        "p99",
        "(ms)",
    ]
    # 29 columns (6 numbers, and 3 categories with one for the unseen), 8 units, one number out.
    assert row.split()[:2] == ["mine", str(30 * 8 + 9)]
    assert "Next: dlrecipes train ./mine.py" in outcome.out
    assert set(files_below(tmp_path)) == {"mine.py"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mnist-cn",), "Did you mean mnist-cnn?"),
        ((MNIST, "--seconds", "0"), "--seconds must be above 0"),
        ((MNIST, "--preset", "two-con"), "Did you mean two-conv?"),
        ((MNIST, "--data", "nowhere"), "--data must be"),
        (("--preset", "two-conv"), "--preset needs a recipe"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_a_hint(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    assert said in dlrecipes("benchmark", *arguments, cwd=tmp_path, code=2).err


def test_help_shows_the_settings_of_the_recipe_and_an_example(tmp_path: Path) -> None:
    shown = dlrecipes("benchmark", MNIST, "--help", cwd=tmp_path).out
    assert "--batch-size" in shown
    assert "Example: dlrecipes benchmark mnist-cnn" in shown
