"""From the files of a run to its report: what stands in which part of the page."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from dlrecipes.catalog.facts import Facts
from dlrecipes.datasets.published.names import PUBLISHED
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.record import Run, shown_data
from dlrecipes.system.atomic import write_atomically
from dlrecipes.tasks.answers.continuation import PROMPT_CHARACTERS
from dlrecipes.tasks.pictures import colour_of
from dlrecipes.training.diagnosis import kept_epoch
from dlrecipes.training.shown import WIDEST_MATRIX
from dlrecipes.use.pages import rendered
from dlrecipes.use.report import charts
from dlrecipes.use.report.charts import Axes
from dlrecipes.use.report.parts import (
    epochs_named,
    facts_of,
    history_of,
    measured,
    points_of,
    shown_of,
    value_in_words,
)

TEMPLATE = "report.html.jinja"
CLASSES_NAMED = 8
SNAPSHOTS = 6
"""Generated pictures or texts that are shown, from the first epoch to the last."""


def write_report(run: Run) -> Path:
    """Write the report of a run into its folder, and return its path.

    Args:
        run: The run, of any status.
    """
    path = run.path / record.REPORT_FILE
    write_atomically(path, report_html(run).encode())
    return path


def report_html(run: Run) -> str:
    """Return the report of a run as one HTML document."""
    shown, facts = shown_of(run), facts_of(run)
    return rendered(
        __package__,
        TEMPLATE,
        run=run,
        facts=facts,
        data=shown_data(run.data),
        shown=shown,
        settings=_settings(run, facts),
        result=_result(run, shown),
        matrix=_matrix(run, shown),
        curves=learning_curves(run),
        charts=_test_charts(shown),
        snapshots=_snapshots(run),
        legend=_legend(run, shown),
        command=command_of(run),
        name=shlex.quote(f"{run.recipe}/{run.run}"),
        use=_use(run, facts),
        unfinished=_unfinished(run),
        kept=_kept(run),
    )


def _settings(run: Run, facts: Facts | None) -> list[dict[str, Any]]:
    """Return the settings, those that differ from the recipe's own first."""
    defaults = {one.name: one.default for one in facts.settings} if facts else {}
    chosen = run.chosen.get("settings", {})
    found = []
    for name, value in run.config.items():
        shown, usual = value_in_words(value), value_in_words(defaults.get(name, value))
        entry = {"name": name, "value": shown, "default": usual}
        found.append({**entry, "differs": shown != usual, "chosen": name in chosen})
    return sorted(found, key=lambda one: not one["differs"])


def _result(run: Run, shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the test metrics, the verdict's first, each with what it is compared with."""
    plain = run.plain_baseline.get("metrics", {})
    guess = run.baseline.get("metrics", {})
    interval = shown.get("interval", {})
    names = sorted(run.metrics, key=lambda name: name != run.headline)
    return [
        {
            "name": name,
            "value": run.metrics[name],
            "interval": (interval["lowest"], interval["highest"])
            if interval.get("metric") == name and interval["lowest"] is not None
            else None,
            "expected": run.expected.get(name),
            "plain": plain.get(name),
            "guess": guess.get(name),
        }
        for name in names
    ]


def _matrix(run: Run, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the confusion matrix with a shade for each cell, and which cells have examples."""
    counts: Sequence[Sequence[int]] = run.details.get("confusion_matrix", [])
    names = list(run.data.get("answer", {}).get("classes", ()))
    if not counts or len(counts) > WIDEST_MATRIX or len(names) != len(counts):
        return {}
    cells = shown.get("cells", {})
    rows = []
    for true, row in enumerate(counts):
        total = sum(row) or 1
        rows.append(
            [
                {
                    "count": count,
                    "share": round(100 * count / total),
                    "right": true == called,
                    "key": f"{true}-{called}" if f"{true},{called}" in cells else "",
                }
                for called, count in enumerate(row)
            ]
        )
    behind = [
        {
            "key": key.replace(",", "-"),
            "true": names[int(key.split(",")[0])],
            "called": names[int(key.split(",")[1])],
            "rows": some,
        }
        for key, some in cells.items()
    ]
    return {"names": names, "rows": rows, "behind": behind}


def learning_curves(run: Run) -> list[dict[str, str]]:
    """Return a chart for each loss and metric that was measured in every epoch."""
    history = history_of(run)
    found = []
    for name in measured(history):
        series = points_of(history, name)
        if not series:
            continue
        values = [y for points in series.values() for _, y in points]
        dashed = _marks(run, name, history, (min(values), max(values)))
        svg = charts.lines(
            f"{name} by epoch",
            {**series, **dashed},
            Axes("epoch", name, labels=epochs_named(series)),
            dashed=[*dashed],
        )
        found.append({"name": name, "svg": svg})
    return found


def _marks(
    run: Run, name: str, history: Sequence[Mapping[str, float]], ends: tuple[float, float]
) -> dict[str, list[tuple[float, float]]]:
    """Return lines that mark the kept epoch and the expected range of a metric."""
    last, lowest = len(history), ends[0]
    marks = {}
    if (kept := kept_epoch(run.config, list(history))) and kept != last:
        marks["kept epoch"] = [(float(kept), lowest), (float(kept), ends[1])]
    for place, end in enumerate(run.expected.get(name, [])):
        label = ("lowest expected", "highest expected")[place]
        marks[label] = [(1.0, end), (float(max(last, 2)), end)]
    return marks


def _test_charts(shown: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the charts of the test, each with its caption."""
    found = []
    curves, numbers = shown.get("curves", {}), shown.get("numbers", {})
    chance = {"chance": [(0, 0), (1, 1)]}
    if curves.get("roc"):
        svg = charts.lines(
            "ROC curve",
            {**curves["roc"], **chance},
            Axes("false positive rate", "true positive rate", (0, 1)),
            dashed=["chance"],
        )
        found.append({"title": "ROC: each class against the rest", "svg": svg})
    if curves.get("precision_recall"):
        svg = charts.lines(
            "Precision-recall curve",
            curves["precision_recall"],
            Axes("recall", "precision", (0, 1)),
        )
        found.append({"title": "Precision-recall curve", "svg": svg})
    if bins := curves.get("calibration"):
        points = {"answers": [(one["sure"], one["right"]) for one in bins]}
        svg = charts.lines(
            "Calibration",
            {**points, "perfect calibration": [(0, 0), (1, 1)]},
            Axes("confidence", "accuracy", (0, 1)),
            dashed=["perfect calibration"],
        )
        found.append({"title": "Calibration: how sure, and how often right", "svg": svg})
    return [*found, *_number_charts(numbers)] if numbers else found


def _number_charts(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the charts of predicted numbers: over the truth, and how far they are from it."""
    values = [value for point in numbers["points"] for value in point]
    ends = (min(values), max(values))
    scatter = charts.lines(
        "Predicted against true values",
        {"test rows": numbers["points"], "perfect prediction": [(end, end) for end in ends]},
        Axes("truth", "prediction"),
        dots=True,
        dashed=["perfect prediction"],
    )
    counts, edges = numbers["residuals"]["counts"], numbers["residuals"]["ends"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    labels = [
        charts.short(middle) if place % 4 == 0 else "" for place, middle in enumerate(middles)
    ]
    residuals = charts.bars(
        "Residuals", counts, labels, Axes("prediction minus truth", "test rows")
    )
    return [
        {"title": "Predicted against true values", "svg": scatter},
        {"title": "Residuals", "svg": residuals},
    ]


def _snapshots(run: Run) -> list[dict[str, str]]:
    """Return what the network made after some epochs, as pictures or texts."""
    folder = run.path / record.SAMPLES
    files = [
        one
        for one in ([] if folder.is_symlink() else folder.glob("epoch-*"))
        if one.is_file() and not one.is_symlink() and _epoch(one).isdecimal()
    ]
    files.sort(key=lambda one: int(_epoch(one)))
    count = min(SNAPSHOTS, len(files))
    places = sorted({round(step * (len(files) - 1) / max(count - 1, 1)) for step in range(count)})
    return [
        {"epoch": str(int(_epoch(files[place]))), **_made(files[place])}
        for place in places
        if files[place].suffix in (".png", ".txt")
    ]


def _made(file: Path) -> dict[str, str]:
    """Return what the network made: an `image`, or a `prompt` and the `text` that continues it."""
    content = file.read_bytes()
    if file.suffix == ".png":
        return {"image": f"data:image/png;base64,{base64.b64encode(content).decode()}"}
    text = content.decode("utf-8", "replace")
    return {"prompt": text[:PROMPT_CHARACTERS], "text": text[PROMPT_CHARACTERS:]}


def _epoch(file: Path) -> str:
    """Return the epoch in the name of a file."""
    return file.stem.removeprefix("epoch-")


def _legend(run: Run, shown: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the colour of each class, if masks are shown."""
    first: Mapping[str, Any] = next(iter(shown.get("mistakes", [])), {})
    if not isinstance(first.get("truth"), dict):
        return []
    names = run.data.get("answer", {}).get("classes", ())
    return [
        {"name": name, "colour": f"rgb{colour_of(number)}"} for number, name in enumerate(names)
    ]


def command_of(run: Run) -> str:
    """Return the command that repeats a run, or goes on with one that did not finish."""
    name = shlex.quote(f"{run.recipe}/{run.run}")
    return f"dlrecipes {'reproduce' if run.status == 'finished' else 'resume'} {name}"


def _use(run: Run, facts: Facts | None) -> str:
    """Return what the model is for, in a sentence: what its recipe says, on the recipe's data."""
    data = run.data
    if data["rung"] != "own" and not str(data["requested"]).startswith(PUBLISHED):
        return facts.summary if facts else ""
    if target := data["input"].get("target"):
        return f"Predict {target} from the other columns of data like {shown_data(data)}."
    names = data["answer"].get("classes", ())
    if names and run.task.endswith(("classification", "segmentation")):
        more = ", …" if len(names) > CLASSES_NAMED else ""
        return f"Tell {len(names)} classes apart: {', '.join(names[:CLASSES_NAMED])}{more}."
    return f"Made with the recipe {run.recipe} from {shown_data(data)}."


def _unfinished(run: Run) -> dict[str, Any]:
    """Return how far a run has come that did not finish, and what may help; nothing of others."""
    if run.status in ("finished", "running"):
        return {}
    last = None
    with suppress(OSError):
        last, _ = checkpoints.read_last(run.path / record.CHECKPOINTS)
    hints = [
        event["hint"]
        for event in run.events
        if event["what"] == run.status == "failed" and "hint" in event
    ]
    return {
        "epochs": len(history_of(run)),
        "checkpoint": last.place if last else "",
        "hint": hints[-1] if hints else "",
    }


def _kept(run: Run) -> dict[str, Any]:
    """Return when training stopped early and which epoch it kept; nothing if it did not."""
    return next((event for event in run.events if event["what"] == "stopped early"), {})
