"""Show how far the reading of files is: on a live line, or in a plain line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.text import Text

from dlrecipes.cli import output
from dlrecipes.cli.layout import Part, one_line
from dlrecipes.cli.live import LiveLine, own_screen
from dlrecipes.system.progress import Progress, watch

BAR_WIDTH = 16
SHOWN_AFTER = 2.0
"""Seconds after which work is worth a line."""
SAID_EVERY = 10.0
"""Seconds between two plain lines."""


class Moving:
    """Hears how far work is.

    Args:
        screen: Where plain lines are printed, if it is no terminal.
    """

    def __init__(self, screen: output.Screen) -> None:
        self.screen = screen
        self.progress: Progress | None = None
        self.said = time.perf_counter()

    def __call__(self, progress: Progress | None) -> None:
        """Hear how far work is; None at its end."""
        self.progress = progress
        now = time.perf_counter()
        if progress is None or self.screen.is_live or now - self.said < SAID_EVERY:
            return
        if parts := self.parts():
            self.said = now
            self.screen.print("  ".join(part.text for part in parts if part.text), markup=False)

    def parts(self) -> list[Part]:
        """Return how far work is as parts of a line; none if it has hardly begun."""
        progress = self.progress
        if progress is None or progress.seconds < SHOWN_AFTER:
            return []
        share, left, is_live = progress.share, progress.left, self.screen.is_live
        return [
            Part(f"{progress.what} …", weight=2),
            Part(bar(progress.done, progress.total, self.screen) if is_live else "", weight=1),
            Part(f"{share:.0%}" if progress.total else f"{int(progress.seconds)} s", weight=3),
            Part("" if left is None else time_left(left), weight=4),
        ]


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show on standard error how far the work in the block is, where it takes a while."""
    screen = own_screen()
    moving = Moving(screen)

    def draw(width: int) -> Text:
        return one_line(moving.parts(), width)

    line = LiveLine(screen, draw) if screen.is_live else None
    watch(moving)
    try:
        yield
    finally:
        watch(None)
        if line:
            line.stop()


def bar(done: float, size: float, screen: output.Screen, width: int = BAR_WIDTH) -> str:
    """Return a bar of how much is done; empty if nobody knows how much there is to do."""
    if not size:
        return ""
    full, rest = ("━", "─") if screen.encoding.startswith("utf") else ("#", "-")
    filled = round(width * min(done / size, 1.0))
    return full * filled + rest * (width - filled)


def time_left(seconds: float) -> str:
    """Return how much time is left, as 1:05 or 2:01:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{clock} left"
