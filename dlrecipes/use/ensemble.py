"""Test several runs of one recipe as one model, which answers the mean of what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlrecipes.catalog.contract import import_recipe
from dlrecipes.datasets.examples import Data
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.training.calls import (
    build_model,
    called,
    evaluate_model,
    load_data,
    load_weights,
)
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes, Request
from dlrecipes.use.opening import data_and_device


@dataclass(frozen=True)
class Ensemble:
    """The test of several models as one.

    Args:
        metrics: The test metrics of the mean of what they say; empty if that is no answer.
        why_none: Why there are none, in a clause; empty if there are.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    why_none: str = ""


def test_together(runs: Sequence[Run], changes: Changes, listener: WorkListener) -> Ensemble:
    """Return the test of finished runs that differ in their seeds, as one model.

    Args:
        runs: The runs.
        changes: The device to test on, and whether to trust their recipe.
        listener: Hears how data is fetched that is not here any more.

    Raises:
        InputError: if the files of a run, or its data, are not what they were.
    """
    first = runs[0]
    request = Request.from_run(first, changes)
    wanted = request.recipe_data
    if not wanted.task.answer.can_be_averaged:
        return Ensemble(why_none=f"the mean of several answers is none ({wanted.task.name})")
    source, device = data_and_device(first, changes, listener)
    recipe = import_recipe(request.facts.path)
    config = recipe.Config(**request.config)
    data = load_data(recipe, config, source)
    members = []
    for run in runs:
        model = build_model(recipe, config, data, run.seed, device)
        load_weights(model, run.checked_file(run.model_file), data)
        members.append(model)
    with (
        called(recipe, "The ensemble cannot be tested", "evaluate"),
        load_tensorflow().device(device.scope),
    ):
        return Ensemble(evaluate_model(recipe, _mean_of(members, data), data, config))


def _mean_of(members: Sequence[Any], data: Data) -> Any:
    """Return a model that answers the mean of what the members say."""
    import keras

    for number, member in enumerate(members, start=1):
        member.name = f"member_{number}"
    inputs = keras.tree.map_structure(
        lambda spec: keras.Input(shape=spec.shape[1:], dtype=spec.dtype.name),
        data.test.element_spec[0],
    )
    outputs = [member(inputs, training=False) for member in members]
    model = keras.Model(inputs, keras.layers.Average()(outputs))
    model.compile(loss=members[0].loss)
    return model
