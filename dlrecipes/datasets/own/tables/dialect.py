"""How a delimited text is laid out: what parts its cells, and where its table begins."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from dlrecipes.datasets.own.cells import MISSING, MOSTLY, NO_VALUE
from dlrecipes.datasets.own.files import Report, shortened
from dlrecipes.datasets.own.moments import moment
from dlrecipes.datasets.own.numerals import numeral, tidy

SEPARATORS = (",", "\t", ";", "|")
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "space"}
"""What `--separator` calls them, beside themselves."""
RARE = {"^": "caret", "~": "tilde", "¦": "broken bar", "\x01": "^A mark", "\x1f": "^_ mark"}
"""Separators that are looked for where no other makes a table."""
HEAD_CHARACTERS = 2**18
"""That are looked at to find the layout."""
LOOKED_AT = 200
"""Rows that are looked at."""
MOST_TITLES = 20
"""Lines above the header."""
MOST_HEADS = 3
"""Rows that the names of columns and their units take."""
LEAST_BELOW = 4
"""Rows of which the first is told from the others."""
_DECLARED = re.compile(r"""["']?sep=(.|\\t)["']?\s*""")


@dataclass(frozen=True)
class Quoting:
    """What quotation marks mean in a delimited text.

    Args:
        keeps: Whether they keep cells together.
        skips: Whether spaces may stand between a separator and a mark.
        escape: What stands before a mark within a cell; empty if such marks are doubled.
    """

    keeps: bool = True
    skips: bool = False
    escape: str = ""

    def reader(self, lines: Iterable[str], separator: str, *, strict: bool = False) -> Any:
        """Return what reads the cells of lines, as Python's `csv` does.

        Args:
            lines: The lines.
            separator: What parts the cells.
            strict: Whether a mark without its other one is an error.
        """
        return csv.reader(
            lines,
            delimiter=separator,
            strict=strict and self.keeps,
            quoting=csv.QUOTE_MINIMAL if self.keeps else csv.QUOTE_NONE,
            skipinitialspace=self.skips,
            escapechar=self.escape or None,
        )


AS_THEY_ARE = Quoting(keeps=False)
"""Quotation marks that mean nothing."""


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is laid out.

    Args:
        separator: What parts the cells.
        quoting: What quotation marks mean.
        names: The names of the columns.
        header: The line that they stand on, from 1.
        first: Lines before the first row.
        cells: Cells of a row, empty ones at the end of all rows too.
        spare: Columns at the end that have no name, and hardly a cell with anything in it.
        titles: What stands above the header.
        comments: Whether lines may begin with "#".
        units: What stands between the header and the first row: `m²`, `years`.
        found_rows: The first rows.
    """

    separator: str = ","
    quoting: Quoting = Quoting()
    names: tuple[str, ...] = ()
    header: int = 1
    first: int = 1
    cells: int = 0
    spare: int = 0
    titles: tuple[str, ...] = ()
    comments: bool = False
    units: tuple[str, ...] = ()
    found_rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

    @property
    def is_even(self) -> bool:
        """Whether all rows that were looked at have the cells of the header."""
        has_names = len(self.names) > 1 and self.names[0] != "row"
        return has_names and all(len(row) == self.cells for row in self.found_rows)

    def without_header(self) -> "Dialect":
        """Return the layout where the line that seems to name the columns is a row."""
        names = tuple(numbered_names(len(self.names)))
        return replace(self, names=names, first=self.header - 1)


def numbered_names(count: int) -> list[str]:
    """Return the names of so many columns without a header."""
    return [f"column_{number}" for number in range(1, count + 1)]


def named_separator(value: str) -> str:
    r"""Return the separator that a user names: itself, `\t`, or a word for it; empty if none is."""
    words = {name: mark for mark, name in NAMES.items()} | {"\\t": "\t", "pipe": "|"}
    return words.get(value.strip().lower().removesuffix("s"), value) if value else ""


def sniff(head: str, usual: str, wanted: str = "", quoting: Quoting = AS_THEY_ARE) -> Dialect:
    """Return the layout of a text that begins like this.

    Args:
        head: Its beginning: whole lines.
        usual: The separator that its ending promises.
        wanted: The separator that the user names; empty to find it.
        quoting: What quotation marks mean.
    """
    lines, before = head.split("\n"), 0
    if declared := _DECLARED.fullmatch(lines[0]):
        wanted, before = wanted or declared[1].replace("\\t", "\t"), 1
    while before < len(lines) and (not lines[before].strip() or lines[before].startswith("#")):
        if lines[before].startswith("#") and _is_header(lines[before:], wanted or usual):
            break
        before += 1
    comments = any(line.startswith("#") for line in lines[:before])
    candidates = (wanted,) if wanted else tuple(dict.fromkeys((usual, *SEPARATORS)))
    separator, rows = _best(lines[before:], candidates, quoting)
    if not wanted and not _score(rows)[1]:
        separator, rows = _best(lines[before:], (separator, *RARE), quoting)
    found = _table(lines, before, separator, rows)
    return replace(found, comments=comments, quoting=quoting)


def sniff_quoted(head: str, usual: str, wanted: str = "") -> Dialect:
    r"""Return the layout of a text whose quotation marks keep cells together.

    Where a mark stands behind a space, or marks within are written as \\", and all rows have as
    many cells then as the header, that is what they mean.

    Args:
        head: Its beginning: whole lines.
        usual: The separator that its ending promises.
        wanted: The separator that the user names; empty to find it.
    """
    found = sniff(head, usual, wanted, Quoting())
    skips = re.search(r'[,;\t|] +"', head) is not None
    escape = "\\" if '\\"' in head else ""
    if not skips and not escape:
        return found
    other = sniff(head, usual, wanted, Quoting(skips=skips, escape=escape))
    is_other = other.is_even and other.found_rows != found.found_rows
    return other if is_other and (skips or not found.is_even) else found


def _best(
    lines: Sequence[str], separators: Iterable[str], quoting: Quoting
) -> tuple[str, list[tuple[int, int, list[str]]]]:
    """Return the separator that makes the best table of lines, and its first rows."""
    readings = [(separator, _rows(lines, separator, quoting)) for separator in separators]
    return max(readings, key=lambda one: _score(one[1]))


def _is_header(lines: Sequence[str], separator: str) -> bool:
    """Tell whether a line that begins with "#" has as many cells as those behind it."""
    below = [line for line in lines[1:6] if line.strip()]
    cells = lines[0].count(separator)
    return bool(cells and below) and all(line.count(separator) == cells for line in below)


def _rows(
    lines: Sequence[str], separator: str, quoting: Quoting
) -> list[tuple[int, int, list[str]]]:
    """Return the first rows with the lines that they begin and end on, counted from 0."""
    found: list[tuple[int, int, list[str]]] = []
    reader = quoting.reader((f"{line}\n" for line in lines), separator)
    end = 0
    try:
        for row in reader:
            if row:
                found.append((end, reader.line_num, row))
            end = reader.line_num
            if len(found) >= LOOKED_AT:
                break
    except csv.Error:
        pass
    return found


def _score(rows: Sequence[tuple[int, int, list[str]]]) -> tuple[float, int]:
    """Return how well rows fit together, and how many cells they have."""
    cells = _usual_cells(rows)
    if cells < 2:
        return 0.0, 0
    fitting = sum(len(row) == cells for _, _, row in rows)
    return round(fitting / len(rows), 2), cells


def _usual_cells(rows: Sequence[tuple[int, int, list[str]]]) -> int:
    counts = Counter(len(row) for _, _, row in rows)
    return max(counts, key=lambda cells: (counts[cells], cells)) if counts else 0


def _table(
    lines: Sequence[str],
    before: int,
    separator: str,
    rows: Sequence[tuple[int, int, list[str]]],
) -> Dialect:
    """Return the layout of rows that were parted."""
    usual, place = _usual_cells(rows), 0
    while place < min(len(rows) - 1, MOST_TITLES) and _is_title(rows[place][2], usual):
        place += 1
    if not rows:
        return Dialect(separator)
    begin = rows[place][0]
    header, used, units = heading([row for _, _, row in rows[place:]])
    end = rows[place + used - 1][1]
    below = [row for _, _, row in rows[place + used :]]
    names = [" ".join(tidy(name).split()) for name in header]
    names[0] = names[0].lstrip("# ")
    cells = len(header)
    fitting = [row for row in below if len(row) == usual]
    if fitting and usual == cells + 1 and not any(row[-1].strip() for row in fitting):
        cells = usual  # Only the rows end in a separator.
    elif fitting and usual == cells + 1 and len(fitting) == len(below):
        names, cells = ["row", *names], usual  # As R writes the names of rows.
    spare = _spare(names, [row for row in fitting if len(row) == len(names)])
    names = names[: len(names) - spare]
    if names and not names[0] and len(names) > 1 and "row" not in names:
        names[0] = "row"  # As pandas writes its index.
    return Dialect(
        separator=separator,
        names=tuple(names),
        header=before + begin + 1,
        first=before + end,
        cells=cells,
        spare=spare,
        titles=tuple(line for line in lines[before : before + begin] if tidy(line).strip(",;|")),
        units=units,
        found_rows=tuple(tuple(row) for row in below),
    )


def heading(rows: Sequence[Sequence[str]]) -> tuple[list[str], int, tuple[str, ...]]:
    """Return the names of the columns, the rows that they take, and the units below them.

    Names may stand on several rows, the upper ones merged over columns: `Q1`, and `size` and `age`
    below it. The first row that names each column, all differently, is taken as it is.

    Args:
        rows: The header, and all below it.
    """
    used = 1
    while used < MOST_HEADS and _is_above(rows[used:]):
        used += 1
    heads = [[tidy(cell) for cell in row] for row in rows[:used]]
    whole = (at for at, row in enumerate(heads) if all(row) and len(set(row)) == len(row))
    named = next(whole, None) if used > 1 else 0
    if named is None:
        return _joined(heads), used, ()
    units = tuple(cell for row in heads[named + 1 :] for cell in row if cell)
    return list(rows[named]), used, units


def _is_above(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first of rows holds no values but words above columns of them."""
    if len(rows) < LEAST_BELOW or any(map(is_value, rows[0])):
        return False
    rest = [row for row in rows[MOST_HEADS if len(rows) > 2 * LEAST_BELOW else 1 :] if any(row)]
    if any(len(row) != len(rows[0]) for row in rest):
        return False
    columns = zip(rows[0], zip(*rest, strict=True), strict=True)
    words = [tidy(cell) for cell, cells in columns if are_values(cells)]
    said = [word for word in words if word and word.lower() not in NO_VALUE]
    in_brackets = all(word[0] in "([{" for word in said)
    return len(said) == sum(map(bool, words)) and len(said) > (0 if in_brackets else 1)


def _joined(heads: Sequence[Sequence[str]]) -> list[str]:
    """Return names that stand on several rows as one; a merged cell holds for those behind it."""
    names = [""] * len(heads[0])
    for number, row in enumerate(heads):
        last = ""
        below = [any(other[at] for other in heads[number + 1 :]) for at in range(len(row))]
        for at, cell in enumerate(row):
            last = cell or (last if below[at] else "")
            names[at] = f"{names[at]} {last}".strip()
    return names


def are_values(cells: Sequence[str]) -> bool:
    """Tell whether nearly all cells that are not missing are numbers or dates."""
    known = [cell for cell in cells if cell.strip('"').lower() not in MISSING]
    return bool(known) and sum(map(is_value, known)) >= MOSTLY * len(known)


def _spare(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many columns at the end have no name, and hardly a cell with anything in it."""
    spare = 0
    while spare < len(names) - 1 and not names[-1 - spare]:
        filled = sum(bool(row[-1 - spare].strip()) for row in rows)
        if not rows or filled > (1 - MOSTLY) * len(rows):
            break
        spare += 1
    return spare


def _is_title(row: Sequence[str], usual: int) -> bool:
    """Tell whether a row above the header belongs to none of its columns."""
    filled = sum(bool(tidy(cell)) for cell in row)
    if usual < 2 or not filled:
        return not filled
    return len(row) <= usual / 2 or (usual > 2 and filled == 1 and len(row) == usual)


def lacks_header(
    path: Path, names: Sequence[str], rows: Sequence[Sequence[str]], report: Report
) -> bool:
    """Tell whether the names look like one of the rows below them; the report is told, if so."""
    number = why_no_header(names, rows)
    if number:
        report.problem(
            f"{path} has no header: its first line holds the number {shortened(number)}.",
            "Name the columns in a line above it; or --header none: they are column_1 and so on; "
            "or --header first: the line names them.",
        )
    return bool(number)


def why_no_header(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the number in a first line that looks like the lines below; empty for a header.

    A header is a line without numbers; or one with a text above numbers; or one whose numbers are
    years or count up, all different, and unlike the numbers below.
    """
    numbers = [name for name in names if is_value(name)]
    if not numbers:
        return ""
    columns = list(zip(*(row for row in rows if len(row) == len(names)), strict=True))
    for name, cells in zip(names, columns, strict=False):
        filled = [cell for cell in cells if cell.strip()]
        is_text = bool(filled and name) and not is_value(name)
        if is_text and sum(map(is_value, filled)) > MOSTLY * len(filled):
            return ""
    return "" if _count_up(numbers) and not _repeated(names, columns) else numbers[0]


def _count_up(numbers: Sequence[str]) -> bool:
    """Tell whether numbers are years, or count from 0 or 1, in even steps."""
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        return False
    whole = [int(number) for number in numbers]
    steps = {after - one for one, after in pairwise(whole)}
    are_years = all(1500 <= one <= 2200 for one in whole)
    return len(steps) == 1 and min(steps) > 0 and (are_years or whole[0] in (0, 1))


def _repeated(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Tell whether the numbers of a first line stand below it too."""
    below = {
        cell
        for name, cells in zip(names, columns, strict=False)
        if is_value(name)
        for cell in cells
    }
    return bool(below) and sum(cell in names for cell in below) >= len(below) / 2


def is_value(text: str) -> bool:
    """Tell whether a text is a number or a date."""
    return numeral(text) is not None or moment(text) is not None
