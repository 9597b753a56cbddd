"""`--fail-below`, `--fail-above` and `--fail-on`: for CI and for classes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import (
    EACH,
    MNIST,
    REGRESSION,
    WITHOUT_TENSORFLOW,
    changed,
    dlrecipes,
    recipe_source,
    run_python,
)

from dlrecipes.catalog.facts import read_facts
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.metrics import metrics_of
from dlrecipes.cli import limits
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import read_run

RunOf = Callable[[str], dict[str, Any]]
BAD = ("--data", "sample", "--epochs", "1", "--learning-rate", "1e-9", "--schedule", "constant")
"""Settings of regression-mlp with which it is worse than always answering the median."""


def test_a_training_that_ends_too_bad_exits_with_1_after_all_is_saved(tmp_path: Path) -> None:
    outcome = dlrecipes(
        *("train", REGRESSION, *BAD, "--name", "bad", "--json"),
        *("--fail-above", "mae=300", "--fail-below", "r2=0.9", "--fail-on", "worse"),
        cwd=tmp_path,
        code=1,
    )
    document = outcome.document
    assert document["status"] == "finished"
    assert document["verdict"] == "worse than the baseline"
    failures = [line for line in outcome.err.splitlines() if line.startswith("Failed: ")]
    assert failures[0].startswith("Failed: r2 is ")
    assert failures[0].endswith(", which is below 0.9.")
    assert failures[1].endswith(", which is above 300.")
    assert failures[2] == "Failed: The result is worse than the baseline."
    assert read_run(tmp_path / "runs" / REGRESSION / "bad").status == "finished"
    shown = dlrecipes("resume", "bad", "--fail-on", "worse", cwd=tmp_path, code=1)
    assert "Verdict: worse than the baseline" in shown.out


@pytest.mark.long
def test_a_training_that_is_good_enough_exits_with_0(tmp_path: Path) -> None:
    dlrecipes(
        *("train", REGRESSION, "--data", "sample", "--fail-above", "mae=1000"),
        *("--fail-below", "r2=0.5", "--fail-on", "worse"),
        cwd=tmp_path,
    )


def test_evaluate_takes_the_same_limits(run_of: RunOf, tmp_path: Path) -> None:
    path = run_of(MNIST)["path"]
    accuracy = run_of(MNIST)["metrics"]["accuracy"]
    good = ("--fail-below", f"accuracy={accuracy - 0.01}", "--fail-on", "worse")
    dlrecipes("evaluate", path, *good, cwd=tmp_path)
    outcome = dlrecipes(
        "evaluate", path, "--fail-below", "accuracy=1", "--json", cwd=tmp_path, code=1
    )
    assert outcome.document["metrics"]["accuracy"] == accuracy
    assert "which is below 1." in outcome.err
    wrong = dlrecipes("evaluate", path, "--fail-below", "acuracy=1", cwd=tmp_path, code=2)
    assert "Did you mean accuracy?" in wrong.err


REFUSED = {
    "no value": (("--fail-below", "accuracy"), "--fail-below must be METRIC=VALUE"),
    "no number": (("--fail-below", "accuracy=high"), "--fail-below must be METRIC=VALUE"),
    "another word": (("--fail-on", "better"), "--fail-on must be worse"),
    "a misspelled metric": (("--fail-below", "acuracy=0.9"), "Did you mean accuracy?"),
    "a metric of another task": (("--fail-above", "mae=3"), "has no test metric 'mae'"),
    "an error the wrong way round": (
        ("--fail-below", "loss=3"),
        "Did you mean --fail-above loss=3?",
    ),
    "a score the wrong way round": (
        ("--fail-above", "accuracy=0.9"),
        "Did you mean --fail-below accuracy=0.9?",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_limit_that_cannot_be_meant_is_refused_before_tensorflow_is_started(
    name: str, tmp_path: Path
) -> None:
    flags, sentence = REFUSED[name]
    words = ("train", MNIST, "--data", "sample", *flags)
    assert sentence in run_python(WITHOUT_TENSORFLOW, *words, cwd=tmp_path, code=2).err


@pytest.mark.parametrize("recipe", EACH)
def test_the_metrics_that_a_recipe_can_have_are_those_that_it_has(
    recipe: str, run_of: RunOf
) -> None:
    found, known = set(run_of(recipe)["metrics"]), set(metrics_of(find_recipe(recipe)))
    if recipe == "land-unet":
        assert not known, "a metric for each class: nobody can know"
    elif recipe == "loans-mlp":
        assert found < known, "two classes, or more"
    else:
        assert found == known


TESTED = "dlrecipes.regression_metrics(dlrecipes.mean_of_members(model), data.test)"


def test_a_recipes_own_metrics_can_be_limited(tmp_path: Path) -> None:
    text = changed(
        recipe_source(REGRESSION),
        f"    return {TESTED}\n",
        f'    found = {TESTED}\n    return {{**found, "half": 1}}\n',
    )
    (tmp_path / "own.py").write_text(text)
    assert "half" in metrics_of(read_facts(tmp_path / "own.py"))
    (tmp_path / "any.py").write_text(text.replace(TESTED, "model.evaluate(data.test)"))
    assert metrics_of(read_facts(tmp_path / "any.py")) == [], "nobody can know"


def test_limits_are_kept_at_their_value_and_broken_by_nan() -> None:
    wanted = limits.parse(["accuracy=0.9"], ["mae=3"], "worse")
    assert wanted.failures({"accuracy": 0.9, "mae": 3.0}, "as expected") == []
    assert wanted.failures({"accuracy": 0.91, "mae": 2.0}, "a tie with the baseline") == []
    assert len(wanted.failures({"accuracy": None, "mae": float("nan")}, "unknown")) == 2
    assert wanted.failures({"acc": 1.0, "mae": 1.0}, "worse than expected") == [
        "The result has no test metric 'accuracy'. It has acc, mae.",
        "The result is worse than expected.",
    ]
    with pytest.raises(InputError):
        limits.parse(["=0.9"], None, "")


@pytest.mark.long
def test_a_users_folder_called_as_our_data_is_not_judged_by_our_band(
    run_of: RunOf, tmp_path: Path
) -> None:
    from support import mnist_test_images, write_image_folders

    images, digits = mnist_test_images()
    write_image_folders(tmp_path / "mnist", images[:300], digits[:300])
    document = dlrecipes(
        *("train", MNIST, "--data", "mnist", "--json", "--name", "mine"), cwd=tmp_path
    ).document
    assert document["data"]["name"] == "mnist"
    assert document["expected"] == {}
    assert document["not_expected"] == "this is your own data"
    assert document["verdict"] in ("better than the baseline", "worse than the baseline")


@pytest.mark.long
def test_a_copied_and_changed_recipe_is_not_judged_by_the_originals_band(tmp_path: Path) -> None:
    dlrecipes("copy", REGRESSION, "regression_mlp.py", cwd=tmp_path)
    same = dlrecipes(
        "train", "./regression_mlp.py", "--data", "sample", "--json", cwd=tmp_path
    ).document
    assert same["verdict"] == "as expected"
    path = tmp_path / "regression_mlp.py"
    path.write_text(path.read_text() + "\n# Mine.\n")
    document = dlrecipes(
        "train", "./regression_mlp.py", "--data", "sample", "--json", cwd=tmp_path
    ).document
    assert document["metrics"] == same["metrics"]
    assert document["verdict"] == "better than the baseline"
    assert document["not_expected"] == "this recipe is your own, or changed"
    shutil.rmtree(tmp_path / "runs")
