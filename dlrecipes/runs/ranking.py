"""Runs in the order of their results."""

import math
from collections.abc import Iterable

from dlrecipes.runs.record import Run


def best_first(runs: Iterable[Run]) -> list[Run]:
    """Return runs from the best result on; those without one last.

    Runs of different tasks are apart, in the order of their names: their results are of different
    metrics.
    """
    return sorted(runs, key=lambda run: (run.task, _loss(run), run.started))


def has_result(run: Run) -> bool:
    """Tell whether a run can be ranked."""
    return math.isfinite(_loss(run))


def _loss(run: Run) -> float:
    """Return a number that is lower for a better result, infinite without one."""
    value = run.metrics.get(run.headline)
    if value is None or not math.isfinite(value):
        return math.inf
    return -value if run.higher_is_better else value
