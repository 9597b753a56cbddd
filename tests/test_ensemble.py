"""`ensemble`: a run of several, which needs none of them any more."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import REGRESSION, dlrecipes, write_sums
from test_docs import check_keys

from dlrecipes.runs.lookup import read_run

WORDS = ("train", REGRESSION, "--data", "rows.csv", "--target", "y", "--no-baseline")
SMALL = ("--epochs", "4", "--members", "2", "--hidden-units", "16")

WRONG: dict[str, Any] = {
    "data": {"data": {"fingerprint": "0"}, "said": "were trained on different data"},
    "split": {
        "data": {"rows": {"train": 100, "validation": 20, "test": 40}},
        "said": "split the data differently: 12 and 20 validation rows",
    },
    "task": {"task": "text-generation", "said": "whose answers have no mean"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table, the last rows of which are tested on."""
    return write_sums(tmp_path_factory.mktemp("ensemble"))


def values_of(run: str, folder: Path) -> Any:
    """Return what a run predicts of the rows to predict."""
    document = dlrecipes("predict", run, "test.csv", "--json", cwd=folder).document
    return np.array([entry["value"] for entry in document["predictions"]])


@pytest.fixture(scope="module")
def made(folder: Path) -> Any:
    """Return the ensemble of two runs that differ, and the mean of what those predicted.

    The runs are gone.
    """
    dlrecipes(*WORDS, *SMALL, "--name", "one", cwd=folder, report=True)
    dlrecipes(*WORDS, *SMALL, "--waves", "0", "--seed", "3", "--name", "two", cwd=folder)
    both = np.mean([values_of("one", folder), values_of("two", folder)], axis=0)
    document = dlrecipes("ensemble", "one", "two", "--name", "both", "--json", cwd=folder).document
    for name, wrong in WRONG.items():
        shutil.copytree(folder / "runs" / REGRESSION / "one", folder / "runs" / REGRESSION / name)
        record = read_run(folder / "runs" / REGRESSION / name)
        record.run = name
        record.task = wrong.get("task", record.task)
        record.data |= wrong.get("data", {})
        record.save()
        outcome = dlrecipes("ensemble", "one", name, cwd=folder, code=2)
        assert wrong["said"] in outcome.err
    assert [path.name for path in (folder / "runs" / "ensemble").iterdir()] == ["both"]
    shutil.rmtree(folder / "runs" / REGRESSION)
    return document, both


@pytest.mark.long
def test_an_ensemble_answers_the_mean_of_its_members_when_they_are_gone(
    made: Any, folder: Path
) -> None:
    document, mean = made
    check_keys("train, resume, runs", document)
    assert np.allclose(values_of("both", folder), mean, rtol=1e-6)
    evaluated = dlrecipes("evaluate", "both", "--json", cwd=folder).document
    assert evaluated["metrics"] == document["metrics"]
    exported = dlrecipes("export", "both", "--json", cwd=folder).document
    assert exported["max_abs_difference"] < 1e-5


@pytest.mark.long
def test_it_names_its_members_and_compares_itself_with_the_best(made: Any, folder: Path) -> None:
    ensemble = made[0]["ensemble"]
    assert [(one["run"], one["seed"]) for one in ensemble["members"]] == [("one", 0), ("two", 3)]
    best = min(ensemble["members"], key=lambda one: one["metrics"]["mae"])
    assert ensemble["best"] == f"{REGRESSION}/{best['run']}"
    shown = dlrecipes("runs", "show", "both", cwd=folder).out
    assert f"Best member on these test examples: {ensemble['best']}. " in shown
    assert f"{REGRESSION}/two" in shown


@pytest.mark.long
@pytest.mark.parametrize("words", [["resume"], ["reproduce"], ["eject"]], ids=lambda one: one[0])
def test_what_needs_a_training_is_refused(words: list[str], made: Any, folder: Path) -> None:
    given = ["script.py"] if words == ["eject"] else []
    outcome = dlrecipes(*words, "both", *given, cwd=folder, code=2)
    assert "The run both is an ensemble" in outcome.err
    assert not (folder / "script.py").exists()


def test_an_ensemble_needs_two_runs_that_there_are(tmp_path: Path) -> None:
    document = dlrecipes("ensemble", "one", "two", "--json", cwd=tmp_path, code=2).document
    assert "There is no run 'one'" in document["error"]
