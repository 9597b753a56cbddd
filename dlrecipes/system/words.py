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


def with_margin(value: float, margin: float) -> str:
    """Return a number with its margin to as many decimals, such as `29.2 ± 5.3`."""
    shown = number(value)
    decimals = len(shown.partition(".")[2])
    return f"{shown} ± {margin:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a duration for people, such as 2 min 5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
