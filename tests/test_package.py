"""A package of a stranger, installed from its wheel: its recipes are used as the built-in ones.

It brings a recipe on a data set of TensorFlow Datasets that dlrecipes names nowhere, two on data
sets of its own (a function's files, and a builder's), and one with a task of its own.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prepared import HANDS, drawing
from support import (
    CHECKOUT,
    Outcome,
    build_wheel,
    dlrecipes,
    environment,
    files_below,
    install,
    run_process,
    side_by_side,
    write_image,
)

from dlrecipes.runs.lookup import read_run

pytestmark = pytest.mark.long

PROJECT = CHECKOUT / "tests" / "package"
TRACE = "FIELDWORK_IMPORTED"
"""A variable that names a file: every module of the package that is run adds its name to it."""
NOTE_IMPORT = f"""
import os

if "{TRACE}" in os.environ:
    with open(os.environ["{TRACE}"], "a") as file:
        file.write(__name__ + "\\n")
"""


@dataclass(frozen=True)
class Foreign:
    """A recipe of the package.

    Args:
        name: Its name.
        task: Its task.
        data_set: Its data set.
        sample_rows: Test rows of its sample.
        full_rows: Rows of its full data.
        headline: The metric of its task.
        better: Whether a larger one is better.
        inputs: What `predict` is given.
        files: Files that those name, by name.
        answers: Keys of what it answers, with what the first answer is.
    """

    name: str
    task: str
    data_set: str
    sample_rows: int
    full_rows: dict[str, int]
    headline: str
    better: bool
    inputs: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    answers: Callable[[dict[str, Any]], bool] = lambda answer: True


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Foreign(
            "hands-cnn",
            "image-classification",
            "rock_paper_scissors",
            12,
            {"train": 114, "validation": 6, "test": 30},
            "accuracy",
            True,
            ("sheet.png",),
            answers=lambda answer: set(answer["probabilities"]) == set(HANDS),
        ),
        Foreign(
            "tides-mlp",
            "tabular-regression",
            "tide_tables",
            40,
            {"train": 684, "validation": 36, "test": 180},
            "mae",
            False,
            ("rows.csv",),
            {"rows.csv": "place,hour,moon\ncape,3,9\nbay,12,0\n"},
            lambda answer: 250 < answer["value"] < 550,
        ),
        Foreign(
            "grains-mlp",
            "tabular-classification",
            "grain_sizes",
            20,
            {"train": 380, "validation": 20, "test": 100},
            "average_precision",
            True,
            ("rows.csv",),
            {"rows.csv": "sieves_0,sieves_1,sieves_2,sieves_3,roundness,beach\n2,2,2,2,4,north\n"},
            lambda answer: answer["label"] == "quartz",
        ),
        Foreign(
            "notes-tagger",
            "text-tagging",
            "tagged_notes",
            20,
            {"train": 665, "validation": 35, "test": 140},
            "f1_micro",
            True,
            ("Today: waves and moss to write home about.",),
            answers=lambda answer: answer["tags"] == ["sea", "wood"],
        ),
    )
}


def write_samples(package: Path) -> None:
    """Write the sample of each recipe where the package has it."""
    sys.path.insert(0, str(PROJECT))
    try:
        from fieldwork.notes import notes
        from fieldwork.sand import HEADER as GRAINS
        from fieldwork.sand import table
        from fieldwork.tides import HEADER as TIDES
        from fieldwork.tides import tides
    finally:
        sys.path.remove(str(PROJECT))
    recipes = package / "recipes"
    for number in range(60):
        name = f"{number:02}.png"
        write_image(
            recipes / "hands" / HANDS[number % 3] / name, drawing(number % 3, number, (32, 32))
        )
    (package / "data").mkdir()
    (package / "data" / "tides.csv").write_text(TIDES + "".join(tides(200)))
    (recipes / "data").mkdir()
    (recipes / "data" / "grains.csv").write_text(GRAINS + "".join(table(100)))
    lines = "\n".join(json.dumps(note) for note in notes(100))
    (recipes / "notes.jsonl").write_text(lines)


Command = Callable[..., Outcome]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment into which the package's wheel was installed."""
    folder = tmp_path_factory.mktemp("foreign")
    shutil.copytree(PROJECT, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "source" / "fieldwork"
    write_samples(package)
    for file in package.rglob("*.py"):
        file.write_text(file.read_text() + NOTE_IMPORT)
    return install(build_wheel(folder / "source", folder), folder / "environment")


@pytest.fixture(scope="module")
def data_folder(tfds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the one data set that cannot be made without a network."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(tfds_folder / "rock_paper_scissors", folder / "rock_paper_scissors")
    return folder


@pytest.fixture(scope="module")
def command(python: Path, data_folder: Path) -> Command:
    """Return the command of that environment."""

    def run(*words: str | Path, **options: Any) -> Outcome:
        env = {"DLRECIPES_DATA": str(data_folder), **options.pop("env", {})}
        return run_process([python, "-m", "dlrecipes", *words], env=env, **options)

    return run


# --- without running its code


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return a variable with which it fails the test that code of the package was run."""
    trace = tmp_path / "trace"
    yield {TRACE: str(trace)}
    assert not trace.exists(), trace.read_text()


def test_its_recipes_are_listed_and_described_and_its_code_is_not_run(
    command: Command, untouched: dict[str, str], tmp_path: Path
) -> None:
    def ask(*words: str, **options: Any) -> Outcome:
        return command(*words, cwd=tmp_path, env=untouched | options.pop("env", {}), **options)

    listed = {entry["name"]: entry for entry in ask("list", "--json").document}
    assert set(RECIPES) < set(listed)
    for name, recipe in RECIPES.items():
        assert listed[name]["task"] == recipe.task
        assert listed[name]["dataset"] == recipe.data_set
        assert "error" not in listed[name]
        described = ask("describe", name, "--json").document
        assert described["documentation"].startswith(listed[name]["summary"])
        assert "--epochs" in {setting["flag"] for setting in described["settings"]}
        shown = ask("train", name, "--help").out
        assert "--batch-size" in shown
        assert "Example: dlrecipes train" in shown
    assert all(name in ask("list").out for name in RECIPES)
    valid = {report["name"]: report for report in ask("check", "--json").document}
    assert [valid[name]["problems"] for name in RECIPES] == [[]] * len(RECIPES)
    copied = ask("copy", "fieldwork/tides-mlp", "mine.py", "--json").document
    assert (tmp_path / copied["path"]).read_text().startswith('"""Say how high the tide')
    assert "Did you mean notes-tagger?" in ask("train", "notes-taggr", code=2).err
    assert "--uints" in ask("train", "tides-mlp", "--uints", "3", code=2).err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("dlrecipes train ti", {"tides-mlp"}),
        ("dlrecipes train hands-cnn --preset ", {"tiny"}),
        ("dlrecipes train hands-cnn --fil", {"--filters"}),
        ("dlrecipes describe not", {"notes-tagger"}),
    ],
)
def test_a_shell_completes_its_recipes_and_settings_and_runs_no_code(
    line: str, offered: set[str], command: Command, untouched: dict[str, str], tmp_path: Path
) -> None:
    words = line.split(" ")
    env = {
        "_DLRECIPES_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    shown = command(cwd=tmp_path, env=untouched | env).out
    assert {word.strip() for word in shown.splitlines()} == offered


def test_a_recipe_of_the_same_name_as_ours_is_asked_for_by_its_package(
    python: Path, command: Command, tmp_path: Path
) -> None:
    (folder,) = python.parent.parent.glob("lib/python3*/site-packages/fieldwork/recipes")
    double = folder / "mnist_cnn.py"
    shutil.copy(folder / "hands_cnn.py", double)
    try:
        error = command("describe", "mnist-cnn", cwd=tmp_path, code=2).err
        assert "fieldwork/mnist-cnn" in error
        shown = command("describe", "fieldwork/mnist-cnn", cwd=tmp_path).out
        assert "rock, paper and scissors" in shown
    finally:
        double.unlink()


# --- trained on its full data and its sample, and used


@pytest.fixture(scope="module")
def trained(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a function to what `train --json` printed: all recipes are trained side by side."""
    folder = tmp_path_factory.mktemp("trained")

    def train(wanted: tuple[str, str]) -> Outcome:
        name, data = wanted
        flags = ("--data", data, "--name", data, "--no-baseline", "--json")
        return command("train", name, *flags, cwd=folder, code=None)

    @cache
    def outcomes() -> dict[tuple[str, str], Outcome]:
        return side_by_side(
            train, [(name, data) for name in RECIPES for data in ("full", "sample")]
        )

    def of(name: str, data: str) -> dict[str, Any]:
        outcome = outcomes()[name, data]
        assert outcome.code == 0, outcome
        return outcome.document | {"folder": folder / outcome.document["path"]}

    return of


@pytest.mark.parametrize("name", RECIPES)
def test_it_trains_on_its_full_data_and_beats_the_baseline(
    name: str, trained: Callable[..., Any]
) -> None:
    recipe, run = RECIPES[name], trained(name, "full")
    assert run["task"] == recipe.task
    assert run["data"]["rung"] == "full"
    assert run["data"]["name"] == recipe.data_set
    assert run["data"]["rows"] == recipe.full_rows
    assert run["headline"] == recipe.headline
    ours, baseline = run["metrics"][recipe.headline], run["baseline"]["metrics"][recipe.headline]
    assert (ours > baseline) == recipe.better
    assert run["verdict"] == "better than the baseline"


@pytest.mark.parametrize("name", RECIPES)
def test_it_trains_on_the_sample_in_its_wheel(name: str, trained: Callable[..., Any]) -> None:
    run = trained(name, "sample")
    assert run["data"]["rung"] == "sample"
    assert run["data"]["rows"]["test"] == RECIPES[name].sample_rows
    assert run["verdict"] == "better than the baseline"


@pytest.fixture(scope="module")
def asked(
    command: Command, trained: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Any]:
    """Return a function to what a run answered: all are asked side by side."""
    folder = tmp_path_factory.mktemp("asked")
    write_image(folder / "sheet.png", drawing(1, 5, (200, 180)))
    for recipe in RECIPES.values():
        (folder / recipe.name).mkdir()
        for name, content in recipe.files.items():
            (folder / recipe.name / name).write_text(content)
        shutil.copy(folder / "sheet.png", folder / recipe.name)

    def ask(wanted: tuple[str, str]) -> Outcome:
        name, what = wanted
        more = {
            "predict": RECIPES[name].inputs,
            "export": ("--output", folder / f"{name}-export"),
            "evaluate": (),
        }[what]
        path = trained(name, "full")["folder"]
        return command(what, path, *more, "--json", cwd=folder / name, code=None)

    @cache
    def outcomes() -> dict[tuple[str, str], Outcome]:
        commands = ("predict", "export", "evaluate")
        return side_by_side(ask, [(name, what) for name in RECIPES for what in commands])

    def of(name: str, what: str) -> Any:
        outcome = outcomes()[name, what]
        assert outcome.code == 0, outcome
        return outcome.document

    return of


@pytest.mark.parametrize("name", RECIPES)
def test_its_runs_predict_export_and_test_as_ours_do(
    name: str, asked: Callable[..., Any], trained: Callable[..., Any]
) -> None:
    first, *_ = asked(name, "predict")["predictions"]
    assert RECIPES[name].answers(first), first
    assert asked(name, "export")["max_abs_difference"] <= 1e-5
    assert asked(name, "evaluate")["metrics"] == trained(name, "full")["metrics"]


def test_people_see_the_answers_of_its_own_task_in_a_table(
    command: Command, trained: Callable[..., Any], tmp_path: Path
) -> None:
    run = trained("notes-tagger", "full")["folder"]
    shown = command("predict", run, "salt and bark", "a slope", cwd=tmp_path).out
    assert "sea, wood" in shown
    assert "hill" in shown


def test_its_own_task_reads_a_users_files_in_the_form_of_the_run(
    command: Command, trained: Callable[..., Any], tmp_path: Path
) -> None:
    lines = ["text,label", *("waves and moss,sea;wood", "the view,hill", "nothing,none") * 20]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    checked = command("data", "check", "mine.csv", "--task", "notes-tagger", "--json", cwd=tmp_path)
    assert checked.document["usable"]
    run = trained("notes-tagger", "full")["folder"]
    arguments = ("evaluate", run, "--data", "mine.csv", "--json")
    assert command(*arguments, cwd=tmp_path).document["metrics"]["f1_micro"] > 0.9
    (tmp_path / "other.csv").write_text("text,label\nthe sun,sky\n")
    error = command("evaluate", run, "--data", "other.csv", cwd=tmp_path, code=2).error
    assert "the tag 'sky' is unknown" in error


def test_runs_show_and_compare_name_its_recipes(
    command: Command, trained: Callable[..., Any], tmp_path: Path
) -> None:
    folders = [trained(name, "full")["folder"] for name in RECIPES]
    runs = ("--runs-dir", folders[0].parent.parent)
    listed = command("runs", *runs, "--json", cwd=tmp_path).document
    assert {entry["recipe"] for entry in listed} == set(RECIPES)
    assert "notes-tagger" in command("runs", *runs, cwd=tmp_path).out
    shown = command("runs", "show", folders[-1], cwd=tmp_path).out
    assert "f1_micro" in shown
    compared = command("runs", "compare", folders[0], folders[-1], "--json", cwd=tmp_path).document
    assert compared["warnings"]


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_resumed_after_a_kill_and_ends_the_same(
    name: str, python: Path, command: Command, data_folder: Path, tmp_path: Path
) -> None:
    arguments = ("train", name, "--data", "full", "--epochs", "5", "--json")
    process = subprocess.Popen(
        [python, "-m", "dlrecipes", *arguments, "--name", "killed"],
        cwd=tmp_path,
        env=environment({"DLRECIPES_DATA": str(data_folder)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    path = tmp_path / "runs" / name / "killed"
    resumed = command("resume", path, "--json", cwd=tmp_path).document
    straight = command(*arguments, "--name", "straight", cwd=tmp_path).document
    assert resumed["metrics"] == straight["metrics"]
    compared = command("runs", "compare", path, path.with_name("straight"), "--json", cwd=tmp_path)
    assert compared.document["warnings"] == []
    assert [event["what"] for event in read_run(path).events] == ["resumed"]


def test_what_it_has_of_its_own_is_named_where_it_is_missing(tmp_path: Path) -> None:
    """Without the package its recipe is told which task and data set it lacks."""
    shutil.copy(PROJECT / "fieldwork" / "recipes" / "notes_tagger.py", tmp_path)
    (report,) = dlrecipes("check", "notes_tagger.py", "--json", cwd=tmp_path, code=2).document
    assert any("text-tagging" in problem for problem in report["problems"])
    assert any("tagged_notes" in problem for problem in report["problems"])
    assert set(files_below(tmp_path)) == {"notes_tagger.py"}
