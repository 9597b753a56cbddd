"""The metrics of groups of test rows: where a model does worse, and whether that is noise."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions, Report, composed, shortened
from dlrecipes.datasets.own.tables import is_rows, open_table
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError, nearest
from dlrecipes.kit.scores import Scores
from dlrecipes.runs.noise import CONFIDENCE, gap_of, interval_of
from dlrecipes.runs.record import finite
from dlrecipes.tasks.results import Metric

MOST_GROUPS = 20
"""Values of a column that are groups of their own; the rarer ones are one group."""
MOST_NUMBERS = 10
"""Different numbers that are groups of their own; of more, quarters are."""
OTHERS, MISSING = "(others)", "(missing)"
PLACE = re.compile(r"(.+), (?:line|row) (\d+)")


def by_group(scores: Mapping[str, Scores], groups: Sequence[str], headline: Metric) -> Any:
    """Return the metrics of each group of test rows, and how far it is from all the others.

    Args:
        scores: What the metrics are made of, in the order of the test rows.
        groups: The group of each test row.
        headline: The metric that groups are compared on.

    Returns:
        Of each group, by its name: `rows`, `metrics` and `intervals` (95 %) by name, the `gap` of
        the headline metric to the other rows, its `gap_interval`, and a `verdict` on it: `better`,
        `worse`, or `tie` where the gap may be noise. With many groups, some gap is large by
        chance: the interval of a gap is as wide as to hold for all groups together (Bonferroni).

    Raises:
        InputError: if it is not known how the model did on each row.
    """
    known = {name: one for name, one in scores.items() if len(one) == len(groups)}
    if headline.name not in known:
        raise InputError(f"--by needs to know the {headline.name} of each test row: it does not.")
    of_row = np.array(groups, dtype=object)
    names = sorted(set(groups), key=_order)
    confidence = 1 - (1 - CONFIDENCE) / max(len(names), 1)
    found = []
    for name in names:
        inside = np.flatnonzero(of_row == name)
        outside = np.flatnonzero(of_row != name)
        some = {metric: one.take(inside) for metric, one in known.items()}
        entry: dict[str, Any] = {
            "group": name,
            "rows": len(inside),
            "metrics": {metric: one.value() for metric, one in some.items()},
            "intervals": {metric: list(interval_of(one)) for metric, one in some.items()},
        }
        if len(outside):
            gap = gap_of(some[headline.name], known[headline.name].take(outside), confidence)
            entry |= {
                "gap": gap.difference,
                "gap_interval": list(gap.interval),
                "verdict": gap.verdict(higher_is_better=headline.higher_is_better),
            }
        found.append(entry)
    return finite(found)


def _order(name: str) -> tuple[int, float, str]:
    """Return what groups are sorted by: numbers by their value, what is no group at the end."""
    if name in (OTHERS, MISSING):
        return (2, 0.0, name)
    number = re.match(r"-?[\d.]+(e[+-]?\d+)?", name)
    try:
        return (0, float(number[0]) if number else 0.0, name) if number else (1, 0.0, name)
    except ValueError:
        return (1, 0.0, name)


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
    if column not in names:
        raise InputError(
            f"--by {column}: the test rows have no such column: they have "
            f"{', '.join(map(shortened, names)) or 'none'}.",
            nearest(column, names),
        )
    return list(source.test.columns[names[column]][:])


def grouped(cells: Sequence[Any]) -> list[str]:
    """Return the name of the group that each cell is in."""
    texts = [str(cell).strip() if cell is not None else "" for cell in cells]
    numbers = np.array([_number(text) for text in texts])
    is_missing = np.array([text in ("", "nan", "NaN", "None") for text in texts])
    given = numbers[~is_missing]
    if len(given) and np.isfinite(given).all() and len(np.unique(given)) > MOST_NUMBERS:
        names = _quarters(numbers, given)
    else:
        counts = Counter(
            text for text, missing in zip(texts, is_missing, strict=True) if not missing
        )
        own = {name for name, _ in counts.most_common(MOST_GROUPS)}
        names = [text if text in own else OTHERS for text in texts]
    return [MISSING if missing else name for name, missing in zip(names, is_missing, strict=True)]


def _number(text: str) -> float:
    """Return the number that a text is; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return np.nan


def _quarters(numbers: Array, given: Array) -> list[str]:
    """Return the quarter of the given numbers that each number is in, in words."""
    ends = np.unique(np.quantile(given, (0, 0.25, 0.5, 0.75, 1)))
    place = np.clip(np.searchsorted(ends, numbers, side="right") - 1, 0, len(ends) - 2)
    return [f"{ends[one]:g} to {ends[one + 1]:g}" for one in place]
