"""The diagnosis of a training: each rule on what was recorded, and on trainings made to fail."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import CHECKOUT, MNIST, RECIPES, REGRESSION, changed, dlrecipes, recipe_source

from dlrecipes.training import diagnosis
from dlrecipes.training.diagnosis import RULES, findings, kept_epoch
from dlrecipes.training.evidence import Answers, Evidence

LOANS = "loans-mlp"
GUIDE = CHECKOUT / "docs" / "guides" / "diagnosis.md"
CONFIG = {
    "epochs": 4,
    "learning_rate": 4e-3,
    "dropout": 0.0,
    "l2": 0.0,
    "early_stopping": 0,
    "augmentation": False,
    "activation": "relu",
    "balance_classes": False,
    "validation_fraction": 0.05,
    "filters": [16, 32, 64],
    "batch_normalization": True,
}


def history(training: list[float], validation: list[float]) -> list[dict[str, float]]:
    """Return the rows of `history.csv` for losses by epoch, at one learning rate."""
    return [
        {"epoch": epoch, "learning_rate": 1.0, "loss": loss, "val_loss": val_loss}
        for epoch, (loss, val_loss) in enumerate(zip(training, validation, strict=True), start=1)
    ]


def answers(sure_if_wrong: float, wrong: int = 60) -> Answers:
    """Return 400 answers of which some are wrong, with a probability around a given one."""
    random = np.random.default_rng(0)
    right = np.arange(400) >= wrong
    around = np.where(right, 0.97, sure_if_wrong)
    sure = np.clip(around + random.normal(0, 0.02, 400), 0.3, 1)
    losses = np.where(right, -np.log(sure), 3.0)
    return Answers(right, sure, losses, np.where(right, random.integers(2, size=400), 2))


GOOD = Evidence(
    config=CONFIG,
    usual_rate=4e-3,
    history=history([0.564, 0.092, 0.034, 0.013], [0.164, 0.077, 0.058, 0.051]),
    first_loss=2.56,
    even_loss=2.303,
    guess_loss=2.288,
    validation_values=200,
    verdict="as expected",
    classes=("a", "b", "c"),
    confusion=[[90, 5, 5], [5, 90, 5], [5, 5, 90]],
    dead={"dense": 0.09},
    answers=answers(0.6, wrong=10),
    validation_losses=np.array([0.01, 0.1] * 100),
    test_losses=np.array([0.02, 0.12] * 500),
)
"""A training of `mnist-cnn` with its default settings."""
BAD = "worse than the baseline"
MADE_TO_FAIL: dict[str, dict[str, Any]] = {
    "learning rate too high": {
        "config": CONFIG | {"learning_rate": 50.0},
        "history": history([8040.0, 33166.0, 32.4, 2.37], [3.3e7, 8e5, 2.64, 2.302]),
        "dead": {"dense": 1.0},
        "confusion": [[100, 0, 0]] * 3,
        "verdict": BAD,
    },
    "learning rate too low": {
        "config": CONFIG | {"learning_rate": 1e-6},
        "history": history([2.517, 2.501, 2.489, 2.487], [2.42, 2.49, 2.48, 2.47]),
        "verdict": BAD,
    },
    "loss starts far from guessing": {
        "first_loss": 52.8,
        "config": CONFIG | {"batch_normalization": False},
        "history": history([6.74, 0.51, 0.32, 0.25], [0.63, 0.54, 0.383, 0.381]),
    },
    "underfitting": {
        "history": history([2.22, 2.05, 1.99, 1.97], [2.08, 1.97, 1.94, 1.936]),
        "verdict": BAD,
        "plain": "worse",
        "confusion": [[100, 0, 0], [50, 50, 0], [50, 50, 0]],
    },
    "too few validation rows": {
        "validation_values": 40,
        "history": history([0.5, 0.1, 0.03, 0.01], [0.1, 0.2, 0.3, 0.4]),
    },
    "test far below validation": {
        "test_losses": np.array([0.5, 1.5] * 300),
        "confusion": [[90, 10, 0], [5, 95, 0], [50, 50, 0]],
    },
    "overfitting": {"history": history([0.51, 0.4, 0.2, 0.01], [0.52, 0.518, 0.7, 1.02])},
    "label noise": {"answers": answers(0.97)},
    "one class never predicted": {
        "confusion": [[90, 10, 0], [5, 95, 0], [50, 50, 0]],
        "answers": answers(0.97),  # It is sure of the class that it takes the third for.
    },
    "dead units": {"dead": {"dense": 0.7}},
    "stopped early": {"config": CONFIG | {"epochs": 9, "early_stopping": 2}},
}


def whats(found: list[dict[str, Any]]) -> list[str]:
    """Return the names of diagnoses."""
    return [one["what"] for one in found]


def test_a_good_training_has_no_diagnosis() -> None:
    assert findings(GOOD) == []


def test_nothing_is_said_of_a_training_of_which_nothing_is_known() -> None:
    assert findings(Evidence()) == []


def test_a_training_that_got_no_answer_right_is_diagnosed() -> None:
    rows = 200
    none = Answers(
        np.zeros(rows, bool), np.full(rows, 0.9), np.full(rows, 3.0), np.zeros(rows, int)
    )
    assert "label noise" not in whats(findings(replace(GOOD, answers=none)))


@pytest.mark.parametrize("what", MADE_TO_FAIL)
def test_each_rule_sees_what_it_is_for_and_no_other_does(what: str) -> None:
    (found,) = findings(replace(GOOD, **MADE_TO_FAIL[what]))
    assert found["what"] == what
    assert found["sentence"][0].isupper()
    assert found["sentence"].endswith(".")
    assert 1 <= len(found["try"]) <= 2
    assert all(re.fullmatch(r"--[a-z0-9-]+( \S+)?", flag) for flag in found["try"])


def test_every_rule_has_a_training_that_is_made_to_fail_and_a_row_in_the_guide() -> None:
    assert set(MADE_TO_FAIL) == set(RULES)
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \| .+ \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert [name for name, _ in rows[1:]] == list(RULES)
    text = dict(rows)
    for what, numbers in {
        "learning rate too high": ("EXPLODED", "CLIMBED", "UNFITTED", "STUCK", "FAR_RATE"),
        "learning rate too low": ("STUCK", "STEADY", "UNMOVED"),
        "loss starts far from guessing": ("FAR_START", "FAR_NATS"),
        "underfitting": ("STUCK", "UNFITTED", "GAP"),
        "too few validation rows": ("FEW_VALUES",),
        "test far below validation": ("WORSE", "APART"),
        "overfitting": ("RISEN", "GAP", "LEAST_RISEN", "FORGOTTEN", "BY_HEART"),
        "label noise": ("FEWEST_MISTAKES", "SHARE_OF_MISTAKES", "CERTAIN", "AS_SURE"),
        "one class never predicted": ("FEWEST_OF_CLASS",),
        "dead units": ("DEAD",),
    }.items():
        for number in numbers:
            assert f" {getattr(diagnosis, number):g}" in text[what], f"{what}: {number}"


def test_a_rate_that_falls_is_no_sign_that_the_loss_has_settled() -> None:
    slow = history([2.50, 2.44, 2.40, 2.38], [2.50, 2.44, 2.40, 2.38])
    for row, rate in zip(slow, (1e-3, 1e-3, 5e-4, 3e-4), strict=True):
        row["learning_rate"] = rate
    seen = replace(GOOD, history=slow, verdict=BAD, usual_rate=4e-3)
    assert whats(findings(seen)) == ["learning rate too low"]


def test_a_rate_explains_that_a_plain_baseline_does_better() -> None:
    slow = history([2.1, 1.8, 1.6, 1.5], [2.0, 1.7, 1.6, 1.5])
    seen = replace(GOOD, history=slow, verdict=BAD, plain="worse")
    assert whats(findings(seen)) == ["underfitting"]
    for rate, what in ((4e-2, "learning rate too high"), (4e-4, "learning rate too low")):
        config = CONFIG | {"learning_rate": rate}
        assert whats(findings(replace(seen, config=config))) == [what]


def test_a_network_that_has_hardly_moved_from_a_good_start_has_a_low_rate() -> None:
    config = CONFIG | {"learning_rate": 1e-8}
    still = history([0.4, 0.4], [1.1, 1.1])
    seen = replace(GOOD, history=still, first_loss=1.1, verdict="a tie with the baseline")
    assert findings(seen) == []
    assert whats(findings(replace(seen, config=config))) == ["learning rate too low"]


def test_penalties_that_are_high_before_training_are_no_sign_of_a_high_rate() -> None:
    losses = history([45.0, 1.0, 0.7, 0.6], [3.8, 0.8, 0.65, 0.6])
    seen = replace(GOOD, history=losses, penalty=0.5, verdict="a tie with the baseline")
    assert whats(findings(seen)) == ["learning rate too high"]
    assert findings(replace(seen, first_penalty=90.0)) == []


def test_rows_learned_by_heart_are_overfitting_if_a_plain_baseline_does_better() -> None:
    rows = history([0.5, 0.1, 0.01, 0.001], [0.60, 0.56, 0.555, 0.55])
    seen = replace(GOOD, history=rows, verdict=BAD, plain="worse")
    assert whats(findings(seen)) == ["overfitting"]
    assert whats(findings(replace(seen, answers=answers(0.97)))) == ["label noise"]
    assert findings(replace(seen, plain="tie", verdict="a tie with the baseline")) == []


def test_a_start_at_twice_the_loss_of_guessing_among_few_classes_is_not_far() -> None:
    seen = replace(GOOD, even_loss=1.0986, guess_loss=1.0986, first_loss=2.35)
    assert findings(seen) == []
    assert whats(findings(replace(seen, first_loss=2.7))) == ["loss starts far from guessing"]


def test_what_was_learned_and_is_lost_again_is_overfitting_however_small() -> None:
    rare = history([0.23, 0.20, 0.18, 0.15], [0.18, 0.17, 0.18, 0.185])
    seen = replace(GOOD, history=rare, guess_loss=0.188, verdict=BAD, plain="worse")
    assert whats(findings(seen)) == ["overfitting"]
    assert findings(replace(seen, history=rare[:2], verdict="as expected", plain="tie")) == []


def test_early_stopping_that_the_tool_has_chosen_is_no_diagnosis() -> None:
    config = CONFIG | {"epochs": 100, "early_stopping": 50}
    seen = replace(GOOD, config=config)
    assert whats(findings(seen)) == ["stopped early"]
    assert findings(replace(seen, chosen={"early_stopping": 50})) == []


def test_the_kept_epoch_is_the_last_or_with_early_stopping_the_best() -> None:
    rows = history([3, 2, 1], [2, 1, 3])
    assert kept_epoch({"early_stopping": 0}, rows) == 3
    assert kept_epoch({"early_stopping": 1}, rows) == 2


def test_a_rate_that_is_too_high_is_said_and_the_next_command_lowers_it(tmp_path: Path) -> None:
    wild = (MNIST, "--data", "sample", "--epochs", "1", "--learning-rate", "50", "--name", "wild")
    lines = dlrecipes("train", *wild, cwd=tmp_path).out.splitlines()
    assert lines[-3].startswith("Diagnosis: The learning rate 50 is too high: ")
    assert lines[-3].endswith(" Try --learning-rate 0.004.")
    command = f"dlrecipes train --config runs/{MNIST}/wild --learning-rate 0.004"
    assert lines[-1] == f"Next: {command}"
    shown = dlrecipes("runs", "show", f"runs/{MNIST}/wild", cwd=tmp_path).out
    assert "Diagnosis: The learning rate 50 is too high" in shown
    document = dlrecipes(*command.split()[1:], "--json", cwd=tmp_path).document
    assert document["diagnosis"] == []
    assert document["config"]["epochs"] == 1
    assert document["config"]["learning_rate"] == 0.004
    assert 2.3 < document["first_loss"]["even"] < 2.31


Diagnose = Callable[..., list[str]]


@pytest.fixture
def diagnosed(tmp_path: Path) -> Diagnose:
    """Return a function that trains and returns the names of the diagnoses."""

    def train(*words: str, baseline: bool = False) -> list[str]:
        outcome = dlrecipes("train", *words, "--json", cwd=tmp_path, baseline=baseline)
        return whats(outcome.document["diagnosis"])

    return train


SAMPLE = ("--data", "sample")
TRAININGS: dict[str, tuple[str, ...]] = {
    "learning rate too high": (REGRESSION, *SAMPLE, "--learning-rate", "10", "--epochs", "5"),
    "learning rate too low": (REGRESSION, *SAMPLE, "--learning-rate", "1e-6", "--epochs", "5"),
    "loss starts far from guessing": (
        *("./unscaled.py", *SAMPLE, "--no-batch-normalization"),
        *("--learning-rate", "1e-3"),
    ),
    "underfitting": (MNIST, *SAMPLE, "--filters", "1", "--dense-units", "1"),
    "too few validation rows": (MNIST, *SAMPLE, "--validation-fraction", "0.01", "--epochs", "2"),
    "test far below validation": (LOANS, "--data", "shifted.csv"),
    "overfitting": (LOANS, "--data", "few.csv", *("--dropout", "0"), *("--early-stopping", "0")),
    "label noise": (LOANS, "--data", "noisy.csv"),
    "one class never predicted": (LOANS, "--data", "rare.csv"),
    "dead units": ("./dead.py", *SAMPLE),
    "stopped early": (LOANS, "--data", "few.csv", "--dropout", "0", "--early-stopping", "3"),
}


def clusters(rows: int, random: np.random.Generator) -> Any:
    """Return a table of two measures and the kind that they tell."""
    import pandas as pd

    centres = np.array([[2, 0], [-2, 0], [0, 2], [0, -2]])
    kinds = random.integers(4, size=rows)
    measures = (centres[kinds] + random.normal(0, 0.6, (rows, 2))).round(3)
    names = np.array(["ant", "bee", "cow", "dog"])[kinds]
    return pd.DataFrame({"width": measures[:, 0], "height": measures[:, 1], "kind": names})


def write_data(folder: Path) -> None:
    """Write the tables and recipes of the trainings that are made to fail."""
    import pandas as pd

    random = np.random.default_rng(0)
    noisy = clusters(3000, random)
    wrong = random.random(len(noisy)) < 0.25
    noisy.loc[wrong, "kind"] = random.permutation(noisy.loc[wrong, "kind"])
    noisy.to_csv(folder / "noisy.csv", index=False)
    rare = clusters(3000, random)
    rare.loc[(random.random(len(rare)) < 0.15) & (rare.kind == "ant"), "kind"] = "eel"
    rare.to_csv(folder / "rare.csv", index=False)
    shifted = clusters(3000, random)
    shifted["split"] = np.where(np.arange(3000) < 2400, "train", "test")
    shifted.loc[shifted.split == "test", "width"] += 1.7
    shifted.round(3).to_csv(folder / "shifted.csv", index=False)
    x = random.normal(size=(600, 20))
    few = pd.DataFrame(x.round(3), columns=[f"m{number}" for number in range(20)])
    few["kind"] = np.where(x[:, 0] + x[:, 1] / 2 + random.normal(size=600) > 0, "yes", "no")
    few.to_csv(folder / "few.csv", index=False)
    source = recipe_source(MNIST)
    unscaled = changed(source, "layers.Rescaling(1 / 255)", "layers.Rescaling(1.0)")
    (folder / "unscaled.py").write_text(unscaled)
    start = "bias_initializer=keras.initializers.Constant([-90.0] * 50 + [0.0] * 14)"
    dead = changed(
        source,
        "layers.Dense(config.dense_units, config.activation, ",
        f"layers.Dense(config.dense_units, config.activation, {start}, ",
    )
    (folder / "dead.py").write_text(dead)


@pytest.mark.long
@pytest.mark.parametrize("what", TRAININGS)
def test_a_training_made_to_fail_has_that_diagnosis_and_no_other(
    what: str, diagnosed: Diagnose, tmp_path: Path
) -> None:
    write_data(tmp_path)
    assert diagnosed(*TRAININGS[what], baseline=what == "underfitting") == [what]


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_with_its_default_settings_has_no_diagnosis(
    recipe: str, diagnosed: Diagnose
) -> None:
    assert diagnosed(recipe, *SAMPLE) == []
