"""A pseudo-terminal to run commands in, and the screen that a person would see."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pyte
from support import COMMAND, environment

ROWS = 400
VERY_WIDE = 1000
STEPS = re.compile(r"step \d+/\d+")


@dataclass(frozen=True)
class Shown:
    """What a command wrote to a terminal.

    Args:
        code: Its exit code.
        raw: Everything that it wrote, with the codes that move the cursor.
        columns: Width of the terminal.
    """

    code: int | None
    raw: str
    columns: int

    @property
    def lines(self) -> list[str]:
        """Return the lines on the screen at the end, without the empty ones after the last."""
        return screen_lines(self.raw, self.columns)

    @property
    def unbroken(self) -> list[str]:
        """Return the lines as they were written, however long."""
        return screen_lines(self.raw, VERY_WIDE)

    @property
    def text(self) -> str:
        """Return the screen as one text in which words are apart by one space."""
        return " ".join(" ".join(self.lines).split())

    def states(self) -> Iterator[list[str]]:
        """Yield the screen after each piece that was drawn."""
        screen = pyte.Screen(self.columns, ROWS)
        stream = pyte.Stream(screen)
        for piece in re.split(r"(?<=\n)|(?=\r)", self.raw):
            stream.feed(piece)
            yield [line.rstrip() for line in screen.display if line.strip()]


def screen_lines(raw: str, columns: int) -> list[str]:
    """Return what a terminal of that width shows after all of a text was written to it."""
    screen = pyte.Screen(columns, ROWS)
    pyte.Stream(screen).feed(raw)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def in_terminal(
    *arguments: str | Path,
    cwd: Path,
    columns: int = 80,
    interrupt_at: str = "",
    answer: str = "",
    env: Mapping[str, str] | None = None,
) -> Shown:
    """Run the real command in a terminal.

    Args:
        arguments: What is typed after `dlrecipes`.
        cwd: The folder to run it in.
        columns: Width of the terminal.
        interrupt_at: Press Ctrl-C when this pattern was written; empty for never.
        answer: What is typed at a question; empty for nothing.
        env: Further environment variables.
    """
    variables = environment({"TERM": "xterm-256color", **(env or {})})
    del variables["COLUMNS"]  # The terminal says how wide it is.
    variables.pop("NO_COLOR", None) if not env or "NO_COLOR" not in env else None
    written = io.StringIO()
    child = pexpect.spawn(
        str(COMMAND),
        [str(word) for word in arguments],
        cwd=str(cwd),
        env=variables,
        dimensions=(ROWS, columns),
        timeout=300,
        encoding="utf-8",
    )
    child.logfile_read = written
    if interrupt_at:
        child.expect(interrupt_at)
        child.sendintr()
    if answer:
        child.expect(r"\[y/N\]")
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return Shown(child.exitstatus, written.getvalue(), columns)
