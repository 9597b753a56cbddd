"""Ctrl-C, SIGTERM, which a cloud machine gets before it is taken away, and SIGHUP."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

NOTICE = b"Stopping after this step, and saving. Press Ctrl-C again to stop at once.\n"
CLEAR_LINE = b"\r\x1b[2K"
"""Takes away the line that a terminal's cursor is in: the bar, and the ^C that was typed."""


STOPPING = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")  # the last one when a terminal is closed
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP.
)


class Stopped(KeyboardInterrupt):
    """Training stopped where it was asked to, and is saved."""


class StopRequest:
    """Whether the user or the system has asked for an end.

    Args:
        steps: End after so many steps as if asked then; 0 for no end.
    """

    def __init__(self, steps: int = 0) -> None:
        self.steps = steps
        self.asked = False
        self.can_wait = False
        """Whether the work looks at `asked` between its steps; else it is ended where it is."""

    def hear(self, number: int, frame: Any) -> None:
        """Handle a signal: note it the first time, end the work where it is the second time."""
        if not self.can_wait or (self.asked and number == signal.SIGINT):
            raise KeyboardInterrupt
        if not self.asked:
            self.asked = True
            with suppress(OSError):  # The terminal may be gone.
                # print may be at work just now, and cannot be entered twice.
                os.write(2, (CLEAR_LINE if os.isatty(2) else b"") + NOTICE)

    def is_due(self, steps: int) -> bool:
        """Tell whether to stop now that so many steps were trained."""
        return self.asked or 0 < self.steps <= steps


@contextmanager
def stop_on_signals(steps: int = 0) -> Iterator[StopRequest]:
    """Give the block what tells it of Ctrl-C, SIGTERM and SIGHUP."""
    request = StopRequest(steps)
    previous = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:  # as a shell has it for what it starts in the background
            signal.signal(number, request.hear)
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
