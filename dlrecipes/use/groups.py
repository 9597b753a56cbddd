"""The group of each test row, by a column of the user's file: what `evaluate --by` compares."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions, Report, composed, shortened
from dlrecipes.datasets.own.tables import is_rows, open_table
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs.groups import grouped

PLACE = re.compile(r"(.+), (?:line|row) (\d+)")


def groups_in(source: Source, column: str, options: FileOptions) -> list[str]:
    """Return the group of each test row: the value of a column, or the quarter that it is in.

    Args:
        source: The raw examples. Rows of a file are read from it again, so that any column of it
            will do, even one that is not used.
        column: Name of the column.
        options: How the file is read.

    Raises:
        InputError: if there is no such column.
    """
    column, places = composed(column), _places(source)
    path = places[0][0] if places else None
    if path is not None and path.is_file() and is_rows(path):
        cells = _cells(path, column, options, [line for _, line in places])
    else:
        cells = _features(source, column)
    return grouped(cells)


def _places(source: Source) -> list[tuple[Path, int]]:
    """Return the file and the line of each test row; nothing if they have none."""
    found = []
    for origin in () if source.test.origins is None else source.test.origins[:]:
        match = PLACE.fullmatch(f"{source.place} {origin}".strip())
        if match is None:
            return []
        found.append((Path(match[1]), int(match[2])))
    return found


def _cells(path: Path, column: str, options: FileOptions, lines: Sequence[int]) -> list[Any]:
    """Return the cells of a column of a table at these lines."""
    report = Report()
    table = open_table(path, options, report)
    report.require_usable(path)
    assert table is not None
    if column not in table.names:
        raise InputError(
            f"--by {column}: {path} has no such column: it has "
            f"{', '.join(map(shortened, table.names))}.",
            nearest(column, table.names),
        )
    wanted, found = set(lines), dict[int, Any]()
    for chunk in table.chunks():
        cells = chunk.cells[column]
        for place, line in enumerate(chunk.lines.tolist()):
            if line in wanted:
                found[line] = cells[place]
    return [found.get(line) for line in lines]


def _features(source: Source, column: str) -> list[Any]:
    """Return the values of a column that the examples have as an input."""
    called = getattr(source.input, "called", {})
    names = {called.get(name, name): name for name in source.test.columns if name != "features"}
    if not names:
        raise InputError(
            f"--by {column}: the test examples have no columns to group by: rows of a table do."
        )
    if column not in names:
        raise InputError(
            f"--by {column}: the test rows have no such column: they have "
            f"{', '.join(map(shortened, names))}.",
            nearest(column, names),
        )
    return list(source.test.columns[names[column]][:])
