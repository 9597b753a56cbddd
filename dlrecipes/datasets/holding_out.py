"""Which examples are held out: the same whatever seed a run has, in memory that hardly grows.

A row number takes four bytes, and nothing that is made on the way takes more for all rows.
"""

from collections.abc import Iterator

import numpy as np

from dlrecipes.datasets.storage import Array, Column, chunks

SPLIT_SEED = 0
"""Held-out rows are the same whatever seed a run has, so that runs can be compared."""
FEW_VALUES = 50
"""Validation rows: with fewer, the 95 % interval of an accuracy of 0.5 is over 28 points wide."""
MOST_HELD_OUT = 0.15
"""Share of the training examples that validation gets at most, to have that many: where they are
very few, a network needs each of them more."""
AT_ONCE = 2**18
"""Rows that are looked at together."""


def random_order(count: int) -> Array:
    """Return the row numbers in a random order, the same every time, uint32 where that does."""
    order = np.arange(count, dtype="uint32" if count < 2**32 else "int64")
    np.random.default_rng(SPLIT_SEED).shuffle(order)
    return order


def places_of(mask: Array) -> Array:
    """Return the row numbers where a mask is true, in order, uint32 where that does."""
    places = np.empty(int(mask.sum()), "uint32" if len(mask) < 2**32 else "int64")
    end = 0
    for start in range(0, len(mask), AT_ONCE):
        some = start + np.flatnonzero(mask[start : start + AT_ONCE])
        places[end : end + len(some)] = some
        end += len(some)
    return places


def class_counts(labels: Column, classes: int = 0) -> Array:
    """Return how many rows have each class number, int64 (classes,), at least so many."""
    counts = np.zeros(classes, "int64")
    for some in chunks(labels, AT_ONCE):
        found = np.bincount(some, minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    return counts


def held_out_by_class(labels: Column, counts: Array, wanted: int) -> Array:
    """Return which rows are held out, of each class by its share, bool (rows,).

    Each class is in a random order, of which the example after j others has the share j / count.
    Held out are those of the lowest shares; of equal ones, those that come first in the order of
    all. The last example of a class never is.

    Args:
        labels: Class number of each row.
        counts: How many rows each class has.
        wanted: How many to hold out; fewer if there are not as many.
    """
    small = np.empty(len(labels), np.min_scalar_type(len(counts)))
    for number, some in enumerate(chunks(labels, AT_ONCE)):
        small[number * AT_ONCE : number * AT_ONCE + len(some)] = some
    order = random_order(len(labels))
    free = np.maximum(counts - 1, 0)
    wanted = min(wanted, int(free.sum()))
    low, high = _bounds(counts, free, wanted)
    # Of each class, all before `low` are held out, none from `high` on; between, it depends.
    shares, places, of_class = [], [], []
    for start, _, classes, before in _ranks(order, small, len(counts)):
        near = np.flatnonzero((before >= low[classes]) & (before < high[classes]))
        shares.append(before[near] / counts[classes[near]])
        places.append(start + near)
        of_class.append(classes[near])
    chosen = np.lexsort((np.concatenate(places), np.concatenate(shares)))
    chosen = np.concatenate(of_class)[chosen[: wanted - int(low.sum())]]
    taken = low + np.bincount(chosen, minlength=len(counts))
    mask = np.zeros(len(labels), bool)
    for _, rows, classes, before in _ranks(order, small, len(counts)):
        mask[rows[before < taken[classes]]] = True
    return mask


def _bounds(counts: Array, free: Array, wanted: int) -> tuple[Array, Array]:
    """Return how many of each class have shares that surely are among the lowest, or may be."""
    lowest, highest = 0.0, 1.0
    for _ in range(60):
        middle = (lowest + highest) / 2
        if np.minimum(np.ceil(middle * counts), free).sum() < wanted:
            lowest = middle
        else:
            highest = middle
    about = np.floor(highest * counts).astype("int64")
    return np.clip(about - 2, 0, free), np.minimum(about + 3, free)


def _ranks(order: Array, labels: Array, classes: int) -> Iterator[tuple[int, Array, Array, Array]]:
    """Yield, some at a time in a random order, rows, their classes, and how many of it came before.

    The first number is the place of the first of them in the order.
    """
    seen = np.zeros(classes, "int64")
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        found = labels[rows]
        counts = np.bincount(found, minlength=classes)
        by_class = np.argsort(found, kind="stable")
        before = np.empty(len(rows), "int64")
        before[by_class] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        yield start, rows, found, before + seen[found]
        seen += counts
