"""How a delimited text is laid out: what parts its cells, and where its table begins."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from dlrecipes.datasets.own.cells import MOSTLY
from dlrecipes.datasets.own.files import Report, shortened
from dlrecipes.datasets.own.moments import moment
from dlrecipes.datasets.own.numerals import numeral, tidy

SEPARATORS = (",", "\t", ";", "|")
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "space"}
"""What `--separator` calls them, beside themselves."""
HEAD_CHARACTERS = 2**18
"""That are looked at to find the layout."""
LOOKED_AT = 200
"""Rows that are looked at."""
MOST_TITLES = 20
"""Lines above the header."""
_DECLARED = re.compile(r"""["']?sep=(.|\\t)["']?\s*""")


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is laid out.

    Args:
        separator: What parts the cells.
        is_quoted: Whether quotation marks keep cells together.
        names: The names of the columns.
        header: The line that they stand on, from 1.
        first: Lines before the first row.
        cells: Cells of a row, empty ones at the end of all rows too.
        spare: Columns at the end that have no name, and hardly a cell with anything in it.
        titles: What stands above the header.
        comments: Whether lines may begin with "#".
        found_rows: The first rows.
    """

    separator: str = ","
    is_quoted: bool = True
    names: tuple[str, ...] = ()
    header: int = 1
    first: int = 1
    cells: int = 0
    spare: int = 0
    titles: tuple[str, ...] = ()
    comments: bool = False
    found_rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

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


def sniff(head: str, usual: str, wanted: str = "", *, is_quoted: bool = True) -> Dialect:
    """Return the layout of a text that begins like this.

    Args:
        head: Its beginning: whole lines.
        usual: The separator that its ending promises.
        wanted: The separator that the user names; empty to find it.
        is_quoted: Whether quotation marks keep cells together.
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
    readings = [
        (separator, _rows(lines[before:], separator, is_quoted=is_quoted))
        for separator in candidates
    ]
    separator, rows = max(readings, key=lambda one: _score(one[1]))
    return _table(lines, before, separator, rows, comments=comments, is_quoted=is_quoted)


def _is_header(lines: Sequence[str], separator: str) -> bool:
    """Tell whether a line that begins with "#" has as many cells as those behind it."""
    below = [line for line in lines[1:6] if line.strip()]
    cells = lines[0].count(separator)
    return bool(cells and below) and all(line.count(separator) == cells for line in below)


def _rows(
    lines: Sequence[str], separator: str, *, is_quoted: bool
) -> list[tuple[int, int, list[str]]]:
    """Return the first rows with the lines that they begin and end on, counted from 0."""
    found: list[tuple[int, int, list[str]]] = []
    reader = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
    )
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
    *,
    comments: bool,
    is_quoted: bool,
) -> Dialect:
    """Return the layout of rows that were parted."""
    usual, place = _usual_cells(rows), 0
    while place < min(len(rows) - 1, MOST_TITLES) and _is_title(rows[place][2], usual):
        place += 1
    if not rows:
        return Dialect(separator, is_quoted)
    begin, end, header = rows[place]
    below = [row for _, _, row in rows[place + 1 :]]
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
        is_quoted=is_quoted,
        names=tuple(names),
        header=before + begin + 1,
        first=before + end,
        cells=cells,
        spare=spare,
        titles=tuple(line for line in lines[before : before + begin] if tidy(line).strip(",;|")),
        comments=comments,
        found_rows=tuple(tuple(row) for row in below),
    )


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
