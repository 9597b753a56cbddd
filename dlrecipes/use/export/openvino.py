"""The format `openvino`: model.xml and model.bin, for Intel processors."""

import tempfile
from pathlib import Path

from dlrecipes.use.export.exported import Exported, Written
from dlrecipes.use.export.graphs import write_graph


def write(exported: Exported, quantization: str, folder: Path) -> Written:
    """Write the model with OpenVINO's converter; float16 stores the weights so."""
    import openvino

    with tempfile.TemporaryDirectory() as temporary:
        graph = write_graph(exported, "OpenVINO", Path(temporary))
        # Not convert_model, which reports its use to Intel.
        model = openvino.Core().read_model(temporary)
        half = quantization == "float16"
        openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=half)
    return graph.written(exported)
