"""A server of forked processes: the real command without the seconds of TensorFlow's import.

Most of the time of a short command is spent on that import. The server imports what the command
imports and then waits; each command runs in a process forked from it, with streams, folder,
environment and exit code of its own. What a process is before TensorFlow is imported, and what its
environment says to imports, is for tests that start a process themselves.

    python -P warm.py SOCKET
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

LOADED = ("dlrecipes.training.trainer", "dlrecipes.use.evaluate", "dlrecipes.use.predict", "pandas")
"""What commands import, besides themselves and TensorFlow."""

_starting = threading.Lock()
_servers: dict[int, Path] = {}
"""The socket of this process's server, by the number of the process."""


def run(command: Sequence[str], folder: Path, env: Mapping[str, str], stdin: bytes) -> Any:
    """Run the command in a forked process.

    Args:
        command: The command's file and its arguments.
        folder: The folder it runs in.
        env: All of its environment.
        stdin: What it reads.

    Returns:
        As `subprocess.run` does.
    """
    with _starting:
        if os.getpid() not in _servers:
            _servers[os.getpid()] = _start(env)
    with (
        socket.socket(socket.AF_UNIX) as connection,
        tempfile.TemporaryFile() as into,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        into.write(stdin)
        into.seek(0)
        connection.settimeout(600)
        connection.connect(str(_servers[os.getpid()]))
        request = json.dumps([list(command), str(folder), dict(env)]).encode()
        socket.send_fds(
            connection, [b"%10d" % len(request)], [f.fileno() for f in (into, out, err)]
        )
        connection.sendall(request)
        code = int(connection.makefile().read())
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def _start(env: Mapping[str, str]) -> Path:
    """Start this process's server, which ends with it, and return the socket that it listens on."""
    path = Path(tempfile.mkdtemp(prefix="warm-")) / "socket"
    server = subprocess.Popen([sys.executable, "-P", __file__, path], env=env, cwd=path.parent)
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    atexit.register(server.kill)
    while not path.exists():
        assert server.poll() is None, "the server of forked processes could not be started"
        time.sleep(0.05)
    return path


def _receive(connection: socket.socket) -> tuple[list[str], str, dict[str, str]]:
    """Take a request: its streams become those of this process; return the rest."""
    head, streams, *_ = socket.recv_fds(connection, 10, 3)
    content = b""
    while len(content) < int(head):
        content += connection.recv(1 << 20)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    command, folder, env = json.loads(content)
    return command, folder, env


def _serve(path: str) -> None:
    """Answer requests until this process is killed; return in each process that is to run one."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{path}.new")
    listening.listen(64)
    Path(f"{path}.new").rename(path)
    tests = os.getppid()
    listening.settimeout(5)
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            if os.getppid() != tests:  # They were killed.
                os._exit(0)
            continue
        if os.fork() == 0:
            break
        connection.close()
    listening.close()
    command, folder, env = _receive(connection)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = command


if __name__ == "__main__":
    from dlrecipes.cli.app import COMMANDS, end_at_once, main
    from dlrecipes.system.backend import load_tensorflow

    ended = end_at_once()
    load_tensorflow()
    for name in (*LOADED, *(f"dlrecipes.cli.{command.module}" for command in COMMANDS.values())):
        import_module(name)
    _serve(sys.argv[1])
    ended.append(main())
    sys.exit(ended[0])
