"""Settings that suit data which is not the recipe's own: chosen by its rows and classes.

A recipe's defaults were measured on its own data. On other data, its `OWN_STEPS` say how long to
train, and `OWN_SETTINGS` what else to change where there are few rows. What the user gave
by hand, as a flag or in a `--config` file, stays.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.settings import show_value
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.holding_out import FEW_VALUES, MOST_HELD_OUT, class_counts
from dlrecipes.training.request import Request

MANY_ROWS = 50_000
"""Up to here, training takes `OWN_STEPS` steps; of n times as many rows, sqrt(n) times as many."""
MOST_EPOCHS = 200
EPOCH_STEPS = 20
"""Steps that an epoch has at least, where batches can be made smaller for that."""
SMALLEST_BATCH = 16
VALIDATION_ROWS = 1000
"""Rows that validation has at least, as far as `LARGEST_FRACTION` allows; and so many that a
diagnosis does not call them too few, if `MOST_HELD_OUT` is enough for that."""
LARGEST_FRACTION = 0.1
PATIENCE = 0.5
"""Share of the epochs without a lower validation loss after which training stops: at the high rates
of the first half of a cosine, the loss may not fall for long."""
RARE = 10
"""From so many times as many examples in the commonest class as in the rarest, rare ones weigh
more."""
LENGTH = ("epochs", "batch_size")
"""What a preset says of the length of training is relative to the recipe's default, too."""


def suited(request: Request, source: Source) -> Request:
    """Return a request with settings that suit its data, unless that is the recipe's own.

    Args:
        request: The training that was asked for.
        source: Its data.
    """
    if request.given.issuperset(request.config) or is_measured_on(request.facts, source):
        return request
    config, reasons = dict(request.config), []
    preset = request.facts.presets.get(request.preset, {})
    fixed = request.given | (preset.keys() - set(LENGTH))
    free = config.keys() - fixed
    rows, classes = len(source.train), len(source.classes)
    if request.facts.own_steps and not request.recipe_data.task.input.is_running_text:
        if "validation_fraction" in free and source.validation is None:
            config["validation_fraction"] = _held_out(config["validation_fraction"], source)
        if source.validation is None:
            rows -= round(rows * config.get("validation_fraction", 0.0))
        config |= _length(request, config, free, rows)
    if not request.preset:  # It keeps its network.
        own = _own_settings(request.facts, rows, classes)
        if request.config.get("optimizer") != _defaults(request.facts).get("optimizer"):
            free -= {"learning_rate"}  # That of the other optimizer suits it.
        config |= {name: value for name, value in own.items() if name in free}
    if "balance_classes" in free and (rare := _rare_class(source)):
        config["balance_classes"] = True
        reasons.append(rare)
    changed = {name: value for name, value in config.items() if value != request.config[name]}
    if not changed:
        return request
    of_classes = f" of {classes} classes" if classes > 2 else ""
    why = "; ".join([f"{rows:,} training rows{of_classes}", *reasons])
    return replace(request, config=config, chosen={"settings": changed, "why": why})


def is_measured_on(facts: Facts, source: Source) -> bool:
    """Tell whether a recipe's defaults were measured on this data, full or sample."""
    if source.rung != "full":
        return source.rung == "sample"
    name = source.name.partition(":")[0]
    return name in {known.partition(":")[0] for known in (facts.dataset, *facts.expected)}


def shown_choice(chosen: Mapping[str, Any]) -> str:
    """Return the line that says what was chosen, and why."""
    flags = " ".join(
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {show_value(value)}")
        for name, value in chosen["settings"].items()
    )
    return f"Settings that suit your data ({chosen['why']}): {flags}"


def _held_out(fraction: float, source: Source) -> float:
    """Return the share of the training examples to validate on: more of few ones.

    Args:
        fraction: The share that the recipe holds out of its own data. Of three classes or more, at
            most `LARGEST_FRACTION` counts: no threshold is chosen for them.
        source: The data.
    """
    rows = max(len(source.train), 1)
    if len(source.classes) > 2:
        fraction = min(fraction, LARGEST_FRACTION)
    wanted = float(f"{min(VALIDATION_ROWS / rows, LARGEST_FRACTION):.2g}")
    labels = source.train.labels
    values = 1 if labels is None else max(math.prod(labels.shape[1:]), 1)
    enough = math.ceil(FEW_VALUES / values / rows * 1000) / 1000  # Rounded, it may be one too few.
    return max(fraction, wanted, enough if enough <= MOST_HELD_OUT else 0.0)


def _length(
    request: Request, config: Mapping[str, Any], free: set[str], rows: int
) -> dict[str, Any]:
    """Return the batch size, the epochs, and when to stop early, as far as they are free.

    Args:
        request: The training that was asked for.
        config: Value of each setting so far.
        free: Names of the settings that can be chosen.
        rows: Rows to train on.
    """
    chosen: dict[str, Any] = {}
    steps = request.facts.own_steps * _preset_share(request)
    steps *= max(1.0, math.sqrt(rows / MANY_ROWS))
    batch = config.get("batch_size", 1)
    if "batch_size" in free:
        while batch > SMALLEST_BATCH and rows < batch * EPOCH_STEPS:
            batch //= 2
        while batch < 4 * config["batch_size"] and rows > 2 * batch * steps:
            batch *= 2
        chosen["batch_size"] = batch
    if "epochs" in free:
        epochs = max(1, min(round(steps / math.ceil(max(rows, 1) / batch)), MOST_EPOCHS))
        chosen["epochs"] = epochs
        if "early_stopping" in free:  # The best weights are kept, or `OWN_SETTINGS` say not.
            chosen["early_stopping"] = max(math.ceil(epochs * PATIENCE), 3)
    return chosen


def _preset_share(request: Request) -> float:
    """Return how long a preset trains on the recipe's own data, where its defaults take 1."""
    facts = request.facts
    default = _defaults(facts)
    if not set(LENGTH) <= default.keys():
        return 1.0
    preset = default | dict(facts.presets.get(request.preset, {}))
    more_epochs = preset["epochs"] / default["epochs"]
    return float(more_epochs * default["batch_size"] / preset["batch_size"])


def _defaults(facts: Facts) -> dict[str, Any]:
    """Return the default of each of a recipe's settings."""
    return {setting.name: setting.default for setting in facts.settings}


def _own_settings(facts: Facts, rows: int, classes: int) -> Mapping[str, Any]:
    """Return the recipe's `OWN_SETTINGS` for so many rows and classes; first those for classes."""
    fitting = {}
    for limits, settings in facts.own_settings.items():
        most, least = limits if isinstance(limits, tuple) else (limits, 0)
        if rows <= most and classes >= least:
            fitting[-least, most] = settings
    return fitting[min(fitting)] if fitting else {}


def _rare_class(source: Source) -> str:
    """Return which class is much rarer than another, in a clause; empty for none."""
    if not source.has_class_labels:
        return ""
    assert source.train.labels is not None
    counts = class_counts(source.train.labels, len(source.classes))
    present = np.flatnonzero(counts)
    most, least = present[counts[present].argmax()], present[counts[present].argmin()]
    times = counts[most] / counts[least]
    if times < RARE:
        return ""
    names = source.classes
    return f"class {names[least]} is {times:.0f} times rarer than {names[most]}"
