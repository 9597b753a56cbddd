"""The state of a training: all that decides its next step, as arrays and JSON types.

Keras saves a network's weights and its optimizer, but not the states of the random generators of
Dropout and augmentation, the running means of the epoch so far, nor what callbacks remember.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np

# Keras's generator for layers that have none of their own: there is no public way to its state.
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.checkpoints import Array


def _variables(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every variable that training changes, with a name that says what it belongs to."""
    weights = {id(variable) for variable in model.weights}
    groups = {
        "weights": [variable for variable in model.variables if id(variable) in weights],
        "random": [variable for variable in model.variables if id(variable) not in weights],
        "optimizer": model.optimizer.variables if model.optimizer else [],
        "metrics": model.metrics_variables,
    }
    for group, variables in groups.items():
        for number, variable in enumerate(variables):
            yield f"{group}/{number:04}", variable
    # What a layer draws from keras.random without a generator of its own comes from this one.
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    if generator is not None:
        yield "random/global", generator.state


def build(model: Any, batches: Any) -> None:
    """Make the variables that Keras makes no sooner than the first step: optimizer and metrics.

    Args:
        model: The compiled network.
        batches: The pipeline that it will be trained on.
    """
    # What fit itself calls under a distribution strategy; without one it waits for the first step.
    model._symbolic_build(data_batch=batches.element_spec)


def capture(model: Any, group: str = "") -> dict[str, Array]:
    """Return a copy of every variable, or of those of a group (see `_variables`), by name."""
    return {
        name: keras.ops.convert_to_numpy(variable.value)
        for name, variable in _variables(model)
        if name.startswith(group)
    }


def restore(model: Any, arrays: Mapping[str, Array]) -> None:
    """Set every variable to what `capture` returned.

    Raises:
        DlrecipesError: if the arrays are not those of this network.
    """
    if "random/global" in arrays:
        global_seed_generator()
    variables = dict(_variables(model))
    saved = {name: array for name, array in arrays.items() if not name.startswith("callbacks/")}
    if variables.keys() != saved.keys() or any(
        tuple(variable.shape) != saved[name].shape for name, variable in variables.items()
    ):
        raise DlrecipesError(
            "The checkpoint does not fit the network that the recipe builds.",
            "Another version of Keras may build another one: see the versions with runs show.",
        )
    for name, variable in variables.items():
        array = saved[name]
        # NumPy's files know no bfloat16, but keep its bits.
        variable.assign(array.view(keras.ops.convert_to_numpy(variable.value).dtype))


def is_finite(arrays: Mapping[str, Array]) -> bool:
    """Tell whether every weight and every number of the optimizer is finite."""
    return all(
        np.isfinite(array).all()
        for name, array in arrays.items()
        if name.startswith(("weights/", "optimizer/")) and array.dtype.kind in "fV"
    )


class _NotPlainError(Exception):
    """A value is neither JSON nor arrays."""


def capture_callbacks(callbacks: Sequence[Any], arrays: dict[str, Array]) -> list[dict[str, Any]]:
    """Return what callbacks remember, as JSON types.

    Keras's callbacks have no way to save and restore their state: it is in their attributes, such
    as the patience that is left. What is neither plain data nor arrays is left out.

    Args:
        callbacks: The callbacks that the recipe gave to `fit`.
        arrays: Arrays among the attributes, such as the best weights so far, are added to these.
    """
    states = []
    for number, callback in enumerate(callbacks):
        state = {}
        for name, value in vars(callback).items():
            if name in ("params", "_model"):  # which fit sets in every callback, each time
                continue
            found: dict[str, Array] = {}
            with suppress(_NotPlainError):
                state[name] = _encode(value, f"callbacks/{number}/{name}", found)
                arrays |= found
        states.append({"class": type(callback).__name__, "state": state})
    return states


def restore_callbacks(
    callbacks: Sequence[Any], states: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array]
) -> None:
    """Let callbacks remember what `capture_callbacks` returned.

    Raises:
        DlrecipesError: if these are not the same callbacks.
    """
    if [type(callback).__name__ for callback in callbacks] != [state["class"] for state in states]:
        raise DlrecipesError("The recipe does not give the callbacks to fit that it gave before.")
    for callback, state in zip(callbacks, states, strict=True):
        for name, value in state["state"].items():
            setattr(callback, name, _decode(value, arrays))


def _encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return a value as JSON types; arrays, and numbers that JSON lacks, go among the arrays."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, float | np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in "biufcV":
            raise _NotPlainError
        arrays[name] = array.copy()
        return {"array": name, "dtype": array.dtype.name, "number": isinstance(value, float)}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{name}/{number}", arrays) for number, item in enumerate(value)]
        return {"items": items, "tuple": isinstance(value, tuple)}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {
            "dict": {key: _encode(item, f"{name}/{key}", arrays) for key, item in value.items()}
        }
    name = getattr(value, "__name__", "")
    if name and getattr(keras.ops, name, None) is value:  # how Keras's callbacks compare
        return {"operation": name}
    raise _NotPlainError


def _decode(value: Any, arrays: Mapping[str, Array]) -> Any:
    """Return the value that `_encode` was given."""
    if not isinstance(value, dict):
        return value
    if "operation" in value:
        return getattr(keras.ops, value["operation"])
    if "array" in value:
        array = arrays[value["array"]].view(value["dtype"])  # see restore
        return array.item() if value["number"] else array
    if "items" in value:
        items = [_decode(item, arrays) for item in value["items"]]
        return tuple(items) if value["tuple"] else items
    return {key: _decode(item, arrays) for key, item in value["dict"].items()}
