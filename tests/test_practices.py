"""Every practice, switched by itself with all else at its default, trains to a sensible result."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import MNIST, REGRESSION, SENTIMENT, run_python

from dlrecipes.catalog.config_files import ConfigFile, resolve_settings
from dlrecipes.catalog.find import find_recipe
from dlrecipes.tasks import find_task
from recipes import BY_NAME

SHARE = 0.7
"""Of what the default settings gain on the baseline, what every practice must gain at least."""

TRAIN_EACH = """
import contextlib, io, json, sys
from dlrecipes.cli import main

documents = []
for flags in sys.argv[2:]:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        alone = ["--data", "sample", "--no-baseline", "--no-report", "--json"]
        code = main(["train", sys.argv[1], *alone, *flags.split()])
    assert code == 0, f"{flags}: {shown.getvalue()}"
    documents.append(json.loads(shown.getvalue()))
print(json.dumps(documents))
"""


def practices(recipe: str) -> list[str]:
    """Return what is switched by itself: every other optimizer, and what the recipe's file says."""
    settings = {setting.name: setting for setting in find_recipe(recipe).settings}
    optimizer = settings["optimizer"]
    others = [str(name) for name in optimizer.type.choices if name != optimizer.default]
    return [*(f"--optimizer {name}" for name in others), *BY_NAME[recipe].practices]


@cache
def gains(recipe: str, folder: Path) -> dict[str, float]:
    """Return how far each practice comes from the baseline, where the default settings come to 1.

    All are trained by the real command, in one process, which starts TensorFlow once.
    """
    switched, shorter = practices(recipe), BY_NAME[recipe].shorter
    flags = [f"{shorter} {practice}" for practice in ["", *switched]]
    documents: list[dict[str, Any]] = json.loads(
        run_python(TRAIN_EACH, recipe, *flags, cwd=folder).out
    )
    metric = find_task(find_recipe(recipe).task).headline.name
    values = [document["metrics"][metric] for document in documents]
    baseline = BY_NAME[recipe].baseline
    shares = [(value - baseline) / (values[0] - baseline) for value in values]
    return dict(zip(["", *switched], shares, strict=True))


EVERY = [(recipe, practice) for recipe in BY_NAME for practice in practices(recipe)]


@pytest.mark.long
@pytest.mark.parametrize(("recipe", "practice"), EVERY)
def test_a_practice_trains_well_by_itself(
    recipe: str, practice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"practices-{recipe}"
    folder.mkdir(exist_ok=True)
    assert gains(recipe, folder)[practice] >= SHARE


def resolved(recipe: str, flags: dict[str, str], **others: Any) -> dict[str, Any]:
    """Return the settings of a recipe that these flags ask for."""
    return resolve_settings(find_recipe(recipe).settings, flags=flags, **others)


def test_another_optimizer_brings_a_rate_that_suits_it_unless_one_is_given() -> None:
    assert resolved(MNIST, {})["learning_rate"] == 0.004
    brought = resolved(MNIST, {"optimizer": "sgd"})
    assert (brought["learning_rate"], brought["gradient_clip_norm"]) == (0.08, 1.0)
    assert resolved(MNIST, {"optimizer": "lion"})["learning_rate"] == 0.0012
    given = resolved(MNIST, {"optimizer": "sgd", "learning_rate": "0.5", "gradient_clip_norm": "0"})
    assert (given["learning_rate"], given["gradient_clip_norm"]) == (0.5, 0.0)
    assert resolved(SENTIMENT, {"optimizer": "sgd"})["learning_rate"] == 3.0, "its RATES say so"


def test_the_rate_of_a_preset_or_a_file_suits_the_optimizer_that_it_was_given_with() -> None:
    preset = {"learning_rate": 0.002, "epochs": 1}
    assert resolved(MNIST, {"optimizer": "sgd"}, preset=preset)["learning_rate"] == 0.04
    rates = resolved(SENTIMENT, {"optimizer": "sgd"}, preset={"learning_rate": 0.004})
    assert rates["learning_rate"] == 6.0
    file = ConfigFile(Path("run.json"), settings={"optimizer": "sgd", "learning_rate": 0.3})
    assert resolved(REGRESSION, {}, file=file)["learning_rate"] == 0.3
    assert resolved(REGRESSION, {"optimizer": "adam"}, file=file)["learning_rate"] == 0.015
