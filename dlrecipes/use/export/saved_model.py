"""The format `saved-model`: a TensorFlow SavedModel whose answers have names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlrecipes.runs.golden import plain_array
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.exporting import EncodedFiles
from dlrecipes.tasks.serving import (
    call_serving,
    load_saved_model,
    named_features,
    run_serving,
    serving_signature,
    track,
)
from dlrecipes.use.export.exported import Exported, Written, specs

BYTES = "serving_bytes"
"""The signature that takes encoded files."""


def write(exported: Exported, quantization: str, folder: Path) -> Written:
    """Write `serving_default`, the answer's further endpoints, and `serving_bytes` of images."""
    import keras

    tf = load_tensorflow()
    serving, answer, form = exported.serving, exported.answer, exported.forms.answer

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        return answer.tensors(call_serving(serving, inputs), form)

    archive = keras.export.ExportArchive()
    track(archive, serving)
    archive.add_endpoint("serving_default", serve, input_signature=[serving_signature(serving)])
    answers = answer.tensors(tf.constant(run_serving(serving, exported.golden)), form)
    golden = {
        **_arrays("serving_default/input", named_features(exported.golden, serving)),
        **_arrays("serving_default/output", answers),
    }
    golden |= _with_endpoints(exported, archive)
    if isinstance(exported.input, EncodedFiles):
        golden |= _with_reader(exported, archive, _reader(exported, exported.input, serve))
    archive.write_out(str(folder), verbose=False)
    return Written(_signatures(folder), golden, {})


def _with_endpoints(exported: Exported, archive: Any) -> dict[str, Any]:
    """Add the answer's further endpoints to an archive, and return their golden arrays."""
    endpoints = exported.answer.endpoints(exported.serving, exported.forms.answer)
    calls = exported.answer.golden_calls(exported.golden, endpoints)
    golden: dict[str, Any] = {}
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
        golden |= _arrays(f"{name}/input", calls[name])
        golden |= _arrays(f"{name}/output", function(calls[name]))
    return golden


def _with_reader(exported: Exported, archive: Any, read: Any) -> dict[str, Any]:
    """Add the endpoint that takes encoded files to an archive, and return its golden arrays."""
    assert isinstance(exported.input, EncodedFiles)
    contents = exported.input.files(exported.golden)
    archive.add_endpoint(BYTES, read)
    return {
        **_arrays(f"{BYTES}/input", {read.input_signature[0].name: contents}),
        **_arrays(f"{BYTES}/output", read(contents)),
    }


def _reader(
    exported: Exported, files: EncodedFiles, serve: Callable[[dict[str, Any]], dict[str, Any]]
) -> Any:
    """Return the endpoint that takes encoded files, as `predict` takes them."""
    tf = load_tensorflow()
    (tensor,) = exported.serving.inputs

    def read(contents: Any) -> dict[str, Any]:
        features = files.from_files(contents, exported.forms.input)
        return serve({tensor.name: tf.cast(features, tensor.dtype)})

    # TensorFlow Serving's REST clients know bytes by the end of this name.
    named = tf.TensorSpec((None,), tf.string, name=f"{exported.input.name}_bytes")
    return tf.function(read, input_signature=[named], autograph=False)


def _signatures(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the inputs and outputs of the signatures that were written."""
    loaded = load_saved_model(folder)
    return {
        name: {
            "inputs": specs(signature.structured_input_signature[1]),
            "outputs": specs(signature.structured_outputs),
        }
        for name, signature in loaded.signatures.items()
    }


def _arrays(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return tensors by name as the arrays that travel with an export."""
    return {f"{prefix}/{name}": plain_array(tensor.numpy()) for name, tensor in tensors.items()}
