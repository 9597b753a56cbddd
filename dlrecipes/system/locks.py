"""Locks that the operating system lets go of when their process ends, however it ends.

A lock is on a file that says who holds it. `filelock` and its like can take a lock, but not ask
whether another has it without taking it, nor in a folder that can only be read.
"""

import os
import socket
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

from dlrecipes.errors import InputError

fcntl: ModuleType | None
try:
    fcntl = import_module("fcntl")
except ImportError:  # Windows has other locks: there, a run is what its record says.
    fcntl = None

PATIENCE = 1.0
"""Seconds to wait for a lock: whoever asks whether it is held has it for an instant."""
MAX_HOLDER_BYTES = 300


def take(path: Path, what: str) -> IO[str]:
    """Return the open file of a lock, which holds it until it is closed.

    Args:
        path: The file; it is made if need be.
        what: What is locked, for the message.

    Raises:
        InputError: if somebody else holds it, or the file cannot be written.
    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise InputError(f"{what} cannot be written to: {error.strerror}.") from None
    try:
        _take(file, path, what)
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}\n")
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _take(file: IO[str], path: Path, what: str) -> None:
    """Lock an open file."""
    if fcntl is None:
        return
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InputError(f"{what} is being trained{holder(path)}.") from None
            time.sleep(0.02)
        except OSError:
            return  # This file system has no locks.


def is_held(path: Path) -> bool | None:
    """Tell whether somebody holds a lock; None if that cannot be known here."""
    try:
        with path.open("rb") as file:
            if fcntl is None:
                return None
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None


def holder(path: Path) -> str:
    """Return who holds a lock, or held it last, in words that follow "is being trained"."""
    try:
        with path.open("rb") as file:
            process, _, host = file.read(MAX_HOLDER_BYTES).decode("ascii", "replace").partition(" ")
    except OSError:
        return ""
    host = host.strip()
    if not process.isdecimal() or not host.isprintable():
        return ""
    return f" by process {process}" + (f" on {host}" if host != socket.gethostname() else "")
