"""A serving model: raw inputs by name in, answer out, whichever way it is stored.

It is a functional Keras model, stored as a `.keras` file; or, where that file would need classes of
the recipe, a TensorFlow SavedModel, which needs none. Both have `inputs` with `name`, `shape` and
`dtype`, and are called with the input, or with several by name.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.storage import Array

BATCH_SIZE = 256
ENDPOINT = "serve"
KIT = "dlrecipes.kit"
"""Whose layers a `.keras` file in a run may have."""


def load_saved_model(path: Path) -> Any:
    """Return the SavedModel in a folder, whatever its name: keep it as long as its variables."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "model")  # TensorFlow takes *, ? and [ in a path for a pattern.
        link.symlink_to(path.resolve(), target_is_directory=True)
        return tf.saved_model.load(str(link))


class SavedServing:
    """A serving model that is loaded from a SavedModel.

    Args:
        path: A zip file of its folder.
    """

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        # The loaded object must be kept: its variables go when it does.
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(path, folder, "zip")
            self.loaded = tf.saved_model.load(folder)
        _, named = self.loaded.signatures[ENDPOINT].structured_input_signature
        self.inputs = [
            tf.TensorSpec(one.shape, one.dtype, name=name) for name, one in sorted(named.items())
        ]

    def __call__(self, inputs: Any, *, training: bool = False) -> Any:
        """Return the outputs for the one input, or for all inputs by name."""
        if not isinstance(inputs, Mapping):
            inputs = {self.inputs[0].name: inputs}
        return getattr(self.loaded, ENDPOINT)(inputs)


def own_classes(model: Any, known: Collection[str] = (KIT,)) -> list[str] | None:
    """Return the classes and functions that a `.keras` file of a model needs and Keras lacks.

    None if the model cannot be stored in such a file at all: a constructor takes what is not plain
    data, and the class has no `get_config`. An empty list if the file needs Keras alone.

    Args:
        model: The model.
        known: Packages besides whose layers there are where the file is loaded.
    """
    import keras

    try:
        document = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, TypeError, ValueError):
        return None
    return sorted(set(_foreign_names(document, known)))


def _foreign_names(document: Any, known: Collection[str]) -> Iterator[str]:
    """Yield the names in a serialized object of what is neither Keras's nor Python's own."""
    if isinstance(document, list | tuple):
        for item in document:
            yield from _foreign_names(item, known)
    elif isinstance(document, Mapping):
        name = document.get("class_name")
        if name is not None and "config" in document:
            config = document["config"]
            module = str(document.get("module") or document.get("registered_name") or name)
            is_known = module.partition(".")[0] in ("keras", "builtins") or name.startswith("__")
            is_known = is_known or module.rpartition(".")[0] in known
            # Loading a Lambda would run its code.
            if (not is_known and "module" in document) or name in ("Lambda", "__lambda__"):
                yield str(config) if name == "function" and isinstance(config, str) else str(name)
        for item in document.values():
            yield from _foreign_names(item, known)


def track(archive: Any, serving: Any) -> None:
    """Have a `keras.export.ExportArchive` keep the variables of a serving model."""
    archive.track(serving.loaded if isinstance(serving, SavedServing) else serving)


def write_saved_model(serving: Any, path: Path) -> None:
    """Write a serving model as the zip file of a SavedModel that `SavedServing` loads."""
    import keras

    def serve(inputs: dict[str, Any]) -> Any:
        return call_serving(serving, inputs)

    archive = keras.export.ExportArchive()
    track(archive, serving)
    archive.add_endpoint(ENDPOINT, serve, input_signature=[serving_signature(serving)])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        with zipfile.ZipFile(path, "w") as packed:
            for file in sorted(Path(folder).rglob("*")):
                packed.write(file, file.relative_to(folder))


def named_features(features: Rows, serving: Any) -> dict[str, Any]:
    """Return the features by the names of the serving model's inputs, as tensors."""
    import tensorflow as tf

    named = {}
    for tensor in serving.inputs:
        column = features[tensor.name] if isinstance(features, dict) else features
        # A column of numbers or texts has no second axis, as most models read it.
        if column.ndim == 1 and len(tensor.shape) == 2:
            column = column.reshape(len(column), 1)
        # An exported function takes its own type alone, where a Keras model takes any number.
        named[tensor.name] = tf.constant(column, tensor.dtype)
    return named


def serving_signature(serving: Any) -> dict[str, Any]:
    """Return the form of a serving model's inputs by name, as `tf.TensorSpec`."""
    import tensorflow as tf

    return {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in serving.inputs
    }


def call_serving(serving: Any, inputs: Mapping[str, Any]) -> Any:
    """Return a serving model's outputs for inputs by name, as tensors."""
    if isinstance(serving, SavedServing):
        return serving(inputs)
    import keras

    # Its inputs may be one tensor, a list, or a dictionary with other keys than the names.
    nested = keras.tree.map_structure(lambda tensor: inputs[tensor.name], serving.input)
    return serving(nested, training=False)


def run_serving(serving: Any, features: Rows) -> Array:
    """Return a serving model's outputs for raw inputs, one row an input."""
    import tensorflow as tf

    named = tf.data.Dataset.from_tensor_slices(named_features(features, serving))
    batches = named.batch(BATCH_SIZE)
    return np.concatenate([call_serving(serving, batch).numpy() for batch in batches])
