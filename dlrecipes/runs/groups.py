"""The metrics of groups of test rows: where a model does worse, and whether that is noise."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.scores import Scores
from dlrecipes.runs.noise import CONFIDENCE, gap_of, interval_of
from dlrecipes.runs.record import finite
from dlrecipes.tasks.inputs.table import MISSING
from dlrecipes.tasks.results import Metric

MOST_GROUPS = 20
"""Values of a column that are groups of their own; the rarer ones are one group."""
MOST_NUMBERS = 10
"""Different numbers that are groups of their own; of more, quarters are."""
OTHERS = "(others)"
FEWEST_ROWS = 20
"""Of a group that is looked at by itself, and of all the others."""
LOOKED_AT_TWICE = 3
"""Groups of which it is tested whether they do worse by more than noise."""


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


def worst_groups(
    scores: Scores, columns: Mapping[str, Sequence[Any]], *, higher_is_better: bool
) -> dict[str, Any]:
    """Return the groups of rows on which a model does worse than on the others by more than noise.

    The groups are the values of each column, as `grouped` has them. All are compared, and only the
    few with the largest gaps for their size are tested, by intervals as wide as to hold for all of
    them together (Bonferroni).

    Args:
        scores: What the metric is made of, in the order of the rows.
        columns: The cells of each column, by its name.
        higher_is_better: Whether a larger value of the metric is a better one.

    Returns:
        How many groups were `compared`; and of each of `worse`, the worst first, its `column`,
        `group` and `rows`, the metric `inside` and `outside`, and the `interval` of the gap.
    """
    gaps = []
    for column, cells in columns.items():
        of_row = np.array(grouped(cells), dtype=object)
        for group in sorted(set(of_row)):
            of_group = of_row == group
            inside, outside = (scores.take(np.flatnonzero(one)) for one in (of_group, ~of_group))
            if min(len(inside), len(outside)) < FEWEST_ROWS:
                continue
            gap = inside.value() - outside.value()
            worse_by = -gap if higher_is_better else gap
            gaps.append((worse_by * len(inside) ** 0.5, column, group, inside, outside))
    gaps.sort(key=lambda one: -one[0])
    confidence = 1 - (1 - CONFIDENCE) / max(len(gaps), 1)
    worse = []
    for _, column, group, inside, outside in gaps[:LOOKED_AT_TWICE]:
        found = gap_of(inside, outside, confidence)
        if found.verdict(higher_is_better=higher_is_better) == "worse":
            entry = {"column": column, "group": group, "rows": len(inside)}
            values = {"inside": inside.value(), "outside": outside.value()}
            worse.append({**entry, **values, "interval": list(found.interval)})
    return {"compared": len(gaps), "worse": worse}


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
