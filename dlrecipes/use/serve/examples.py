"""The examples of `classify` and `regress`, as JSON or as `tf.train.Example`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.signatures import Arrays, Signature
from dlrecipes.use.serve.tensors import decoded, is_binary, kind_of, numbers, texts

PARSED = ("tensorflow/serving/classify", "tensorflow/serving/regress")
"""The methods of signatures that take serialized examples, and parse them in their graph."""
Feature = list[Any]


def given(document: Mapping[str, Any]) -> list[dict[str, Feature]]:
    """Return the features of each example of a request, with those that all have in common.

    Raises:
        Refused: if there is none, or one is no example.
    """
    found = document.get("examples")
    if "examples" not in document:
        raise Refused("Key 'examples' is expected and was not found")
    if not isinstance(found, list):
        raise Refused("Expecting 'examples' value to be an list/array")
    if not found:
        raise Refused("'examples' value is an empty array")
    context = _features(document.get("context", {}))
    return [{**context, **_features(one)} for one in found]


def _features(value: Any) -> dict[str, Feature]:
    """Return the features of an example: a list of values for each."""
    if not isinstance(value, dict):
        raise Refused(f"Example must be JSON object but got {kind_of(value)}")
    return {name: _feature(name, one) for name, one in value.items()}


def _feature(name: str, value: Any) -> Feature:
    """Return the values of a feature, which all are numbers or all are strings."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, bool | int | float | str) and not is_binary(one):
            raise Refused(f"Feature: {name[:50]} has element with unexpected type: {kind_of(one)}")
    return [decoded(one) if is_binary(one) else one for one in values]


def arrays(rows: Sequence[Mapping[str, Feature]], signature: Signature) -> dict[str, Array]:
    """Return examples as the inputs of a signature.

    Raises:
        Refused: if their features are not what it takes.
    """
    if signature.method in PARSED and len(signature.inputs) == 1:
        (name,) = signature.inputs
        return {name: np.array([serialized(row) for row in rows], dtype=object)}
    for number, row in enumerate(rows):
        if row.keys() != signature.inputs.keys():
            raise Refused(
                f"The features of example {number} must be {','.join(sorted(signature.inputs))}."
            )
    return {name: _column(name, rows, signature) for name in signature.inputs}


def _column(name: str, rows: Sequence[Mapping[str, Feature]], signature: Signature) -> Array:
    """Return a feature of all examples as an input: its values fill the axes after the first."""
    form = signature.inputs[name]
    sizes = {len(row[name]) for row in rows}
    if len(sizes) != 1:
        raise Refused(f"The feature {name} has different numbers of values.")
    flat = [one for row in rows for one in row[name]]
    array = texts(flat, name) if form.dtype == object else numbers(flat, form.dtype, name)
    shape = form.shape or (None,)
    if shape.count(None) <= 1 or shape[1:].count(None) == 0:
        axes = tuple(size or 1 for size in shape[1:])
        if int(np.prod(axes)) != sizes.pop():
            raise Refused(f"The feature {name} must have {int(np.prod(axes))} values per example.")
        return array.reshape((len(rows), *axes))
    return array.reshape((len(rows), -1))


def serialized(row: Mapping[str, Feature]) -> bytes:
    """Return an example as the bytes of a `tf.train.Example`."""
    import tensorflow as tf

    example = tf.train.Example()
    for name, values in row.items():
        try:
            feature = example.features.feature[name]
            if all(isinstance(one, str | bytes) for one in values):
                packed = [one.encode() if isinstance(one, str) else one for one in values]
                feature.bytes_list.value.extend(packed)
            elif any(isinstance(one, float) for one in values):
                feature.float_list.value.extend(values)
            else:
                feature.int64_list.value.extend(int(one) for one in values)
        except (TypeError, ValueError, OverflowError):
            raise Refused(f"Unexpected element type in feature: {name[:50]}") from None
    return bytes(example.SerializeToString())


def features_of(example: Any) -> dict[str, Feature]:
    """Return the features of a `tf.train.Example`."""
    return {
        name: list(getattr(feature, feature.WhichOneof("kind")).value)
        if feature.WhichOneof("kind")
        else []
        for name, feature in example.features.feature.items()
    }


def classes(
    outputs: Arrays, signature: Signature, names: Sequence[str]
) -> list[list[tuple[str, float]]]:
    """Return the classes and their scores for each example.

    Args:
        outputs: `probabilities`, as our exports have it, or `scores` and maybe `classes`, as
            TensorFlow's own have.
        signature: The signature.
        names: The names of the classes, where the outputs do not have them.

    Raises:
        Refused: if the outputs are not scores of classes.
    """
    scores, labels = outputs.get("scores", outputs.get("probabilities")), outputs.get("classes")
    if scores is None or not _are_scores(scores, labels):
        raise Refused(
            f"Expected classification signature method_name to be tensorflow/serving/classify. "
            f"Was: {signature.method}"
        )
    if labels is None:
        fitting = names if len(names) == scores.shape[1] else [""] * scores.shape[1]
        return [list(zip(fitting, row, strict=True)) for row in scores.tolist()]
    rows = [[one.decode("utf-8", "replace") for one in row] for row in labels.tolist()]
    return [list(zip(*pair, strict=True)) for pair in zip(rows, scores.tolist(), strict=True)]


def _are_scores(scores: Array, labels: Array | None) -> bool:
    """Tell whether outputs are scores of classes, with a name for each if there are labels."""
    if scores.ndim != 2 or scores.dtype.kind != "f":
        return False
    return labels is None or (labels.dtype == object and labels.shape == scores.shape)


def values(outputs: Arrays, signature: Signature) -> list[float]:
    """Return the number for each example.

    Raises:
        Refused: if the outputs are not a number an example.
    """
    found = outputs.get("outputs", outputs.get("value"))
    if found is None and len(outputs) == 1:
        found = next(iter(outputs.values()))
    is_number = found is not None and found.dtype.kind == "f" and found.ndim > 0
    if found is None or not is_number or found.size != len(found):
        raise Refused(
            f"Expected regression signature method_name to be tensorflow/serving/regress. "
            f"Was: {signature.method}"
        )
    return [float(one) for one in found.reshape(-1)]
