"""Bytes in memory or in a temporary file, read in pieces."""

import errno
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrecipes.errors import DlrecipesError

Array = npt.NDArray[Any]

NEAR_BYTES = 16 * 2**10
"""Rows with no more than this between them are read at once: it takes as long as another read."""


class StoredFile:
    """A file that several threads may read: a temporary one without a name, or one that exists.

    It is read rather than mapped into memory: a page that is touched brings fifteen others with
    it, so that a batch of scattered rows would count for a hundred times its size.

    Args:
        path: The file to read; None for a temporary one, which is written first.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.file = temporary_file() if path is None else FileIO(path)
        self.lock = Lock()
        weakref.finalize(self, self.file.close)

    def write(self, content: bytes) -> None:
        """Add content at the end.

        Raises:
            DlrecipesError: if there is no room for it.
        """
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DlrecipesError(
                "The data fits neither into memory nor into the folder for temporary files.",
                "Name a folder with more room in the environment variable TMPDIR.",
            ) from None

    def read(self, start: int, end: int) -> Array:
        """Return the bytes from one place to before another, uint8 (bytes,)."""
        content = np.empty(end - start, "uint8")
        rest = content.data
        with self.lock:
            self.file.seek(start)
            while rest:
                rest = rest[self.file.readinto(rest) :]
        return content

    def read_far(self, starts: Array, size: int) -> Array | None:
        """Return pieces that lie far from each other, uint8 (pieces, size); None if many do not.

        Args:
            starts: Where each piece begins, int64 (pieces,), in any order.
            size: Bytes of each.
        """
        order = np.argsort(starts)
        is_near = np.diff(starts[order]) - size <= NEAR_BYTES
        if not hasattr(os, "pread") or 2 * is_near.sum() >= len(starts):
            return None
        file, pieces = self.file.fileno(), np.empty((len(starts), size), "uint8")
        content = b"".join([os.pread(file, size, start) for start in starts[order].tolist()])
        pieces[order] = np.frombuffer(content, "uint8").reshape(-1, size)
        return pieces

    def read_pieces(self, starts: Array, ends: Array) -> Iterator[tuple[Array, int, Array]]:
        """Yield which pieces were read, the place that they were read from, and what stands there.

        Args:
            starts: Where each piece begins, int64 (pieces,), in any order.
            ends: Where each ends.
        """
        order = np.argsort(starts, kind="stable")
        far = starts[order[1:]] - ends[order[:-1]] > NEAR_BYTES
        for pieces in np.split(order, np.flatnonzero(far) + 1):
            if len(pieces):
                start = int(starts[pieces[0]])
                yield pieces, start, self.read(start, int(ends[pieces].max()))


class Memory:
    """Content in memory, which is read as a `StoredFile` is.

    Args:
        content: Any array, without gaps.
    """

    def __init__(self, content: Array) -> None:
        self.bytes = content.reshape(-1).view("uint8")

    def read_pieces(self, starts: Array, ends: Array) -> Iterator[tuple[Array, int, Array]]:
        """Yield all pieces, the place that they are read from, and what stands there."""
        yield np.arange(len(starts)), 0, self.bytes


def temporary_file() -> FileIO:
    """Return a file without a name, which disappears with the process."""
    folder = os.environ.get("TMPDIR") or ("/var/tmp" if os.path.isdir("/var/tmp") else None)
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise DlrecipesError(
            f"A temporary file cannot be created in {folder}: {error.strerror}.",
            "Name another folder in the environment variable TMPDIR.",
        ) from None


def allow_many_files() -> None:
    """Let the process open as many files as the system allows it: one or two for each column."""
    # Windows has no such limit, and macOS does not raise it as far as it says.
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
