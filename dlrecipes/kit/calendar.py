"""What a date says to a network: how late it is, and where in the year, the week and the day."""

import math
from dataclasses import dataclass
from typing import Any

DAY = 86_400
NO_MOMENT = -(2**63)
"""Stands for a missing date among seconds since 1970."""


@dataclass(frozen=True)
class Moments:
    """A column of dates or times: seconds since 1970, on the clock that they were written by.

    Args:
        mean: Of the seconds.
        deviation: Of the seconds; 1 if they are all the same.
        lowest: The first.
        highest: The last.
        has_missing: Whether some are missing.
        has_clock: Whether some are not midnight.
    """

    mean: float
    deviation: float
    lowest: int
    highest: int
    has_missing: bool
    has_clock: bool

    @property
    def has_days(self) -> bool:
        """Tell whether there are different days: a time of day has none."""
        return self.lowest // DAY != self.highest // DAY


def calendar_columns(x: Any, moments: Moments) -> list[Any]:
    """Return what dates say, as float32 columns (batch, 1) of numbers near 1.

    The trend, (seconds - mean) / deviation; and as cosine and sine, so that December is beside
    January: the day of the year, the month, the weekday, the time of day, as far as the training
    dates differ in them. A missing date is taken for the mean, and said in a column of its own.

    Args:
        x: Seconds since 1970, int64 (batch, 1); the smallest int64 for a missing one.
        moments: What the training dates are.
    """
    from keras import ops

    missing = ops.equal(x, NO_MOMENT)
    seconds = ops.where(missing, int(moments.mean), x)
    trend = (ops.cast(seconds, "float64") - moments.mean) / moments.deviation
    columns = [ops.cast(trend, "float32")]
    day = seconds // DAY
    span = moments.highest - moments.lowest
    if moments.has_days:
        columns += _circle(day + 4, 7)  # 1970 began on a Thursday: 0 is a Sunday.
        if span >= 28 * DAY:
            # A year has 365.2425 days: 146,097 of them in 400 years.
            columns += _circle(day * 400, 146_097)
            columns += _circle(day * 4800, 146_097)
    if moments.has_clock:
        columns += _circle(seconds, DAY)
    if moments.has_missing:
        columns.append(ops.cast(missing, "float32"))
    return columns


def _circle(x: Any, period: int) -> list[Any]:
    """Return cosine and sine of the place of whole numbers in a period."""
    from keras import ops

    angle = ops.cast(x % period, "float64") * (2 * math.pi / period)
    return [ops.cast(ops.cos(angle), "float32"), ops.cast(ops.sin(angle), "float32")]
