"""Every format of a run, measured in its own runtime: size, difference, test metric, latency."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Rows, Source
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.golden import plain_array, write_arrays
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import write_atomically
from dlrecipes.tasks import find_task
from dlrecipes.tasks.exporting import Measured
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.export.exported import Exported
from dlrecipes.use.export.formats import FORMATS, Format, find_format
from dlrecipes.use.export.numbers import encoded
from dlrecipes.use.export.proof import read_export, run_apart
from dlrecipes.use.export.writer import Wanted, exported, write_export
from dlrecipes.use.opening import data_and_device

TABLE_FILE = "exports.json"
MOST_ROWS = 5_000
"""Test rows that each export answers."""
MOST_CHARACTERS = 500
"""Characters of a test text that each export predicts."""
MAIN = ("output", "probabilities", "value", "picture")
"""Names of the output that the metric is about: the first of them that there is."""


@dataclass(frozen=True)
class Row:
    """One format of a run.

    Args:
        format: Its name.
        quantization: `float16`, `int8`, or nothing.
        path: Folder of the export; empty if there is none.
        bytes: Size of the model's files.
        max_abs_difference: Largest difference from `predict` on the golden inputs.
        metric: The headline metric on the test rows, in the format's runtime; None if the task has
            no metric of its answers.
        latency_ms: Median milliseconds of a call, by its number of inputs: `1`, `32`.
        refused: Why there is no such export; empty if there is one.
    """

    format: str
    quantization: str
    path: str = ""
    bytes: int = 0
    max_abs_difference: float | None = None
    metric: float | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True)
class Table:
    """All formats of a run.

    Args:
        run: Name of the run.
        metric: Name of the headline metric.
        rows: Test rows that it was measured on; 0 if the task has no metric of its answers.
        exports: What each format came to.
    """

    run: str
    metric: str
    rows: int
    exports: list[Row]

    def document(self) -> dict[str, Any]:
        """Return what `export --all --json` prints."""
        return asdict(self)


def export_all(run: Run, changes: Changes, listener: WorkListener) -> Table:
    """Write a run in every format that can hold it, measure each, and record the table.

    Args:
        run: The run.
        changes: Where its data is now, and whether to run a program that its model may be.
        listener: Hears what is being done.

    Raises:
        InputError: if the run or its data was changed.
    """
    source, _ = data_and_device(run, changes, listener)
    model = exported(run, changes, source)
    features, labels = _test_rows(model, source)
    rows = [
        _row(model, Wanted(found.name, quantization), (features, labels), listener)
        for found in FORMATS.values()
        for quantization in ("", *found.quantizations)
    ]
    task = find_task(run.task)
    table = Table(run.run, task.headline.name, len(labels), rows)
    text = json.dumps(table.document(), indent=2) + "\n"
    write_atomically(run.folder("exports") / TABLE_FILE, text.encode())
    return table


def _test_rows(model: Exported, source: Source) -> tuple[Rows, Array]:
    """Return raw inputs of the test split, and their answers; none where there is no truth."""
    test, form = source.test, model.forms.input
    if model.input.is_running_text:
        pieces = model.input.raw(test, MOST_CHARACTERS, form)
        number = {one: place for place, one in enumerate(model.forms.classes)}
        following = [number.get(str(piece)[-1:], 1) for piece in pieces]
        texts = np.array([str(piece)[:-1] for piece in pieces], dtype=object)
        return texts, np.array(following)
    if not model.answer.has_truth:
        return model.input.raw(test, MOST_CHARACTERS, form), np.zeros(0)
    rows = np.unique(np.linspace(0, len(test) - 1, min(len(test), MOST_ROWS)).astype("int64"))
    some = test.take(rows)
    return some.arrays(), np.asarray(some.labels)


def _row(
    model: Exported, wanted: Wanted, tested: tuple[Rows, Array], listener: WorkListener
) -> Row:
    """Return what a format comes to, or why it does not."""
    measured: dict[str, Any] = {}

    def proof(folder: Path, found: Format) -> float:
        measured.update(_measured(model, folder, found, tested))
        return float(measured["max_abs_difference"])

    try:
        find_format(wanted.format).require(wanted.quantization)
        written = write_export(model, wanted, listener, proof)
    except DlrecipesError as error:
        why = " ".join(filter(None, (error.message, error.hint)))
        return Row(wanted.format, wanted.quantization, refused=why)
    return Row(wanted.format, wanted.quantization, str(written.path), written.bytes, **measured)


def _measured(
    model: Exported, folder: Path, found: Format, tested: tuple[Rows, Array]
) -> dict[str, Any]:
    """Return the largest difference of an export, its metric and its latency."""
    features, labels = tested
    with tempfile.TemporaryDirectory() as temporary:
        given, answered = Path(temporary) / "inputs.npz", Path(temporary) / "outputs.npz"
        write_arrays(given, _arrays(folder, features))
        measured = run_apart("measure.py", found, [folder, given, answered])
        with np.load(answered) as outputs:
            answers = outputs[next(name for name in MAIN if name in outputs)]
    metrics: Mapping[str, float] = {}
    if isinstance(model.answer, Measured):
        metrics = model.answer.measured(answers, labels, model.forms.answer)
    times = {size: round(float(time), 3) for size, time in measured["latency_ms"].items()}
    headline = find_task(model.run.task).headline.name
    return {**measured, "metric": metrics.get(headline), "latency_ms": times}


def _arrays(folder: Path, features: Rows) -> dict[str, Array]:
    """Return raw inputs as an export takes them, by name."""
    texts = folder / "texts.json"
    vocabularies = json.loads(texts.read_text("utf-8")) if texts.exists() else {}
    given = encoded(features, vocabularies)
    arrays = {}
    for one in read_export(folder)["signatures"]["serving_default"]["inputs"]:
        column = given[one["name"]] if isinstance(given, dict) else given
        if column.ndim == 1 and len(one["shape"]) == 2:
            column = column.reshape(-1, 1)
        is_text = one["dtype"] == "string"
        arrays[one["name"]] = plain_array(column) if is_text else column.astype(one["dtype"])
    return arrays
