"""Write an export into a new folder, prove it in a fresh process, and only then call it done."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import record as runs
from dlrecipes.runs.golden import plain_array, read_golden_inputs, write_arrays
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import remove_abandoned, whole_folder
from dlrecipes.system.backend import load_tensorflow, select_device
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Task, call_serving, named_features, run_serving, serving_signature
from dlrecipes.tasks.text_generation import make_generator
from dlrecipes.use.predict import load_serving

GENERATED_CHARACTERS = 20
ABANDONED = 86_400.0
"""Seconds after which an export that is not done was killed."""

Golden = dict[str, Array]


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


def export(run: Run, format_name: str, output: Path | None) -> Export:
    """Write a finished run's network as raw input in, answer out, and prove it.

    Args:
        run: The run.
        format_name: One of `FORMATS`.
        output: The folder to make; None for `exports/<format>` in the run, made anew.

    Raises:
        InputError: if the format is unknown, the folder is in use, or the run was changed.
        DlrecipesError: if the export does not predict what `predict` does.
    """
    if format_name not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}. Received: {format_name!r}")
    target = output or run.folder("exports") / format_name
    if output and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is in use: --output must be a new or empty folder.")
    golden_file = run.checked_file(runs.GOLDEN_FILE)
    select_device("cpu")
    serving = load_serving(run)
    golden = read_golden_inputs(golden_file)
    try:
        with whole_folder(target, replace=True) as folder:
            FORMATS[format_name](serving, find_task(run.task), run, golden, folder)
            proof = str(files("dlrecipes.use.export").joinpath("verify.py"))
            shutil.copyfile(proof, folder / "verify.py")
            difference = prove(folder)
    except OSError as error:
        raise DlrecipesError(f"{target} cannot be written: {error.strerror or error}.") from error
    if output is None:  # A folder of the user's own may hold files with names like ours.
        remove_abandoned(target.parent, ABANDONED)
    return Export(target, format_name, difference)


def _golden_inputs(serving: Any, features: Rows) -> Golden:
    """Return the golden inputs as the export's functions take them."""
    return {
        f"serving_default/input/{name}": plain_array(tensor.numpy())
        for name, tensor in named_features(features, serving).items()
    }


def _write_saved_model(serving: Any, task: Task, run: Run, features: Rows, folder: Path) -> None:
    """Write a TensorFlow SavedModel: `serving_default`, and `generate` for text generation."""
    import keras

    tf = load_tensorflow()
    classes = run.data["classes"]

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        return task.answer(call_serving(serving, inputs), classes)

    signature = serving_signature(serving)
    golden = _golden_inputs(serving, features)
    answers = task.answer(tf.constant(run_serving(serving, features)), classes)
    for name, tensor in answers.items():
        golden[f"serving_default/output/{name}"] = plain_array(tensor.numpy())
    archive = keras.export.ExportArchive()
    archive.track(serving)
    archive.add_endpoint("serving_default", serve, input_signature=[signature])
    if task.name == "text-generation":
        generate = make_generator(serving, classes)
        archive.add_endpoint("generate", generate)
        golden |= _golden_texts(generate, features)
    archive.write_out(str(folder), verbose=False)
    write_arrays(folder / "golden.npz", golden)


def _golden_texts(generate: Any, prompts: Rows) -> Golden:
    """Return the inputs and outputs of `generate` that travel with an export."""
    tf = load_tensorflow()
    inputs = {
        "prompt": tf.constant(prompts),
        "length": tf.constant(GENERATED_CHARACTERS),
        "temperature": tf.constant(0.0),
        "seed": tf.constant(0),
    }
    golden = {
        f"generate/input/{name}": plain_array(value.numpy()) for name, value in inputs.items()
    }
    golden["generate/output/text"] = plain_array(generate(**inputs)["text"].numpy())
    return golden


def _write_keras(serving: Any, task: Task, run: Run, features: Rows, folder: Path) -> None:
    """Write the serving model as one `.keras` file."""
    serving.save(folder / "model.keras")
    golden = _golden_inputs(serving, features)
    golden["serving_default/output/output"] = run_serving(serving, features)
    write_arrays(folder / "golden.npz", golden)


FORMATS: dict[str, Callable[[Any, Task, Run, Rows, Path], None]] = {
    "saved-model": _write_saved_model,
    "keras": _write_keras,
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
    result = subprocess.run(
        [sys.executable, str(folder / "verify.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise DlrecipesError(f"The export does not predict what predict does: {reason}.")
    return float(json.loads(result.stdout.splitlines()[-1])["max_abs_difference"])
