"""Which run is meant, which run answers, and how runs are removed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import (
    COMMAND,
    MNIST,
    REGRESSION,
    dlrecipes,
    environment,
    files_below,
    mnist_test_images,
    sample_table,
    write_image,
)

from dlrecipes.runs.lookup import find_run, read_run

RunOf = Callable[[str], dict[str, Any]]


def place(run: dict[str, Any], folder: Path, *names: str, fingerprint: str = "") -> None:
    """Copy a finished run into a folder of runs, under other names, each a minute later."""
    for minute, name in enumerate(names):
        path = folder / run["recipe"] / name
        shutil.copytree(run["path"], path)
        copied = read_run(path)
        copied.run, copied.started = name, f"2026-01-01T0{minute}:00:00+00:00"
        if fingerprint and minute == 0:
            copied.data["fingerprint"] = fingerprint
            copied.data["name"] = "my-stones.csv"
            copied.data["rung"] = "own"
        copied.save()


def test_a_run_is_named_by_the_beginning_of_its_name(run_of: RunOf, tmp_path: Path) -> None:
    place(run_of(REGRESSION), tmp_path / "runs", "20260101-a1", "20260101-b2", "longer")
    for text, name in (
        ("20260101-a", "20260101-a1"),
        (f"{REGRESSION}/long", "longer"),
        ("longer", "longer"),
    ):
        assert find_run(text, tmp_path / "runs").run == name
    several = dlrecipes("runs", "show", "2026", cwd=tmp_path, code=2).err
    assert "could be any of 2 runs" in several
    assert f"{REGRESSION}/20260101-a1, {REGRESSION}/20260101-b2" in several
    exact = dlrecipes("runs", "show", "longer", "--json", cwd=tmp_path).document
    assert exact["run"] == "longer"


def test_a_recipes_name_is_never_the_beginning_of_a_runs_name(
    run_of: RunOf, tmp_path: Path
) -> None:
    place(run_of(REGRESSION), tmp_path / "runs", f"{MNIST}-like")
    error = dlrecipes("evaluate", MNIST, cwd=tmp_path, code=2).err
    assert f"Train it first: dlrecipes train {MNIST}" in error


@pytest.mark.long
def test_predict_says_which_run_answers_and_that_the_one_before_had_other_data(
    run_of: RunOf, tmp_path: Path
) -> None:
    place(run_of(REGRESSION), tmp_path / "runs", "before", "latest", fingerprint="0" * 16)
    rows = sample_table("diamonds.csv", "test").head(2).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    outcome = dlrecipes("predict", REGRESSION, "rows.csv", "--json", cwd=tmp_path)
    assert outcome.document["run"] == "latest"
    assert outcome.document["data"]["name"] == run_of(REGRESSION)["data"]["name"]
    using, note = outcome.err.splitlines()
    assert using.startswith(f"Using run latest of {REGRESSION}, trained 2026-01-01 0")
    assert using.endswith("on diamonds (sample).")
    assert "before, on my-stones.csv (own)" in note
    named = dlrecipes("predict", "latest", "rows.csv", cwd=tmp_path).err
    assert len(named.splitlines()) == 1, "who names a run knows which"


def test_runs_rm_removes_what_was_named_and_nothing_else(run_of: RunOf, tmp_path: Path) -> None:
    place(run_of(REGRESSION), tmp_path / "runs", "a1", "a2", "b")
    before = files_below(tmp_path)
    unasked = dlrecipes("runs", "rm", "a1", "b", cwd=tmp_path, code=2)
    assert "--yes" in unasked.err
    whole_recipe = dlrecipes("runs", "rm", REGRESSION, "--yes", cwd=tmp_path, code=2)
    assert f"{REGRESSION} is a recipe" in whole_recipe.err
    assert (
        "could be any of 2 runs" in dlrecipes("runs", "rm", "a", "--yes", cwd=tmp_path, code=2).err
    )
    missing = dlrecipes("runs", "rm", "b", "nothing", "--yes", cwd=tmp_path, code=2)
    assert "There is no run 'nothing'" in missing.err
    assert files_below(tmp_path) == before, "all of them or none"
    removed = dlrecipes("runs", "rm", "a1", "b", "--yes", "--json", cwd=tmp_path).document
    assert [one["run"] for one in removed["removed"]] == ["a1", "b"]
    assert removed["bytes"] > 0
    assert {path.name for path in (tmp_path / "runs" / REGRESSION).iterdir()} == {"a2"}
    dlrecipes("runs", "rm", "runs/regression-mlp/a2", "--yes", cwd=tmp_path)
    assert files_below(tmp_path / "runs") == {}


def test_runs_rm_removes_a_run_whose_record_is_damaged(run_of: RunOf, tmp_path: Path) -> None:
    place(run_of(REGRESSION), tmp_path / "runs", "damaged")
    (tmp_path / "runs" / REGRESSION / "damaged" / "run.json").write_text("{")
    dlrecipes("runs", "rm", "damaged", "--yes", cwd=tmp_path)
    assert not (tmp_path / "runs" / REGRESSION).exists()


@pytest.mark.long
def test_runs_rm_refuses_a_run_that_is_being_trained(tmp_path: Path) -> None:
    words = ("train", REGRESSION, "--data", "sample", "--epochs", "1000", "--name", "mine")
    with subprocess.Popen(
        [COMMAND, *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("epoch 1/"))
        try:
            refused = dlrecipes("runs", "rm", "mine", "--yes", cwd=tmp_path, code=2)
            assert f"The run mine is being trained by process {process.pid}." in refused.err
            assert (tmp_path / "runs" / REGRESSION / "mine" / "run.json").is_file()
        finally:
            process.kill()
            process.communicate()


@pytest.mark.long
def test_a_run_from_elsewhere_is_reproduced_where_runs_looks(run_of: RunOf, tmp_path: Path) -> None:
    path = run_of(REGRESSION)["path"]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    found = dlrecipes("reproduce", path, "--json", cwd=here).document
    assert found["same"]
    assert found["path"].startswith(f"runs/{REGRESSION}/")
    assert [run["run"] for run in dlrecipes("runs", "--json", cwd=here).document] == [
        found["reproduction"]
    ]
    other = dlrecipes("reproduce", path, "--runs-dir", there, "--json", cwd=here).document
    assert Path(other["path"]).is_relative_to(there)


@pytest.mark.parametrize("name", ["photos/one.png", "."])
def test_the_note_never_mixes_with_the_answers(name: str, run_of: RunOf, tmp_path: Path) -> None:
    write_image(tmp_path / "photos" / "one.png", mnist_test_images()[0][0])
    outcome = dlrecipes("predict", run_of(MNIST)["path"], name, cwd=tmp_path)
    assert "Using run" in outcome.err
    assert "Using run" not in outcome.out
