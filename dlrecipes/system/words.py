"""Words for people: plurals, numbers, durations."""

import math
from collections.abc import Callable, Sequence
from functools import partial

HUGE = 1e12
SEPARATED = 10_000
"""From here on, thousands are apart: a number of four digits may be a year."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 run` or `12 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def number(value: float | None, decimals: int | None = None) -> str:
    """Return a number for people: four digits that matter, as 2019, 12,345 or 1.5e12.

    Args:
        value: The number; None for an unknown one.
        decimals: How many to show; None for as many as matter.
    """
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= HUGE:
        return f"{value:.4g}".replace("e+", "e")
    return grouped(value, _decimals(value) if decimals is None else decimals)


def grouped(value: float, decimals: int) -> str:
    """Return a number with so many decimals, its thousands apart from five digits on."""
    value = round(value, decimals) + 0.0  # Nothing is shown as -0.0.
    return f"{value:,.{decimals}f}" if abs(value) >= SEPARATED else f"{value:.{decimals}f}"


def _decimals(value: float) -> int:
    """Return how many decimals of a number matter."""
    return 4 if abs(value) < 10 else 1 if abs(value) < 1000 else 0


def alike(*values: float | None) -> Callable[[float | None], str]:
    """Return what shows numbers that are compared: as `number`, with the decimals of the largest.

    Args:
        values: The numbers of a column or of a sentence; None for unknown ones.
    """
    known = (abs(value) for value in values if value is not None and math.isfinite(value))
    return partial(number, decimals=_decimals(max(known, default=0.0)))


def decimals_for(values: Sequence[float]) -> int:
    """Return how many decimals show four digits of the largest of values; 0 for whole numbers."""
    largest = max(map(abs, values), default=0.0)
    if all(float(value).is_integer() for value in values):
        return 0
    return max(0, 3 - math.floor(math.log10(largest)))


def numbers(values: Sequence[float | None]) -> list[str]:
    """Return numbers that are compared, for people: see `alike`."""
    return [*map(alike(*values), values)]


def with_margin(
    value: float,
    margin: float,
    limits: tuple[float, float] = (-math.inf, math.inf),
    shown: Callable[[float | None], str] | None = None,
) -> str:
    """Return a number with its margin to as many decimals, such as `29.2 ± 5.3`.

    Args:
        value: The number.
        margin: Half of its interval.
        limits: The lowest and the highest value that it can have: an interval that goes beyond is
            cut, such as `0.4510 (0.0000 to 1.0000)`.
        shown: Shows the numbers; None to show them as the value is.
    """
    shown = shown or alike(value)
    low, high = max(value - margin, limits[0]), min(value + margin, limits[1])
    is_cut = low > value - margin or high < value + margin
    if limits[0] <= value <= limits[1] and is_cut:
        return f"{shown(value)} ({shown(low)} to {shown(high)})"
    return f"{shown(value)} ± {shown(margin)}"


def duration(seconds: float) -> str:
    """Return a duration for people, such as 2 min 5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
