"""The format `saved-model`: a TensorFlow SavedModel whose answers have names."""

from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.forms import Form
from dlrecipes.runs.golden import plain_array, write_arrays
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.base import Answer
from dlrecipes.tasks.serving import (
    call_serving,
    named_features,
    run_serving,
    serving_signature,
    track,
)


def write(serving: Any, answer: Answer, form: Form, features: Rows, folder: Path) -> None:
    """Write `serving_default`, and the answer's further endpoints."""
    import keras

    tf = load_tensorflow()

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        return answer.tensors(call_serving(serving, inputs), form)

    archive = keras.export.ExportArchive()
    track(archive, serving)
    archive.add_endpoint("serving_default", serve, input_signature=[serving_signature(serving)])
    answers = answer.tensors(tf.constant(run_serving(serving, features)), form)
    golden = {
        **_arrays("serving_default/input", named_features(features, serving)),
        **_arrays("serving_default/output", answers),
    }
    endpoints = answer.endpoints(serving, form)
    calls = answer.golden_calls(features, endpoints)
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
        golden |= _arrays(f"{name}/input", calls[name])
        golden |= _arrays(f"{name}/output", function(calls[name]))
    archive.write_out(str(folder), verbose=False)
    write_arrays(folder / "golden.npz", golden)


def _arrays(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return tensors by name as the arrays that travel with an export."""
    return {f"{prefix}/{name}": plain_array(tensor.numpy()) for name, tensor in tensors.items()}
