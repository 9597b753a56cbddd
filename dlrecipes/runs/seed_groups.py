"""Runs that differ in their seeds alone: the mean of their results, and how sure it is."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import MATCHES_SHOWN, read_run, run_folders
from dlrecipes.runs.noise import CONFIDENCE, Difference
from dlrecipes.runs.record import NAME, Run, finite

MEMBER = re.compile(r"(?P<group>.+)-seed\d+")
"""The name of a run that `train --seeds` has trained."""
WELCH = "Welch's t"
FEWEST = 2


@dataclass(frozen=True)
class Group:
    """Runs of one recipe that differ in their seeds.

    Args:
        name: What their names begin with.
        runs: The finished ones, at least two.
        unfinished: Names of the others.
    """

    name: str
    runs: Sequence[Run]
    unfinished: Sequence[str]

    def values(self, metric: str) -> list[float]:
        """Return a test metric of each run; nothing if it is missing in one."""
        found = [run.metrics.get(metric) for run in self.runs]
        known = [value for value in found if value is not None and math.isfinite(value)]
        return known if len(known) == len(found) else []


def find_group(text: str, runs_dir: Path) -> Group | None:
    """Return the group that `train --seeds --name` has named so; None if there is none.

    Args:
        text: Name of the group, or `recipe/name`.
        runs_dir: The folder of all runs.

    Raises:
        InputError: if several recipes have such a group, or fewer than two of its runs finished.
    """
    recipe, _, name = text.rpartition("/")
    if not all(NAME.fullmatch(part) for part in (name, recipe or name)):
        return None
    folders = list(run_folders(runs_dir, recipe or "*"))
    if any(path.name == name or path.parent.name == text for path in folders):
        return None
    of_group = [
        path
        for path in folders
        if (member := MEMBER.fullmatch(path.name)) and member["group"] == name
    ]
    if len(recipes := sorted({path.parent.name for path in of_group})) > 1:
        shown = ", ".join(f"{one}/{name}" for one in recipes[:MATCHES_SHOWN])
        raise InputError(f"{text!r} could be any of {shown}.", "Type recipe/name.")
    if len(of_group) < FEWEST:
        return None
    runs = sorted(map(read_run, of_group), key=lambda run: run.seed)
    finished = [run for run in runs if run.status == "finished"]
    if len(finished) < FEWEST:
        raise InputError(
            f"{len(finished)} of {len(runs)} runs of {text} finished: a mean needs {FEWEST}.",
            f"Name a run, such as {runs[0].run}.",
        )
    return Group(name, finished, [run.run for run in runs if run not in finished])


def margin_of_mean(values: Sequence[float]) -> float:
    """Return half of the 95 % interval of a mean, after Student 1908.

    Args:
        values: At least two values.
    """
    deviation = float(np.std(values, ddof=1))
    return _quantile(len(values) - 1) * deviation / math.sqrt(len(values))


def difference_of_means(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return how far the mean of the first values is from that of the second, after Welch 1947.

    Both means have a spread of their own, and the two need not be alike.

    Args:
        first: At least two values.
        second: At least two values.
    """
    difference = float(np.mean(first) - np.mean(second))
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (first, second)]
    variance = sum(parts)
    if not variance:  # Nothing in these trainings depends on the seed.
        return Difference(difference, (difference, difference), WELCH)
    freedom = variance**2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    half = _quantile(freedom) * math.sqrt(variance)
    return Difference(difference, (difference - half, difference + half), WELCH)


def _quantile(freedom: float) -> float:
    """Return the quantile of Student's t that the interval ends at."""
    from scipy.special import stdtrit  # It takes a quarter of a second to import.

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def compared_groups(one: Group, other: Group) -> dict[str, Any]:
    """Return how far the mean of the second of two groups is from that of the first.

    Returns:
        The `metric`, the `difference`, its 95 % `interval` and how that was found (`test`), a
        `verdict` on the second group (`better`, `worse`, or `tie` where it may be noise), and the
        number of `seeds` of both; or only `why_none`, a clause.
    """
    first, second = one.runs[0], other.runs[0]
    if first.headline != second.headline:
        names = f"{first.headline} and {second.headline}"
        return {"why_none": f"the groups have different headline metrics, {names}"}
    if len({run.data["fingerprint"] for run in (*one.runs, *other.runs)}) > 1:
        return {"why_none": "the runs were trained and tested on different data"}
    values = one.values(first.headline), other.values(first.headline)
    if not all(values):
        return {"why_none": f"at least one run has no {first.headline}"}
    found = difference_of_means(values[1], values[0])
    document: dict[str, Any] = finite(
        {
            "metric": first.headline,
            **asdict(found),
            "verdict": found.verdict(higher_is_better=first.higher_is_better),
            "seeds": [len(one.runs), len(other.runs)],
        }
    )
    return document
