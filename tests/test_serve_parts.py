"""Parts of the server by themselves: what is read, and what becomes of a model that fails."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from support import mnist_test_images

from dlrecipes.use.serve import examples, quick
from dlrecipes.use.serve.batches import Batches
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Limits
from dlrecipes.use.serve.signatures import Signature, TensorForm
from dlrecipes.use.serve.tensors import parsed, read_inputs

pytestmark = pytest.mark.long
Function = Callable[..., Mapping[str, Any]]


def one_input(
    function: Function, shape: tuple[int | None, ...] = (None,), dtype: str = "float32"
) -> Signature:
    """Return a signature with an input x and an output y of the same form."""
    form = TensorForm(np.dtype(dtype), shape)
    return Signature("serving_default", "", {"x": form}, {"y": form}, function)


def same(x: Any) -> Mapping[str, Any]:
    """Return the input."""
    return {"y": x}


IMAGES = one_input(same, (None, 28, 28, 1), "uint8")


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_images_are_read_the_quick_way_and_are_the_same(key: str) -> None:
    images = mnist_test_images()[0][:3, ..., np.newaxis]
    body = json.dumps({key: images.tolist()}).encode()
    request = quick.request_of(body)
    assert request is not None
    found = quick.read_only_input(request, IMAGES)
    assert found is not None
    expected = read_inputs(parsed(body), IMAGES)
    for arrays in (found, expected):
        assert arrays["x"].dtype == np.uint8
        assert np.array_equal(arrays["x"], images)


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((None,), "[1e999]"),
        ((None,), "[]"),
        ((None, 0), "[[], []]"),
        ((None, 2), "[[1, 2], [3]]"),
        ((None, 2), "[1, 2]"),
        ((None, 2), "null"),
        ((None,), '["1"]'),
        ((None,), "[NaN]"),
    ],
)
def test_what_is_no_regular_list_of_numbers_is_read_the_usual_way(
    shape: tuple[int | None, ...], rows: str
) -> None:
    request = quick.request_of(f'{{"instances": {rows}}}'.encode())
    assert request is None or quick.read_only_input(request, one_input(same, shape)) is None
    assert quick.request_of(f'{{"instances": {rows}, "inputs": {rows}}}'.encode()) is None


def test_bytes_of_examples_reach_the_model_as_they_are() -> None:
    sent = bytes(range(256))
    rows = examples.given({"examples": [{"x": {"b64": base64.b64encode(sent).decode()}}]})
    arrays = examples.arrays(rows, one_input(same, dtype="object"))
    assert arrays["x"].tolist() == [sent]
    with pytest.raises(Refused, match="Received: a string"):
        examples.arrays(rows, one_input(same))


@pytest.mark.parametrize(
    "outputs",
    [
        {"scores": np.ones((1, 2), "float32"), "classes": np.array([[1, 2]])},
        {"scores": np.ones((1, 2), "float32"), "classes": np.array([b"a"], object)},
        {"scores": np.array([[b"a"]], object)},
    ],
)
def test_outputs_that_are_no_classes_are_refused(outputs: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="classify"):
        examples.classes(outputs, IMAGES, ())
    with pytest.raises(Refused, match="regress"):
        examples.values({"y": np.float32(1).reshape(())}, IMAGES)


def test_half_a_character_is_refused_wherever_it_is() -> None:
    for body in (
        b'{"signature_name": "\\ud800", "instances": [NaN]}',
        b'{"instances": [{"\\ud800": 1.0}], "a": NaN}',
        b'{"a": "NaN", "b": "\\udc00"}',
    ):
        with pytest.raises(Refused, match="JSON Parse error"):
            parsed(body)


def test_a_model_that_fails_answers_everybody_and_goes_on() -> None:
    calls: list[int] = []

    def fails_at_first(x: Any) -> Mapping[str, Any]:
        calls.append(len(x))
        if len(calls) <= 3:
            raise RuntimeError("out of memory")
        return {"y": x}

    async def ask() -> list[Any]:
        batches, signature = Batches(Limits(max_wait=5, max_batch=2)), one_input(fails_at_first)
        arrays = {"x": np.zeros(1, np.float32)}
        both = (batches.answer(signature, arrays) for _ in range(2))
        failed = await asyncio.gather(*both, return_exceptions=True)
        return [*failed, await batches.answer(signature, {"x": np.ones(2, np.float32)})]

    first, second, third = asyncio.run(ask())
    assert calls == [2, 1, 1, 2]
    assert str(first) == str(second) == "out of memory"
    assert third["y"].tolist() == [1, 1]


def test_who_gave_up_waits_no_longer_and_leaves_the_queue_alive() -> None:
    calls: list[int] = []

    def counted(x: Any) -> Mapping[str, Any]:
        calls.append(len(x))
        return {"y": x}

    async def ask() -> None:
        batches, signature = Batches(Limits(max_wait=0.2, max_batch=32)), one_input(counted)
        arrays = {"x": np.zeros(1, np.float32)}
        given_up = [asyncio.ensure_future(batches.answer(signature, arrays)) for _ in range(5)]
        await asyncio.sleep(0)  # They wait now.
        await asyncio.sleep(0)
        (queue,) = batches.queues.values()
        for one in given_up:
            one.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        assert len(queue.jobs) == 0
        assert batches.waiting == 0
        assert len((await batches.answer(signature, arrays))["y"]) == 1
        await asyncio.gather(*(one.task for one in batches.queues.values() if one.task))
        assert batches.queues == {}

    asyncio.run(ask())
    assert calls == [1]
