"""The format `keras`: the serving model as one `.keras` file, which Keras alone loads."""

from pathlib import Path

from dlrecipes.errors import InputError
from dlrecipes.runs.golden import plain_array
from dlrecipes.tasks.serving import SavedServing, named_features, own_classes, run_serving
from dlrecipes.use.export.exported import Exported, Written, specs


def write(exported: Exported, quantization: str, folder: Path) -> Written:
    """Write the serving model.

    Raises:
        InputError: if the file would need more than Keras.
    """
    serving = exported.serving
    if isinstance(serving, SavedServing) or own_classes(serving, known=()):
        raise InputError(
            "The model has classes or functions of its recipe's own, or of dlrecipes: "
            "without those a .keras file cannot be loaded.",
            "Export it in a form that needs none of them: --format saved-model",
        )
    serving.save(folder / "model.keras")
    inputs = named_features(exported.golden, serving)
    golden = {
        f"serving_default/input/{name}": plain_array(tensor.numpy())
        for name, tensor in inputs.items()
    }
    golden["serving_default/output/output"] = run_serving(serving, exported.golden)
    signature = {
        "inputs": specs({tensor.name: tensor for tensor in serving.inputs}),
        "outputs": specs({"output": serving.outputs[0]}),
    }
    return Written({"serving_default": signature}, golden, {})
