"""Golden inputs: a few raw inputs with their answers, kept with a run and with its exports."""

import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from dlrecipes.datasets.examples import Array, Features
from dlrecipes.tasks.base import run_serving


def plain_array(array: Array) -> Array:
    """Return an array that can be stored without pickle: texts as UTF-8 bytes."""
    if array.dtype.kind != "O":
        return array
    return np.array([text if isinstance(text, bytes) else str(text).encode() for text in array])


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays into an .npz file that appears whole."""
    temporary = path.with_name(f"tmp-{path.name}")
    np.savez_compressed(temporary, **cast("dict[str, Any]", arrays))
    os.replace(temporary, path)


def write_golden(path: Path, serving: Any, features: Features) -> None:
    """Write raw inputs and the serving model's outputs for them.

    Args:
        path: The .npz file: an array `input/<name>` for each input, and `output`.
        serving: The serving model.
        features: The inputs.
    """
    columns = features if isinstance(features, dict) else {serving.inputs[0].name: features}
    arrays = {f"input/{name}": plain_array(column) for name, column in columns.items()}
    write_arrays(path, {**arrays, "output": run_serving(serving, features)})


def read_golden_inputs(path: Path) -> Features:
    """Return the golden inputs of a run, texts as Python strings."""
    columns: dict[str, Array] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays:
            if not key.startswith("input/"):
                continue
            column = arrays[key]
            if column.dtype.kind == "S":
                column = np.array([text.decode() for text in column], dtype=object)
            columns[key.removeprefix("input/")] = column
    return columns if len(columns) > 1 else next(iter(columns.values()))
