"""The server of the page of a training: a process of its own, which imports no TensorFlow.

    python -m dlrecipes.use.watching

It prints its port. The training writes the folder of its run to standard input, as a line of JSON,
and closes it at its end, however it ends. The page is for this machine alone: the server listens on
the loopback address and answers only requests for it, as a page from elsewhere could have its own
name mean this address. It ends itself once nobody looks at the page any more.
"""

import hashlib
import json
import os
import secrets
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import HISTORY_FILE, REPORT_FILE, RUN_FILE

ADDRESS = "127.0.0.1"
PATIENCE = 120.0
"""Seconds without a request after which the server ends, once the training is over: a page that is
in the background asks once a minute."""
POLITE = 10
"""Niceness: the training comes first."""


class Watched:
    """The run that is watched, and its page."""

    def __init__(self) -> None:
        self.port = 0
        self.folder: Path | None = None
        self.is_over = False
        self.asked = 0.0
        """When the page was last asked for; 0 for never."""
        self.ended = 0.0
        self.nonce = secrets.token_urlsafe(16)
        self.drawing = threading.Lock()
        self.drawn_of: object = None
        self.page = b""

    def follow(self, orders: TextIO) -> None:
        """Watch the runs that are named, one after the other, until there is none any more."""
        for line in orders:
            self.folder = Path(json.loads(line))
        self.is_over = True

    def content(self) -> bytes:
        """Return the page, which is drawn anew only if a file of the run was written since."""
        self.asked = time.monotonic()
        with self.drawing:
            state = (self.folder, self.is_over, *map(self._written, (RUN_FILE, HISTORY_FILE)))
            if state != self.drawn_of and self._draw():
                self.drawn_of = state
            return self.page

    def _draw(self) -> bool:
        """Draw the page, unless the run cannot be read just now; tell whether it will stay so."""
        from dlrecipes.use.report.watch import watch_html  # After the port was printed.

        with suppress(DlrecipesError, OSError):
            run = read_run(self.folder) if self.folder else None
            self.page = watch_html(run, self.nonce, is_over=self.is_over).encode()
            # A process that was killed may hold the lock of its run for an instant more.
            return not (self.is_over and run and run.status == "running")
        return False

    def _written(self, name: str) -> int:
        """Return when a file of the run was written, nanoseconds; 0 if it is not there."""
        try:
            return (self.folder / name).stat().st_mtime_ns if self.folder else 0
        except OSError:
            return 0

    def report(self) -> bytes | None:
        """Return the report of the run; None if there is none yet."""
        self.asked = time.monotonic()
        with suppress(OSError):
            return (self.folder / REPORT_FILE).read_bytes() if self.folder else None
        return None

    @property
    def is_left(self) -> bool:
        """Tell whether nobody looks at the page any more."""
        return time.monotonic() - max(self.asked, self.ended) > PATIENCE

    def wait(self) -> None:
        """Wait, once the training is over, until nobody looks at the page any more."""
        self.ended = time.monotonic()
        while not self.is_left:
            time.sleep(1)


class Handler(BaseHTTPRequestHandler):
    """Answers with the page, its report, and nothing else."""

    watched: Watched
    timeout = 10

    def do_GET(self) -> None:
        """Answer a request."""
        port = self.watched.port
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            self._answer(HTTPStatus.FORBIDDEN, b"")
        elif self.path == "/":
            content = self.watched.content()
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            if self.headers.get("If-None-Match") == tag:
                self._answer(HTTPStatus.NOT_MODIFIED, b"", tag)
            else:
                self._answer(HTTPStatus.OK, content, tag)
        elif self.path == "/report" and (content := self.watched.report() or b""):
            self._answer(HTTPStatus.OK, content)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"")

    def _answer(self, status: HTTPStatus, content: bytes, tag: str = "") -> None:
        """Send an answer that nobody keeps, shows in a frame or takes for something else."""
        script = f"script-src 'nonce-{self.watched.nonce}'; connect-src 'self'; "
        self.send_response(status)
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; img-src data:; style-src "
            f"'unsafe-inline'; {script if tag else ''}base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            **({"ETag": tag} if tag else {}),
        }
        if status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(content))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing of requests."""


def can_open_browser() -> bool:
    """Tell whether a browser would appear before the user: not over ssh, nor without a screen."""
    if os.environ.get("BROWSER"):
        return True
    if "SSH_CONNECTION" in os.environ:
        return False
    has_screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return has_screen or sys.platform in ("darwin", "win32")


def main() -> None:
    """Serve the page until the training is over and nobody looks at it any more."""
    watched = Watched()
    Handler.watched = watched
    server = ThreadingHTTPServer((ADDRESS, 0), Handler)
    watched.port = server.server_port
    sys.stdout.write(f"{watched.port}\n")
    sys.stdout.flush()
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # A browser would inherit them.
        os.dup2(nothing, stream)
    if hasattr(os, "nice"):
        os.nice(POLITE)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if can_open_browser():
        address = f"http://{ADDRESS}:{watched.port}/"
        # Some browsers are waited for.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    watched.follow(orders)
    watched.wait()


if __name__ == "__main__":
    main()
