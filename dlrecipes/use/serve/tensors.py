"""Tensors in JSON, as TensorFlow Serving's REST interface has them."""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.signatures import Signature, TensorForm, shortened

BINARY = "_bytes"
"""How the names of outputs end that are no texts."""
MOST_AXES = 32
"""Lists in lists that an input may have: NumPy takes 64."""
INSTANCES, INPUTS = "instances", "inputs"


def parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body of a request.

    `NaN`, `Infinity` and `-Infinity` are numbers, as TensorFlow Serving has it. Lists and objects
    may be nested as deep as the parsers allow, which is about 1,000.

    Raises:
        Refused: if it is none.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _lenient(body, str(error))
    if not isinstance(document, dict):
        raise Refused("JSON Value: Is not object")
    return document


def _lenient(body: bytes, reason: str) -> Any:
    """Return a document with numbers that are not finite, which only Python's own parser reads."""
    if not body.strip():
        raise Refused("JSON Parse error: The document is empty")
    if b"NaN" not in body and b"Infinity" not in body:
        raise Refused(f"JSON Parse error: {shortened(reason)}")
    try:
        document = json.loads(body)
        json.dumps(document, ensure_ascii=False).encode()  # No answer can quote half a character.
    except (ValueError, RecursionError) as error:
        raise Refused(f"JSON Parse error: {shortened(str(error))}") from None
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the signature that a request names, or an empty string."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise Refused("'signature_name' key must be a string value.")
    return name


def read_inputs(document: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    """Return the inputs of a signature that a `predict` request has, in rows or in columns.

    Raises:
        Refused: if they are not what the signature takes.
    """
    if INSTANCES in document and INPUTS in document:
        raise Refused("Not formatted correctly expecting only one of 'inputs' or 'instances' keys")
    if INSTANCES in document:
        columns = _columns(document[INSTANCES], signature)
    elif INPUTS in document:
        columns = _named(document[INPUTS], signature)
    else:
        raise Refused("Missing 'inputs' or 'instances' key")
    return {name: to_array(value, signature.inputs[name], name) for name, value in columns.items()}


def _named(value: Any, signature: Signature) -> dict[str, Any]:
    """Return the inputs by name of a request in columns, which may leave out the only name."""
    if isinstance(value, dict) and not is_binary(value):
        missing = signature.inputs.keys() - value.keys()
        if missing:
            raise Refused(f"Missing named input: {min(missing)} in 'inputs' object.")
        return {name: value[name] for name in signature.inputs}
    return {_only(signature, "inputs is a plain value/list"): value}


def _columns(rows: Any, signature: Signature) -> dict[str, Any]:
    """Return the inputs by name of a request in rows."""
    if not isinstance(rows, list):
        raise Refused("Excepting 'instances' to be an list/array")
    if not rows:
        raise Refused("No values in 'instances' array")
    objects = [isinstance(row, dict) and not is_binary(row) for row in rows]
    if not any(objects):
        return {_only(signature, "instances is a plain list"): rows}
    if not all(objects):
        raise Refused(f"Expecting object but got list at item {objects.index(False)} of input list")
    for number, row in enumerate(rows):
        if row.keys() != signature.inputs.keys():
            raise Refused(
                f"Failed to process element: {number} of 'instances' list. JSON object keys must "
                f"be equal to: {','.join(sorted(signature.inputs))}"
            )
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _only(signature: Signature, what: str) -> str:
    """Return the name of a signature's only input."""
    if len(signature.inputs) != 1:
        raise Refused(
            f"{what}, but expecting objects as multiple input tensors are required: "
            f"{','.join(sorted(signature.inputs))}"
        )
    return next(iter(signature.inputs))


def is_binary(value: Any) -> bool:
    """Tell whether a JSON value stands for bytes: `{"b64": …}`."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def to_array(value: Any, form: TensorForm, name: str) -> Array:
    """Return a JSON value as an array of an input's type.

    Args:
        value: Numbers, texts, or nested lists of them.
        form: The type, and the shape, which is not checked here.
        name: What the input is called.

    Raises:
        Refused: if they are ragged, or of another type.
    """
    flat, shape = flattened(value, name)
    if form.dtype == object:
        return texts(flat, name).reshape(shape)
    return numbers(flat, form.dtype, name).reshape(shape)


def flattened(value: Any, name: str) -> tuple[Sequence[Any], tuple[int, ...]]:
    """Return the values in nested lists one after the other, and the shape of the lists."""
    level: list[Any] = [value]
    shape: list[int] = []
    while level and type(level[0]) is list:
        if len(shape) == MOST_AXES:
            raise Refused(f"The input {name} is nested more than {MOST_AXES} levels deep.")
        if not all(type(one) is list for one in level):
            raise Refused(f"The input {name} mixes lists and values on one level.")
        sizes = set(map(len, level))
        if len(sizes) != 1:
            raise Refused(f"The input {name} has lists of different lengths: {sorted(sizes)[:5]}.")
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
    return level, tuple(shape)


def texts(flat: Sequence[Any], name: str) -> Array:
    """Return texts as an array of Python objects, all of them bytes."""
    array = np.empty(len(flat), dtype=object)
    for place, value in enumerate(flat):
        if isinstance(value, str):
            array[place] = value.encode()
        elif isinstance(value, bytes):
            array[place] = value
        elif is_binary(value):
            array[place] = decoded(value)
        else:
            raise Refused(f"The input {name} takes strings. Received: {kind_of(value)}")
    return array


def decoded(value: Mapping[str, str]) -> bytes:
    """Return the bytes that `{"b64": …}` stands for."""
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Unable to base64 decode the value of a key b64.") from None


def numbers(flat: Sequence[Any], dtype: np.dtype[Any], name: str) -> Array:
    """Return numbers as an array; a value that its type does not hold is refused."""
    wanted = {bool} if dtype.kind == "b" else {int, float} if dtype.kind == "f" else {int}
    found = set(map(type, flat))
    if not found <= wanted:
        strange = next(value for value in flat if type(value) not in wanted)
        raise Refused(
            f"The input {name} takes values of the type {dtype}. Received: {kind_of(strange)}"
        )
    try:
        if dtype.kind != "f":
            return np.array(flat, dtype)
        array = np.array(flat, np.float64)
    except (OverflowError, ValueError):
        raise Refused(f"The input {name} has a number out of range for {dtype}.") from None
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if dtype.itemsize < 8 and np.any(np.isinf(narrow) & np.isfinite(array)):
        raise Refused(f"The input {name} has a number out of range for {dtype}.")
    return narrow


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in a word."""
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a decimal number",
        str: "a string",
        bytes: "a string",
        dict: "an object",
        list: "a list",
    }
    return names.get(type(value), "null")


def answer_document(outputs: Mapping[str, Array], *, rows: bool) -> dict[str, Any]:
    """Return the answer to a `predict` request.

    Args:
        outputs: The outputs by name.
        rows: Whether the request had rows.

    Raises:
        Refused: if the outputs have no rows.
    """
    columns = {name: _shown(name, array) for name, array in outputs.items()}
    if not rows:
        return {"outputs": columns if len(columns) != 1 else next(iter(columns.values()))}
    lengths = {np.shape(array)[:1] for array in outputs.values()}
    if len(lengths) != 1 or lengths == {()}:
        raise Refused("The outputs have no rows in common. Use the columnar format: 'inputs'")
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    names = list(columns)
    return {
        "predictions": [
            dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    }


def _shown(name: str, array: Array) -> Any:
    """Return an output as orjson takes it: numbers as they are, texts as lists."""
    if array.dtype != object:
        return array
    return _texts(array.tolist(), binary=name.endswith(BINARY))


def _texts(value: Any, *, binary: bool) -> Any:
    """Return nested lists of bytes as texts, or as `{"b64": …}`."""
    if isinstance(value, list):
        return [_texts(one, binary=binary) for one in value]
    if binary:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")


def written(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON; numbers that are not finite as TensorFlow Serving writes them."""
    content = orjson.dumps(document, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in content:  # orjson writes that for NaN.
        plain = json.loads(json.dumps(document, default=_plain))
        if not _is_finite(plain):
            return json.dumps(plain).encode()
    return content


def _plain(value: Any) -> Any:
    """Return what a parser does not know as JSON types."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _is_finite(value: Any) -> bool:
    """Tell whether all numbers of a document are finite."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
