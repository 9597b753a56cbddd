"""Calls of a recipe's functions: errors are shown where they arose, results are checked."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from dlrecipes.catalog import mistakes
from dlrecipes.datasets.examples import Data, Rows, Source
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.system.backend import Device, load_tensorflow, set_seed
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.serving import KIT, named_features, run_serving

SERVING_HINT = "Write serving(model, data) in the recipe: raw inputs in, answer out."
PICKING = ("GetItem", "Squeeze", "TakeAlongAxis")
"""Operations of Keras that pick some of the probabilities, such as those of the last step."""


def file_of(recipe: ModuleType) -> Path:
    """Return the file of a recipe's module."""
    return Path(recipe.__file__ or "")


@contextmanager
def called(recipe: ModuleType, doing: str, function: str) -> Iterator[None]:
    """Turn what a function of a recipe raises into an InputError that shows where.

    Args:
        recipe: The recipe's module.
        doing: What cannot be done, in a sentence without its full stop.
        function: The function.
    """
    tf = load_tensorflow()
    try:
        yield
    except DlrecipesError:
        raise
    except Exception as error:
        settings = isinstance(error, ValueError | tf.errors.OpError)
        raise mistakes.explain(
            error, file_of(recipe), doing, InputError, function=function, settings=settings
        ) from error


def wrong_result(recipe: ModuleType, function: str, wanted: str, received: object) -> str:
    """Return the sentence about a function of a recipe that returns something else than it must."""
    line = getattr(recipe, function).__code__.co_firstlineno
    kind = "None" if received is None else type(received).__name__
    path = mistakes.shown_path(file_of(recipe))
    return f"{path}, line {line}: {function} must return {wanted}, not {kind}."


def load_data(recipe: ModuleType, config: Any, source: Source) -> Data:
    """Return the recipe's pipelines, made on the CPU: that is where `tf.data` runs."""
    with called(recipe, "The data cannot be prepared", "load"), load_tensorflow().device("/CPU:0"):
        data = recipe.load(config, source)
    if not isinstance(data, Data):
        raise InputError(wrong_result(recipe, "load", "dlrecipes.Data", data))
    for split in ("train", "validation", "test"):
        batches = getattr(data, split)
        if not hasattr(batches, "element_spec") and (split != "validation" or batches is not None):
            raise InputError(
                f"{mistakes.shown_path(file_of(recipe))}: load must return Data whose {split} is a "
                f"tf.data.Dataset of batches, not {type(batches).__name__}.",
                "Make one of a split of the source: source.test.batches(1000).",
            )
    return data


def build_model(
    recipe: ModuleType,
    config: Any,
    data: Data,
    seed: int,
    device: Device,
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Any:
    """Return the compiled model, its weights drawn from the seed, on the chosen device.

    Args:
        recipe: The recipe's module.
        config: The recipe's settings.
        data: The recipe's data.
        seed: From 0 to 2**32 - 1.
        device: Where its weights are.
        scope: Returns the scope of the devices that share it.
    """
    import keras

    set_seed(seed)
    doing = "The model cannot be built"
    with called(recipe, doing, "build"), load_tensorflow().device(device.scope), scope():
        model = recipe.build(config, data)
    wanted = "a compiled keras.Model"
    if not isinstance(model, keras.Model):
        raise InputError(wrong_result(recipe, "build", wanted, model))
    if not model.compiled:
        raise InputError(
            f"{wrong_result(recipe, 'build', wanted, model)[:-1]} that is not compiled.",
            "Call model.compile(optimizer=…, loss=…) before you return it.",
        )
    with called(recipe, doing, "build"), load_tensorflow().device(device.scope), scope():
        _make_weights(model, data)
    return model


def _make_weights(model: Any, data: Data) -> None:
    """Make the weights of a model that has been given no input yet, for the data's batches.

    One whose `train_step` calls other models has no `call`, and may make them in its first step.
    """
    import keras

    if type(model).call is keras.Model.call:
        model.built = True  # Or else Keras does not store it.
        return
    if all(layer.built for layer in model._flatten_layers()):
        if isinstance(model, keras.Sequential):  # Until it is called, it has no `input`.
            model(model.inputs[0])
        return
    features, *_ = keras.utils.unpack_x_y_sample_weight(data.train.element_spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What fails is an error, which says more.
        model(_inputs(features))


def _inputs(specs: Any) -> Any:
    """Return inputs of the form of batches, as `tf.TensorSpec`: a model on them is a graph."""
    import keras

    return keras.tree.map_structure(
        lambda spec: keras.Input(batch_shape=spec.shape, dtype=spec.dtype.name), specs
    )


def load_weights(model: Any, file: Path, data: Data) -> None:
    """Set the weights of a model that was built again to those of a file."""
    if not all(layer.built for layer in model._flatten_layers()):
        from dlrecipes.training.state import probe

        model.make_train_function()
        probe(model.train_function, data.train.element_spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # An optimizer that has made no step cannot take its own.
        model.load_weights(file)


def count_parameters(model: Any) -> int:
    """Return how many numbers are in a model's weights, trainable or not."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights)


def serving_model(recipe: ModuleType, model: Any, data: Data, raw: Rows) -> Any:
    """Return the model as it is used: a functional model from raw inputs to the answer.

    That is what the recipe's `serving` returns; without one, the model behind the preprocessing of
    the data, if there is some.

    Args:
        recipe: The recipe's module.
        model: The model.
        data: The recipe's data.
        raw: Some raw inputs, as a user gives them.
    """
    import keras

    with called(recipe, "The serving model cannot be made", "serving"):
        if hasattr(recipe, "serving"):
            served = recipe.serving(model, data)
        elif data.preprocessing is not None:
            before = _functional(data.preprocessing, raw)
            served = keras.Model(before.input, model(before.output))
        else:
            served = model
        if not isinstance(served, keras.Model):
            raise InputError(wrong_result(recipe, "serving", "a keras.Model", served))
        return _functional(served, raw)


def _functional(model: Any, raw: Rows) -> Any:
    """Return a model as a functional one, whose inputs have names: a wrapper, if it is none."""
    import keras
    from keras.src.models.functional import Functional

    if isinstance(model, Functional):
        # How a network of the kit's own class is trained is nothing to those who use it.
        is_of_kit = type(model).__module__.startswith(KIT)
        return keras.Model(model.input, model.output) if is_of_kit else model
    columns = raw if isinstance(raw, dict) else {"": raw}
    inputs = {}
    for name, column in columns.items():
        dtype = "string" if column.dtype.kind in "OSU" else column.dtype.name
        shape = column.shape[1:]
        inputs[name] = keras.Input(shape, dtype=dtype, name=name or _input_name(dtype, shape))
    nested = inputs.get("", inputs)
    return keras.Model(nested, model(nested))


def _input_name(dtype: str, shape: Sequence[int]) -> str:
    """Return what the one input of a model is called."""
    if dtype == "string":
        return "text"
    return "image" if len(shape) == 3 else "features"


def check_serving(recipe: ModuleType, task: Task, source: Source, data: Data, model: Any) -> None:
    """Raise InputError if what is to be trained could not be used: found out before the first step.

    Args:
        recipe: The recipe's module.
        task: The recipe's task.
        source: The raw examples.
        data: The recipe's data.
        model: The model, which may be untrained.
    """
    raw = task.input.raw(source.test, 2, data.input)
    serving = serving_model(recipe, model, data, raw)
    path = mistakes.shown_path(file_of(recipe))
    if problem := _input_problem(serving, raw):
        raise InputError(f"{path}: {problem}", SERVING_HINT)
    if problem := _output_problem(serving, data):
        raise InputError(f"{path}: {problem}", "Change the last layer in build.")
    if not _ends_in_probabilities(serving):
        outputs = run_serving(serving, raw)
        if problem := task.answer.output_problem(outputs):
            raise InputError(
                f"{path}: {problem}",
                'End the model in layers.Dense(len(data.classes), activation="softmax"), and give '
                "compile a loss without from_logits.",
            )
    is_raw = data.preprocessing is None and not hasattr(recipe, "serving")
    if is_raw and _changes_examples(source, data):
        raise InputError(
            f"{path}: load changes the examples before the model reads them, and predict and "
            "export would give it the examples as they are.",
            "Make the change a layer of the model, such as layers.Rescaling(1 / 255), or write "
            "serving(model, data): raw inputs in, answer out.",
        )


def _input_problem(serving: Any, raw: Rows) -> str:
    """Return why a serving model cannot take raw inputs; empty if it can."""
    names = [tensor.name for tensor in serving.inputs]
    if isinstance(raw, Mapping):
        if missing := [name for name in names if name not in raw]:
            return (
                f"the serving model has the inputs {', '.join(names)}, and the examples have the "
                f"columns {', '.join(raw)}: none is called {missing[0]}."
            )
    elif len(names) != 1:
        return (
            f"the serving model has {len(names)} inputs, {', '.join(names)}, and an example has "
            "one."
        )
    given = named_features(raw, serving)
    for tensor in serving.inputs:
        shape, wanted = given[tensor.name].shape[1:], tuple(tensor.shape[1:])
        is_text = given[tensor.name].dtype == "string"
        fits = len(shape) == len(wanted) and all(
            size is None or size == have for size, have in zip(wanted, shape, strict=True)
        )
        if not fits or is_text != (tensor.dtype == "string"):
            kind = "text" if is_text else given[tensor.name].dtype.name
            return (
                f"the serving model takes {tensor.name} as {tensor.dtype} of the shape {wanted}, "
                f"and an example is {kind} of the shape {tuple(shape)}."
            )
    return ""


def _output_problem(serving: Any, data: Data) -> str:
    """Return why the outputs of a serving model are no answer; empty if they are one."""
    if len(serving.outputs) != 1:
        return f"the serving model returns {len(serving.outputs)} tensors, and must return one."
    shape, classes = serving.outputs[0].shape, len(data.classes)
    if not classes or len(shape) != 2 or shape[-1] is None:
        return ""
    if shape[-1] == classes or (shape[-1] == 1 and classes == 2):
        return ""
    return (
        f"the model returns {shape[-1]} numbers for an example, and there are {classes} classes: "
        f"its last layer must have len(data.classes) units."
    )


def _ends_in_probabilities(model: Any) -> bool:
    """Tell whether the last layer of a functional model is seen to make probabilities."""
    import keras

    layer = model.outputs[0]._keras_history.operation
    while type(layer).__name__ in PICKING:
        picked_from, *_ = keras.tree.flatten(layer.input)
        layer = picked_from._keras_history.operation
    if isinstance(layer, keras.Model):
        return bool(getattr(layer, "outputs", None)) and _ends_in_probabilities(layer)
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return activation in ("softmax", "sigmoid") or isinstance(layer, keras.layers.Softmax)


def _changes_examples(source: Source, data: Data) -> bool:
    """Tell whether the batches of the test split hold other values than its raw examples."""
    import keras

    features, *_ = keras.utils.unpack_x_y_sample_weight(data.test.element_spec)
    raw = source.test.columns
    specs = features if isinstance(features, Mapping) else {"features": features}
    if not specs.keys() <= raw.keys():  # Some columns may be left out.
        return isinstance(features, Mapping)
    same = all(
        spec.dtype == ("string" if raw[name].dtype.kind in "OSU" else raw[name].dtype)
        for name, spec in specs.items()
    )
    if same:
        return False
    # Another type may hold the same values.
    batch, *_ = keras.utils.unpack_x_y_sample_weight(next(iter(data.test.take(1))))
    found = batch if isinstance(batch, Mapping) else {"features": batch}
    for name, tensor in found.items():
        values, rows = tensor.numpy(), raw[name][: len(tensor)]
        if "string" in (tensor.dtype, specs[name].dtype) or raw[name].dtype.kind in "OSU":
            return True
        if values.size != rows.size or not np.array_equal(values.reshape(rows.shape), rows):
            return True
    return False


def details_of(metrics: Mapping[str, float], data: Data, source: Source) -> dict[str, Any]:
    """Return what is known of a test beside its metrics.

    Args:
        metrics: The test metrics, maybe with `details` (see `dlrecipes.kit.metrics`).
        data: What the recipe made of the source.
        source: The raw examples.

    Returns:
        The details; of texts, `unknown_words`, too: the share of the test rows' words that the
        model does not know.
    """
    details = dict(getattr(metrics, "details", {}))
    test = source.test
    if "features" in test.columns and test.columns["features"].dtype.kind == "O":
        from dlrecipes.kit.tokens import share_unknown

        share = share_unknown(data.preprocessing, test)
        if share is not None:
            details["unknown_words"] = share
    return details


def evaluate_model(recipe: ModuleType, model: Any, data: Data, config: Any) -> Mapping[str, float]:
    """Return the test metrics that a recipe finds.

    Raises:
        DlrecipesError: if they are not numbers by name.
    """
    metrics = recipe.evaluate(model, data, config)
    if not isinstance(metrics, Mapping):
        raise DlrecipesError(wrong_result(recipe, "evaluate", "a dict of numbers by name", metrics))
    for name, value in metrics.items():
        if np.shape(value) != () or not np.issubdtype(np.asarray(value).dtype, np.number):
            raise DlrecipesError(
                wrong_result(recipe, "evaluate", f"one number as {name!r}", value),
                "Call float(…) on a tensor of one number.",
            )
    return metrics
