"""Write an export into a new folder, prove it in a fresh process, and only then call it done."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.forms import Form
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import record
from dlrecipes.runs.golden import form_of, read_golden_inputs
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import remove_abandoned, whole_folder
from dlrecipes.system.backend import select_device
from dlrecipes.system.clock import Clock, PhaseListener
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Answer
from dlrecipes.use.export import keras_file, saved_model
from dlrecipes.use.predict import load_serving

ABANDONED = 86_400.0
"""Seconds after which an export that is not done was killed."""


@dataclass(frozen=True)
class Export:
    """A finished export.

    Args:
        path: Its folder.
        format: Its format.
        max_abs_difference: Largest difference from `predict` on the golden inputs.
    """

    path: Path
    format: str
    max_abs_difference: float


def export(
    run: Run,
    format_name: str,
    output: Path | None,
    *,
    trust: bool = False,
    listener: PhaseListener | None = None,
) -> Export:
    """Write a finished run's model, which takes raw input, and prove that it predicts the same.

    Args:
        run: The run.
        format_name: One of `FORMATS`.
        output: The folder to make; None for `exports/<format>` in the run, made anew.
        trust: Whether to run the program that the serving model of a run from elsewhere may be.
        listener: Hears what is being done; None for nobody.

    Raises:
        InputError: if the format is unknown, the folder is in use, or the run was changed.
        DlrecipesError: if the export does not predict what `predict` does.
    """
    if format_name not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}. Received: {format_name!r}")
    target = output or run.folder("exports") / format_name
    if output and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is in use: --output must be a new or empty folder.")
    golden_file = run.checked_file(record.GOLDEN_FILE)
    clock = Clock(listener=listener)
    with clock.part("start"):
        select_device("cpu")
        serving = load_serving(run, trust=trust)
    golden = read_golden_inputs(golden_file)
    try:
        with whole_folder(target, replace=True) as folder:
            with clock.part("export"):
                FORMATS[format_name](
                    serving, find_task(run.task).answer, form_of(run).answer, golden, folder
                )
            form = {"task": run.task, **form_of(run).input.document()}
            (folder / "input.json").write_text(json.dumps(form, indent=2), encoding="utf-8")
            proof = str(files("dlrecipes.use.export").joinpath("verify.py"))
            shutil.copyfile(proof, folder / "verify.py")
            with clock.part("prove"):
                difference = prove(folder)
    except OSError as error:
        raise DlrecipesError(f"{target} cannot be written: {error.strerror or error}.") from error
    if output is None:  # A folder of the user's own may hold files with names like ours.
        remove_abandoned(target.parent, ABANDONED)
    return Export(target, format_name, difference)


FORMATS: dict[str, Callable[[Any, Answer, Form, Rows, Path], None]] = {
    "saved-model": saved_model.write,
    "keras": keras_file.write,
}


def prove(folder: Path) -> float:
    """Return the largest difference from `predict` that a fresh process finds in an export.

    Raises:
        DlrecipesError: if the export cannot be loaded, or predicts otherwise.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with tempfile.TemporaryDirectory() as empty:
        result = subprocess.run(
            [sys.executable, str(folder / "verify.py")],
            env={**environment, "KERAS_HOME": empty},  # without another project's keras.json
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise DlrecipesError(f"The export does not predict what predict does: {reason}.")
    return float(json.loads(result.stdout.splitlines()[-1])["max_abs_difference"])
