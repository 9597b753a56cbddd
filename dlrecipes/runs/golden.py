"""Golden inputs: a few raw inputs with their answers, kept with a run and with its exports."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from dlrecipes.datasets.examples import Examples, Rows, Source
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.runs import record
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import whole_file
from dlrecipes.tasks import find_task
from dlrecipes.tasks.serving import run_serving


def plain_array(array: Array) -> Array:
    """Return an array that can be stored without pickle: texts as UTF-8 bytes."""
    if array.dtype.kind != "O":
        return array
    texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.reshape(-1)]
    return np.array(texts).reshape(array.shape)


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays into an .npz file that appears whole."""
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **cast("dict[str, Any]", arrays))


def write_golden(path: Path, serving: Any, features: Rows) -> None:
    """Write raw inputs and the serving model's outputs for them.

    Args:
        path: The .npz file: an array `input/<name>` for each column, or `input`; and `output`.
        serving: The serving model.
        features: The inputs.
    """
    arrays = (
        {f"input/{name}": plain_array(column) for name, column in features.items()}
        if isinstance(features, dict)
        else {"input": plain_array(features)}
    )
    write_arrays(path, {**arrays, "output": run_serving(serving, features)})


def read_golden_inputs(path: Path) -> Rows:
    """Return the golden inputs of a run, texts as Python strings."""
    with np.load(path, allow_pickle=False) as arrays:
        inputs = {key: arrays[key] for key in arrays if key.partition("/")[0] == "input"}
    inputs = {
        key: np.array([text.decode() for text in column], dtype=object)
        if column.dtype.kind == "S"
        else column
        for key, column in inputs.items()
    }
    if "input" in inputs:
        whole: Array = inputs["input"]
        return whole
    return {key.removeprefix("input/"): column for key, column in inputs.items()}


def form_of(run: Run) -> Source:
    """Return the form of the data that a run was trained on: its columns, classes, image size.

    It has no examples. That is all that it takes to read a user's files as that data was.

    Raises:
        InputError: if the record is not one that this task writes.
    """
    none = Examples(np.empty(0))
    try:
        inputs, answers = find_task(run.task).forms(run.data)
    except TypeError:
        raise InputError(
            f"{run.path / record.RUN_FILE} does not say what its data was, as {run.task} has it."
        ) from None
    return Source(
        run.data["name"], run.data["rung"], run.data["source"], none, none, None, inputs, answers
    )
