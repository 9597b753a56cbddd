"""The tables of measured results, from the files that the benchmarks have written."""

import json
import statistics
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import chaos
import checkpoint_cost
import compare
import exports
import first_step
import interval_coverage
import measure
import offline
import public_sets
import seeing
import serving
import text_generation
import tuning
import workers

from generator.paths import BENCHMARKS, ROOT


@cache
def measured() -> dict[str, list[dict[str, Any]]]:
    """Return what `measure.py` has kept of every training, by row."""
    found: dict[str, list[dict[str, Any]]] = _read("results")
    return found


def _read(name: str) -> Any:
    """Return the content of a file of results."""
    return json.loads((BENCHMARKS / f"{name}.json").read_text("utf-8"))


def score(recipe: str, data: str) -> str:
    """Return the score and the seconds of a recipe's default settings, for the table of recipes."""
    runs = measured().get(f"{recipe}/{data}")
    if not runs:
        return "-"
    metric = measure.headline(recipe)
    value = statistics.mean(run["metrics"][metric] for run in runs)
    seconds = statistics.median(run["wall_seconds"] for run in runs)
    return f"{value:,.4g} {measure.unit(recipe)} in {seconds:.0f} s"


def range_of(values: Sequence[float], digits: int) -> str:
    """Return the mean of values, and the lowest and the highest of several."""
    mean = f"{statistics.mean(values):,.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def docstrings() -> dict[Path, str]:
    """Return the text of each recipe, with the seconds and scores that were measured.

    So the Chinese descriptions beside them.
    """
    return {
        path: measure.docstring_with(measured(), path.read_text("utf-8"))
        for pattern in ("[!_]*.py", "*.zh.md")
        for path in sorted((ROOT / "recipes").glob(pattern))
    }


PLACES: dict[str, Callable[[], str]] = {
    "results": lambda: f"{measure.table(measured())}\n\n{measure.machine(measured())}",
    "own data results": lambda: measure.own_table(measured()),
    "public sets": lambda: public_sets.table(_read("public_sets")),
    "compare rows": lambda: "\n".join(compare.table_of_rows(_read("compare"))),
    "compare sides": lambda: "\n".join(compare.table_of_sides(_read("compare"))),
    "compare bare": lambda: "\n".join(compare.table_of_bare(_read("compare"))),
    "compare paths": lambda: "\n".join(compare.table_of_paths(_read("compare"))),
    "exports": lambda: exports.table(_read("exports")),
    "first step": lambda: first_step.table(_read("first_step")),
    "text generation": lambda: text_generation.table(_read("text_generation")),
    "interval coverage": lambda: interval_coverage.table(_read("interval_coverage")),
    "serving": lambda: serving.table(_read("serving")),
    "seeing": lambda: seeing.table(_read("seeing")),
    "tuning": lambda: tuning.table(_read("tuning")),
    "chaos": lambda: chaos.table(_read("chaos")),
    "offline": lambda: offline.table(_read("offline")),
    "workers steps": lambda: workers.table_of_steps(_read("workers")),
    "workers networks": lambda: workers.table_of_networks(_read("workers")),
    "workers models": lambda: workers.table_of_models(_read("workers")),
    "workers kills": lambda: workers.table_of_kills(_read("workers")),
    "checkpoint cost": lambda: checkpoint_cost.summary(_read("checkpoint_cost")),
}
