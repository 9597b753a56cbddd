"""The loss of a training as a few signs: how it has gone since the training began."""

import math

SIGNS = "▁▂▃▄▅▆▇"
LONG, SHORT = 12, 6
"""Signs of a sparkline, on a wide terminal and on a narrow one."""
KEPT = 2 * LONG


class Losses:
    """The losses that were shown, thinned out to a few means as they become many."""

    def __init__(self) -> None:
        self.means: list[float] = []
        self.size = 1
        """How many losses each mean is of."""
        self.rest: list[float] = []

    def add(self, loss: float) -> None:
        """Add a loss; one that is no number is left out."""
        if not math.isfinite(loss):
            return
        self.rest.append(loss)
        if len(self.rest) < self.size:
            return
        self.means.append(_mean(self.rest))
        self.rest = []
        if len(self.means) == KEPT:
            self.means = _paired(self.means)
            self.size *= 2

    def sparkline(self, width: int) -> str:
        """Return the losses from the first to the last, in as many signs at most.

        The lowest sign is the lowest loss. Nothing is shown of a single loss.
        """
        means = self.means
        while len(means) > width:
            means = _paired(means)
        if len(means) < 2:
            return ""
        lowest, highest = min(means), max(means)
        step = (highest - lowest) / (len(SIGNS) - 1) or 1.0
        return "".join(SIGNS[round((mean - lowest) / step)] for mean in means)


def _paired(means: list[float]) -> list[float]:
    """Return the mean of each two; the last may be alone."""
    return [_mean(means[place : place + 2]) for place in range(0, len(means), 2)]


def _mean(values: list[float]) -> float:
    """Return the mean of some values."""
    return sum(values) / len(values)
