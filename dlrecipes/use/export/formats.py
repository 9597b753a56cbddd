"""The formats of an export, a list of equals."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dlrecipes.errors import InputError
from dlrecipes.use.export import keras_file, litert, onnx, openvino, saved_model
from dlrecipes.use.export.exported import Exported, Written

NO_INT8 = "OpenVINO quantizes to int8 with another package, NNCF: use --format onnx or litert."
NO_TENSORFLOW = "its weights are float32: use --format litert or onnx."


@dataclass(frozen=True)
class Format:
    """A format.

    Args:
        name: As `--format` takes it.
        write: Writes a model, quantized or not, into a folder.
        runtime: The program of `runtimes/` that travels with it.
        quantizations: What `--quantize` takes.
        why_no_more: Why it takes no more.
        extra: The extra of dlrecipes that installs what it needs; empty for nothing.
        modules: What that is.
    """

    name: str
    write: Callable[[Exported, str, Path], Written]
    runtime: str
    quantizations: tuple[str, ...] = ()
    why_no_more: str = NO_TENSORFLOW
    extra: str = ""
    modules: tuple[str, ...] = ()

    def missing(self) -> str:
        """Return how to install what it needs; empty if that is there."""
        lacking = any(find_spec(module) is None for module in self.modules)
        return f"pip install 'dlrecipes[{self.extra}]'" if lacking else ""

    def require(self, quantization: str) -> None:
        """Raise InputError unless it can be written here, quantized so."""
        if quantization and quantization not in self.quantizations:
            known = " or ".join(self.quantizations)
            raise InputError(
                f"--format {self.name} has no --quantize {quantization}: {self.why_no_more}"
                if quantization in QUANTIZATIONS
                else f"--quantize must be {known or 'left out'}. Received: {quantization!r}"
            )
        if missing := self.missing():
            raise InputError(
                f"--format {self.name} needs {', '.join(self.modules)}.", f"Install it: {missing}"
            )


QUANTIZATIONS = ("float16", "int8")
FORMATS = {
    one.name: one
    for one in (
        Format("saved-model", saved_model.write, "saved_model"),
        Format("keras", keras_file.write, "keras"),
        Format(
            "litert",
            litert.write,
            "litert",
            QUANTIZATIONS,
            extra="litert",
            modules=("ai_edge_litert",),
        ),
        Format(
            "onnx",
            onnx.write,
            "onnx",
            QUANTIZATIONS,
            extra="onnx",
            modules=("tf2onnx", "onnx", "onnxruntime"),
        ),
        Format(
            "openvino",
            openvino.write,
            "openvino",
            ("float16",),
            NO_INT8,
            extra="openvino",
            modules=("openvino",),
        ),
    )
}


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}. Received: {name!r}")
    return FORMATS[name]
