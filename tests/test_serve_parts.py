"""Parts of the server by themselves: what is read, and what becomes of a model that fails."""

import asyncio
import base64
import gc
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import REGRESSION, mnist_test_images

from dlrecipes.cli.serve import found_places
from dlrecipes.errors import InputError
from dlrecipes.tasks import find_task
from dlrecipes.use.serve import examples, quick
from dlrecipes.use.serve.app import application, free
from dlrecipes.use.serve.batches import Batches
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.generation import events
from dlrecipes.use.serve.guard import MOST_LONG, Application, Guard, Receive, Send
from dlrecipes.use.serve.limits import Limits, Rate
from dlrecipes.use.serve.metrics import page
from dlrecipes.use.serve.models import Models, Place
from dlrecipes.use.serve.server import listening
from dlrecipes.use.serve.signatures import Signature, TensorForm
from dlrecipes.use.serve.tensors import parsed, read_inputs

pytestmark = [pytest.mark.serve, pytest.mark.long]
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


def test_too_many_requests_and_too_slow_ones_are_refused() -> None:
    ends = threading.Event()

    def waits(x: Any) -> Mapping[str, Any]:
        ends.wait()
        return {"y": x}

    async def all_asked() -> None:
        batches = Batches(Limits(max_queue=1, max_wait=0, timeout=0.2))
        arrays = {"x": np.zeros(1, np.float32)}
        first = asyncio.ensure_future(batches.answer(one_input(waits), arrays))
        await asyncio.sleep(0)  # It waits now.
        with pytest.raises(Refused, match="too many") as error:
            await batches.answer(one_input(waits), arrays)
        assert error.value.status == 503
        with pytest.raises(Refused, match=r"within 0\.2 s") as error:
            await first
        assert error.value.status == 504
        ends.set()

    asyncio.run(all_asked())


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


async def ask(
    application: Application, method: str, path: str, body: bytes = b"", encoding: str = ""
) -> tuple[int, dict[str, str], Any]:
    """Return the status, the headers and the document of an answer."""
    headers = [(b"content-encoding", encoding.encode())] if encoding else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    scope |= {"query_string": b"", "root_path": "", "raw_path": path.encode()}
    sent = [{"type": "http.request", "body": body}]
    messages: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await application(scope, receive, send)
    named = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    content = b"".join(one.get("body", b"") for one in messages[1:])
    return messages[0]["status"], named, json.loads(content)


def guarded(application: Application, **limits: Any) -> Guard:
    """Return an application behind its limits."""
    return Guard(application, Limits(**limits), Rate(0))


async def echo(_: Any, receive: Receive, send: Send) -> None:
    """Answer with the length of the body."""
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def test_a_body_of_two_files_of_gzip_is_refused_and_not_cut() -> None:
    one = gzip.compress(b"12345")
    guard = guarded(echo)
    assert asyncio.run(ask(guard, "POST", "/v1/x", one, "gzip"))[::2] == (200, 5)
    assert asyncio.run(ask(guard, "POST", "/v1/x", one + one, "gzip"))[0] == 400


@pytest.mark.parametrize("path", ["/v1/models/x:generate", "/try/x"])
def test_only_so_many_texts_are_written_at_once_and_none_for_ever(path: str) -> None:
    ends = asyncio.Event()

    async def writes(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == path:
            await ends.wait()
        await echo(scope, receive, send)

    async def all_asked() -> None:
        guard = guarded(writes)
        many = [asyncio.ensure_future(ask(guard, "POST", path)) for _ in range(MOST_LONG)]
        await asyncio.sleep(0)  # They are being answered now.
        status, headers, _ = await ask(guard, "POST", path)
        assert (status, headers["retry-after"]) == (503, "1")
        assert (await ask(guard, "POST", "/v1/models/x:predict"))[0] == 200
        ends.set()
        assert {status for status, *_ in await asyncio.gather(*many)} == {200}
        ends.clear()
        hurried = guarded(writes, timeout=0.01)
        assert (await ask(hurried, "POST", path))[0] == 504
        assert (guard.long, hurried.long) == (0, 0)

    asyncio.run(all_asked())


def test_a_text_ends_with_a_sentence_when_its_time_is_over() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "a"

    written = list(events(endless(), 0))
    assert len(written) == 2
    assert written[-1].startswith("event: error\n")
    assert "longer than 0 s" in written[-1]


class Tried(Models):
    """Models of which the page has one that writes texts, and one that cannot be trusted."""

    def tried(self, name: str) -> Any:
        if name == "foreign":
            raise InputError("This run comes from elsewhere.", "Pass --trust-recipe.")
        return SimpleNamespace(task=find_task("text-classification"))


def test_what_the_page_is_told_of_mistakes_is_a_sentence() -> None:
    app = application(Tried((), {}, Limits()), Rate(0))
    for method in ("GET", "POST"):
        status, _, document = asyncio.run(ask(app, method, "/try/foreign", b"{}"))
        assert (status, document) == (
            400,
            {"error": "This run comes from elsewhere. Pass --trust-recipe."},
        )
    for body in (b'{"input": {"text": "\\ud800"}}', b'{"options": {"\\ud800": 1}}', b"[]", b""):
        status, _, document = asyncio.run(ask(app, "POST", "/try/text", body))
        assert status == 400
        assert document["error"].startswith("JSON ")
    status, headers, _ = asyncio.run(ask(app, "POST", "/healthz"))
    assert (status, headers["allow"]) == (405, "GET")


def test_versions_that_were_dropped_are_forgotten_and_their_memory_is_freed(
    tmp_path: Path,
) -> None:
    from toy_models import write_half_plus  # It imports TensorFlow.

    write_half_plus(tmp_path / "half" / "1", 1.0)
    (tmp_path / "half" / "2").mkdir()
    (tmp_path / "half" / "2" / "saved_model.pb").write_bytes(b"damaged")
    models = Models((Place("half", tmp_path / "half"),), {}, Limits())
    try:
        assert models.refresh()
        free()
        assert not models.refresh()
        assert set(models.failed) == {("half", 2)}
        old = weakref.ref(models.find("half").loaded.owner)
        shutil.rmtree(tmp_path / "half" / "2")
        write_half_plus(tmp_path / "half" / "3", 3.0)
        shutil.rmtree(tmp_path / "half" / "1")
        assert models.refresh()
        assert models.failed == {}
        free()
        assert old() is None
        assert models.find("half").number == 3
    finally:
        gc.unfreeze()


def test_an_export_that_is_replaced_within_a_second_is_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    numbers = []
    for milliseconds in (1_700_000_000_001, 1_700_000_000_002):
        os.utime(tmp_path / "saved_model.pb", ns=(0, milliseconds * 1_000_000))
        numbers.extend(Place("one", tmp_path).exports())
    assert numbers == [1_700_000_000_001, 1_700_000_000_002]


def test_what_a_killed_process_had_in_flight_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    lines = "import os; from dlrecipes.use.serve import metrics; metrics.IN_FLIGHT.inc()"
    subprocess.run([sys.executable, "-c", f"{lines}; os.kill(os.getpid(), 9)"], check=False)
    (file,) = tmp_path.glob("gauge_livesum_*.db")
    counted = b"dlrecipes_requests_in_flight"
    assert counted not in page()
    assert not file.exists()
    shutil.copy(next(tmp_path.glob("*.db")), tmp_path / f"gauge_livesum_{os.getpid()}.db")
    page()
    assert (tmp_path / f"gauge_livesum_{os.getpid()}.db").exists()


def test_a_port_that_is_taken_leaves_no_socket_open() -> None:
    with listening("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        with pytest.raises(InputError, match="Cannot listen on") as error:
            listening("127.0.0.1", port, "--grpc-port")
        assert error.value.hint == "Choose another --grpc-port."
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass


def test_a_run_is_served_under_its_name_and_the_latest_of_a_recipe_under_the_recipes(
    tmp_path: Path, run_of: Callable[[str], dict[str, Any]]
) -> None:
    shutil.copytree(run_of(REGRESSION)["path"], tmp_path / REGRESSION / "flats")
    export = tmp_path / REGRESSION / "flats" / "exports" / "saved-model"
    export.mkdir(parents=True, exist_ok=True)
    (export / "saved_model.pb").touch()
    named = {
        REGRESSION: REGRESSION,
        "flats": "flats",
        "fla": "flats",
        str(tmp_path / REGRESSION / "flats"): "flats",
        "prices=flats": "prices",
        str(export): "saved-model",
    }
    for typed, name in named.items():
        (place,) = found_places([typed], tmp_path, trust=False)
        assert (place.name, place.path) == (name, export.resolve()), typed
