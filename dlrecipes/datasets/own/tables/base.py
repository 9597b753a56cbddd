"""What every table can do: give its rows, some at a time, as often as is needed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import (
    Report,
    composed,
    shortened,
    undecodable_lines,
    why_unreadable,
)
from dlrecipes.datasets.storage import Array

DEEPEST = 3
"""Objects within each other whose values become columns."""


class _Lists(Mapping[str, list[Any]]):
    """Columns as lists of Python objects, made when they are asked for.

    Args:
        columns: The columns: lists, or Arrow arrays.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = columns
        self.lists: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        """Return the cells of a column."""
        if name not in self.lists:
            column = self.columns[name]
            self.lists[name] = column if isinstance(column, list) else column.to_pylist()
        return self.lists[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the columns."""
        return iter(self.columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.columns)


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Args:
        lines: Where each row stands in the file: its line, or its row in a Parquet file; from 1.
        columns: The cells of each column: a list of texts, numbers, booleans, or None; or an
            Arrow array.
    """

    lines: Array
    columns: Mapping[str, Any]

    @property
    def cells(self) -> Mapping[str, list[Any]]:
        """Return the columns as lists."""
        return _Lists(self.columns)


class Table(ABC):
    """A table in a file, read some rows at a time, as often as is needed.

    Args:
        path: The file.

    Attributes:
        names: Names of its columns, in one form of Unicode.
        own_names: The same as the file has them.
        unusable: What its other columns hold, by name: neither texts nor numbers.
        repeated: Names that several of its columns have; the first of them keeps it.
        unit: What the places of its rows count.
        encoding: Of the file, if it is text.
        separator: What parts its cells; empty if nothing does.
    """

    unit = "line"
    encoding = ""
    separator = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.own_names: list[str] = []
        self.unusable: dict[str, str] = {}
        self.repeated: set[str] = set()

    @property
    def split_column(self) -> str:
        """Return the name of the column that says which rows to train and to test on, or ""."""
        return next((name for name in self.names if name.lower() == "split"), "")

    def set_names(self, names: Sequence[str], line: int, report: Report) -> None:
        """Set the names of the columns; the report is told why they cannot be names, if so."""
        self.own_names = list(names)
        self.names = []
        for place, name in enumerate(map(composed, names), start=1):
            called = _another_name(name or f"column_{place}", {*self.names, *map(composed, names)})
            is_free = name and name not in self.names
            self.names.append(name if is_free else called)
            if not name:
                report.note(f"{self.where(line)}: the column {place} has no name: {called} here.")
            elif not is_free:
                self.repeated.add(name)
                report.note(f"{self.where(line)}: another column {shortened(name)}: {called} here.")

    @abstractmethod
    def rows(self, report: Report) -> Iterator[Chunk]:
        """Yield some rows at a time; the report is told of unusable ones."""

    def chunk_of(self, lines: Sequence[int], rows: Sequence[Sequence[Any]]) -> Chunk:
        """Return rows of cells as a chunk of columns."""
        columns = map(list, zip(*rows, strict=True))
        return Chunk(np.array(lines), dict(zip(self.names, columns, strict=True)))

    def chunks(self, report: Report | None = None) -> Iterator[Chunk]:
        """Yield the rows, some at a time, up to where the file cannot be read any more.

        Args:
            report: Is told of rows that cannot be used, unless that was told before.
        """
        report = report or Report()
        try:
            yield from self.rows(report)
        except UnicodeError:
            undecodable_lines(self.path, self.encoding, report)
        except (OSError, EOFError, ValueError) as error:
            report.problem(why_broken(self.path, error))

    def where(self, line: int) -> str:
        """Return the place of a row, for messages."""
        return f"{self.path}, {self.unit} {line}"


def _another_name(name: str, taken: set[str]) -> str:
    """Return a name that no column has: itself, or with the lowest number behind it."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(one for one in chain([name], numbered) if one not in taken)


def why_broken(path: Path, error: Exception) -> str:
    """Return why a file cannot be read on, as a sentence."""
    if isinstance(error, OSError) and error.errno:
        return why_unreadable(path, error)
    return f"{path} is damaged: {str(error) or 'it ends too early'}."
