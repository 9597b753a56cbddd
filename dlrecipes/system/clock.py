"""How long the parts of a training take."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class PhaseListener(Protocol):
    """Hears which part of the work is being done."""

    def phase_begins(self, name: str) -> None:
        """Hear that a part begins."""

    def phase_ends(self, name: str, seconds: float | None) -> None:
        """Hear that a part is over after so many seconds; None if it failed."""


@dataclass
class Clock:
    """Measures the parts of a session in seconds of wall time.

    Args:
        earlier: The seconds of the sessions that this one resumes.
        listener: Hears which part begins and ends; None for nobody.
    """

    earlier: Mapping[str, float] = field(default_factory=dict)
    listener: PhaseListener | None = None
    done: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what happens in the block, under this name; add it to what was before."""
        self.running[name] = time.perf_counter()
        if self.listener:
            self.listener.phase_begins(name)
        seconds = None
        try:
            yield
            seconds = time.perf_counter() - self.running[name]
        finally:
            before = self.done.get(name, 0.0)
            self.done[name] = before + time.perf_counter() - self.running.pop(name)
            if self.listener:
                self.listener.phase_ends(name, seconds)

    def note(self, name: str) -> None:
        """Note how long it took, from the beginning, until this happened for the first time."""
        if name not in self.earlier:
            self.done.setdefault(name, time.perf_counter() - self.started)

    @property
    def seconds(self) -> dict[str, float]:
        """Return the seconds of each part up to now, and in `total`."""
        now = time.perf_counter()
        parts = {
            **self.done,
            **{name: self.done.get(name, 0.0) + now - s for name, s in self.running.items()},
            "total": now - self.started,
        }
        return {
            name: round(self.earlier.get(name, 0.0) + parts.get(name, 0.0), 3)
            for name in {**self.earlier, **parts}
        }
