"""The format `keras`: the serving model as one `.keras` file, which Keras alone loads."""

from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.forms import Form
from dlrecipes.errors import InputError
from dlrecipes.runs.golden import plain_array, write_arrays
from dlrecipes.tasks.base import Answer
from dlrecipes.tasks.serving import SavedServing, named_features, own_classes, run_serving


def write(serving: Any, answer: Answer, form: Form, features: Rows, folder: Path) -> None:
    """Write the serving model.

    Raises:
        InputError: if the file would need more than Keras.
    """
    if isinstance(serving, SavedServing) or own_classes(serving, known=()):
        raise InputError(
            "The model has classes or functions of its recipe's own, or of dlrecipes: "
            "without those a .keras file cannot be loaded.",
            "Export it in a form that needs none of them: --format saved-model",
        )
    serving.save(folder / "model.keras")
    inputs = named_features(features, serving)
    golden = {
        f"serving_default/input/{name}": plain_array(tensor.numpy())
        for name, tensor in inputs.items()
    }
    golden["serving_default/output/output"] = run_serving(serving, features)
    write_arrays(folder / "golden.npz", golden)
