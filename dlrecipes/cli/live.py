"""One line at the bottom of a terminal that is drawn again and again, and then goes away."""

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import IO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from dlrecipes.cli import output
from dlrecipes.cli.streams import forgiving

REDRAWS_PER_SECOND = 8
MARGIN = 3
"""Columns that stay free: what is typed, such as ^C, is echoed there."""


class LiveLine:
    """A line that is drawn again and again until it is taken away.

    Args:
        screen: A terminal.
        draw: Returns the line for a number of columns.
    """

    def __init__(self, screen: output.Screen, draw: Callable[[int], Text]) -> None:
        self.draw = draw
        self.live = Live(
            self,
            console=screen,
            transient=True,
            refresh_per_second=REDRAWS_PER_SECOND,
            # What else is printed on the terminal appears above the line; files are left alone.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        output.drawn.append(self.stop)
        self.live.start(refresh=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line as it is now, never wider than the terminal."""
        width = max(options.max_width - MARGIN, 1)
        line = self.draw(width)
        line.truncate(width)
        line.no_wrap = True
        line.end = ""
        yield line

    def stop(self) -> None:
        """Take the line away."""
        if self.stop in output.drawn:
            output.drawn.remove(self.stop)
            self.live.stop()


@cache
def _own_stderr() -> IO[str]:
    """Return a second way to standard error.

    TensorFlow's start holds back what is written to file descriptor 2.
    """
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # It is no file: a test collects it.
        return sys.stderr
    return forgiving(os.fdopen(number, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors))


def own_screen() -> output.Screen:
    """Return a console on standard error that also works while TensorFlow starts."""
    return (
        output.console(file=_own_stderr()) if sys.stderr.isatty() else output.console(stderr=True)
    )
