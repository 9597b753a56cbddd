"""The most frequent request read the quick way: a regular list of numbers for the only input.

An image of 28 by 28 pixels is a list of 28 lists of 28 lists of one number. To make 813 lists of
it, and to take them apart again, takes four times as long as to read its numbers as one list. That
needs proof that the brackets stand where they must: they are compared with those of the input's
shape.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
import numpy as np
import orjson

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve.signatures import Signature, TensorForm
from dlrecipes.use.serve.tensors import numbers

NUMBERS = b"0123456789+-.eE \t\r\n"
BRACKETS = b"[]"
MISSING = msgspec.Raw()
"""A tensor that a request lacks: what it has is never empty."""


class Request(msgspec.Struct):
    """A `predict` request whose tensors are not read yet, but known to be valid JSON."""

    signature_name: str = ""
    instances: msgspec.Raw = MISSING
    inputs: msgspec.Raw = MISSING


READER = msgspec.json.Decoder(Request)


def request_of(body: bytes) -> Request | None:
    """Return a request with one list; None if it is another request, or none at all."""
    try:
        request = READER.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return request if bool(request.instances) != bool(request.inputs) else None


def read_only_input(request: Request, signature: Signature) -> dict[str, Array] | None:
    """Return the only input of a signature; None if the request must be read the usual way.

    Raises:
        Refused: if a number is not of the input's type.
    """
    if len(signature.inputs) != 1:
        return None
    ((name, form),) = signature.inputs.items()
    content = bytes(request.instances or request.inputs)
    array = _regular(content, form, name)
    return None if array is None else {name: array}


def _regular(content: bytes, form: TensorForm, name: str) -> Array | None:
    """Return a list of rows of numbers as an array, if they have the shape of the input."""
    if not form.has_rows or form.dtype == object:
        return None
    axes = tuple(size for size in form.shape or () if size is not None)
    if len(axes) != len(form.shape or ()) - 1:
        return None
    row = _marks(axes)
    marks = content.translate(None, NUMBERS)
    count = (len(marks) - 1) // (len(row) + 1)
    if count < 1 or marks != b"[%s]" % b",".join([row] * count):
        return None
    try:
        flat = orjson.loads(b"[%s]" % content.translate(None, BRACKETS))
    except orjson.JSONDecodeError:  # msgspec looks at no number that it is not asked for.
        return None
    if len(flat) != count * math.prod(axes):
        return None
    return _packed(flat, form.dtype, name).reshape((count, *axes))


def _packed(flat: Sequence[int], dtype: np.dtype[Any], name: str) -> Array:
    """Return numbers as an array; pixels at a quarter of the usual cost."""
    if dtype == np.uint8:
        with suppress(TypeError, ValueError):  # What is wrong is found, and said, below.
            return np.frombuffer(bytes(flat), np.uint8)
    return numbers(flat, dtype, name)


@cache
def _marks(axes: tuple[int, ...]) -> bytes:
    """Return the brackets and commas of an array of a shape, written as JSON."""
    return b"[%s]" % b",".join([_marks(axes[1:])] * axes[0]) if axes else b""
