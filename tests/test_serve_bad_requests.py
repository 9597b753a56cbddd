"""No request makes the server fail: a bad one gets a sentence and a status of the client's."""

import base64
import gzip
import http.client
import json
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from serving import Server, served, write_toys
from support import MNIST, TEXT, environment

pytestmark = [pytest.mark.serve, pytest.mark.long]
HALF = "/v1/models/half_plus:predict"
SENSORS = "/v1/models/sensors:predict"
IMAGES = f"/v1/models/{MNIST}:predict"
CLASSIFY, REGRESS = "/v1/models/half_plus:classify", "/v1/models/half_plus:regress"
GENERATE, TRY, TRY_TEXT = f"/v1/models/{TEXT}:generate", f"/try/{MNIST}", f"/try/{TEXT}"
BODY_LIMIT = 2_000_000
TIMEOUT = 10


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, run_of: Callable[[str], dict[str, Any]]
) -> Iterator[Server]:
    toys = write_toys(tmp_path_factory.mktemp("toys"))
    runs = [f"{one}={run_of(one)['path']}" for one in (MNIST, TEXT)]
    words = [toys / "half_plus", toys / "sensors", *runs]
    with served(*words, "--max-body-mb", "2", "--timeout", str(TIMEOUT)) as started:
        yield started


def png(width: int, height: int) -> str:
    """Return a PNG of one colour as base64, however many pixels it claims to have."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checked

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(min(width * height, 50_000_000)), 9))
    content = b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")
    return base64.b64encode(content).decode()


def nested(depth: int, kind: str = "[]") -> str:
    """Return lists in lists, or objects in objects."""
    opening, closing_ = ("[", "]") if kind == "[]" else ('{"a":', "}")
    return opening * depth + "1" + closing_ * depth


PREDICT = [
    *("", " ", "{", "}", "[]", "null", "1", '"text"', "true", "{}", "[1, 2]", "nan", "{'a': 1}"),
    '{"instances"}',
    '{"instances": }',
    '{"instances": []}',
    '{"instances": {}}',
    '{"instances": null}',
    '{"instances": 1}',
    '{"instances": "1.0"}',
    '{"instances": [1.0,]}',
    '{"instances": [1.0, 2.0}',
    '{"instances": [1.0 2.0]}',
    '{"instances": [01]}',
    '{"instances": [+1]}',
    '{"instances": [.5]}',
    '{"instances": [0x10]}',
    '{"instances": [1e400]}',
    '{"instances": [1e39]}',
    '{"instances": [-1e39]}',
    '{"instances": [' + "9" * 400 + "]}",
    '{"instances": [' + "9" * 5000 + "]}",
    '{"instances": [nan]}',
    '{"instances": [Nan]}',
    '{"instances": [inf]}',
    '{"instances": [--Infinity]}',
    '{"instances": [null]}',
    '{"instances": [true]}',
    '{"instances": ["1.0"]}',
    '{"instances": [[1.0]]}',
    '{"instances": [[1.0, 2.0], [3.0]]}',
    '{"instances": [1.0, [2.0]]}',
    '{"instances": [[], []]}',
    '{"instances": [[]1, []2]}',
    '{"instances": [{"x": 1.0}, 2.0]}',
    '{"instances": [{"y": 1.0}]}',
    '{"instances": [{"x": 1.0, "y": 1.0}]}',
    '{"instances": [{}]}',
    '{"instances": [{"b64": "AAAA"}]}',
    '{"instances": [1.0], "inputs": [1.0]}',
    '{"inputs": {}}',
    '{"inputs": 1.0}',
    '{"inputs": {"y": [1.0]}}',
    '{"inputs": {"x": 1.0}}',
    '{"inputs": {"x": {"z": 1}}}',
    '{"inputs": null}',
    '{"signature_name": 1, "instances": [1.0]}',
    '{"signature_name": null, "instances": [1.0]}',
    '{"signature_name": ["serving_default"], "instances": [1.0]}',
    '{"signature_name": "none", "instances": [1.0]}',
    '{"signature_name": "__saved_model_init_op", "instances": [1.0]}',
    '{"signature_name": "' + "a" * 10_000 + '", "instances": [1.0]}',
    '{"instances": ' + nested(500) + "}",
    '{"instances": ' + nested(100_000) + "}",
    '{"instances": ' + nested(100_000, "{}") + "}",
    '{"instances": [NaN, ' + nested(100_000) + "]}",
    '{"instances": ' + "[" * 500_000,
    '{"instances": ["\\ud800"]}',
    '{"instances": [1.0], "a": "' + "\\u0000" * 100,
    b'{"instances": ["\xff\xfe"]}',
    '{"signature_name": "\\ud800", "instances": [NaN]}',
    '{"instances": [{"\\ud800": NaN}]}',
    b"\xff\xfe{\x00}\x00",
    b"\x00" * 1000,
    b"\x1f\x8b" + bytes(100),
]
OTHERS: list[tuple[str, str, Any]] = [
    ("POST", SENSORS, {"signature_name": "size", "instances": [{"b64": "%%%"}]}),
    ("POST", SENSORS, {"signature_name": "size", "instances": [{"b64": "AAA"}]}),
    ("POST", SENSORS, {"signature_name": "size", "instances": [{"b64": 1}]}),
    ("POST", SENSORS, {"signature_name": "size", "instances": [1]}),
    ("POST", SENSORS, {"signature_name": "invert", "instances": [[1]]}),
    ("POST", SENSORS, {"signature_name": "positive", "instances": [0]}),
    ("POST", SENSORS, {"signature_name": "positive", "instances": [1.5]}),
    ("POST", SENSORS, {"signature_name": "positive", "instances": [2**31]}),
    ("POST", SENSORS, {"signature_name": "positive", "instances": [2**70]}),
    ("POST", SENSORS, {"signature_name": "slow", "instances": [1]}),
    ("POST", SENSORS, {"instances": [1]}),
    ("POST", SENSORS, {"inputs": [1]}),
    ("POST", SENSORS, {"inputs": {"tag": ["a"], "signal": [[1] * 5] * 2, "sensor": [[[1]]]}}),
    ("POST", SENSORS, {"inputs": {"tag": ["a"], "signal": [[1] * 4], "sensor": [[[1, 1]] * 2]}}),
    ("POST", IMAGES, {"instances": [[[[256]] * 28] * 28]}),
    ("POST", IMAGES, {"instances": [[[[-1]] * 28] * 28]}),
    ("POST", IMAGES, {"instances": [[[[0.5]] * 28] * 28]}),
    ("POST", IMAGES, {"instances": [[[0] * 28] * 28]}),
    ("POST", IMAGES, {"instances": [[[[0]] * 28] * 27]}),
    ("POST", IMAGES, {"instances": [{"b64": png(28, 28)}]}),
    ("POST", CLASSIFY, {}),
    ("POST", CLASSIFY, {"examples": []}),
    ("POST", CLASSIFY, {"examples": {}}),
    ("POST", CLASSIFY, {"examples": [1]}),
    ("POST", CLASSIFY, {"examples": [{"x": None}]}),
    ("POST", CLASSIFY, {"examples": [{"x": [[1]]}]}),
    ("POST", CLASSIFY, {"examples": [{"x": 1.0}]}),
    ("POST", REGRESS, {"examples": [{}]}),
    ("POST", REGRESS, {"examples": [{"x": "one"}]}),
    ("POST", REGRESS, {"examples": [{"x": [1.0, 2.0]}]}),
    ("POST", REGRESS, {"examples": [{"x": []}]}),
    ("POST", REGRESS, {"examples": [{"x": 1.0}], "context": [1]}),
    (
        "POST",
        REGRESS,
        {"signature_name": "tensorflow/serving/regress", "examples": [{"x": [1, "a"]}]},
    ),
    ("POST", REGRESS, {"signature_name": "tensorflow/serving/regress", "examples": [{}]}),
    ("POST", GENERATE, {}),
    ("POST", GENERATE, {"prompt": 1}),
    ("POST", "/v1/models/half_plus:generate", {"prompt": "a"}),
    ("POST", GENERATE, {"prompt": "\ud800"}),
    ("POST", GENERATE, {"prompt": "a", "more": 1}),
    ("POST", GENERATE, {"prompt": "a", "length": 10**9}),
    ("POST", GENERATE, {"prompt": "a", "temperature": "hot"}),
    ("POST", TRY, {}),
    ("POST", TRY, {"input": {"file": {"name": "a.png", "content": "AAAA"}}}),
    ("POST", TRY, {"input": {"file": {"name": "a.png", "content": "%"}}}),
    ("POST", TRY, {"input": {"file": {"name": "a.png", "content": png(30_000, 30_000)}}}),
    ("POST", TRY, {"input": {"file": {"name": "../../etc/passwd", "content": ""}}}),
    ("POST", TRY, {"input": {"file": {"name": "\ud800.png", "content": "AAAA"}}}),
    ("POST", TRY, {"input": {"example": 0}, "options": {"\ud800": 1}}),
    ("POST", TRY_TEXT, {"input": {"text": "\ud800"}}),
    ("POST", TRY_TEXT, {"input": {"text": "a"}, "options": {"length": 10**9}}),
    ("POST", TRY, {"input": {"example": 10**30}}),
    ("POST", TRY, {"input": "/etc/passwd"}),
    ("GET", "/v1/models/..%2f..%2f..%2fetc%2fpasswd", None),
    ("GET", "/v1/models/../../etc/passwd", None),
    ("GET", "/page/..%2f..%2f__init__.py", None),
    ("GET", "/page/../app.py", None),
    ("GET", "/page/%2fetc%2fpasswd", None),
    ("GET", "/page/page.css%00.py", None),
    ("GET", "/try/..%2f..", None),
    ("GET", "//etc/passwd", None),
    ("GET", "/v1/models/", None),
    ("GET", "/v1/models/half_plus/versions/0", None),
    ("GET", "/v1/models/half_plus/versions/-1", None),
    ("GET", "/v1/models/half_plus/versions/" + "9" * 30, None),
    ("GET", "/v1/models/half_plus/versions/" + "9" * 5000, None),
    ("GET", "/v1/models/half_plus/versions/%EF%BC%91", None),
    ("GET", "/v1/models/half_plus/versions/1/metadata/x", None),
    ("GET", "/v1/models/%00", None),
    ("GET", HALF, None),
    ("POST", "/v1/models/half_plus", {"instances": [1]}),
    ("POST", "/v1/models/half_plus:explain", {"instances": [1]}),
    ("POST", "/v1/models/half_plus/versions/x:predict", {"instances": [1]}),
    ("PUT", HALF, {"instances": [1]}),
    ("DELETE", HALF, None),
    ("POST", "/metrics", {}),
    ("TRACE", HALF, None),
]


def test_every_bad_request_gets_a_sentence(server: Server) -> None:
    requests: list[tuple[str, str, Any]] = [*(("POST", HALF, body) for body in PREDICT), *OTHERS]
    assert len(requests) >= 80
    strange = []
    for method, path, body in requests:
        sent = json.dumps(body) if isinstance(body, dict) else body
        answer = server.ask(method, path, sent)
        is_fine = 400 <= answer.status < 500 and isinstance(answer.json.get("error"), str)
        if not is_fine or b"root:" in answer.body:
            strange.append((method, path[:60], str(body)[:60], answer.status, answer.body[:100]))
    assert strange == [], strange
    assert server.post(HALF, {"instances": [1.0]}).json == {"predictions": [3.5]}


def test_bodies_that_are_too_large_are_refused_before_they_are_read(server: Server) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.putrequest("POST", HALF)
        connection.putheader("Content-Length", "100000000")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert "2,000,000 bytes" in json.loads(answer.read())["error"]
    parts = iter([b"[" * 100_000] * 30)
    with suppress(BrokenPipeError, ConnectionResetError):  # It may hang up while the rest is sent.
        assert server.ask("POST", HALF, parts).status == 413
    bomb = gzip.compress(b'{"instances": [' + b"1," * 10_000_000 + b"1]}")
    assert len(bomb) < BODY_LIMIT
    for content, encoding, status in (
        (bomb, "gzip", 413),
        (bomb[:100], "gzip", 400),
        (b"plain", "gzip", 400),
        (b"{}", "br", 400),
    ):
        answer = server.ask("POST", HALF, content, {"Content-Encoding": encoding})
        assert answer.status == status
    assert server.get("/readyz").status == 200


RAW = [
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST " + HALF.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"POST " + HALF.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1e9\r\n\r\n",
    b"POST " + HALF.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("sent", RAW, ids=range(len(RAW)))
def test_what_is_no_http_is_refused(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as one:
        one.sendall(sent)
        answer = one.recv(4096)
    assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5"))
    assert server.get("/healthz").status == 200


def test_slow_clients_are_hung_up_on_while_others_are_answered(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(50)]
    head = f"POST {HALF} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
    for number, one in enumerate(slow):
        one.sendall(head.encode() if number % 2 else f"{head}\r\n{{".encode())
    assert server.post(HALF, {"instances": [1.0]}).status == 200
    for number, one in enumerate(slow):
        with one:
            answer = one.recv(4096)  # until the server has had enough
            assert answer == b"" if number % 2 else b" 408 " in answer


SCHEMATHESIS = "from schemathesis.cli import schemathesis; schemathesis()"


def test_fuzzing_from_the_openapi_description_finds_no_failure(
    server: Server, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{server.port}/openapi.json"
    result = subprocess.run(
        [
            *(sys.executable, "-c", SCHEMATHESIS, "run", address),
            *("--checks", "not_a_server_error", "--max-examples", "15"),
            *("--phases", "fuzzing", "--seed", "1", "--generation-database", "none"),
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
    assert server.post(HALF, {"instances": [1.0]}).status == 200
