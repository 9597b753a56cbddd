"""What the columns of a table can hold, so that a row can be filled in: ranges and choices."""

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.own.moments import NO_MOMENT
from dlrecipes.datasets.storage import Array

LOOKED_AT = 100_000
"""Rows, evenly spaced, that are looked at."""
MOST_CHOICES = 50
"""Values of a column of texts that are offered: the commonest."""
STEPS = (1.0, 0.1, 0.01, 0.001)
"""Between numbers that are written with at most three decimals."""
Range = tuple[float, float, float]
"""The lowest and the highest number, and the step that all are multiples of; 0 for none."""


def ranges_and_choices(
    train: Examples,
) -> tuple[dict[str, Range], dict[str, tuple[str, ...]]]:
    """Return the ranges of the columns of numbers and dates, and the commonest texts of the others.

    Args:
        train: The training rows.
    """
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).astype("int64"))
    ranges, choices = {}, {}
    for name, column in train.take(rows).columns.items():
        values = np.asarray(column)
        if values.dtype.kind == "O":
            choices[name] = _choices(values)
        elif (known := _known(values)).size:
            step = 0.0 if values.dtype.kind == "i" else _step(known)
            ranges[name] = (float(known.min()), float(known.max()), step)
    return ranges, choices


def _known(values: Array) -> Array:
    """Return the numbers or dates that are not missing."""
    kept: Array = values[values != NO_MOMENT if values.dtype.kind == "i" else np.isfinite(values)]
    return kept


def _step(values: Array) -> float:
    """Return the largest step that all numbers are multiples of; 0 for none."""
    for step in STEPS:
        multiples = values.astype("float64") / step
        if np.allclose(multiples, multiples.round(), rtol=0, atol=1e-4):
            return step
    return 0.0


def _choices(texts: Array) -> tuple[str, ...]:
    """Return the commonest texts in order, without the empty one of a missing value."""
    different, counts = np.unique(texts.astype(str), return_counts=True)
    commonest = different[np.argsort(-counts, kind="stable")][:MOST_CHOICES]
    return tuple(sorted(str(text) for text in commonest if text))
