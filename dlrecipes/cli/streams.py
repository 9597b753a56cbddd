"""Standard input, output and error, as the surroundings have them: any encoding, closed, full."""

import codecs
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, Any, cast

from dlrecipes.errors import DlrecipesError

PLAIN = {"…": "...", "\u00d7": "x", "±": "+/-", "━": "=", "→": "->", "\u2013": "-", "\u2019": "'"}
"""What our own signs become where they cannot be shown."""
LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF)
"""What is wrong with an output that is full, gone, or closed."""
ESCAPED = "dlrecipes.escaped"
"""Name of the error handler that escapes what an encoding lacks."""


class Forgiving:
    """A stream of which nothing is missed: what cannot be written to it is lost.

    A training is not to end because nobody looks at it any more: the terminal was closed, the
    reader of a pipe went away, the disk of a log file is full.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = getattr(stream, "rich_proxied_file", stream)
        self.is_lost = False

    def write(self, text: str) -> int:
        """Write a text, if that is possible."""
        self._attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what was held back, if that is possible."""
        self._attempt(self.stream.flush)

    def _attempt(self, act: Any) -> None:
        """Do something unless it failed before."""
        if not self.is_lost:
            try:
                act()
            except (OSError, ValueError):  # A ValueError says that it is closed.
                self.is_lost = True
                if self.stream is sys.stderr:  # TensorFlow's start flushes it.
                    abandon(self.stream)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself has."""
        return getattr(self.stream, name)


def forgiving(stream: IO[str]) -> IO[str]:
    """Return a stream that never fails to be written to."""
    return cast(IO[str], Forgiving(stream))


def prepare() -> None:
    """Let no output fail for what its encoding lacks, as an emoji in ASCII: it is escaped.

    A stream that is closed (`>&-`) is one in which everything is lost: else, the next file that is
    opened would be standard output.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        nothing = os.open(os.devnull, os.O_RDWR)
        while nothing < 2:
            nothing = os.open(os.devnull, os.O_RDWR)
        sys.stdin = sys.stdin or os.fdopen(0, "r", encoding="utf-8")
        sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    codecs.register_error(ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands for the characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = "".join(
        PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text
    )
    return plain, error.end


def in_utf8(environment: dict[str, str], encoding: str) -> dict[str, str] | None:
    """Return the environment in which Python takes the names of files as UTF-8.

    In the locale C, or one of latin-1, it takes them as something else: a class would be called
    otherwise than its folder, or could not be recorded. None if it takes them as UTF-8 already.

    Args:
        environment: The environment.
        encoding: That of standard output, which stays as it is.
    """
    is_utf8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"
    if is_utf8 or environment.get("PYTHONUTF8") == "1":
        return None
    return {"PYTHONIOENCODING": encoding, **environment, "PYTHONUTF8": "1"}


def start_in_utf8(command: Sequence[str]) -> None:
    """Start this process again in Python's UTF-8 mode, unless names of files are UTF-8 already.

    Args:
        command: The program and its arguments, as Python was started with them.
    """
    again = in_utf8(dict(os.environ), getattr(sys.stdout, "encoding", None) or "utf-8")
    if again is not None:
        os.execve(sys.executable, [sys.executable, *command[1:]], again)


class OutputLost(DlrecipesError):
    """Standard output cannot be written to."""


def is_lost(error: BaseException) -> bool:
    """Tell whether an error says that an output cannot be written to: no file is named in it."""
    return isinstance(error, OSError) and error.filename is None and error.errno in LOST


def flush(stream: IO[str]) -> OSError | None:
    """Write what a stream holds back, and return why that cannot be done; None if it can."""
    try:
        stream.flush()
    except OSError as error:
        return error
    return None


def abandon(stream: IO[str]) -> None:
    """Lose what was not written to a stream: Python would fail for it at its end."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
