"""Find the columns of a table that are wanted, and read them."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from keyword import iskeyword

from dlrecipes.datasets.own.cells import why_no_number
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.files import (
    Report,
    shortened,
)
from dlrecipes.datasets.own.labels import is_unlabelled
from dlrecipes.datasets.own.numerals import tidy
from dlrecipes.datasets.own.splits import split_of
from dlrecipes.datasets.own.tables import Chunk, Table
from dlrecipes.datasets.own.written import (
    DATES,
    NUMBERS,
    TEXTS,
    Written,
    read_dates,
    read_numbers,
    read_texts,
)
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import nearest

LONGEST_NAME = 120
"""Characters of the name of a network's input."""
OTHERWISE = " To take a column as names: --types NAME=category; to leave it out: --ignore NAME"
AS_MISSING = "To take all that is no number as missing: --types NAME=number. "
NUMBERS_ARE = "Numbers are such as -1234.5, 1,234.50, $5 or 12 %."
DATES_ARE = "Dates are such as 2024-03-31, 31.3.2024 or Mar 31, 2024."


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
        for name, column in facts.items():
            column.add(chunk.columns[name])
    if rows == 0 and report.count == before:
        report.problem(f"{table.path} has no rows.")
    return facts, rows


def safe_name(name: str) -> str:
    """Return the name that a network's input can have for a column: letters, digits and "_"."""
    # Each letter keeps a code of its own, or all names in another script would be alike.
    whole = unicodedata.normalize("NFC", name)
    coded = re.sub(r"[^\x00-\x7f]", lambda letter: f"u{ord(letter[0]):04x}", whole)
    safe = re.sub(r"\W", "_", coded, flags=re.ASCII)
    if not safe[:1].isalpha() or safe == "self" or iskeyword(safe):
        safe = f"column_{safe}"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:8]
    return f"{safe[: LONGEST_NAME - 9]}_{digest}"


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """Return the name that a network's input can have, for each column.

    TensorFlow takes letters, digits and "_", and tells no capitals apart: "od280/od315 (nm)"
    becomes "od280_od315__nm_", "Größe" becomes "Gru00f6u00dfe", and "age" beside "Age" "age_2".
    """
    safe: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        short, number = safe_name(name), 2
        while short.lower() in taken:
            short, number = f"{safe_name(name)}_{number}", number + 1
        taken.add(short.lower())
        safe[name] = short
    return safe


def same_column(name: str, short: str, names: Sequence[str]) -> str:
    """Return what a table calls a column that is known from another one; empty if it lacks it.

    Args:
        name: What the other one calls it.
        short: Its name in the network.
        names: The names of the table's columns.
    """
    if name in names:
        return name
    for alike in (_plain_name, safe_name):
        wanted = _plain_name(name) if alike is _plain_name else short
        found = [one for one in names if alike(one) == wanted]
        if len(found) == 1:
            return found[0]
    return ""


def _plain_name(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", tidy(name)).split())


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read.

    Args:
        names: The name to give to each, by the table's name for it.
        written: How each of them is written, by the name to give to it.
        is_settled: Whether a trained model has settled what they hold: then no flag changes it.
    """

    names: Mapping[str, str]
    written: Mapping[str, Written]
    is_settled: bool

    def hint(self, kind: str) -> str:
        """Return what to do about cells that do not hold what their column does.

        Args:
            kind: `NUMBERS` or `DATES`.
        """
        said = DATES_ARE if kind == DATES else NUMBERS_ARE
        if self.is_settled:
            return said
        return f"{AS_MISSING if kind == NUMBERS else ''}{said}{OTHERWISE}"


def column_values(table: Table, chunk: Chunk, columns: Columns, report: Report) -> dict[str, Array]:
    """Return the columns of a chunk.

    Numbers are float64, NaN where missing; dates int64, seconds since 1970, `NO_MOMENT` where
    missing; texts are empty where missing.

    Args:
        table: The table.
        chunk: Some of its rows.
        columns: The columns that are wanted.
        report: Is told of cells that are no numbers or no dates, and of infinite ones.
    """
    values = {}
    for name, short in columns.names.items():
        cells, how = chunk.columns[name], columns.written[short]
        if how.kind == TEXTS:
            values[short] = read_texts(cells)
            continue
        read = read_dates if how.kind == DATES else read_numbers
        values[short], bad = read(cells, how)
        for place in bad:
            cell, where = str(cells[place]), table.where(int(chunk.lines[place]))
            is_date = how.kind == DATES
            why = f"{shortened(cell)!r}, no date" if is_date else why_no_number(cell)
            report.problem(f"{where}: {shortened(name)} is {why}.", columns.hint(how.kind))
    return values


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

    def first(self, column: str) -> "Wanted":
        """Return what is wanted with a name that it is looked for by before all others."""
        return replace(self, known=(column.lower(), *self.known)) if column else self

    def find(self, table: Table) -> str:
        """Return the column's name; empty if there is none of a known name."""
        if self.name:
            return self.name if self.name in table.names else ""
        lower = {name.lower(): name for name in reversed(table.names)}
        within = {name.rpartition(".")[2]: whole for name, whole in lower.items()}  # reviews.text
        return next(
            (found[name] for found in (lower, within) for name in self.known if name in found), ""
        )


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
        if name:
            report.chosen[one.what] = name
    return found


def splits_of(table: Table, chunk: Chunk, report: Report) -> list[str]:
    """Return the split that each row of a chunk belongs to, by the column `split` if there is one.

    Args:
        table: The table.
        chunk: Some of its rows.
        report: Is told of cells that name no split; theirs is empty, and that of rows that have no
            label.
    """
    if not table.split_column:
        return ["train"] * len(chunk.lines)
    cells = chunk.cells[table.split_column]
    splits = [split_of(str(cell)) for cell in cells]
    for line, cell, split in zip(chunk.lines, cells, splits, strict=True):
        if not split and is_unlabelled(str(cell)):
            report.note(
                f"Rows whose {table.split_column} is {str(cell)!r} are left out: they have no "
                "label."
            )
        elif not split:
            report.problem(
                f"{table.where(line)}: its split must be train, validation or test, not "
                f"{shortened(repr(cell))}.",
                f"A column {table.split_column} says which rows to train and to test on: rename "
                "it, if it is something else.",
            )
    return splits
