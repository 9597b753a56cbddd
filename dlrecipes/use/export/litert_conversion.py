"""Convert a SavedModel to a .tflite file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.system.backend import load_tensorflow
from dlrecipes.use.export.single_precision import needs_rewriting, rewrite

CALIBRATION = "calibration.npz"


def convert(source: str, work: str, quantization: str, target: str) -> None:
    """Convert a SavedModel.

    Args:
        source: Its folder.
        work: A folder for files of this; `CALIBRATION` in it has rows for int8.
        quantization: `float16`, `int8` or nothing.
        target: The file to write.
    """
    tf = load_tensorflow()
    signature = tf.saved_model.load(source).signatures["serving_default"]
    if needs_rewriting(signature.graph.as_graph_def()):
        rewrite(Path(source), Path(work) / "single")
        source = f"{work}/single"
    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=["serving_default"])
    if quantization:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    calibration = Path(work) / CALIBRATION
    if calibration.exists():
        types = {name: one.dtype.as_numpy_dtype for name, one in _inputs(tf, source).items()}
        converter.representative_dataset = lambda: _rows(calibration, types)
    Path(target).write_bytes(converter.convert())


def _inputs(tf: Any, source: str) -> dict[str, Any]:
    """Return the inputs of a SavedModel by name."""
    _, inputs = tf.saved_model.load(source).signatures["serving_default"].structured_input_signature
    return dict(inputs)


def _rows(calibration: Path, types: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row for the signature that ranges are measured of."""
    with np.load(calibration) as arrays:
        columns = {name: arrays[name].astype(types[name]) for name in arrays}
    for row in range(len(next(iter(columns.values())))):
        yield "serving_default", {name: one[row : row + 1] for name, one in columns.items()}
