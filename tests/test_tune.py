"""`tune`: searches that never see the test split, and lose no trial to a kill."""

import csv
import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import COMMAND, MNIST, REGRESSION, dlrecipes, environment
from terminal import in_terminal
from test_docs import check_keys

from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.space import read_space
from recipes import BY_NAME

TRIALS = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a table that has a test split."""
    numbers = np.random.default_rng(0).normal(size=(200, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{a + 2 * b - c:.4f}" for a, b, c in numbers]
    named = [f"{row},{'test' if n >= 160 else 'train'}" for n, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,y,split", *named]) + "\n")
    return tmp_path


WORDS = (
    *("tune", REGRESSION, "--data", "rows.csv", "--target", "y", "--name", "s"),
    *("--space", "learning_rate=1e-4..1e-1,log", "--space", "hidden_units=16|32,32"),
    *("--epochs", "12", "--members", "2", "--early-stopping", "0", "--pruner", "none"),
    *("--trials", str(TRIALS), "--seeds", "2", "--json"),
)


def started(folder: Path, *more: str) -> "subprocess.Popen[str]":
    """Return a process that searches."""
    words = [COMMAND, *WORDS, *more]
    return subprocess.Popen(
        words, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def runs_of(folder: Path) -> dict[str, Any]:
    """Return the record of each run by its name."""
    files = (folder / "runs" / REGRESSION).glob("*/run.json")
    return {path.parent.name: json.loads(path.read_text()) for path in files}


@pytest.mark.tune
@pytest.mark.long
def test_a_search_that_is_killed_again_and_again_loses_no_trial_and_repeats_none(
    folder: Path,
) -> None:
    for kill in range(3):
        with started(folder) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.split()[:2] == ["trial", str(2 * kill)]:
                    break
            process.send_signal(signal.SIGKILL)
    one, other = started(folder, "--join"), started(folder, "--join")
    for process in (one, other):
        _, shown = process.communicate()
        assert process.returncode == 0, shown
    found = dlrecipes(*WORDS, "--jobs", "2", cwd=folder).document
    assert [trial["trial"] for trial in found["trials"]] == list(range(TRIALS))
    assert {trial["status"] for trial in found["trials"]} == {"complete"}
    chosen = [json.dumps(trial["settings"]) for trial in found["trials"]]
    assert len(set(chosen)) == TRIALS
    first = found["trials"][0]
    assert first["settings"]["learning_rate"] == "0.005", "the recipe's own settings come first"
    assert found["best"]["value"] == min(trial["value"] for trial in found["trials"])
    check_keys("tune", found)
    check_runs(runs_of(folder), found)
    check_file(folder, found)


def check_runs(runs: dict[str, Any], found: dict[str, Any]) -> None:
    """Fail unless every trial is a run that has not seen the test, and the best was tested."""
    for trial in found["trials"]:
        run = runs[trial["run"]]
        assert run["status"] == "finished"
        assert run["metrics"]["mae"] == trial["value"]
        assert run["data"]["rows"] == {"train": 128, "validation": 32, "test": 32}
    tested = {name: run for name, run in runs.items() if "trial" not in name}
    assert all(run["data"]["rows"]["test"] == 40 for run in tested.values())
    labels = (f"best{found['best']['trial']}", "default")
    assert sorted(tested) == [f"s-{label}-seed{n}" for label in labels for n in (0, 1)]
    assert found["comparison"]["seeds"] == [2, 2]


def check_file(folder: Path, found: dict[str, Any]) -> None:
    """Fail unless `train --config` trains with the best settings."""
    plan = dlrecipes("train", "--config", found["config"], "--plan", "--json", cwd=folder).document
    rate = plan["config"]["learning_rate"]
    assert f"{rate:.4g}" == found["best"]["settings"]["learning_rate"]
    assert plan["config"]["epochs"] == 12


@pytest.mark.tune
@pytest.mark.long
def test_a_hopeless_trial_stops_early_and_a_grid_tries_every_value_once(folder: Path) -> None:
    words = WORDS[: WORDS.index("--space")]
    searched = dlrecipes(
        *(*words, "--epochs", "30", "--members", "2", "--early-stopping", "0"),
        *("--sampler", "grid", "--space", "learning_rate=1e-9|5e-3|1e-2", "--seeds", "0", "--json"),
        cwd=folder,
    )
    trials = searched.document["trials"]
    rates = [trial["settings"]["learning_rate"] for trial in trials]
    assert sorted(rates) == ["0.005", "0.01", "1e-09"]
    assert rates[0] == "0.005", "the recipe's own settings come first"
    hopeless = trials[rates.index("1e-09")]
    assert (hopeless["status"], hopeless["value"]) == ("pruned", None)
    history = read_history(folder / "runs" / REGRESSION / hopeless["run"])
    assert len(history) <= 15, "no trial stops in the second half of its epochs"
    told = study_of(folder).trials[hopeless["trial"]].intermediate_values
    assert list(told) == list(range(1, len(history) + 1))
    judged = [float(row["val_mae"]) for row in history]
    assert list(told.values()) == pytest.approx(judged), "by the metric that decides, not the loss"


def read_history(run: Path) -> list[dict[str, str]]:
    """Return the epochs of a run."""
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def study_of(folder: Path) -> Any:
    """Return Optuna's study of a search."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path = str(folder / "runs" / REGRESSION / "s.journal")
    backend = JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))
    return optuna.load_study(study_name="s", storage=JournalStorage(backend))


@pytest.mark.tune
@pytest.mark.long
def test_a_search_in_a_database_fits_a_terminal_and_its_settings_file_says_all_that_was_typed(
    folder: Path,
) -> None:
    shown = in_terminal(
        *("tune", REGRESSION, "--data", "rows.csv", "--target", "a", "--ignore", "c"),
        *("--preset", "fast", "--epochs", "6", "--early-stopping", "0", "--pruner", "none"),
        *("--space", "dropout=0.1|0.2", "--space", "learning_rate", "--space", "l2"),
        *("--trials", "3", "--seeds", "0", "--storage", "sqlite:///search.db", "--name", "s"),
        cwd=folder,
    )
    assert shown.code == 0, shown.raw
    assert max(map(len, shown.lines)) <= 80
    rows = [line.split()[1] for line in shown.lines if line.startswith("trial  ")]
    assert rows == ["0", "1", "2", "validation"], "a row a trial, and the table of the best"
    assert (folder / "search.db").is_file()
    first = runs_of(folder)["s-trial0"]
    assert first["config"]["dropout"] == 0.0, "what is had without a search is tried as it is"
    file = tomllib.loads((folder / "runs" / REGRESSION / "s.toml").read_text())
    assert (file["target"], file["ignore"]) == ("a", "c")
    assert (file["data"], file["settings"]["waves"]) == (str(folder / "rows.csv"), 0)
    config = str(folder / "runs" / REGRESSION / "s.toml")
    plan = dlrecipes("train", "--config", config, "--plan", "--json", cwd=folder).document
    assert (plan["config"]["members"], plan["config"]["epochs"]) == (1, 6)


@pytest.mark.tune
@pytest.mark.long
def test_a_trial_tells_of_its_validation_and_stays_that_when_it_is_evaluated(folder: Path) -> None:
    words = WORDS[: WORDS.index("--trials")]
    dlrecipes(*words, "--trials", "1", "--seeds", "0", "--json", cwd=folder)
    trial = runs_of(folder)["s-trial0"]
    evaluated = dlrecipes("evaluate", "s-trial0", "--json", cwd=folder).document
    assert evaluated["metrics"]["mae"] == pytest.approx(trial["metrics"]["mae"], rel=1e-6)
    assert "rows.csv (own, validation)" in dlrecipes("runs", cwd=folder).out


def test_every_recipe_has_settings_to_search_and_its_own_values_are_among_them() -> None:
    for name in BY_NAME:
        space = read_space(find_recipe(name).settings, ())
        assert len(space) >= 3, name
        outside = [str(one) for one in space if not one.holds(one.setting.default)]
        assert outside == [], name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--space", "learning_rat=1..2"), "learning_rate"),
        (("--space", "learning_rate=0..1,log"), "above 0"),
        (("--space", "learning_rate=1..0.1"), "lowest"),
        (("--space", "optimizer=adam"), "two values"),
        (("--space", "optimizer=adam|sgdd"), "sgdd"),
        (("--space", "dropout=0..2"), "dropout"),
        (("--space", "dropout", "--space", "dropout=0..0.1"), "twice"),
        (("--trials", "0"), "--trials"),
        (("--hours", "nan"), "--hours"),
        (("--seeds", "1"), "--seeds"),
        (("--sampler", "best"), "tpe, random, grid"),
        (("--storage", "nowhere/s.journal"), "no folder nowhere"),
        (("--pruner", "x"), "halving, hyperband, none"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    outcome = dlrecipes("tune", MNIST, "--data", "sample", *words, cwd=tmp_path, code=2)
    assert said in outcome.err
    assert not (tmp_path / "runs").exists()


def test_without_optuna_tune_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('not installed')\n")
    outcome = subprocess.run(
        [sys.executable, "-m", "dlrecipes", "tune", MNIST, "--data", "sample"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert outcome.returncode == 2
    assert "pip install 'dlrecipes[tune]'" in outcome.stderr
    assert not (tmp_path / "runs").exists()
