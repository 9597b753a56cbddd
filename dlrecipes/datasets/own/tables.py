"""Tables in a user's files: CSV, TSV, JSON lines and Parquet, read a chunk of rows at a time."""

import csv
import io
import itertools
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dlrecipes.datasets.own.files import (
    Report,
    encoding_of,
    nearest_path,
    read_standard_input,
    shortened,
    split_of,
    undecodable_lines,
    why_unreadable,
)
from dlrecipes.datasets.storage import CHUNK, Array
from dlrecipes.errors import nearest

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_CELL_CHARACTERS = 10**8
MISSING = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "#n/a", "<na>", "-nan", "?")  # as pandas has them
)
"""What a cell without a value may hold, in lower case."""
BOOLEANS = {"true": 1.0, "false": 0.0}
MOSTLY = 0.9
"""Share of the values of a column that must be numbers for it to be a column of numbers."""
LARGEST = 1e19
"""Number that is computed with: the squares of larger ones do not fit into float32."""
NO_NUMBER_HINT = "Numbers are written like -1234.5: no unit, no separator of thousands, a point."
MAX_CATEGORIES = 1000
"""Different values of a column that are told apart; the others count as one."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Args:
        lines: Where each row stands in the file: its line, or its row in a Parquet file; from 1.
        cells: The cells of each column: texts, numbers, booleans, or None.
    """

    lines: list[int]
    cells: dict[str, list[Any]]


class Table(ABC):
    """A table in a file, read some rows at a time, as often as is needed.

    Args:
        path: The file.

    Attributes:
        names: Names of its columns.
        unusable: What its other columns hold, by name: neither texts nor numbers.
        unit: What the places of its rows count.
        encoding: Of the file, if it is text.
    """

    unit = "line"
    encoding = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.unusable: dict[str, str] = {}

    @property
    def split_column(self) -> str:
        """Return the name of the column that says which rows to train and to test on, or ""."""
        return next((name for name in self.names if name.lower() == "split"), "")

    def set_names(self, names: Sequence[str], line: int, report: Report) -> None:
        """Set the names of the columns; the report is told why they cannot be names, if so."""
        self.names = list(names)
        for place, name in enumerate(names, start=1):
            if not name:
                report.problem(
                    f"{self.where(line)}: the column {place} has no name.",
                    "Name it, or leave it out (pandas: to_csv(…, index=False)).",
                )
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            report.problem(f"{self.where(line)}: the column {shortened(name)} stands twice.")

    @abstractmethod
    def rows(self, report: Report) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
        """Yield the places and the cells of some rows; the report is told of unusable ones."""

    def chunks(self, report: Report | None = None) -> Iterator[Chunk]:
        """Yield the rows, some at a time, up to where the file cannot be read any more.

        Args:
            report: Is told of rows that cannot be used, unless that was told before.
        """
        report = report or Report()
        try:
            for lines, rows in self.rows(report):
                if rows:
                    columns = map(list, zip(*rows, strict=True))
                    yield Chunk(lines, dict(zip(self.names, columns, strict=True)))
        except OSError as error:
            report.problem(why_unreadable(self.path, error))
        except UnicodeError:
            undecodable_lines(self.path, self.encoding, report)

    def where(self, line: int) -> str:
        """Return the place of a row, for messages."""
        return f"{self.path}, {self.unit} {line}"


class TextTable(Table):
    """A table in a text file.

    Args:
        path: The file; `-` for standard input.
        encoding: Of the file.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path)
        self.encoding = encoding
        self.content = read_standard_input() if str(path) == "-" else None

    def open(self) -> TextIO:
        """Return the file, from its beginning, with its line breaks as they are."""
        if self.content is not None:
            return io.StringIO(self.content, newline="")
        return self.path.open(encoding=encoding_of(self.encoding), newline="")

    def text_lines(self, file: TextIO, report: Report) -> Iterator[str]:
        """Yield the lines of the file, up to one with a zero byte, which is a problem."""
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                report.problem(f"{self.where(number)}: it holds a zero byte: this is no text file.")
                return
            yield line


class DelimitedTable(TextTable):
    """A CSV or TSV file, whose first line names the columns."""

    def __init__(self, path: Path, encoding: str, report: Report) -> None:
        super().__init__(path, encoding)
        self.separator = "\t" if path.suffix.lower() == ".tsv" else ","
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        lines, rows = next(self._lines(report, 1), ([], []))
        if rows:
            names = [name.strip() for name in rows[0]]
            if why := _why_no_header(names, self.separator):
                report.problem(f"{path} {why}")
            else:
                self.set_names(names, lines[0], report)
        elif not report.count:
            report.problem(f"{path} is empty.")

    def _lines(
        self, report: Report, size: int = CHUNK
    ) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Yield places and cells of `size` lines, without empty ones, the header first."""
        with self.open() as file:
            text = self.text_lines(file, report)
            reader = csv.reader(text, delimiter=self.separator, strict=True)
            end, more = 0, True
            while more:
                lines, rows, before = [], [], end
                try:
                    for row in itertools.islice(reader, size):
                        if row:
                            lines.append(end + 1)
                            rows.append(row)
                        end = reader.line_num
                    more = end > before
                except csv.Error as error:
                    report.problem(
                        f"{self.where(end + 1)}: it cannot be read ({error}): is a quotation mark "
                        "missing?",
                        "A cell that begins with a quotation mark ends with one, and those within "
                        "are doubled.",
                    )
                    more = False
                if rows:
                    yield lines, rows

    def rows(self, report: Report) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
        """Yield the places and the cells of some rows; the report is told of unusable ones."""
        cells, header_passed = len(self.names), False
        for lines, rows in self._lines(report):
            if not header_passed:
                lines, rows, header_passed = lines[1:], rows[1:], True
            if set(map(len, rows)) - {cells}:
                good = []
                for line, row in zip(lines, rows, strict=True):
                    if len(row) == cells:
                        good.append((line, row))
                    else:
                        report.problem(
                            f"{self.where(line)}: it has {len(row)} cells, and the header {cells}.",
                            "A cell that holds the separator stands in quotation marks.",
                        )
                lines, rows = [line for line, _ in good], [row for _, row in good]
            yield lines, list(rows)


def _why_no_header(names: Sequence[str], separator: str) -> str:
    """Return why the cells of the first line cannot be names of columns; empty if they can."""
    if len(names) == 1:
        right = {",": "commas", "\t": "tabs"}[separator]
        for other, wrong in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (",", "commas")):
            if other != separator and other in names[0]:
                return (
                    f"is separated by {wrong}, not by {right}: save it with commas as .csv, or "
                    "with tabs as .tsv."
                )
    number = next((name for name in names if _is_number(name)), None)
    if number is None:
        return ""
    return (
        f"has no header: its first line holds the number {shortened(number)}. The first line "
        "must name the columns."
    )


def _is_number(text: str) -> bool:
    """Tell whether a text is a number, maybe an infinite one."""
    try:
        float(text)
    except ValueError:
        return False
    # Python takes 1_000 and the digits of every script.
    return text.isascii() and "_" not in text and text.strip().lower() not in MISSING


class JsonLinesTable(TextTable):
    """A file with a JSON object on every line; the first has every column."""

    def __init__(self, path: Path, encoding: str, report: Report) -> None:
        super().__init__(path, encoding)
        passed_over = Report()  # Reading the rows tells of it again.
        line, first = next(self._objects(passed_over), (0, {}))
        self.unusable = {
            name: "lists or objects"
            for name, value in first.items()
            if isinstance(value, dict | list)
        }
        self.set_names([name for name in first if name not in self.unusable], line, report)
        if line and not first:
            report.problem(f"{self.where(line)}: it names no columns.")
        elif not first:
            report.add(passed_over)
            if not report.count:
                report.problem(f"{path} is empty.")

    def _objects(self, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the place and the object of every line that is not empty."""
        hint = 'Every line is an object of its own, such as {"text": "good", "label": "yes"}'
        with self.open() as file:
            for line, text in enumerate(self.text_lines(file, report), start=1):
                if not text.strip():
                    continue
                try:
                    found = json.loads(text)
                    if "\\u" in text:
                        json.dumps(found, ensure_ascii=False).encode()
                except UnicodeEncodeError:
                    report.problem(f"{self.where(line)}: it holds half of a surrogate pair.")
                except json.JSONDecodeError as error:
                    reason = f"{error.msg} at character {error.pos + 1}"
                    report.problem(f"{self.where(line)}: it is not JSON ({reason}).", hint)
                except (ValueError, RecursionError):
                    report.problem(
                        f"{self.where(line)}: its JSON is too deep, or a number too long."
                    )
                else:
                    if isinstance(found, dict):
                        yield line, found
                    else:
                        report.problem(f"{self.where(line)}: it is not a JSON object.", hint)

    def rows(self, report: Report) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
        """Yield the places and the cells of some rows; the report is told of unusable ones."""
        objects = self._objects(report)
        known = {*self.names, *self.unusable}
        while some := list(itertools.islice(objects, CHUNK)):
            good = [
                (line, [found.get(name) for name in self.names])
                for line, found in some
                if self._is_row(line, found, known, report)
            ]
            yield [line for line, _ in good], [row for _, row in good]

    def _is_row(self, line: int, found: dict[str, Any], known: set[str], report: Report) -> bool:
        """Tell whether an object has the columns of the first, and texts and numbers in them."""
        unknown = [name for name in found if name not in known]
        nested = [name for name in self.names if isinstance(found.get(name), dict | list)]
        if unknown:
            report.problem(
                f"{self.where(line)}: {shortened(unknown[0])!r} is not on the first line, "
                "which must have every column."
            )
        elif nested:
            report.problem(
                f"{self.where(line)}: {shortened(nested[0])!r} is not a text or a number."
            )
        return not unknown and not nested


class ParquetTable(Table):
    """A Parquet file."""

    unit = "row"

    def __init__(self, path: Path, report: Report) -> None:
        super().__init__(path)
        import pyarrow
        from pyarrow import parquet, types

        try:
            schema = parquet.read_schema(path)
        except pyarrow.ArrowException as error:
            report.problem(f"{path} is not a Parquet file: {str(error).splitlines()[0]}")
            return
        for name, kind in zip(schema.names, schema.types, strict=True):
            if types.is_nested(kind):
                self.unusable[name] = "lists or objects"
            elif types.is_binary(kind) or types.is_large_binary(kind):
                self.unusable[name] = "bytes"
        self.set_names([name for name in schema.names if name not in self.unusable], 1, report)

    def rows(self, report: Report) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
        """Yield the places and the cells of some rows."""
        import pyarrow
        from pyarrow import parquet

        row = 0
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(CHUNK, columns=self.names):
                    columns = [column.to_pylist() for column in batch.columns]
                    yield (
                        list(range(row + 1, row + 1 + batch.num_rows)),
                        list(zip(*columns, strict=True)),
                    )
                    row += batch.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            report.problem(f"{self.path} is damaged behind row {row:,}: {reason}")


def is_table(path: Path) -> bool:
    """Tell whether a path is named like a table."""
    return path.suffix.lower() in TABLE_SUFFIXES


def open_table(path: Path, encoding: str, report: Report) -> Table | None:
    """Return the table in a file; None if its columns cannot be told, which the report says.

    Args:
        path: The file; `-` for CSV on standard input.
        encoding: Of a CSV, TSV or JSON lines file.
        report: Is told what is wrong.
    """
    before = report.count
    try:
        if path.suffix.lower() == ".parquet":
            table: Table = ParquetTable(path, report)
        elif path.suffix.lower() == ".jsonl":
            table = JsonLinesTable(path, encoding, report)
        else:
            table = DelimitedTable(path, encoding, report)
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError)
        report.problem(why_unreadable(path, error), nearest_path(path) if is_gone else "")
    except UnicodeError:
        undecodable_lines(path, encoding, report)
    return None if report.count > before else table


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds no value."""
    if isinstance(cell, str):
        return _word(cell) == "missing"
    return cell is None or cell != cell  # NaN alone is not itself


@lru_cache(maxsize=2**16)
def _word(cell: str) -> str:
    """Return what a cell that is no finite number stands for: `missing`, `true`, `false`, or ""."""
    lower = cell.strip().lower()
    return "missing" if lower in MISSING else lower if lower in BOOLEANS else ""


def as_texts(cells: Sequence[Any]) -> Array:
    """Return cells as texts, an empty one for a missing value."""
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [
        cell if isinstance(cell, str) else "" if is_missing(cell) else str(cell) for cell in cells
    ]
    return texts


def as_numbers(cells: Sequence[Any]) -> tuple[Array, list[int]]:
    """Return cells as float32, and the places of those that are no number, or too large.

    `true` is 1 and `false` is 0; NaN stands for missing values and for what is no number.
    """
    import pandas as pd

    try:
        found = pd.to_numeric(pd.Series(list(cells), dtype=object), errors="coerce")
    except OverflowError:  # at an integer beyond float64, which JSON may hold; not at its digits
        return as_numbers([str(cell) if isinstance(cell, int) else cell for cell in cells])
    exact = found.to_numpy(dtype="float64")
    with np.errstate(over="ignore"):
        numbers: Array = exact.astype("float32")
    bad = []
    for place in np.flatnonzero(~(np.abs(exact) <= LARGEST)).tolist():
        cell = cells[place]
        word = _word(cell) if isinstance(cell, str) else "missing" if is_missing(cell) else ""
        if word:
            numbers[place] = BOOLEANS.get(word, np.nan)
        else:
            numbers[place] = np.nan
            bad.append(place)
    return numbers, bad


@dataclass
class ColumnFacts:
    """What the cells of a column hold.

    Args:
        numbers: Cells that are numbers or booleans.
        missing: Cells without a value.
        infinite: Cells that are numbers, but too large to be computed with.
        texts: Cells that are anything else.
        distinct: Different texts; not all of them if they are more than `MAX_CATEGORIES`.
        lowest: Smallest number.
        highest: Largest number.
    """

    numbers: int = 0
    missing: int = 0
    infinite: int = 0
    texts: int = 0
    distinct: set[str] = field(default_factory=set)
    lowest: float = np.inf
    highest: float = -np.inf

    @property
    def rows(self) -> int:
        """Return how many cells there are."""
        return self.numbers + self.missing + self.infinite + self.texts

    @property
    def is_numeric(self) -> bool:
        """Tell whether this is a column of numbers, maybe with a few faulty cells."""
        numbers = self.numbers + self.infinite
        return numbers > 0 and numbers >= MOSTLY * (numbers + self.texts)

    @property
    def is_constant(self) -> bool:
        """Tell whether every cell holds the same, or none holds anything."""
        if self.missing:
            return self.missing == self.rows
        if self.numbers:
            return self.texts + self.infinite == 0 and self.lowest == self.highest
        return len(self.distinct) <= 1

    def add(self, cells: Sequence[Any]) -> None:
        """Count the cells of a chunk."""
        numbers, bad = as_numbers(cells)
        real = numbers[~np.isnan(numbers)]
        texts = [text for place in bad if not _is_number(text := str(cells[place]))]
        self.numbers += len(real)
        self.texts += len(texts)
        self.infinite += len(bad) - len(texts)
        self.missing += len(cells) - len(real) - len(bad)
        if len(real):
            self.lowest = min(self.lowest, float(real.min()))
            self.highest = max(self.highest, float(real.max()))
        if texts and len(self.distinct) <= MAX_CATEGORIES:
            self.distinct.update(itertools.islice(sorted(set(texts)), MAX_CATEGORIES + 1))


def look_through(table: Table, report: Report) -> tuple[dict[str, ColumnFacts], int]:
    """Return what each column of a table holds, and its usable rows, after reading all of it.

    Args:
        table: The table.
        report: Is told of rows that cannot be used, and if there are none that can.
    """
    facts = {name: ColumnFacts() for name in table.names}
    before, rows = report.count, 0
    for chunk in table.chunks(report):
        rows += len(chunk.lines)
        for name, cells in chunk.cells.items():
            facts[name].add(cells)
    if rows == 0 and report.count == before:
        report.problem(f"{table.path} has no rows.")
    return facts, rows


def safe_name(name: str) -> str:
    """Return the name that a network's input can have for a column: letters, digits and "_"."""
    # Each letter keeps a code of its own, or all names in another script would be alike.
    coded = re.sub(r"[^\x00-\x7f]", lambda letter: f"u{ord(letter[0]):04x}", name)
    safe = re.sub(r"\W", "_", coded, flags=re.ASCII)
    return safe if safe[:1].isalpha() else f"column_{safe}"


def safe_names(names: Sequence[str], path: Path, report: Report) -> dict[str, str]:
    """Return the name that a network's input can have, for each column.

    TensorFlow takes letters, digits and "_": "od280/od315 (nm)" becomes "od280_od315__nm_", and
    "Größe" becomes "Gru00f6u00dfe". Columns that end up with one name are a problem.
    """
    safe = {name: safe_name(name) for name in names}
    for short in sorted(set(safe.values())):
        alike = [name for name in names if safe[name] == short]
        if len(alike) > 1:
            report.problem(
                f"{path}: the columns {' and '.join(alike)} are too alike.",
                "Rename one: letters, digits and _ count; all else does not tell them apart.",
            )
    return safe


def column_values(
    table: Table,
    chunk: Chunk,
    names: Mapping[str, str],
    numeric: Mapping[str, bool],
    report: Report,
) -> dict[str, Array]:
    """Return the columns of a chunk: float32, NaN where missing, or texts, empty where missing.

    Args:
        table: The table.
        chunk: Some of its rows.
        names: The name to give to each column that is wanted.
        numeric: Whether each of them holds numbers.
        report: Is told of cells that are no numbers, and of infinite ones.
    """
    columns = {}
    for name, short in names.items():
        cells = chunk.cells[name]
        if not numeric[name]:
            # "n/a" is missing here as it is among numbers; a label or a text it may well be.
            columns[short] = as_texts([None if is_missing(cell) else cell for cell in cells])
            continue
        columns[short], bad = as_numbers(cells)
        for place in bad:
            text = str(cells[place])
            is_large = _is_number(text) and math.isfinite(float(text))
            wanted = f"a number up to {LARGEST:g}" if is_large else "a finite number"
            where = table.where(chunk.lines[place])
            report.problem(
                f"{where}: {shortened(name)} is {shortened(text)!r}, not {wanted}.", NO_NUMBER_HINT
            )
    return columns


@dataclass(frozen=True)
class Wanted:
    """A column that is looked for.

    Args:
        what: What it holds, for messages: `texts`.
        known: Names that it may have, in lower case, the likeliest first.
        name: The name that the user gave; empty to guess.
        flag: The flag to give it with; empty if there is none.
    """

    what: str
    known: tuple[str, ...]
    name: str = ""
    flag: str = ""

    def find(self, table: Table) -> str:
        """Return the column's name; empty if there is none of a known name."""
        if self.name:
            return self.name if self.name in table.names else ""
        lower = {name.lower(): name for name in reversed(table.names)}
        return next((lower[name] for name in self.known if name in lower), "")


def find_columns(table: Table, wanted: Sequence[Wanted], report: Report) -> list[str]:
    """Return the names of the columns wanted, by the user's names or by well-known ones.

    If all but one are found, and one column is left, it is that.

    Args:
        table: The table.
        wanted: What is looked for.
        report: Is told of what was guessed, and of what is not there.
    """
    found = [one.find(table) for one in wanted]
    left = [name for name in table.names if name not in (*found, table.split_column)]
    if found.count("") == 1 and len(left) == 1 and not wanted[found.index("")].name:
        found[found.index("")] = left[0]
    for one, name in zip(wanted, found, strict=True):
        if one.name in table.unusable:
            held = table.unusable[one.name]
            report.problem(f"{table.path}: the column {one.name} holds {held}, not {one.what}.")
        elif not name:
            what = f"column {one.name}" if one.name else f"column of {one.what}"
            advice = f"Name it with {one.flag}." if one.flag else f"Call it {one.known[0]}."
            there = [*table.names, *(f"{name} ({held})" for name, held in table.unusable.items())]
            report.problem(
                f"{table.path} has no {what}: it has {', '.join(map(shortened, there))}. "
                f"{nearest(one.name, table.names) or advice}"
            )
        elif found.count(name) > 1:
            report.problem(
                f"{table.path}: the column {name} cannot hold {one.what} and others too."
            )
        elif not one.name and name.lower() != one.known[0]:
            choose = f" ({one.flag} names another)" if one.flag else ""
            report.note(f"The column of {one.what} is {name}{choose}.")
    return found


def splits_of(table: Table, chunk: Chunk, report: Report) -> list[str]:
    """Return the split that each row of a chunk belongs to, by the column `split` if there is one.

    Args:
        table: The table.
        chunk: Some of its rows.
        report: Is told of cells that name no split; theirs is empty.
    """
    if not table.split_column:
        return ["train"] * len(chunk.lines)
    cells = chunk.cells[table.split_column]
    splits = [split_of(str(cell)) for cell in cells]
    for line, cell, split in zip(chunk.lines, cells, splits, strict=True):
        if not split:
            report.problem(
                f"{table.where(line)}: its split must be train, validation or test, not "
                f"{shortened(repr(cell))}.",
                f"A column {table.split_column} says which rows to train and to test on: rename "
                "it, if it is something else.",
            )
    return splits
