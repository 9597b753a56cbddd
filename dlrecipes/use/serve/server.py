"""Run the server: one process, or several that a supervisor watches."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from dlrecipes.errors import InputError
from dlrecipes.use.serve.limits import Limits
from dlrecipes.use.serve.models import Place

GRACE = 1.0
"""Seconds after SIGTERM in which an idle connection may still bring a request."""
BACKLOG = 2048
"""Connections that wait to be accepted."""


@dataclass(frozen=True)
class Served:
    """What is served, and how. Calling it makes the application, in the process that runs it.

    Args:
        places: The models.
        labels: The version that each label stands for, by model and label.
        limits: The limits.
        grpc: Host and port of the gRPC interface; None for none.
    """

    places: tuple[Place, ...]
    labels: Mapping[tuple[str, str], int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    grpc: str | None = None

    def __call__(self) -> Any:
        """Return the application."""
        from dlrecipes.system.backend import load_tensorflow
        from dlrecipes.use.serve.app import application
        from dlrecipes.use.serve.guard import Guard
        from dlrecipes.use.serve.limits import Rate
        from dlrecipes.use.serve.models import Models
        from dlrecipes.use.serve.rest import Front

        load_tensorflow()
        models = Models(self.places, self.labels, self.limits)
        rate = Rate(self.limits.rate)
        front = Front(application(models, rate, self.grpc), models)
        return Guard(front, self.limits, rate)


class Connection(HttpToolsProtocol):
    """A connection that a client may be slow on, and that ends without an error.

    After SIGTERM its next answer says that it is the last; uvicorn's own closes an idle connection
    at once, though a request may be on its way.
    """

    is_last = False
    deadline: asyncio.TimerHandle | None = None
    """When the head of a request must be there."""

    def connection_made(self, transport: Any) -> None:
        """Begin: the head of the first request must come in time."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        super().on_message_begin()
        if self.deadline is None:
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        """Hang up if the head of a request takes too long."""
        self.deadline = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _stop_waiting(self) -> None:
        """Do not hang up."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def on_headers_complete(self) -> None:
        """Begin a request."""
        self._stop_waiting()
        super().on_headers_complete()
        if self.is_last:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """End with the next answer, or soon."""
        self.is_last = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE, super().shutdown)
        else:
            super().shutdown()


def listening(host: str, port: int, flag: str = "--port") -> socket.socket:
    """Return a socket that listens.

    Args:
        host: The address.
        port: The port; 0 for any free one.
        flag: What chooses another port.

    Raises:
        InputError: if it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as failing:
            opened = failing.enter_context(socket.socket(family))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, port))
            opened.listen(BACKLOG)
            opened.set_inheritable(True)
            failing.pop_all()
            return opened
    except OSError as error:
        raise InputError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}.",
            f"Choose another {flag}.",
        ) from None


def run(served: Served, opened: socket.socket, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C, and answer what is in flight then.

    Args:
        served: What is served.
        opened: Where requests come.
        workers: Processes that answer them.
    """
    config = uvicorn.Config(
        served,
        factory=True,
        http=Connection,
        ws="none",
        loop="uvloop",
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(max(served.limits.timeout, 1)),
        timeout_graceful_shutdown=int(served.limits.timeout + GRACE) + 1,
        timeout_worker_healthcheck=60,
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises what it heard once more.
        signal.signal(number, lambda *_: None)
    if workers == 1:
        uvicorn.Server(config).run([opened])
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        Multiprocess(config, [opened]).run()
