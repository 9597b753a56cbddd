"""`train --plan`: what a training will take, without training."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import CHEAP, EACH, MNIST, REGRESSION, dlrecipes, files_below, selected, side_by_side

from dlrecipes.system.backend import load_tensorflow
from recipes import BY_NAME

RunOf = Callable[[str], dict[str, Any]]
PARTS = ("start", "load", "build", "fit", "evaluate", "save")

NO_NETWORK = dict.fromkeys(
    ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
)
"""Sends every request to a port where nobody answers."""


@pytest.fixture(scope="module")
def plans(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return the plan of each recipe on its sample, and what is left in its folder."""

    def plan(recipe: str) -> Any:
        folder = tmp_path_factory.mktemp(recipe)
        asked = ("train", recipe, "--data", "sample", *CHEAP[recipe])
        document = dlrecipes(*asked, "--plan", "--json", cwd=folder).document
        return document, files_below(folder)

    return side_by_side(plan, selected(request))


@pytest.mark.parametrize("recipe", EACH)
def test_a_plan_has_all_its_figures_and_leaves_nothing(plans: dict[str, Any], recipe: str) -> None:
    plan, left = plans[recipe]
    assert left == {}
    assert plan["recipe"] == recipe
    assert plan["device"] == "cpu"
    assert plan["data"]["rung"] == plan["data"]["measured"] == "sample"
    seconds = plan["seconds"]
    assert set(seconds) == {"total", "error", *PARTS}
    assert all(value > 0 for value in seconds.values())
    assert seconds["total"] == pytest.approx(sum(seconds[part] for part in PARTS), abs=0.05)
    assert plan["bytes"]["download"] == 0
    assert plan["bytes"]["disk"] == plan["bytes"]["checkpoints"] + plan["bytes"]["files"]
    assert 1e8 < plan["peak_memory_bytes"] < 1e11
    assert plan["parameters"] > 0
    assert plan["measured_steps"] > 0


@pytest.mark.parametrize("recipe", EACH)
def test_a_plan_counts_the_rows_steps_and_epochs_that_training_has(
    plans: dict[str, Any], recipe: str, run_of: RunOf
) -> None:
    plan, run = plans[recipe][0], run_of(recipe)
    assert plan["rows"] == run["data"]["rows"] == BY_NAME[recipe].rows
    assert plan["epochs"] == run["config"]["epochs"]
    assert plan["steps_per_epoch"] == math.ceil(plan["rows"]["train"] / run["config"]["batch_size"])
    assert plan["parameters"] == run["parameters"]


@pytest.mark.long
def test_more_epochs_take_longer_and_the_files_of_a_run_are_foreseen(
    tmp_path: Path,
) -> None:
    asked = {
        "short": (*CHEAP[REGRESSION], "--plan"),
        "plan": ("--epochs", "3000", "--hidden-units", "8", "--plan"),
        "run": ("--epochs", "5"),
    }
    documents = side_by_side(
        lambda name: (
            dlrecipes(
                *("train", REGRESSION, "--data", "sample", "--json"), *asked[name], cwd=tmp_path
            ).document
        ),
        asked,
    )
    short, longer, run = documents["short"], documents["plan"], documents["run"]
    assert longer["epochs"] == 3000
    assert longer["config"]["hidden_units"] == [8]
    assert longer["seconds"]["fit"] > 10 * short["seconds"]["fit"]
    taken = sum(len(content) for content in files_below(tmp_path / run["path"]).values())
    # The best checkpoint may be among the last ones; TensorBoard's logs grow with the epochs.
    assert taken == pytest.approx(short["bytes"]["disk"], rel=0.5)


@pytest.mark.long
def test_full_data_that_is_not_here_is_not_downloaded_but_its_bytes_are_named(
    tmp_path: Path,
) -> None:
    asked = ("train", REGRESSION, "--data", "full", "--data-dir", tmp_path / "data", "--plan")
    outcomes = side_by_side(
        lambda more: dlrecipes(*asked, *more, cwd=tmp_path, env=NO_NETWORK),
        [("--json",), ("--preset", "dense-32")],
    )
    plan = outcomes["--json",].document
    assert plan["bytes"]["download"] > 2_000_000
    assert plan["bytes"]["prepare"] > plan["bytes"]["download"]
    assert plan["data"] == {"name": "diamonds", "rung": "full", "measured": "sample"}
    assert plan["rows"]["train"] == pytest.approx(46_119, rel=0.01)
    assert plan["steps_per_epoch"] == pytest.approx(46_119 / 256, rel=0.05)
    assert any(
        "Estimated on the sample (diamonds-sample), scaled" in note for note in plan["notes"]
    )
    people = ("--preset", "dense-32")
    for words in (
        "regression-mlp on diamonds (full): 46,",
        "hidden_units 32",
        "10 epochs of 1,4",
        "total, from start to exit",
        "Memory: ",
        "Disk: ",
        "Download: 2.8 MB",
        "it takes a download of 2.8 MB",
        "Next: the same command without --plan",
    ):
        assert words in outcomes[people].out
    assert outcomes[people].err == ""
    assert files_below(tmp_path) == {}


@pytest.mark.long
@pytest.mark.parametrize("at_once", ["1", "20"])
def test_of_short_epochs_more_than_two_are_timed(tmp_path: Path, at_once: str) -> None:
    arguments = ("train", REGRESSION, "--data", "sample", "--steps-per-execution", at_once)
    plan = dlrecipes(*arguments, "--plan", "--json", cwd=tmp_path).document
    assert plan["measured_steps"] > 2 * plan["steps_per_epoch"]


def test_the_last_steps_of_an_epoch_may_be_fewer_than_are_taken_at_once() -> None:
    load_tensorflow()
    from dlrecipes.training.logs import steps_done

    assert [steps_done(batch, 30) for batch in (19, 39)] == [20, 30]
    assert [steps_done(batch, 0) for batch in (19, 39)] == [20, 40]


def test_a_plan_of_settings_that_cannot_be_built_is_refused(tmp_path: Path) -> None:
    flags = ("--data", "sample", "--filters", "4,4,4,4,4,4,4")
    outcome = dlrecipes("train", MNIST, *flags, "--plan", "--json", cwd=tmp_path, code=2)
    assert "model cannot be built" in outcome.document["error"]
    assert files_below(tmp_path) == {}


def test_a_plan_of_an_unknown_recipe_is_refused_with_the_nearest(tmp_path: Path) -> None:
    outcome = dlrecipes("train", "mnist-cn", "--plan", cwd=tmp_path, code=2)
    assert "Did you mean mnist-cnn?" in outcome.err
