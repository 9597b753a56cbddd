"""What the pages of reports are made of: what a run has kept, and how it is rendered."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.errors import DlrecipesError
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.record import Run

EPOCHS_NAMED = 10
"""On the axis of a learning curve."""
Points = list[tuple[float, float]]


def shown_of(run: Run) -> dict[str, Any]:
    """Return what was gathered while a run was trained; nothing if it was not."""
    with suppress(DlrecipesError):
        path = run.checked_file(record.SHOWN_FILE)
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document
    return {}


def facts_of(run: Run) -> Facts | None:
    """Return what a run's recipe says; None if its file says nothing any more."""
    with suppress(DlrecipesError, OSError):
        return read_facts(run.path / record.RECIPE_FILE)
    return None


def history_of(run: Run) -> list[dict[str, float]]:
    """Return the row of each epoch; nothing if no epoch is done."""
    try:
        text = (run.path / record.HISTORY_FILE).read_text(encoding="utf-8")
        return checkpoints.history_rows(text)
    except (OSError, ValueError):
        return []


def measured(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the losses and metrics that were measured in every epoch, without those of `val_`."""
    names = [name for row in history[:1] for name in row if not name.startswith("val_")]
    return [name for name in names if name not in ("epoch", "learning_rate")]


def points_of(history: Sequence[Mapping[str, float]], name: str) -> dict[str, Points]:
    """Return the points of a metric by epoch, those of `training` and of `validation`."""
    series = {
        label: [
            (row["epoch"], row[key]) for row in history if math.isfinite(row.get(key, math.nan))
        ]
        for label, key in (("training", name), ("validation", f"val_{name}"))
    }
    return {label: points for label, points in series.items() if points}


def epochs_named(series: Mapping[str, Points]) -> list[float]:
    """Return the epochs that have a number on the axis: few enough to be read."""
    epochs = sorted({x for points in series.values() for x, _ in points})
    return epochs[:: -(-len(epochs) // EPOCHS_NAMED)]


def value_in_words(value: Any) -> str:
    """Return a setting's value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
