"""What the tests of `serve` share: a real server, and a client that hides nothing."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import COMMAND, environment, run_process

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")
TOYS = Path(__file__).with_name("toy_models.py")


def write_toys(folder: Path) -> Path:
    """Write the models of TensorFlow Serving's documentation into a folder, and return it."""
    run_process([sys.executable, TOYS, folder], cwd=folder)
    return folder


def free_port() -> int:
    """Return a port that nothing listens on."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Answer:
    """What a server said."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)


@dataclass
class Server:
    """A server that runs, and its process."""

    process: subprocess.Popen[str]
    port: int
    grpc_port: int

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send one request over a connection of its own, and return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))

    def post(self, path: str, document: Any, **options: Any) -> Answer:
        """Send a JSON document."""
        return self.ask("POST", path, json.dumps(document), **options)

    def get(self, path: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path)


@contextmanager
def served(*words: str | Path, grpc: bool = False) -> Iterator[Server]:
    """Give the block a server, once every model can answer; it must end well afterwards."""
    grpc_port = free_port() if grpc else 0
    command = [COMMAND, "serve", *map(str, words), "--port", "0", "--grpc-port", str(grpc_port)]
    with (
        tempfile.TemporaryFile("w+") as log,  # A pipe would fill, and then the server would wait.
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        ) as process,
    ):
        assert process.stdout is not None
        found = next(filter(None, map(ADDRESS.search, process.stdout)), None)
        if found is None:
            log.seek(0)
            raise AssertionError(log.read())
        server = Server(process, int(found[1]), grpc_port)
        try:
            assert server.ask("GET", "/readyz", timeout=300).status == 200
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert process.returncode == 0
