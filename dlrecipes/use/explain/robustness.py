"""How a classifier of images stands attacks: the answers to some images, or its accuracy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow, select_device
from dlrecipes.system.clock import Clock
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.explain.attack import (
    METHODS,
    SEED,
    Flip,
    Victim,
    require_art,
    require_images_with_classes,
)
from dlrecipes.use.opening import data_and_device
from dlrecipes.use.predict import Asked, Unusable, given_inputs, load_serving, one_by_one

MOST_ROWS = 500
"""Test rows that are attacked."""
STRENGTHS = (0, 1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, eq=False)
class Attacked:
    """A picture, its answer, and the smallest changes that flip it.

    Args:
        input: The input, as `predict` shows it.
        answer: The class that is answered.
        probability: Its probability.
        picture: The picture as the model reads it: uint8 (height, width, channels).
        flips: The smallest change of each method that flips the answer; None if none does.
    """

    input: str
    answer: str
    probability: float
    picture: Array
    flips: dict[str, Flip | None]


@dataclass(frozen=True)
class Robustness:
    """The accuracy of attacked test rows.

    Args:
        rows: How many were attacked.
        of: How many test rows there are.
        strengths: The most that a grey value was changed by.
        accuracy: By method, the share of the rows that no strength up to each one misled.
    """

    rows: int
    of: int
    strengths: tuple[int, ...]
    accuracy: dict[str, list[float]]


def attack(
    run: Run, asked: Asked, changes: Changes, listener: WorkListener
) -> Iterator[Attacked | Unusable]:
    """Yield each image with the smallest changes that flip its answer, or why it cannot be used.

    Args:
        run: The run.
        asked: The images, as `predict` takes them.
        changes: The device, and whether to trust the run's recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if no input can be used, or the run's task cannot be attacked.
    """
    _require_possible(run, changes)
    parts = given_inputs(run, asked)
    with Clock(listener=listener).part("start"):
        device = select_device(changes.device or "auto")
        victim = Victim(run, load_serving(run, trust=changes.trust_recipe))
    with load_tensorflow().device(device.scope):
        for one in one_by_one(parts):
            if isinstance(one, Unusable):
                yield one
            else:
                inputs, place = one
                yield _attacked(victim, inputs.names[place], np.asarray(inputs.features)[place])


def _attacked(victim: Victim, name: str, picture: Array) -> Attacked:
    """Return a picture, uint8 (height, width, channels), with the smallest changes that flip it."""
    found = victim.examined(picture[np.newaxis], np.zeros(1, "int64"))
    answer = found.prediction[0]
    label = victim.classes.index(answer)
    flips = {method: victim.flipped(method, picture, label) for method in METHODS}
    return Attacked(name, answer, found.probability[0], picture, flips)


def robustness(run: Run, changes: Changes, listener: WorkListener) -> Robustness:
    """Return the accuracy of test rows by the strength of the attacks on them.

    Args:
        run: The run.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if the run's task cannot be attacked, or its data is not what it was.
    """
    _require_possible(run, changes)
    source, device = data_and_device(run, changes, listener)
    count = min(MOST_ROWS, len(source.test))
    rows = np.random.default_rng(SEED).choice(len(source.test), count, replace=False)
    some = source.test.take(np.sort(rows))
    images, labels = np.asarray(some.arrays()), np.asarray(some.labels).astype("int64")
    victim = Victim(run, load_serving(run, trust=changes.trust_recipe))
    attacking = Clock(listener=listener).part("attack")
    with attacking, load_tensorflow().device(device.scope):
        accuracy = {method: _accuracies(victim, method, images, labels) for method in METHODS}
    return Robustness(count, len(source.test), STRENGTHS, accuracy)


def _require_possible(run: Run, changes: Changes) -> None:
    """Raise InputError unless a run can be attacked; no TensorFlow is needed to know."""
    require_images_with_classes(run)
    check_device_name(changes.device or "auto")
    require_art()


def _accuracies(victim: Victim, method: str, images: Array, labels: Array) -> list[float]:
    """Return the accuracy at each strength; who was misled by less stays misled."""
    right, found = victim.right(images, labels), []
    for strength in STRENGTHS:
        rows = np.flatnonzero(right)
        if strength and len(rows):
            changed = victim.changed(method, images[rows], labels[rows], strength)
            right[rows] = victim.right(changed, labels[rows])
        found.append(float(right.mean()))
    return found
