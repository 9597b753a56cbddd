"""Completion: a shell asks, through Typer's protocol, how what was typed can go on."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support import COMMAND, MNIST, changed, recipe_source, run_process

from dlrecipes.catalog.find import all_recipes, find_recipe

NOTHING_HEAVY = """
import sys
from dlrecipes.cli import main
code = main()
heavy = sorted({"tensorflow", "keras", "numpy", "pandas"} & set(sys.modules))
sys.exit(f"imported {heavy}" if heavy else code)
"""


def bash(words: Sequence[str], cwd: Path) -> list[str]:
    """Return what bash is told when the cursor is behind the last of these words."""
    env = {
        "_DLRECIPES_COMPLETE": "complete_bash",
        # As Typer's script for bash does it, where lines part words.
        "COMP_WORDS": "\n".join(["dlrecipes", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return run_process([COMMAND], cwd=cwd, env=env).out.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["tr"], ["train", "try"]),
        (["des"], ["describe"]),
        (["data", "f"], ["fetch"]),
        (["train", "mn"], [MNIST]),
        (["train", "--json", "regr"], ["regression-mlp"]),
        (["describe", "sent"], ["sentiment-lstm"]),
        (["copy", "text"], ["text-generation-lstm", "text-ngrams"]),
        (["benchmark", "mn"], [MNIST]),
        (["train", MNIST, "--dense"], ["--dense-units"]),
        (["train", MNIST, "--no-batch"], ["--no-batch-normalization"]),
        (["train", MNIST, "--optimizer", "ad"], ["adam", "adamw"]),
        (["train", MNIST, "--optimizer", "=", "ad"], ["adam", "adamw"]),
        (["train", MNIST, "--schedule", ""], ["cosine", "constant"]),
        (["train", MNIST, "--epochs", ""], ["4"]),
        (["train", MNIST, "--preset", "o"], ["one-conv"]),
        (["benchmark", "sentiment-lstm", "--preset", "lstm-1"], ["lstm-128"]),
        (["train", MNIST, "--set", "st"], ["steps_per_execution=", "strided="]),
        (["train", MNIST, "--set", "prec"], ["precision=float32", "precision=mixed_bfloat16"]),
        (["train", MNIST, "--set", "precision", "=", "m"], ["mixed_bfloat16"]),
        (["train", MNIST, "--set", "strided", "="], ["true", "false"]),
        (["train", "there-is-none", "--opt"], []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_bash_completes(typed: list[str], expected: list[str], tmp_path: Path) -> None:
    found = bash(typed, tmp_path)
    assert sorted(found) == sorted(expected)


def test_every_recipe_and_every_setting_is_completed(tmp_path: Path) -> None:
    assert set(bash(["train", ""], tmp_path)) == {facts.name for facts in all_recipes()}
    flags = set(bash(["train", MNIST, "--"], tmp_path))
    assert flags >= {setting.flag for setting in find_recipe(MNIST).settings}


def test_a_file_completes_its_own_settings_and_those_that_a_flag_hides(tmp_path: Path) -> None:
    text = changed(recipe_source(MNIST), "    epochs: int = 4\n", '    device: str = "red"\n')
    (tmp_path / "mine.py").write_text(changed(text, "config.precision", "config.device"))
    assert bash(["train", "./mine.py", "--set", "dev"], tmp_path) == ["device=red"]
    (tmp_path / "recipes").mkdir()
    (tmp_path / "mine.py").rename(tmp_path / "recipes" / "mine.py")
    assert bash(["train", "min"], tmp_path) == ["mine"]


def test_runs_are_completed_by_their_recipe_by_their_name_and_as_paths(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "runs" / "my-recipe" / name).mkdir(parents=True)
    assert bash(["evaluate", "my"], tmp_path) == ["my-recipe"]
    assert bash(["resume", "tw"], tmp_path) == ["two"]
    assert bash(["export", "runs/my-recipe/t"], tmp_path) == ["runs/my-recipe/two"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_the_same(shell: str, tmp_path: Path) -> None:
    def asked(typed: str) -> str:
        env = {
            "_DLRECIPES_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": typed,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        return run_process([COMMAND], cwd=tmp_path, env=env).out

    assert MNIST in asked("dlrecipes train mn")
    assert "regression-mlp" not in asked("dlrecipes train mn")
    assert "two-conv" in asked("dlrecipes train mnist-cnn --preset ")
    assert "optimizer=lion" in asked("dlrecipes train mnist-cnn --set optimizer=l")
    # What is said of each stays on its line: fish takes each line for a completion.
    assert len(asked("dlrecipes train ").splitlines()) == len(all_recipes())


@pytest.mark.parametrize("words", [[""], ["train", ""], ["train", MNIST, "--opt"]], ids=" ".join)
def test_completion_imports_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    env = {
        "_DLRECIPES_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["dlrecipes", *words]),
        "COMP_CWORD": str(len(words)),
    }
    program = tmp_path / "program.py"
    program.write_text(NOTHING_HEAVY)
    run_process([COMMAND.parent / "python", program], cwd=tmp_path, env=env)


def test_the_script_for_a_shell_can_be_installed(tmp_path: Path) -> None:
    # Without detection, which looks for the shell that the process was started from.
    env = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    run_process([COMMAND, "--install-completion", "bash"], cwd=tmp_path, env=env)
    scripts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_DLRECIPES_COMPLETE=complete_bash" in script for script in scripts)
