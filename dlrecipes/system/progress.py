"""How far long work is, told to whoever shows it, without being handed on through all calls."""

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar


@dataclass
class Progress:
    """How far a piece of work is.

    Args:
        what: What is done, such as `Reading rows.csv`.
        total: How much there is to do; 0 if nobody knows.
        done: How much of it is done.
        started: When it began, as `time.perf_counter` says it.
    """

    what: str
    total: float
    done: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return time.perf_counter() - self.started

    @property
    def share(self) -> float:
        """Return the share that is done, from 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Return the seconds that are left, if it goes on like this; None if that is not known."""
        return self.seconds * (1 / self.share - 1) if self.share else None


Watcher = Callable[[Progress | None], None]
Item = TypeVar("Item")
_watchers: list[Watcher] = []


def watch(watcher: Watcher | None) -> None:
    """Have a function told how far work is, again and again, and None at its end.

    Args:
        watcher: The function; None to tell nobody.
    """
    _watchers[:] = [watcher] if watcher else []


def _tell(progress: Progress | None) -> None:
    for watcher in _watchers:
        watcher(progress)


def tracked(
    items: Iterable[Item], what: str, total: float, done: Callable[[], float] | None = None
) -> Iterator[Item]:
    """Yield items, and tell how far they are.

    Args:
        items: What is worked on, one after the other.
        what: What is done, such as `Reading rows.csv`.
        total: How much there is to do; 0 if nobody knows.
        done: Returns how much of that is done; None for the number of items.
    """
    progress = Progress(what, total)
    try:
        for number, item in enumerate(items):
            progress.done = done() if done else number
            _tell(progress)
            yield item
    finally:
        _tell(None)


def pieces_of(file: TextIO, characters: int, path: Path) -> Iterator[str]:
    """Yield the rest of a text, so many characters at a time, and tell how far that is."""
    content, total, done = getattr(file, "buffer", None), 0, None
    if isinstance(content, io.BufferedReader):  # What is packed does not say how much it holds.
        total, done = os.fstat(content.fileno()).st_size, content.tell
    pieces = iter(partial(file.read, characters), "")
    yield from tracked(pieces, f"Reading {path.name}", total, done)
