"""Write an export into a new folder, prove it in a fresh process, and only then call it done."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlrecipes.datasets.examples import Rows, Source
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import record
from dlrecipes.runs.golden import form_of, read_golden_inputs
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import remove_abandoned, whole_folder
from dlrecipes.system.backend import select_device
from dlrecipes.system.clock import Clock
from dlrecipes.tasks import find_task
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.export.describe import describe
from dlrecipes.use.export.exported import Exported, Written
from dlrecipes.use.export.formats import Format, find_format
from dlrecipes.use.export.proof import prove
from dlrecipes.use.opening import data_and_device
from dlrecipes.use.predict import load_serving

ABANDONED = 86_400.0
"""Seconds after which an export that is not done was killed."""
CALIBRATION_ROWS = 200


@dataclass(frozen=True)
class Wanted:
    """The export that was asked for.

    Args:
        format: One of `FORMATS`.
        quantization: `float16`, `int8`, or nothing.
        output: The folder to make; None for one in the run's `exports`, made anew.
    """

    format: str = "saved-model"
    quantization: str = ""
    output: Path | None = None

    def target(self, run: Run) -> Path:
        """Return the folder to make."""
        name = "-".join(filter(None, (self.format, self.quantization)))
        return self.output or run.folder("exports") / name


@dataclass(frozen=True)
class Export:
    """A finished export.

    Args:
        path: Its folder.
        format: Its format.
        quantization: How it is quantized; empty if it is not.
        max_abs_difference: Largest difference from `predict` on the golden inputs.
        bytes: Size of the model's files.
    """

    path: Path
    format: str
    quantization: str
    max_abs_difference: float
    bytes: int


def export(run: Run, wanted: Wanted, changes: Changes, listener: WorkListener) -> Export:
    """Write a finished run's model, which takes raw input, and prove that it predicts the same.

    Args:
        run: The run.
        wanted: The format, and where to write it.
        changes: Where the run's data is now, which int8 takes rows of; and whether to run the
            program that the serving model of a run from elsewhere may be.
        listener: Hears what is being done.

    Raises:
        InputError: if the format is unknown, cannot hold the model or lacks a package; the folder
            is in use; or the run was changed.
        DlrecipesError: if the export does not predict what `predict` does.
    """
    find_format(wanted.format).require(wanted.quantization)
    output = wanted.output
    if output and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is in use: --output must be a new or empty folder.")
    source = data_and_device(run, changes, listener)[0] if wanted.quantization == "int8" else None
    with Clock(listener=listener).part("start"):
        model = exported(run, changes, source)
    return write_export(model, wanted, listener)


def exported(run: Run, changes: Changes, source: Source | None) -> Exported:
    """Return a run's model.

    Args:
        run: The run.
        changes: Whether to run the program that its serving model may be.
        source: Its data, if that was opened.
    """
    golden_file = run.checked_file(record.GOLDEN_FILE)
    select_device("cpu")
    serving = load_serving(run, trust=changes.trust_recipe)
    task, forms = find_task(run.task), form_of(run)

    def training_rows() -> Rows:
        assert source is not None
        if task.input.is_running_text or not task.answer.has_truth:
            return task.input.raw(source.train, CALIBRATION_ROWS, forms.input)
        count = len(source.train)
        rows = np.linspace(0, count - 1, min(count, CALIBRATION_ROWS)).astype("int64")
        return source.train.take(rows).arrays()

    golden = read_golden_inputs(golden_file)
    return Exported(run, serving, task.input, task.answer, forms, golden, training_rows)


def write_export(
    model: Exported,
    wanted: Wanted,
    listener: WorkListener,
    proof: Callable[[Path, Format], float] = prove,
) -> Export:
    """Write a model in a format that was asked for, and prove that it predicts the same.

    Args:
        model: The model.
        wanted: The format.
        listener: Hears what is being done.
        proof: Returns the largest difference that is found in an export of a format.
    """
    found, target = find_format(wanted.format), wanted.target(model.run)
    clock = Clock(listener=listener)
    try:
        with whole_folder(target, replace=True) as folder:
            with clock.part("export"):
                written = _written(model, wanted, folder)
                size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                describe(model, written, (found, wanted.quantization), folder)
            with clock.part("prove"):
                difference = proof(folder, found)
    except OSError as error:
        raise DlrecipesError(f"{target} cannot be written: {error.strerror or error}.") from error
    if wanted.output is None:  # A folder of the user's own may hold files with names like ours.
        remove_abandoned(target.parent, ABANDONED)
    return Export(target, wanted.format, wanted.quantization, difference, size)


def _written(model: Exported, wanted: Wanted, folder: Path) -> Written:
    """Write a model's files.

    Raises:
        InputError: if the format cannot hold the model.
    """
    found = find_format(wanted.format)
    try:
        return found.write(model, wanted.quantization, folder)
    except (DlrecipesError, OSError):
        raise
    except Exception as error:  # Converters raise what they like.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{found.name} cannot hold this model: {reason[:300]}",
            "Export it in another format: --format saved-model",
        ) from error
