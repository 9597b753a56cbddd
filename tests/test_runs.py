"""`runs`: filters, sorting, notes, and what `prune` removes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import MNIST, REGRESSION, dlrecipes, run_python

from dlrecipes.runs.lookup import read_run

RunOf = Callable[[str], dict[str, Any]]
RUNS = {
    "good": (REGRESSION, "finished", 250.0),
    "better": (REGRESSION, "finished", 200.0),
    "worse": (REGRESSION, "finished", 400.0),
    "broken": (REGRESSION, "failed", None),
    "halted": (REGRESSION, "interrupted", None),
    "digits": (MNIST, "finished", 0.9),
}
"""Recipe, status and result of each run, in the order of their start."""


WITHOUT_NUMPY = """
import sys
from dlrecipes.cli import main

code = main(sys.argv[1:])
assert not {"numpy", "dlrecipes.tasks", "pygal", "jinja2"} & set(sys.modules), "it imported more"
sys.exit(code)
"""


@pytest.fixture
def folder(run_of: RunOf, tmp_path: Path) -> Path:
    """Return a folder with runs of different results."""
    for hour, (name, (recipe, status, result)) in enumerate(RUNS.items()):
        path = tmp_path / "runs" / recipe / name
        shutil.copytree(run_of(recipe)["path"], path)
        run = read_run(path)
        run.run, run.status, run.started = name, status, f"2026-01-01T0{hour}:00:00+00:00"
        run.metrics = {run.headline: result} if result is not None else {}
        run.seconds["total"] = float(len(name))
        run.save()
    return tmp_path


def names(folder: Path, *flags: str) -> list[str]:
    """Return the names of the runs that are listed."""
    return [run["run"] for run in dlrecipes("runs", *flags, "--json", cwd=folder).document]


def test_runs_are_filtered_and_sorted_with_the_best_last(folder: Path) -> None:
    assert names(folder) == [*RUNS]
    assert names(folder, "--recipe", MNIST) == ["digits"]
    assert names(folder, "--status", "failed") == ["broken"]
    assert names(folder, "--limit", "2") == ["halted", "digits"]
    best = names(folder, "--recipe", REGRESSION, "--status", "finished", "--sort", "result")
    assert best == ["worse", "good", "better"]
    assert names(folder, "--sort", "time")[0] == "good"
    assert names(folder, "--recipe", MNIST, "--sort", "size", "--limit", "1") == ["digits"]
    for flags, said in (
        (("--status", "gone"), "--status must be one of running, finished"),
        (("--sort", "age"), "--sort must be one of started, result, time, size"),
        (("--limit", "0"), "--limit must be at least 1"),
        (("--recipe", "../../other"), "--recipe must be the name of a recipe"),
    ):
        assert said in dlrecipes("runs", *flags, cwd=folder, code=2).err


def test_a_list_of_runs_imports_no_more_than_it_needs(folder: Path) -> None:
    for words in (("runs",), ("runs", "--sort", "result"), ("runs", "prune", "--yes")):
        run_python(WITHOUT_NUMPY, *words, cwd=folder)


def test_a_note_is_kept_shown_and_removed(folder: Path) -> None:
    dlrecipes("runs", "note", "better", "wider,  on\nthe new [rows]", cwd=folder)
    assert "wider, on the new [rows]" in dlrecipes("runs", cwd=folder).out
    assert "wider, on the new [rows]" in dlrecipes("runs", "show", "better", cwd=folder).out
    dlrecipes("report", "better", cwd=folder)
    report = (folder / "runs" / REGRESSION / "better" / "report.html").read_text("utf-8")
    assert "wider, on the new [rows]" in report
    dlrecipes("evaluate", "better", "--json", cwd=folder)
    found = dlrecipes("runs", "note", "better", "", "--json", cwd=folder).document
    assert found["note"] == ""
    assert read_run(folder / "runs" / REGRESSION / "better").note == ""
    assert not (folder / "runs" / REGRESSION / "better" / ".lock").exists()
    outcome = dlrecipes("runs", "note", "better", "x" * 2001, cwd=folder, code=2)
    assert "at most 2,000 characters" in outcome.err


def test_prune_removes_failed_runs_and_keeps_the_best_and_those_with_a_note(folder: Path) -> None:
    dlrecipes("runs", "note", "halted", "look into this", cwd=folder)
    asked = dlrecipes("runs", "prune", cwd=folder, code=2)
    assert "Removing 1 run" in asked.err
    assert "add --yes" in asked.err
    assert names(folder) == [*RUNS]
    found = dlrecipes("runs", "prune", "--yes", "--json", cwd=folder).document
    assert [run["run"] for run in found["removed"]] == ["broken"]
    assert found["bytes"] > 0
    dlrecipes("runs", "prune", "--keep", "1", "--yes", cwd=folder)
    assert names(folder) == ["better", "halted", "digits"]
    said = dlrecipes("runs", "prune", "--keep", "1", "--yes", cwd=folder).out
    assert "There is nothing to remove." in said
    assert (
        "--keep must be at least 1"
        in dlrecipes("runs", "prune", "--keep", "0", cwd=folder, code=2).err
    )


def test_prune_of_checkpoints_leaves_a_run_that_works(folder: Path) -> None:
    path = folder / "runs" / REGRESSION / "better"
    assert (path / "checkpoints").is_dir()
    asked = ("runs", "prune", "--checkpoints", "--recipe", REGRESSION, "--yes", "--json")
    found = dlrecipes(*asked, cwd=folder).document
    assert sorted(run["run"] for run in found["removed"]) == ["better", "good", "worse"]
    assert not (path / "checkpoints").exists()
    assert (folder / "runs" / REGRESSION / "halted" / "checkpoints").is_dir()
    dlrecipes("evaluate", "better", "--json", cwd=folder)
