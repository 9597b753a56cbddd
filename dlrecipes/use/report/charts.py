"""Charts as SVG, which take their colours from the page: light or dark."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from dlrecipes.system.words import grouped

Points = Sequence[Sequence[float]]
COLOURS = (*(f"var(--line-{number})" for number in range(1, 11)), *["var(--quiet)"] * 3)
"""Of the lines of a chart: those of up to ten classes, and of what they are compared with."""
DASHED = {"dasharray": "5, 4", "width": 2}
PLAIN = {"width": 2}
LARGE = 1e6
"""From here on, an axis has no room for a number with all its zeros."""


@cache
def _style(colours: tuple[str, ...]) -> Any:
    """Return the colours of the lines and bars of a chart, and the fonts of all charts."""
    from pygal.style import Style

    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--rule)",
        guide_stroke_color="var(--rule)",
        major_guide_stroke_color="var(--rule)",
        colors=colours,
        font_family="inherit",
        label_font_size=14,
        major_label_font_size=14,
        legend_font_size=15,
        title_font_size=16,
        tooltip_font_size=14,
        transition="0s",
    )


@dataclass(frozen=True)
class Axes:
    """The axes of a chart.

    Args:
        x: Title of the x axis.
        y: Title of the y axis.
        bounds: Lowest and highest value of the y axis; None for those of the points.
        labels: Where the x axis has numbers; empty for a few places in between.
        colours: Of the lines or bars, in their order.
    """

    x: str
    y: str
    bounds: tuple[float, float] | None = None
    labels: Sequence[float] = ()
    colours: tuple[str, ...] = COLOURS


def _chart(kind: str, axes: Axes, **options: Any) -> Any:
    """Return an empty chart that fills the width it is given."""
    import pygal

    return getattr(pygal, kind)(
        style=_style(axes.colours),
        js=(),
        width=640,
        height=400,
        x_title=axes.x,
        y_title=axes.y,
        legend_at_bottom=True,
        legend_box_size=12,
        disable_xml_declaration=True,
        truncate_label=-1,
        show_minor_x_labels=True,
        **options,
    )


def _svg(chart: Any, name: str) -> str:
    """Return a chart's SVG, with what it says to a reader who does not see it.

    Args:
        chart: The chart.
        name: What it shows; the ids in it begin with it, so that they are the same each time.
    """
    text: str = chart.render(is_unicode=True)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<script[^>]*>.*?</script>|<script[^>]*/>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(activate-serie-\d+)?"', "", text)  # They are the same in each chart.
    own = "chart-" + re.sub(r"\W+", "-", name)
    text = text.replace(f"chart-{chart.uuid}", own)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)


def lines(
    name: str,
    series: Mapping[str, Points],
    axes: Axes,
    *,
    dashed: Sequence[str] = (),
    dots: bool = False,
) -> str:
    """Return a chart of lines.

    Args:
        name: What it shows.
        series: The points (x, y) of each line, by its name.
        axes: The axes.
        dashed: Names of the lines that are dashed.
        dots: Whether to draw points in place of lines.
    """
    chart = _chart(
        "XY",
        axes,
        show_dots=dots,
        stroke=not dots,
        dots_size=2,
        show_x_guides=False,
        range=axes.bounds,
        value_formatter=_number,
        x_value_formatter=_number,
    )
    chart.x_labels = list(axes.labels) or None
    for label, points in series.items():
        values = [tuple(point) for point in points]
        style = DASHED if label in dashed else PLAIN
        own: dict[str, Any] = (
            {"stroke": True, "show_dots": False} if dots and label in dashed else {}
        )
        if len(values) == 1:  # A line of one point would not be seen.
            own = {"stroke": False, "show_dots": True, "dots_size": 5}
        chart.add(label, values, stroke_style=style, **own)
    return _svg(chart, name)


def bars(name: str, counts: Sequence[float], labels: Sequence[str], axes: Axes) -> str:
    """Return a chart of bars, one for each label.

    Args:
        name: What it shows.
        counts: The height of each bar.
        labels: What is below each bar; empty for nothing.
        axes: The axes.
    """
    chart = _chart("Bar", axes, show_legend=False, value_formatter=_number)
    chart.x_labels = list(labels)
    chart.add("", list(counts))
    return _svg(chart, name)


def short(value: Any, digits: int = 3) -> str:
    """Return a number for an axis: a few digits, as 2019 or 12,345, and 1.5e9 from a million on."""
    number = float(value)
    if abs(number) >= LARGE:
        return f"{number:.{digits}g}".replace("e+0", "e").replace("e+", "e")
    return grouped(number, 0) if abs(number) >= 1000 else f"{number:.{digits}g}"


def _number(value: Any) -> str:
    """Return a number for an axis, with one digit more: neighbours must not look alike."""
    return short(value, 4)
