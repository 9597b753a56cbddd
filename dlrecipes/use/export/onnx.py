"""The format `onnx`: one .onnx file, for ONNX Runtime and what else reads ONNX."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlrecipes.use.export.exported import WEIGHTS_ONLY, Exported, Written
from dlrecipes.use.export.graphs import Graph, function_of
from dlrecipes.use.export.numbers import with_numbers

OPSET = 18
STEPWISE = {"LSTM", "GRU", "RNN", "Loop", "Scan"}
"""Operations of ONNX that no ranges are measured of."""


def write(exported: Exported, quantization: str, folder: Path) -> Written:
    """Write the model with tf2onnx, quantized with ONNX Runtime."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        serving, vocabularies = with_numbers(exported.serving, "ONNX")
        graph = Graph(serving, vocabularies)
        plain, target = work / "plain.onnx", folder / "model.onnx"
        _convert(graph, exported, plain if quantization else target)
        calibration = ""
        if quantization == "float16":
            _in_half(plain, target)
        elif quantization == "int8":
            calibration = _in_eight_bits(plain, target, exported, graph)
    return graph.written(exported, calibration)


def _convert(graph: Graph, exported: Exported, target: Path) -> None:
    """Convert a model: Keras's own export makes means and variances inputs."""
    from tf2onnx.convert import from_function

    traced, signature = function_of(graph.serving, exported)
    with _quiet():
        from_function(traced, [signature], opset=OPSET, output_path=str(target))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep libraries from logging advice on how to call them."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


def _in_half(source: Path, target: Path) -> None:
    """Write weights and computation in float16; inputs and outputs keep their types."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def _in_eight_bits(source: Path, target: Path, exported: Exported, graph: Graph) -> str:
    """Write weights in int8, and computation too if that can be calibrated; return with what."""
    import onnx
    from onnxruntime import quantization

    nodes = {node.op_type for node in onnx.load(source).graph.node}
    if nodes & STEPWISE or exported.has_columns:
        with _quiet():
            quantization.quantize_dynamic(source, target)
        return WEIGHTS_ONLY
    columns = graph.features(exported.training_rows())
    count = len(next(iter(columns.values())))

    class Rows(quantization.CalibrationDataReader):
        rows: Iterator[dict[str, Any]] = iter(
            [{name: one[row : row + 1] for name, one in columns.items()} for row in range(count)]
        )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rows, None)

    with _quiet():
        quantization.quantize_static(source, target, Rows())
    return f"{count} training rows"
