"""From the files of two runs to the page that compares them."""

import shlex
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any

from dlrecipes.runs import pairs, record
from dlrecipes.runs.record import Run, shown_data
from dlrecipes.system.atomic import write_atomically
from dlrecipes.system.words import duration
from dlrecipes.training.diagnosis import kept_epoch
from dlrecipes.use.pages import rendered, shape
from dlrecipes.use.report import charts
from dlrecipes.use.report.charts import Axes
from dlrecipes.use.report.flips import flips
from dlrecipes.use.report.parts import (
    epochs_named,
    history_of,
    measured,
    points_of,
    shown_of,
    value_in_words,
)

TEMPLATE = "comparison.html.jinja"
COLOURS = ("var(--line-1)", "var(--line-2)")
"""Of the first run and of the second."""


def write_comparison(one: Run, other: Run) -> Path:
    """Write the page that compares two runs into the folder of the second, and return its path.

    Args:
        one: The first run, of any status.
        other: The second run: the page says whether it is better.
    """
    name = one.run if one.recipe == other.recipe else f"{one.recipe}-{one.run}"
    path = other.path / f"{record.COMPARED}-{name}.html"
    write_atomically(path, comparison_html(one, other).encode())
    return path


def comparison_html(one: Run, other: Run) -> str:
    """Return the page that compares two runs as one HTML document."""
    same_data = one.data["fingerprint"] == other.data["fingerprint"]
    is_comparable = same_data and one.task == other.task
    shown = [shown_of(run) for run in (one, other)]
    difference = {}
    if is_comparable and one.metrics and other.metrics:
        difference = pairs.compared(one, other)
    told_apart = flips(one, other) if difference and "why_none" not in difference else {}
    return rendered(
        __package__,
        TEMPLATE,
        one=one,
        other=other,
        runs=[one, other],
        data=[shown_data(run.data) for run in (one, other)],
        cautions=pairs.cautions(one, other),
        is_comparable=is_comparable,
        difference=difference,
        verdict=pairs.in_words(difference, one, other) if difference else "",
        metrics=_metrics(one, other, shown, is_comparable=is_comparable),
        glance=_at_a_glance(one, other),
        differences=_differences(one, other),
        curves=_curves(one, other) if is_comparable else [],
        flips=told_apart,
        layers=_layers([one_shown.get("layers", []) for one_shown in shown]),
        commands=[shlex.quote(f"{run.recipe}/{run.run}") for run in (one, other)],
    )


def _metrics(
    one: Run, other: Run, shown: Sequence[dict[str, Any]], *, is_comparable: bool
) -> list[dict[str, Any]]:
    """Return the test metrics of both runs, the verdict's first, and their differences."""
    both = pairs.side_by_side(one.metrics, other.metrics)
    headlines = (one.headline, other.headline)
    found = []
    for name in sorted(both, key=lambda name: name not in headlines):
        values = both[name]
        intervals = [
            (interval["lowest"], interval["highest"])
            if (interval := of.get("interval", {})).get("metric") == name
            and interval["lowest"] is not None
            else None
            for of in shown
        ]
        is_both = is_comparable and None not in values
        apart = values[1] - values[0] if is_both else None
        cells = list(zip(values, intervals, strict=True))
        found.append({"name": name, "cells": cells, "difference": apart})
    return found


def _at_a_glance(one: Run, other: Run) -> list[dict[str, Any]]:
    """Return what one asks first of two runs, whether or not they differ in it."""
    return [{"name": name, "values": values} for name, values in _paired(_glance, one, other)]


def _glance(run: Run) -> dict[str, str]:
    """Return what one asks first of a run."""
    history, seconds = history_of(run), run.seconds
    kept = kept_epoch(run.config, list(history)) if history else None
    epochs = str(len(history)) + (f", kept {kept}" if kept and kept != len(history) else "")
    return {
        "verdict": run.verdict if run.status == "finished" else run.status,
        "started": f"{run.started[:16].replace('T', ' ')} UTC",
        "epochs": epochs,
        "parameters": f"{run.parameters:,}",
        "training time": duration(seconds["fit"]) if "fit" in seconds else "-",
        "note": run.note,
    }


def _differences(one: Run, other: Run) -> list[dict[str, Any]]:
    """Return what differs between two runs, in groups: settings, data, versions and machine."""
    settings = [
        (name, ["-" if value is None else value_in_words(value) for value in values])
        for name, values in pairs.differing_settings(one, other).items()
    ]
    groups = {
        "Settings": settings,
        "Data": _paired(_data, one, other),
        "Versions and machine": _paired(_surroundings, one, other),
    }
    found = []
    for name, rows in groups.items():
        differing = [{"name": row, "values": values} for row, values in rows if len({*values}) > 1]
        found.append({"name": name, "rows": differing})
    return found


def _data(run: Run) -> dict[str, str]:
    """Return what is said of the data of a run."""
    rows = {f"{split} rows": f"{count:,}" for split, count in run.data["rows"].items()}
    flags = {
        f"--{name.replace('_', '-')}": value_in_words(value)
        for name, value in run.data["files"].items()
        if value
    }
    fingerprint = str(run.data["fingerprint"])
    return {"data": shown_data(run.data), **rows, **flags, "fingerprint": fingerprint}


def _surroundings(run: Run) -> dict[str, str]:
    """Return where a run was trained, with what."""
    machine = {name: str(value) for name, value in run.machine.items()}
    source = run.files.get(record.RECIPE_FILE, "")[:12]
    return {**run.versions, **machine, "commit": run.git_commit, "recipe's source": source}


def _paired(what: Any, one: Run, other: Run) -> list[tuple[str, list[str]]]:
    """Return what is said of each of two runs, by name; a dash where nothing is said of one.

    Args:
        what: Returns what is said of a run: texts by name.
        one: The first run.
        other: The second run.
    """
    both = pairs.side_by_side(what(one), what(other))
    return [
        (name, [str(value) if value else "-" for value in values])
        for name, values in both.items()
        if any(values)
    ]


def _curves(one: Run, other: Run) -> list[dict[str, str]]:
    """Return a chart for each loss and metric that was measured in both trainings."""
    histories = [history_of(run) for run in (one, other)]
    in_other = measured(histories[1])
    found = []
    for name in (name for name in measured(histories[0]) if name in in_other):
        series, colours = {}, []
        for letter, history, colour in zip("AB", histories, COLOURS, strict=True):
            for label, points in points_of(history, name).items():
                series[f"{letter} {label}"] = points
                colours.append(colour)
        dashed = [label for label in series if label.endswith(" training")]
        if dashed == [*series]:  # Without validation, nothing needs to be told apart.
            dashed = []
        if not series:
            continue
        svg = charts.lines(
            f"{name} by epoch, both runs",
            series,
            Axes("epoch", name, labels=epochs_named(series), colours=tuple(colours)),
            dashed=dashed,
        )
        found.append({"name": f"{name} (dashed: training)" if dashed else name, "svg": svg})
    return found


def _layers(both: Sequence[Sequence[dict[str, Any]]]) -> list[list[str]]:
    """Return the layers of both networks, those that are alike in one row; nothing if all are."""
    if not all(both):
        return []
    texts = [[_layer(layer) for layer in layers] for layers in both]
    if texts[0] == texts[1]:
        return []
    rows = []
    matcher = SequenceMatcher(None, texts[0], texts[1], autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        beside = zip_longest(texts[0][start:end], texts[1][other_start:other_end], fillvalue="-")
        rows += [list(pair) for pair in beside]
    return rows


def _layer(layer: dict[str, Any]) -> str:
    """Return a layer in words, without its name: Keras numbers names through."""
    size = f" {shape(layer['output'])}" if layer["output"] else ""
    count = f", {layer['parameters']:,} parameters" if layer["parameters"] else ""
    return f"{layer['kind']}{size}{count}"
