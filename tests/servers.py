"""Servers on this machine that behave as real ones do, and as some do on bad days.

A server is named in DLRECIPES_MIRROR, as a user would name one of her own. The real hosts stand
behind a proxy that is not there, so that no test depends on the Internet or uses it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NO_REAL_HOSTS = {
    **dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    ),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
}

Handler = BaseHTTPRequestHandler
Behaviour = Callable[[Handler], None]


@dataclass
class Server:
    """A server on this machine: its address, and of each request the path and header Range."""

    url: str
    ranges: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    """Serve every GET as `behaviour` does, until the block ends."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.ranges.append(self.headers.get("Range", ""))
            server.paths.append(self.path)
            self.ends = server.ends  # for `silent`
            behaviour(self)

        def log_message(self, *arguments: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # Who asked has gone away.
                super().handle()

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.ends.set()
        http.shutdown()
        thread.join()
        http.server_close()


def head(request: Handler, status: int, length: int | None, **headers: str) -> None:
    request.send_response(status)
    if length is not None:
        request.send_header("Content-Length", str(length))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


def start_of(request: Handler) -> int:
    """Return the byte that a request wants the file from."""
    wanted = request.headers.get("Range", "bytes=0-")
    return int(wanted.removeprefix("bytes=").partition("-")[0])


def silent(request: Handler) -> None:
    """Accept the connection and say nothing."""
    request.ends.wait()  # as `serving` has set it


def status(code: int) -> Behaviour:
    return lambda request: request.send_error(code)


def whole(content: bytes, part: int = 64 * 1024, pause: float = 0) -> Behaviour:
    """Send the file, or its end from the byte that was asked for; `pause` seconds a part."""

    def answer(request: Handler) -> None:
        start = start_of(request)
        if "Range" in request.headers:
            sent = f"bytes {start}-{len(content) - 1}/{len(content)}"
            head(request, 206, len(content) - start, Content_Range=sent)
        else:
            head(request, 200, len(content))
        for begin in range(start, len(content), part):
            request.wfile.write(content[begin : begin + part])
            time.sleep(pause)

    return answer


def whole_without_ranges(content: bytes) -> Behaviour:
    def answer(request: Handler) -> None:
        head(request, 200, len(content))
        request.wfile.write(content)

    return answer


def half(content: bytes) -> Behaviour:
    """Announce the whole file, send half of it, and hang up."""

    def answer(request: Handler) -> None:
        head(request, 200, len(content))
        request.wfile.write(content[: len(content) // 2])
        request.wfile.flush()
        request.connection.close()

    return answer


def stalling(content: bytes) -> Behaviour:
    """Send a third of the file drop by drop, and then nothing, with the connection open."""

    def answer(request: Handler) -> None:
        head(request, 200, len(content))
        for begin in range(0, len(content) // 3, 64 * 1024):
            request.wfile.write(content[begin : begin + 64 * 1024])
            request.wfile.flush()
        silent(request)

    return answer


def redirecting(url: str) -> Behaviour:
    return lambda request: head(request, 302, 0, Location=url + request.path)
