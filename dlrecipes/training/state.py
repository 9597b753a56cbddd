"""The state of a training: all that decides its next step, as arrays and JSON types.

Keras saves the weights of a model and its optimizer, but not the states of the random generators of
Dropout and augmentation, the running means of the epoch so far, the optimizers that a model with a
`train_step` of its own keeps in its attributes, nor what callbacks remember.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Keras's generator for layers that have none of their own: there is no public way to its state.
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.checkpoints import Array
from dlrecipes.training import distribution

PROBE_SIZE = 2
"""Length of each axis of a probe batch that may have any length."""


def _children(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds, with its name: attributes or items, in an order that repeats."""
    if isinstance(holder, Mapping):
        yield from sorted((str(key), value) for key, value in holder.items())
    elif isinstance(holder, list | tuple):
        yield from ((str(number), value) for number, value in enumerate(holder))
    else:
        yield from sorted(vars(holder).items(), key=lambda item: item[0])


def _walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the optimizers, metrics and TensorFlow variables in a model's attributes, by path.

    Lists, dictionaries and layers are looked through, those nearest to the model first. Keras
    tracks a model's layers, and no optimizer but the one that it was compiled with.
    """
    seen, level = {id(model)}, [("", model)]
    while level:
        below: list[tuple[str, Any]] = []
        for path, holder in level:
            for name, value in _children(holder):
                if id(value) in seen:
                    continue
                found = isinstance(value, keras.optimizers.Optimizer | keras.Metric | tf.Variable)
                if not found and not isinstance(value, keras.Layer | list | tuple | Mapping):
                    continue
                seen.add(id(value))
                place = f"{path}.{name}" if path else name
                if found:
                    yield place, value
                else:
                    below.append((place, value))
        level = below


def optimizers(model: Any) -> dict[str, Any]:
    """Return the optimizers of a model by the path of their attribute, such as `optimizer`.

    Those that have made no step and belong to no compiled loss, such as the one that Keras makes
    when `compile` is given none, are among them.
    """
    return {
        path.removeprefix("_"): value
        for path, value in _walk(model)
        if isinstance(value, keras.optimizers.Optimizer)
    }


def learning_rates(model: Any) -> dict[str, float]:
    """Return the learning rate of each optimizer in use, by its column in the history.

    That is `learning_rate`; of several, `generator_learning_rate` for `generator_optimizer`.
    """
    rates = {
        path.removesuffix("optimizer").rstrip("_.") or path: float(one.learning_rate)
        for path, one in optimizers(model).items()
        if one.built
    }
    if len(rates) == 1:
        return {"learning_rate": next(iter(rates.values()))}
    return {f"{name}_learning_rate": rate for name, rate in rates.items()}


def scale_learning_rates(model: Any, factor: float) -> None:
    """Multiply the learning rate of every optimizer; one that follows a schedule keeps it."""
    for optimizer in optimizers(model).values():
        with suppress(TypeError):  # It follows a schedule.
            optimizer.learning_rate = factor * float(optimizer.learning_rate)


def _numbered(group: str, variables: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield variables named by their group and their number in it."""
    for number, variable in enumerate(variables):
        yield f"{group}/{number:04}", variable


def _all_variables(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every variable that training changes, with a name that says what it belongs to."""
    weights = {id(variable) for variable in model.weights}
    yield from _numbered("weights", (one for one in model.variables if id(one) in weights))
    yield from _numbered("random", (one for one in model.variables if id(one) not in weights))
    yield from _numbered("metrics", model.metrics_variables)
    for path, found in _walk(model):
        if isinstance(found, keras.optimizers.Optimizer):
            yield from _numbered(f"optimizer/{path}", found.variables)
        elif isinstance(found, keras.Metric):
            yield from _numbered(f"metrics/{path}", found.variables)
        else:
            yield f"weights/{path}", found
    # What a layer draws from keras.random without a generator of its own comes from this one.
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    if generator is not None:
        yield "random/global", generator.state


def _variables(model: Any) -> dict[str, Any]:
    """Return every variable once, by the first name that it has."""
    found: dict[int, tuple[str, Any]] = {}
    for name, variable in _all_variables(model):
        # Keras's variables hold one of TensorFlow's, which may be found by itself.
        found.setdefault(id(getattr(variable, "_value", variable)), (name, variable))
    return dict(found.values())


def _value(variable: Any) -> Array:
    """Return a copy of the value of a variable, Keras's or TensorFlow's.

    Of one that each of several devices has a value of its own of: all of them, (devices, …).
    """
    if distribution.is_per_device(variable):
        return distribution.values_of(variable)
    array: Array = keras.ops.convert_to_numpy(distribution.first_of(variable))
    return array


def _set(name: str, variable: Any, array: Array) -> None:
    """Set a variable to what `_value` returned, maybe with another number of devices."""
    if distribution.is_per_device(variable):
        has_axis = _has_axis(name, variable, array)
        distribution.assign_values(variable, array if has_axis else array[np.newaxis])
    elif _has_axis(name, variable, array):
        variable.assign(array.sum(axis=0))
    elif name.startswith("random/"):
        distribution.spread_seed(variable, array)
    else:
        # NumPy's files know no bfloat16, but keep its bits.
        variable.assign(array.view(_value(variable).dtype))


def _has_axis(name: str, variable: Any, array: Array) -> bool:
    """Tell whether an array has an axis of devices, as running means of several have."""
    return name.startswith("metrics/") and array.ndim == len(variable.shape) + 1


def _fits(name: str, variable: Any, array: Array) -> bool:
    """Tell whether an array is of a variable's form, but for an axis of devices."""
    shape = array.shape[1:] if _has_axis(name, variable, array) else array.shape
    return shape == tuple(variable.shape)


def build(model: Any, spec: Any) -> None:
    """Make the variables that Keras makes no sooner than the first step: optimizer and metrics.

    Or else TensorFlow traces a step that makes variables, and another that does not. A model with
    a `train_step` of its own may use other variables, and makes them in its first step.

    Args:
        model: The compiled model.
        spec: The form of a batch that it is trained on, as `tf.TensorSpec`.
    """
    if type(model).train_step is keras.Model.train_step:
        # What fit itself calls under a distribution strategy; without one it waits for a step.
        model._symbolic_build(data_batch=spec)


def probe(train_function: Callable[[Any], Any], spec: Any) -> None:
    """Have a model make all its variables by a step on zeros, which changes them.

    Args:
        train_function: The model's.
        spec: The form of a batch that it is trained on, so that TensorFlow traces this once.
    """
    zeros = tf.nest.map_structure(
        lambda one: tf.zeros([size or PROBE_SIZE for size in one.shape], one.dtype), spec
    )
    batches = tf.data.Dataset.from_generator(lambda: iter([zeros]), output_signature=spec)
    train_function(iter(batches))


def capture(model: Any, group: str = "") -> dict[str, Array]:
    """Return a copy of every variable, or of those of a group (see `_all_variables`), by name."""
    return {
        name: _value(variable)
        for name, variable in _variables(model).items()
        if name.startswith(group)
    }


def restore(
    model: Any, arrays: Mapping[str, Array], done: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Set the variables that there are to what `capture` returned, and return them by name.

    A model that makes some of them no sooner than in its first step has the others under other
    names until then: those must be restored again.

    Args:
        model: The model.
        arrays: What `capture` returned.
        done: Variables that were restored before, by name, which are left as they are.
    """
    if "random/global" in arrays:
        global_seed_generator()
    done = done or {}
    restored: dict[str, Any] = {}
    for name, variable in _variables(model).items():
        array = arrays.get(name)
        if array is None or not _fits(name, variable, array):
            continue
        restored[name] = variable
        if done.get(name) is not variable:
            _set(name, variable, array)
    return restored


def changed(restored: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[tuple[Any, Array]]:
    """Return the variables that have changed since `restore` returned them, with their values."""
    values = ((name, variable, _value(variable)) for name, variable in restored.items())
    return [
        (variable, value)
        for name, variable, value in values
        if value.tobytes() != arrays[name].tobytes()
    ]


def spread_seeds(model: Any) -> None:
    """Give each of several devices random numbers of its own: Keras gives all the same."""
    for name, variable in _variables(model).items():
        if name.startswith("random/"):
            distribution.spread_seed(variable, _value(variable))


def is_complete(model: Any, arrays: Mapping[str, Array]) -> bool:
    """Tell whether a model has the variables that `capture` returned, and no other."""
    saved = {name: one for name, one in arrays.items() if not name.startswith("callbacks/")}
    there = _variables(model)
    return saved.keys() == there.keys() and all(
        _fits(name, there[name], array) for name, array in saved.items()
    )


def require_complete(model: Any, arrays: Mapping[str, Array]) -> None:
    """Raise DlrecipesError unless a model has exactly the variables that `capture` returned."""
    if not is_complete(model, arrays):
        raise DlrecipesError(
            "The checkpoint does not fit the model that the recipe builds.",
            "Another version of Keras may build another one: see the versions with runs show.",
        )


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
