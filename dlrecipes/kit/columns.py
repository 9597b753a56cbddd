"""From named columns of a table to what a network reads, as a Keras model that saves with it."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.own.cells import MAX_CATEGORIES
from dlrecipes.datasets.storage import Array, Column, chunks
from dlrecipes.kit.calendar import DAY, NO_MOMENT, Moments, calendar_columns

MAX_COUNTED = 100 * MAX_CATEGORIES
"""Different texts that are counted at a time."""
MAX_SORTED = 1_000_000
"""Numbers, evenly spaced over the rows, that the quartiles of a column are taken from, about."""
RARE = 3
"""Rows; a category of fewer is taken together with all that training never saw."""
FURTHEST = 3.0
"""Where scaled numbers end: a long tail is drawn in smoothly, (-3, 3) holds all."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Args:
        mean: Of the values that there are.
        variance: Of the values that there are.
        center: The median of the values that there are.
        scale: Distance of their quartiles; where these are the same, half of their range; 1 if all
            values are the same.
        has_missing: Whether some are missing.
    """

    mean: float
    variance: float
    center: float
    scale: float
    has_missing: bool


@dataclass(frozen=True)
class Categories:
    """A column of texts.

    Args:
        values: The different ones, in order; of very many, the 1,000 commonest, about.
        common: Those of them that are not too rare to learn from.
    """

    values: tuple[str, ...]
    common: tuple[str, ...] = ()


def standardised_columns(train: Examples) -> Any:
    """Return the Keras model from named columns, (batch, 1) each, to one matrix (batch, columns).

    First come the numbers, in their order: z = (x - median) / (distance of the quartiles), then
    z / sqrt(1 + (z / 3)^2), so that an outlier is drawn in and the rest hardly moves (Holzmueller
    and others 2024, arXiv:2407.04491). A date becomes its trend and its place in the year, the week
    and the day. A missing number is taken for the median, a missing date for the mean, and where
    the training examples have such, a column of its own says which are missing. A category becomes
    one-hot columns, of which the first stands for all that are rare or that training never saw.

    Args:
        train: The training examples, which medians, quartiles and categories are taken from.
    """
    import keras
    from keras import layers

    statistics = column_statistics(train)
    inputs, columns = {}, []
    reserve_names(train.columns)
    for name, column in statistics.items():
        dtype = "string" if isinstance(column, Categories) else train.columns[name].dtype.name
        inputs[name] = keras.Input((1,), name=name, dtype=dtype)
    numbers = {name: one for name, one in statistics.items() if isinstance(one, Numbers)}
    if numbers:
        columns += _scaled([inputs[name] for name in numbers], list(numbers.values()))
    for name, column in statistics.items():
        if isinstance(column, Moments):
            columns += calendar_columns(inputs[name], column)
        elif isinstance(column, Categories):
            columns.append(_one_hot(inputs[name], column.common))
    return keras.Model(inputs, layers.Concatenate()(columns) if len(columns) > 1 else columns[0])


def _one_hot(texts: Any, categories: tuple[str, ...]) -> Any:
    """Return one-hot columns of texts (batch, 1), the first for all that are no known categories.

    A program that calls the model may write letters and accents apart (NFD): they are the same.
    """
    from keras import layers, ops

    apart = {unicodedata.normalize("NFD", name): place for place, name in enumerate(categories)}
    others = {name: place for name, place in apart.items() if name not in categories}
    if not others:
        return layers.StringLookup(vocabulary=categories, output_mode="one_hot")(texts)
    number = layers.StringLookup(vocabulary=(*categories, *others))(texts)
    places = np.array([*range(len(categories) + 1), *(place + 1 for place in others.values())])
    return ops.one_hot(ops.take(places, number[:, 0]), len(categories) + 1)


def _scaled(inputs: list[Any], columns: list[Numbers]) -> list[Any]:
    """Return the matrix of all numbers, scaled, and that of which are missing, if some are.

    All columns are one matrix before anything is computed: a thousand chains of their own would
    cost a thousand times as much. Float64 until the median is gone and outliers are drawn in: both
    may be large.
    """
    import keras
    from keras import ops

    matrix = ops.concatenate([ops.cast(one, "float64") for one in inputs], axis=-1)
    centers, scales = (
        np.array([getattr(one, name) for one in columns], "float64") for name in ("center", "scale")
    )
    missing = ops.isnan(matrix)
    z = ops.where(missing, 0.0, (matrix - centers) / scales)
    x = ops.cast(z / ops.sqrt(1 + ops.square(z / FURTHEST)), "float32")
    marked = [number for number, one in enumerate(columns) if one.has_missing]
    if not marked:
        return [x]
    return [x, ops.cast(ops.take(missing, marked, axis=-1), keras.backend.floatx())]


def reserve_names(names: Iterable[str]) -> None:
    """Keep Keras from giving a layer the name of a column, such as `where` or `functional_1`."""
    import keras

    for name in names:
        base, _, number = name.rpartition("_")
        if number.isdecimal() and len(number) < 4:
            for _ in range(int(number) + 1):
                keras.backend.get_uid(base)
        keras.backend.get_uid(name)


def column_statistics(examples: Examples) -> dict[str, Numbers | Categories | Moments]:
    """Return what each named column holds.

    Of numbers, NaN stands for a missing value; whole numbers of 64 bits are dates.
    """
    kinds: dict[str, Callable[[Column], Numbers | Categories | Moments]] = {
        "O": _categories,
        "i": _moments,
    }
    return {
        name: kinds.get(column.dtype.kind, _numbers)(column)
        for name, column in examples.columns.items()
    }


def _moments(column: Column) -> Moments:
    """Return what dates there are: seconds since 1970."""
    lowest, highest, count, has_clock = 2**62, -(2**62), 0, False
    total = square = 0  # Whole numbers of Python: nothing is lost.
    for chunk in chunks(column):
        values = chunk[chunk != NO_MOMENT]
        if not len(values):
            continue
        count += len(values)
        lowest, highest = min(lowest, int(values.min())), max(highest, int(values.max()))
        has_clock = has_clock or bool((values % DAY).any())
        exact = values.astype(object)
        total, square = total + int(exact.sum()), square + int((exact * exact).sum())
    if not count:
        lowest = highest = 0
    mean = total / max(count, 1)
    variance = (square * count - total * total) / max(count * count, 1)
    deviation = max(variance, 0.0) ** 0.5 or 1.0
    return Moments(mean, deviation, lowest, highest, count < len(column), has_clock)


def _categories(column: Column) -> Categories:
    counts: Counter[str] = Counter()
    for values in chunks(column):
        counts.update(values)
        if len(counts) > MAX_COUNTED:  # What is rare so far is forgotten: memory must not grow.
            counts = Counter(dict(counts.most_common(MAX_COUNTED // 2)))
    commonest = sorted(counts.most_common(MAX_CATEGORIES))
    return Categories(
        tuple(value for value, _ in commonest),
        tuple(value for value, count in commonest if count >= RARE),
    )


def _numbers(column: Column) -> Numbers:
    """Return what is known of a column's numbers, from evenly spaced rows if it is long."""
    every = -(-len(column) // MAX_SORTED)
    values, start = [], 0
    for chunk in chunks(column):
        values.append(np.asarray(chunk)[-start % every :: every].astype("float64"))
        start += len(chunk)
    found: Array = np.concatenate(values)
    known = found[~np.isnan(found)]
    if not len(known):
        return Numbers(0.0, 0.0, 0.0, 1.0, has_missing=True)
    low, center, high = (float(value) for value in np.quantile(known, (0.25, 0.5, 0.75)))
    half_range = float(known.max() / 2 - known.min() / 2)
    return Numbers(
        mean=float(known.mean()),
        variance=float(known.var()),
        center=center,
        scale=high - low or half_range or 1.0,
        has_missing=len(known) < len(found),
    )
