"""A loaded SavedModel: its signatures, what they take, and calls of them."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.serving import load_saved_model
from dlrecipes.use.serve.failures import Refused

MOST_SHOWN = 300
"""Characters of a message of TensorFlow's that a client is shown."""
ASSERTION = re.compile(r"assertion failed: \[([^]]*)\]")
Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class TensorForm:
    """What an input or output is.

    Args:
        dtype: Its NumPy type; `object` for texts, as bytes.
        shape: Its axes, None where any length will do; None if even their number is open.
    """

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    @property
    def has_rows(self) -> bool:
        """Tell whether its first axis is the rows of a batch."""
        return self.shape is not None and self.shape[:1] == (None,)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of a shape can be such a tensor."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(one in (None, size) for one, size in pairs)


@dataclass(frozen=True)
class Signature:
    """A function of a SavedModel.

    Args:
        name: Its name.
        method: What it is to TensorFlow Serving, such as `tensorflow/serving/predict`.
        inputs: Its inputs by name.
        outputs: Its outputs by name.
        function: Takes tensors by name and returns tensors by name.
    """

    name: str
    method: str
    inputs: Mapping[str, TensorForm]
    outputs: Mapping[str, TensorForm]
    function: Callable[..., Mapping[str, Any]]

    @property
    def has_rows(self) -> bool:
        """Tell whether rows of several requests can be answered together."""
        forms = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(form.has_rows for form in forms)

    def check(self, arrays: Arrays) -> None:
        """Raise Refused unless the arrays are what the signature takes."""
        if arrays.keys() != self.inputs.keys():
            wanted = ", ".join(sorted(self.inputs))
            received = ", ".join(sorted(arrays)) or "none"
            raise Refused(f"The inputs must be {wanted}. Received: {shortened(received)}")
        for name, array in arrays.items():
            form = self.inputs[name]
            if not form.fits(array.shape):
                hint = ". Put each value into a list" if form.fits((*array.shape, 1)) else ""
                raise Refused(
                    f"The input {name} must have the shape {_written(form.shape)}. "
                    f"Received: {_written(array.shape)}{hint}"
                )
        rows = {len(arrays[name]) for name, form in self.inputs.items() if form.has_rows}
        if self.has_rows and len(rows) != 1:
            raise Refused("All inputs must have the same number of rows.")

    def call(self, arrays: Arrays) -> dict[str, Array]:
        """Return the outputs for inputs by name.

        Raises:
            Refused: if TensorFlow cannot take them.
        """
        import tensorflow as tf

        try:
            # A constant of Python objects would be looked at twice, to find its type.
            tensors = {
                name: tf.constant(array, tf.string if array.dtype == object else None)
                for name, array in arrays.items()
            }
            return {name: one.numpy() for name, one in self.function(**tensors).items()}
        except tf.errors.OpError as error:
            raise Refused(f"The model cannot answer that: {_reason(error.message)}") from None
        except (TypeError, ValueError, UnicodeError) as error:
            raise Refused(f"The model cannot answer that: {shortened(str(error))}") from None


def _reason(message: str) -> str:
    """Return why TensorFlow failed: what an assertion of the model says, where one failed."""
    failed = ASSERTION.search(message)
    return shortened(failed[1] if failed else message)


def shortened(text: str) -> str:
    """Return the first line of a text, cut where it is very long."""
    line = (text.strip().splitlines() or [""])[0]
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}…"


def _written(shape: tuple[int | None, ...] | None) -> str:
    """Return a shape as it is written in a message."""
    axes = [] if shape is None else ["any" if size is None else str(size) for size in shape]
    return f"({', '.join(axes)})"


@dataclass(frozen=True)
class Loaded:
    """A SavedModel in memory.

    Args:
        path: Its folder.
        signatures: Its signatures by name.
        definition: The same, as the protocol buffer `SignatureDef` by name.
        owner: What TensorFlow loaded: its variables go when it does.
    """

    path: Path
    signatures: Mapping[str, Signature]
    definition: Mapping[str, Any]
    owner: Any

    def signature(self, name: str) -> Signature:
        """Return a signature by its name; empty for the default one."""
        wanted = name or "serving_default"
        if wanted not in self.signatures:
            raise Refused(
                f'Serving signature name: "{shortened(wanted)}" not found in signature def'
            )
        return self.signatures[wanted]


def load(path: Path) -> Loaded:
    """Return the SavedModel in a folder.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a SavedModel that this TensorFlow can load.
    """
    load_tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    definition = dict(content.meta_graphs[0].signature_def)
    owner = load_saved_model(path)
    signatures = {
        name: _signature(name, definition[name], function)
        for name, function in owner.signatures.items()
        if name in definition
    }
    _warm_up(path, signatures)
    return Loaded(path, signatures, {name: definition[name] for name in signatures}, owner)


def _signature(name: str, definition: Any, function: Any) -> Signature:
    """Return a signature for its protocol buffer and its function."""
    inputs, outputs = definition.inputs, definition.outputs
    return Signature(
        name,
        definition.method_name,
        {key: _form(inputs[key]) for key in inputs},
        {key: _form(outputs[key]) for key in outputs},
        function,
    )


def _form(info: Any) -> TensorForm:
    """Return the form of a tensor for its protocol buffer `TensorInfo`."""
    import tensorflow as tf

    shape = tf.TensorShape(info.tensor_shape)
    dtype = np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype)
    return TensorForm(dtype, None if shape.rank is None else tuple(shape))


def _warm_up(path: Path, signatures: Mapping[str, Signature]) -> None:
    """Call what comes with golden inputs once: TensorFlow prepares a graph when it is first run."""
    golden = path / "golden.npz"
    if not os.path.isfile(golden):
        return
    with np.load(golden, allow_pickle=False) as arrays:
        for name, signature in signatures.items():
            found = {key: f"{name}/input/{key}" for key in signature.inputs}
            if all(key in arrays for key in found.values()):
                signature.call({key: _as_texts(arrays[place]) for key, place in found.items()})


def _as_texts(array: Array) -> Array:
    """Return texts as Python objects, and any other array as it is."""
    return array.astype(object) if array.dtype.kind == "S" else array
