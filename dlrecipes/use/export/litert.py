"""The format `litert`: one .tflite file, for phones, browsers and small devices."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dlrecipes.errors import InputError
from dlrecipes.use.export.exported import WEIGHTS_ONLY, Exported, Written
from dlrecipes.use.export.graphs import Graph, save_graph, write_graph
from dlrecipes.use.export.litert_conversion import CALIBRATION, convert

CONVERTER = """
import sys
from dlrecipes.use.export.litert_conversion import convert
convert(*sys.argv[1:])
"""


def write(exported: Exported, quantization: str, folder: Path) -> Written:
    """Write the model in operations that LiteRT has itself: no Flex operations of TensorFlow.

    A model that reads its input step by step takes one input at a time.
    """
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        graph = write_graph(exported, "LiteRT", work / "any")
        calibration = ""
        if graph.has_loop:
            save_graph(graph, exported, work / "one", batch=1)
        # TensorFlow's calibration dies of a loop.
        if quantization == "int8" and not (graph.has_loop or exported.has_columns):
            columns = graph.features(exported.training_rows())
            np.savez(work / CALIBRATION, **columns)
            calibration = f"{len(next(iter(columns.values())))} training rows"
        elif quantization == "int8":
            calibration = WEIGHTS_ONLY
        _convert(work, graph, quantization, folder / "model.tflite")
    return _with_types(graph, graph.written(exported, calibration))


def _convert(work: Path, graph: Graph, quantization: str, target: Path) -> None:
    """Convert a SavedModel; calibrate it in a process of its own, which TensorFlow can kill."""
    source = work / ("one" if graph.has_loop else "any")
    arguments = [str(source), str(work), quantization, str(target)]
    if not (work / CALIBRATION).exists():
        convert(*arguments)
        return
    result = subprocess.run(
        [sys.executable, "-c", CONVERTER, *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "it was killed").splitlines()[-1]
        raise InputError(
            f"TensorFlow cannot convert this model to LiteRT: {reason[:300]}",
            "Export it in another format: --format onnx",
        )


def _with_types(graph: Graph, written: Written) -> Written:
    """Return what was written in the types and sizes that the file takes."""
    golden = {
        key: array.astype("float32") if array.dtype == "float64" else array
        for key, array in written.golden.items()
    }
    for signature in written.signatures.values():
        for one in (*signature["inputs"], *signature["outputs"]):
            one["dtype"] = "float32" if one["dtype"] == "float64" else one["dtype"]
            one["shape"][0] = 1 if graph.has_loop else one["shape"][0]
    return Written(written.signatures, golden, written.vocabularies, written.calibration)
