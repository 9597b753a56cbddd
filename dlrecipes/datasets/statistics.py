"""What a network's preprocessing must know of the columns that it is trained on."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.own.tables import MAX_CATEGORIES
from dlrecipes.datasets.storage import Column, chunks

MAX_COUNTED = 100 * MAX_CATEGORIES
"""Different texts that are counted at a time."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Args:
        mean: Of the values that there are.
        variance: Of the values that there are; 1 if they are all the same.
        has_missing: Whether some are missing.
    """

    mean: float
    variance: float
    has_missing: bool


@dataclass(frozen=True)
class Categories:
    """A column of texts.

    Args:
        values: The different ones, in order; of very many, the 1,000 commonest, about.
    """

    values: tuple[str, ...]


def column_statistics(examples: Examples) -> dict[str, Numbers | Categories]:
    """Return what each named column holds; of numbers, NaN stands for a missing value."""
    return {
        name: _categories(column) if column.dtype.kind == "O" else _numbers(column)
        for name, column in examples.columns.items()
    }


def _categories(column: Column) -> Categories:
    counts: Counter[str] = Counter()
    for values in chunks(column):
        counts.update(values)
        if len(counts) > MAX_COUNTED:  # What is rare so far is forgotten: memory must not grow.
            counts = Counter(dict(counts.most_common(MAX_COUNTED // 2)))
    return Categories(tuple(sorted(value for value, _ in counts.most_common(MAX_CATEGORIES))))


def _numbers(column: Column) -> Numbers:
    """Return mean and variance, in two passes, so that a large mean costs no digits."""

    def mean_power(power: int, center: float) -> tuple[float, int]:
        total, count = 0.0, 0
        for chunk in chunks(column):
            values = chunk[~np.isnan(chunk)].astype("float64")
            total += float(((values - center) ** power).sum())
            count += len(values)
        return total / max(count, 1), count

    mean, count = mean_power(1, 0.0)
    variance, _ = mean_power(2, mean)
    return Numbers(mean, variance or 1.0, has_missing=count < len(column))
