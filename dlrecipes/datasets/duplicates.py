"""Find examples that stand twice: within a split, and in both training and test."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dlrecipes.datasets.digests import AT_ONCE, column_digests, equal_digests, joined
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.storage import Array

MOST_KEPT = 1000
"""Repeated examples that are described; all are counted."""
LOOKED_AT = 20_000
"""Different rows among which the columns are found that tell rows apart."""
FEW_VALUES = 50
"""Different values of a column of which some may be common."""
BY_CHANCE = 4.0
"""Pairs of equal rows, in units of what chance makes: up to so many, nothing is suspicious."""


@dataclass(frozen=True)
class Repeated:
    """One example that stands several times.

    Args:
        places: Split and origin of each time.
        labels: Names of the classes that it is labelled with, without repetition.
        example: The example itself: its text, or the values of its row; empty for an image, whose
            files its places are.
    """

    places: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    example: str = ""

    @property
    def is_leak(self) -> bool:
        """Tell whether it is tested on after it was trained on."""
        splits = {split for split, _ in self.places}
        return "train" in splits and len(splits) > 1


def _is_table(source: Source) -> bool:
    """Tell whether the examples are rows of named columns."""
    return isinstance(source.train.features, Mapping)


def count_leaks(source: Source) -> int:
    """Return how many test examples are training examples too, more than chance makes."""
    found = Repetitions(source)
    return 0 if found.leaked and found.are_by_chance else found.leaked


class Repetitions:
    """The examples of a source that stand more than once.

    Args:
        source: The examples.

    Attributes:
        count: How many there are.
        leaks: How many of them are in train and in another split.
        contradictory: How many are labelled with several classes.
        leaked: How many test examples are training examples, too.
        pairs: Pairs of equal examples.
        is_first: Whether each example is the first of those that equal it, bool (examples,).
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.splits = source.splits()
        self.names = list(self.splits)
        self.ends = np.cumsum([len(examples) for examples in self.splits.values()])
        self.count = self.leaks = self.contradictory = self.leaked = 0
        self.pairs = 0.0
        self.is_first = np.zeros(int(self.ends[-1]), bool)
        self.kept: list[tuple[tuple[bool, bool, int], Array]] = []
        for digests, rows in equal_digests(self.splits.values(), with_labels=_is_table(source)):
            self._add(digests, rows)

    def _add(self, digests: Array, rows: Array) -> None:
        """Count the repeated examples among some, and keep the worst."""
        if not len(rows):
            return
        order = np.argsort(digests, kind="stable")
        ordered, rows = digests[order], rows[order]
        # Compared as they are: their differences, as floats, would lose the last 11 of 64 bits.
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self.is_first[rows[begins]] = True
        sizes = np.diff(begins, append=len(rows))
        repeated = np.flatnonzero(sizes > 1)
        if not len(repeated):
            return
        first, before_last = self.ends[0], self.ends[-2]  # The first split is train, the last test.
        trained, tested = (
            np.add.reduceat(some, begins, dtype="int64")[repeated]
            for some in (rows < first, rows >= before_last)
        )
        contradictory = self._contradictory(rows, begins)[repeated]
        sizes, begins = sizes[repeated], begins[repeated]
        leaks = (trained > 0) & (trained < sizes)
        self.count += len(repeated)
        self.leaks += int(leaks.sum())
        self.contradictory += int(contradictory.sum())
        self.leaked += int(tested[trained > 0].sum())
        self.pairs += float((sizes * (sizes - 1.0)).sum()) / 2
        for place in np.lexsort((-sizes, ~leaks, ~contradictory))[:MOST_KEPT].tolist():
            key = (not contradictory[place], not leaks[place], -int(sizes[place]))
            self.kept.append((key, rows[begins[place] :][: sizes[place]].copy()))
        self.kept = sorted(self.kept, key=lambda one: one[0])[:MOST_KEPT]

    def _contradictory(self, rows: Array, begins: Array) -> Array:
        """Return which of the different examples among some are labelled with several classes."""
        if not self.source.has_class_labels or _is_table(self.source):
            return np.zeros(len(begins), bool)
        labels = self._labels[rows]
        several: Array = np.minimum.reduceat(labels, begins) != np.maximum.reduceat(labels, begins)
        return several

    @cached_property
    def _labels(self) -> Array:
        return np.concatenate([np.asarray(one.labels) for one in self.splits.values()])

    @cached_property
    def are_by_chance(self) -> bool:
        """Tell whether rows of so few values repeat by chance as often as these do.

        Of the columns, only those count that tell rows apart: one that the others determine makes
        no repetition less likely. If these were independent, two rows would be equal with the
        product of the chances that each column is equal. The pairs of equal rows that this makes
        are compared with those that there are. Columns that depend on each other make more, hence
        `BY_CHANCE`. The chance that a column of few values is equal is measured on all rows, since
        some values are commoner; that of others on rows that differ, since a copy of a measured
        number would explain itself. Of more than a million rows, some are drawn for that.
        """
        if not _is_table(self.source) or not self.count:
            return False
        total, rows = len(self.is_first), np.arange(0)
        if total <= AT_ONCE:
            rows = np.arange(total)
        else:
            rows = np.unique(np.random.default_rng(0).integers(0, total, AT_ONCE))
        different = np.flatnonzero(self.is_first[rows])
        chance = 1.0
        for column in self._telling_columns(rows, different):
            counts = np.unique(column, return_counts=True)[1].astype("float64")
            if len(counts) > FEW_VALUES:
                counts = np.unique(column[different], return_counts=True)[1].astype("float64")
            some = float(counts.sum())
            chance *= float((counts * (counts - 1)).sum()) / max(some * (some - 1), 1)
        return self.pairs <= BY_CHANCE * chance * total * (total - 1) / 2

    def _telling_columns(self, rows: Array, different: Array) -> list[Array]:
        """Return the digests, for these rows, of the columns that tell rows apart.

        Args:
            rows: Numbers of rows of all splits, in order.
            different: Places among them of rows no two of which are equal.
        """
        cuts = np.searchsorted(rows, self.ends[:-1])
        some = [
            examples.take(part - start)
            for examples, part, start in zip(
                self.splits.values(), np.split(rows, cuts), [0, *self.ends], strict=False
            )
        ]
        columns = [
            np.concatenate([column_digests(one, name) for one in some])
            for name in (*self.splits["train"].columns, "")
        ]
        looked_at = np.random.default_rng(0).permutation(different)[:LOOKED_AT]
        sample = [column[looked_at] for column in columns]
        # A column of many values first: what it tells may follow from the others.
        order = sorted(range(len(columns)), key=lambda place: -len(np.unique(sample[place])))
        kept = list(order)
        for place in order:
            rest = [other for other in kept if other != place]
            if rest and len(np.unique(joined([sample[one] for one in rest]))) == len(looked_at):
                kept = rest
        return [columns[place] for place in kept]

    def worst(self) -> list[Repeated]:
        """Return the examples that spoil a result most first: with two labels, tested on, often.

        Of very many, no more than `MOST_KEPT`.
        """
        return [self._described(rows) for _, rows in self.kept]

    def _described(self, rows: Array) -> Repeated:
        """Return where an example stands, and what it is."""
        source = self.source
        places, labels, example = [], [], ""
        for row in rows.tolist():
            number = int(np.searchsorted(self.ends, row, side="right"))
            split, start = self.names[number], self.ends[number - 1] if number else 0
            one = self.splits[split].take(np.array([row - start]))
            origin = "" if one.origins is None else str(one.origins[:][0])
            places.append((split, f"{source.place} {origin}".strip()))
            if source.has_class_labels and one.labels is not None:
                labels.append(source.classes[int(one.labels[:][0])])
            example = example or _shown(one.columns)
        return Repeated(tuple(places), tuple(dict.fromkeys(labels)), example)


def _shown(columns: Mapping[str, Any]) -> str:
    """Return an example for people: its text, or the values of its row."""
    values = {name: column[:][0] for name, column in columns.items()}
    if list(values) == ["features"]:
        value = values["features"]
        return value if isinstance(value, str) else ""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else f'{value:g}'}"
        for name, value in values.items()
    )
