"""Words for people: plurals, numbers, durations."""

import math

HUGE = 1e12


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 run` or `12 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def number(value: float | None) -> str:
    """Return a number for people: four digits that matter, thousands apart, or as 1.5e12."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= HUGE:
        return f"{value:.4g}".replace("e+", "e")
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"


def with_margin(
    value: float, margin: float, limits: tuple[float, float] = (-math.inf, math.inf)
) -> str:
    """Return a number with its margin to as many decimals, such as `29.2 ± 5.3`.

    Args:
        value: The number.
        margin: Half of its interval.
        limits: The lowest and the highest value that it can have: an interval that goes beyond is
            cut, such as `0.4510 (0 to 1)`.
    """
    shown = number(value)
    low, high = value - margin, value + margin
    if limits[0] <= value <= limits[1] and (low < limits[0] or high > limits[1]):
        ends = (
            f"{limit:g}" if is_beyond else number(end)
            for end, limit, is_beyond in (
                (low, limits[0], low < limits[0]),
                (high, limits[1], high > limits[1]),
            )
        )
        return f"{shown} ({' to '.join(ends)})"
    decimals = len(shown.partition(".")[2])
    return f"{shown} ± {margin:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a duration for people, such as 2 min 5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
