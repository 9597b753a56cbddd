"""`train --seeds`: the mean and the spread of several trainings, and their ensemble."""

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support import (
    COMMAND,
    REGRESSION,
    changed,
    dlrecipes,
    environment,
    recipe_source,
    same_weights,
    weights_of,
)

COUNT = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table, the last rows of which are tested on, and those alone."""
    path = tmp_path_factory.mktemp("seeds")
    numbers = np.random.default_rng(0).normal(size=(160, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{a + 2 * b - c:.4f}" for a, b, c in numbers]
    named = [f"{row},{'test' if n >= 120 else 'train'}" for n, row in enumerate(rows)]
    (path / "rows.csv").write_text("\n".join(["a,b,c,y,split", *named]) + "\n")
    (path / "test.csv").write_text("\n".join(["a,b,c,y", *rows[120:]]) + "\n")
    return path


WORDS = ("train", REGRESSION, "--data", "rows.csv", "--target", "y", "--epochs", "4")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Any:
    """Return what `train --seeds --json` printed, after the second of its runs was interrupted."""
    words = (*WORDS, "--no-baseline", "--seed", "5", "--seeds", str(COUNT), "--name", "g", "--json")
    with subprocess.Popen(
        [COMMAND, *words],
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        begun = 0
        for line in process.stderr:
            begun += line.startswith("epoch 2/")
            if begun == 2:
                break
        process.terminate()
        printed, _ = process.communicate()
    assert process.returncode == 130
    assert json.loads(printed)["hint"] == f"Continue all seeds: dlrecipes {' '.join(words)}"
    return dlrecipes(*words, cwd=folder).document


@pytest.mark.long
def test_an_interrupted_group_is_continued_and_says_how_far_its_runs_differ(trained: Any) -> None:
    runs = trained["runs"]
    assert [(run["run"], run["seed"]) for run in runs] == [
        (f"g-seed{seed}", seed) for seed in (5, 6, 7)
    ]
    assert [event["what"] for event in runs[1]["events"]] == ["interrupted", "resumed"]
    for name in ("mae", "mse", "r2"):
        values = [run["metrics"][name] for run in runs]
        assert trained["mean"][name] == pytest.approx(statistics.mean(values))
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        assert trained["margin"][name] == pytest.approx(half)
        assert trained["deviation"][name] == pytest.approx(statistics.stdev(values))
        assert (trained["lowest"][name], trained["highest"][name]) == (min(values), max(values))


@pytest.mark.long
def test_each_run_is_the_one_that_its_seed_gives_alone(trained: Any, folder: Path) -> None:
    words = (*WORDS, "--no-baseline", "--seed", "6", "--name", "alone", "--json")
    alone = dlrecipes(*words, cwd=folder).document
    assert same_weights(weights_of(alone, folder), weights_of(trained["runs"][1], folder))


@pytest.mark.long
def test_the_ensemble_answers_the_mean_of_what_its_runs_predict(trained: Any, folder: Path) -> None:
    predicted = []
    for run in trained["runs"]:
        document = dlrecipes("predict", run["run"], "test.csv", "--json", cwd=folder).document
        predicted.append([entry["value"] for entry in document["predictions"]])
    lines = (folder / "test.csv").read_text().splitlines()[1:]
    truth = np.array([float(line.split(",")[-1]) for line in lines])
    errors = np.abs(np.mean(predicted, axis=0) - truth)
    assert trained["ensemble"]["mae"] == pytest.approx(errors.mean(), rel=1e-4)
    assert trained["not_ensembled"] == ""


@pytest.mark.long
def test_people_see_a_table_and_other_settings_need_another_name(
    trained: Any, folder: Path
) -> None:
    words = (*WORDS, "--no-baseline", "--seed", "5", "--seeds", "3", "--name", "g")
    shown = dlrecipes(*words, cwd=folder).out.splitlines()
    row = next(line.split() for line in shown if line.startswith("mae"))
    assert row[1:4] == [f"{trained['mean']['mae']:.4f}", "±", f"{trained['margin']['mae']:.4f}"]
    assert row[4:] == [
        f"{number:.4f}"
        for number in (
            *(trained[name]["mae"] for name in ("deviation", "lowest", "highest")),
            trained["ensemble"]["mae"],
        )
    ]
    outcome = dlrecipes(*words, "--epochs", "5", cwd=folder, code=2)
    assert f"runs/{REGRESSION}/g-seed5 was trained otherwise: epochs." in outcome.err


@pytest.mark.parametrize("count", ["1", "0", "101", "x"])
def test_a_number_of_seeds_that_makes_no_sense_is_refused(count: str, folder: Path) -> None:
    words = (*WORDS, "--seeds", count, "--json")
    assert "--seeds" in dlrecipes(*words, cwd=folder, code=2).document["error"]


def test_the_last_seed_must_be_one(folder: Path) -> None:
    words = (*WORDS, "--seeds", "2", "--seed", str(2**32 - 1))
    assert "--seed must be at most 4294967294" in dlrecipes(*words, cwd=folder, code=2).err


@pytest.mark.long
def test_side_by_side_the_bits_are_the_same_and_a_seed_that_fails_is_named(
    trained: Any, folder: Path
) -> None:
    begin = '    """Fit the network and return Keras\'s history."""\n'
    fail = "    import numpy\n    assert numpy.random.get_state()[1][0] != 6, 'none of six'\n"
    (folder / "failing.py").write_text(changed(recipe_source(REGRESSION), begin, begin + fail))
    words = ("train", "./failing.py", *WORDS[2:], "--seed", "5", "--seeds", str(COUNT))
    outcome = dlrecipes(*words, "--jobs", "2", "--name", "g", "--json", cwd=folder, code=1)
    assert "1 of 3 seeds failed. Seed 6: " in outcome.document["error"]
    assert "none of six" in outcome.document["error"]
    for run in (trained["runs"][0], trained["runs"][2]):
        assert outcome.err.count(f"seed {run['seed']}  finished  mae") == 1
        beside = {**run, "path": f"runs/failing/{run['run']}"}
        assert same_weights(weights_of(beside, folder), weights_of(run, folder))


def test_jobs_need_several_trainings(folder: Path) -> None:
    assert "--seeds 5 --jobs 2" in dlrecipes(*WORDS, "--jobs", "2", cwd=folder, code=2).err
