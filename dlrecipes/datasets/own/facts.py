"""What a column of a table holds, counted a chunk at a time in memory that does not grow."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlrecipes.datasets.own.cells import (
    LARGEST,
    MAX_CATEGORIES,
    MOSTLY,
    NO_VALUE,
    TICKS,
    as_arrow,
    is_number,
    is_textual,
    numeral_of,
    plain_numbers,
    typed_numbers,
    typed_seconds,
    word_of,
)
from dlrecipes.datasets.own.moments import NO_MOMENT, are_days, moment
from dlrecipes.datasets.own.numerals import DOT_OR_GROUP, Numeral
from dlrecipes.datasets.storage import Array

EXAMPLES = 2
SAMPLED = 20_000
"""Different values of a column whose repetitions are counted."""


@dataclass
class Sketch:
    """Counts how often values occur: of all, or, of very many, of a fair share of them."""

    counts: Counter[int] = field(default_factory=Counter)
    shift: int = 0

    def add(self, values: Any, counts: Any) -> None:
        """Count values: numbers, or texts."""
        import pandas as pd

        digests = pd.util.hash_array(np.asarray(values))
        if self.shift:
            chosen = digests >> np.uint64(64 - self.shift) == 0
            digests, counts = digests[chosen], np.asarray(counts)[chosen]
        for digest, count in zip(digests.tolist(), np.asarray(counts).tolist(), strict=True):
            self.counts[digest] += count
        while len(self.counts) > SAMPLED:
            self.shift += 1
            limit = 1 << (64 - self.shift)
            self.counts = Counter(
                {value: count for value, count in self.counts.items() if value < limit}
            )

    @property
    def share(self) -> float:
        """Return the different values as a share of all."""
        return len(self.counts) / max(sum(self.counts.values()), 1)

    @property
    def distinct(self) -> int:
        """Return how many different values there are, about."""
        return len(self.counts) << self.shift


@dataclass
class ColumnFacts:
    """What the cells of a column hold.

    Args:
        numbers: Cells that are numbers or booleans, in whatever form.
        missing: Cells without a value.
        infinite: Cells that are numbers, but too large to be computed with.
        texts: Cells that are anything else, dates too.
        distinct: Different texts; not all of them if they are more than `MAX_CATEGORIES`.
        values: Different numbers; not all of them if they are more than `MAX_CATEGORIES`.
        lowest: Smallest number.
        highest: Largest number.
        examples: The first different cells.
        sketch: How often values occur.
        dates: Cells that are dates or times.
        typed_dates: Whether they are so by their type.
        words: How often each text occurs that is neither a number nor a date, in lower case.
        marks: Numbers by what their marks say: `point`, `comma`, `either` (they are two numbers),
            `grouped` (1.234, which is another number in another country), `bare` (no mark).
        orders: Dates by what they say: `day-first`, `month-first`, `either`, `point`.
        units: Numbers by what stands beside them.
        odd: The first number that is not written as every program writes it.
        days: Whether all numbers are days such as 20210301.
        whole: Whether all numbers are whole.
        steps: Whether each number is the one before plus one.
    """

    numbers: int = 0
    missing: int = 0
    infinite: int = 0
    texts: int = 0
    distinct: set[str] = field(default_factory=set)
    values: set[float] = field(default_factory=set)
    lowest: float = np.inf
    highest: float = -np.inf
    examples: list[str] = field(default_factory=list)
    sketch: Sketch = field(default_factory=Sketch)
    dates: int = 0
    typed_dates: bool = False
    words: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    odd: str = ""
    days: bool = True
    whole: bool = True
    steps: bool = True
    last: float = np.nan
    is_numeric: bool = False
    """Whether this is a column of numbers, maybe with a few faulty cells: see `settle`."""

    @property
    def rows(self) -> int:
        """Return how many cells there are."""
        return self.numbers + self.missing + self.infinite + self.texts

    @property
    def count_of_values(self) -> str:
        """Return how many different numbers there are, in words."""
        more = len(self.values) > MAX_CATEGORIES
        return f"more than {MAX_CATEGORIES:,}" if more else f"{len(self.values):,}"

    @property
    def mostly_numbers(self) -> bool:
        """Tell whether nearly all cells are numbers."""
        numbers = self.numbers + self.infinite
        return numbers > 0 and numbers >= MOSTLY * (numbers + self.texts)

    @property
    def is_constant(self) -> bool:
        """Tell whether every cell holds the same, or none holds anything."""
        if self.missing:
            ticked = sum(self.words[word] for word in TICKS)
            return self.missing == self.rows and ticked in (0, self.rows)
        if self.numbers:
            return self.texts + self.infinite == 0 and len(self.values) == 1
        return len(self.distinct) <= 1 and self.lowest >= self.highest

    def add(self, cells: Any) -> None:
        """Count the cells of a chunk: a list, or an Arrow array."""
        array = as_arrow(cells)
        if not is_textual(array):
            self._add_typed(array)
            return
        values, other = plain_numbers(array)
        real = values[~np.isnan(values)]
        self._add_numbers(real)
        self.missing += len(values) - len(real) - int(other.sum())
        # Until a number such as 0.5 or 1.23 is seen, points may part thousands.
        if len(real) and not self.marks["point"]:
            self._add_points(array, other)
        if other.any():
            self._add_texts(array, other)
        if len(self.examples) < EXAMPLES:
            self._show(array.drop_null().slice(0, 100).to_pylist())

    def _add_typed(self, array: Any) -> None:
        seconds = typed_seconds(array)
        if seconds is None:
            values = typed_numbers(array)
            is_large = np.abs(values) > LARGEST
            real = values[~np.isnan(values) & ~is_large]
            self._add_numbers(real)
            self.infinite += int(is_large.sum())
            self.missing += len(values) - len(real) - int(is_large.sum())
            self.marks["point"] += len(real)
        else:
            real = seconds[seconds != NO_MOMENT]
            self.typed_dates, self.dates = True, self.dates + len(real)
            self.texts += len(real)
            self.missing += len(seconds) - len(real)
            if len(real):
                self.lowest = min(self.lowest, float(real.min()))
                self.highest = max(self.highest, float(real.max()))
        if len(self.examples) < EXAMPLES:
            self._show([str(cell) for cell in array.slice(0, 100).to_pylist() if cell is not None])

    def _show(self, cells: list[str]) -> None:
        for cell in cells:
            is_value = cell not in self.examples and word_of(cell) not in NO_VALUE
            if is_value and len(self.examples) < EXAMPLES:
                self.examples.append(cell)

    def _add_numbers(self, real: Array, counts: Array | None = None) -> None:
        """Count numbers; without counts, they stand in this order."""
        if not len(real):
            return
        self.numbers += len(real) if counts is None else int(counts.sum())
        self.lowest = min(self.lowest, float(real.min()))
        self.highest = max(self.highest, float(real.max()))
        if len(self.values) <= MAX_CATEGORIES:
            self.values.update(np.unique(real)[: MAX_CATEGORIES + 1].tolist())
        self.days = self.days and are_days(real)
        if counts is not None:
            self.steps = False
            self.sketch.add(real, counts)
            return
        self.whole = self.whole and bool((real == np.floor(real)).all())
        if self.whole:
            self.sketch.add(*np.unique(real, return_counts=True))
        if self.steps:
            joined = real if np.isnan(self.last) else np.concatenate([[self.last], real])
            self.steps = bool((np.diff(joined) == 1).all())
            self.last = float(real[-1])

    def _add_points(self, array: Any, other: Array) -> None:
        """Count plain numbers by what their points may mean."""
        import pyarrow
        import pyarrow.compute as pc

        plain = array.filter(pyarrow.array(~other)).drop_null()
        pointed = plain.filter(pc.match_substring(plain, "."))
        grouped = int(pc.sum(pc.match_substring_regex(pointed, DOT_OR_GROUP)).as_py() or 0)
        self.marks["grouped"] += grouped
        self.marks["point"] += len(pointed) - grouped
        self.marks["bare"] += len(plain) - len(pointed)

    def _add_texts(self, array: Any, other: Array) -> None:
        """Count the texts at some places."""
        import pyarrow

        counted = array.filter(pyarrow.array(other)).value_counts().to_pylist()
        found: list[tuple[float, int]] = []
        texts: list[tuple[str, int]] = []
        for one in counted:
            text, count = one["values"], one["counts"]
            if word_of(text) in NO_VALUE:
                self.missing += count
                self._add_word(text, count)
            elif (written := numeral_of(text)) is not None:
                self._add_numeral(written, count, found)
                self.odd = self.odd or text
                texts.append((text, count))
            elif is_number(text):
                self.infinite += count
            else:
                self._add_other(text, count)
                texts.append((text, count))
        if texts:
            names = np.array([text for text, _ in texts], dtype=object)
            self.sketch.add(names, [count for _, count in texts])
            if len(self.distinct) <= MAX_CATEGORIES:
                self.distinct.update(names[: MAX_CATEGORIES + 1].tolist())
        if found:
            values, counts = map(np.array, zip(*found, strict=True))
            self._add_numbers(values, counts)

    def _add_word(self, text: str, count: int) -> None:
        if len(self.words) <= MAX_CATEGORIES:
            self.words[word_of(text)] += count

    def _add_numeral(self, written: Numeral, count: int, found: list[tuple[float, int]]) -> None:
        """Count a number that is not written as every program writes it."""
        value = written.comma if written.point is None else written.point
        assert value is not None
        if abs(value) > LARGEST:
            self.infinite += count
            return
        if written.point is None or written.comma is None:
            self.marks["comma" if written.point is None else "point"] += count
        else:
            self.marks["bare" if written.point == written.comma else "either"] += count
        self.units[written.unit] += count
        found.append((value, count))

    def _add_other(self, text: str, count: int) -> None:
        """Count a text that is no number: a date, or anything else."""
        self.texts += count
        written = moment(text)
        if written is None:
            self._add_word(text, count)
            return
        self.dates += count
        if written.day_first == written.month_first:
            return
        if written.has_point:
            self.orders["point"] += count
        if written.day_first is None or written.month_first is None:
            self.orders["month-first" if written.day_first is None else "day-first"] += count
        else:
            self.orders["either"] += count

    def others(self, words: Mapping[str, float] | None = None) -> dict[str, int]:
        """Return how often each text occurs that is no number, no date, and not missing."""
        return {
            word: count
            for word, count in self.words.items()
            if word not in NO_VALUE and word not in (words or {})
        }
