"""How long the parts of a training take."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Measures the parts of a session in seconds of wall time.

    Args:
        earlier: The seconds of the sessions that this one goes on from.
    """

    earlier: Mapping[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what happens in the block, under this name; add it to what was before."""
        self.running[name] = time.perf_counter()
        try:
            yield
        finally:
            before = self.done.get(name, 0.0)
            self.done[name] = before + time.perf_counter() - self.running.pop(name)

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
