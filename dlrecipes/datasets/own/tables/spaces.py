"""Tables whose cells are parted by runs of spaces, or stand in columns of one width."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from dlrecipes.datasets.own.tables.dialect import (
    LOOKED_AT,
    MOST_TITLES,
    Dialect,
    are_values,
)

SPACE = " "
"""What `--separator` calls a run of spaces and tabs."""
_CELL = re.compile(r'"(?:[^"]|"")*"|\S+')
_RULER = re.compile(r"[-=+|: ]*[-=]{2,}[-=+|: ]*")
LONG_MARKS = ("::", "||", ";;", "@@", "~~", "|~|", "\\t")
"""Several characters that part cells together."""


@dataclass(frozen=True)
class Spaces:
    """How spaces part the cells of a line.

    Args:
        columns: Where the columns of one width begin and end; empty if any run of spaces parts.
        mark: What parts the cells instead, with or without spaces around it: `::`, or `|` between
            lines of dashes.
        is_boxed: Whether it stands before the first cell and behind the last one too.
    """

    columns: tuple[tuple[int, int], ...] = ()
    mark: str = ""
    is_boxed: bool = False

    def tabbed(self, line: str) -> str:
        """Return a line with a tab between its cells; a line of dashes alone is empty."""
        text = line.rstrip("\n")
        end = line[len(text) :]
        if _RULER.fullmatch(text):
            return end
        if self.mark:
            if self.is_boxed:
                text = text.strip().removeprefix(self.mark).removesuffix(self.mark)
            cells = text.replace("\t", " ").split(self.mark)
            return "\t".join(map(str.strip, cells)) + end
        if not self.columns:
            return "\t".join(_CELL.findall(text) if '"' in text else text.split()) + end
        gaps = zip((0, *(stop for _, stop in self.columns)), self.columns, strict=False)
        if any(text[before:start].strip() for before, (start, _) in gaps):
            return text + end  # It is no row of these columns, which is said of its cells.
        starts = [start for start, _ in self.columns]
        cells = [text[a:b].strip() for a, b in zip(starts, (*starts[1:], None), strict=True)]
        return "\t".join(cells) + end if any(cells) else end


class SpacedText:
    """A text that is read with a tab between its cells.

    Args:
        file: The text as it is.
        spaces: How its cells are parted.
    """

    def __init__(self, file: TextIO, spaces: Spaces) -> None:
        self.file, self.spaces = file, spaces
        self.buffer = getattr(file, "buffer", None)

    def __enter__(self) -> "SpacedText":
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.file.close()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines."""
        return map(self.spaces.tabbed, self.file)

    def readline(self) -> str:
        """Return the next line; an empty text at the end."""
        return self.spaces.tabbed(self.file.readline())

    def read(self, characters: int) -> str:
        """Return whole lines, about so many characters; an empty text at the end."""
        return "".join(map(self.spaces.tabbed, self.file.readlines(characters)))


def spaced(file: TextIO, spaces: Spaces | None) -> Any:
    """Return a text as it is, or as one with a tab between its cells."""
    return file if spaces is None else SpacedText(file, spaces)


def found_spaces(head: str, other: Dialect) -> Spaces | None:
    """Return how spaces part the cells of a text; None if a character does, or nothing.

    Spaces part them if all rows have as many cells then, some columns of which are numbers or
    dates; and no character makes a table of it, unless spaces leave nothing but numbers: 0,5 1,25.

    Args:
        head: The beginning of the text: whole lines.
        other: How it would be parted by a character.
    """
    lines = [line for line in head.split("\n")[:LOOKED_AT] if line.strip() and line[0] != "#"]
    if marked := _found_mark(lines):
        return marked
    lines = [line for line in lines if not _RULER.fullmatch(line)]
    rows = [Spaces().tabbed(line).split("\t") for line in lines]
    others = [list(row) for row in (other.names, *other.found_rows)]
    is_table = len(other.names) > 1 and not other.titles
    is_table = is_table and all(len(row) == other.cells for row in other.found_rows)
    share = _share_of_values(_below_titles(rows))
    if share and (not is_table or share == 1 > _share_of_values(others)):
        return Spaces()
    if is_table or len(other.names) > 1 or any("\t" in line for line in lines):
        return None
    columns = _columns(lines)
    rows = [Spaces(columns).tabbed(line).split("\t") for line in lines]
    return Spaces(columns) if len(columns) > 1 and all(rows[0]) and _share_of_values(rows) else None


def _found_mark(lines: Sequence[str]) -> Spaces | None:
    """Return the characters that part the cells of lines together, or bars below a line of dashes.

    So do Markdown, and the terminals of databases.
    """
    for mark in LONG_MARKS:
        counts = {line.count(mark) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and min(counts):
            return Spaces(mark=mark)
    rulers = [line for line in lines[:3] if _RULER.fullmatch(line) and set(line) & set("+|")]
    rows = [line for line in lines if not _RULER.fullmatch(line)]
    if not rulers or not rows or sum("|" in line for line in rows) < len(rows) - 1:
        return None
    return Spaces(mark="|", is_boxed=rows[0].strip()[0] == "|")


def _below_titles(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the rows from the header on; nothing if not all have as many cells."""
    counts = Counter(map(len, rows))
    width = max(counts, key=lambda cells: (counts[cells], cells), default=0)
    first = next((place for place, row in enumerate(rows) if len(row) == width), 0)
    if width < 2 or first > MOST_TITLES or any(len(row) != width for row in rows[first:]):
        return []
    if first and len(rows[first - 1]) == width - 1 > 1:
        return list(rows[first - 1 :])  # As R writes the names of rows, which have no name.
    is_titled = all(len(row) <= width / 2 for row in rows[:first])
    return list(rows[first:]) if not first or (is_titled and width > 2) else []


def _share_of_values(rows: Sequence[Sequence[str]]) -> float:
    """Return the columns that are numbers or dates below the header, as a share of all."""
    below = list(rows[1:] or rows)
    if not below or len({len(row) for row in below}) > 1:
        return 0.0
    columns = list(zip(*below, strict=True))
    return sum(map(are_values, columns)) / len(columns)


def _columns(lines: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return where columns of one width begin and end: spaces part them in every line."""
    longest = max(map(len, lines), default=0)
    filled = [any(line[at : at + 1].strip() for line in lines) for at in range(longest)]
    marked = "".join("x" if one else " " for one in filled)
    found: list[tuple[int, int]] = []
    for start, stop in (match.span() for match in re.finditer("x+", marked)):
        if found and start - found[-1][1] == 1 and not lines[0][start:stop].strip():
            start = found.pop()[0]  # A column has a name: this is a second word.
        found.append((start, stop))
    return tuple(found)
