"""Run commands in a terminal and draw what it showed: docs/session.svg, the picture in README.md.

    python docs/picture.py

The commands are real, and so is their output: each runs in a pseudo-terminal of 80 columns, in an
empty folder, with the installed `dlrecipes`. Only lines that stay on the screen are drawn.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from importlib.resources import files
from io import BytesIO, StringIO
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("session.svg")
COLUMNS, ROWS = 80, 50
COMMANDS = (
    "dlrecipes train mnist-cnn --data sample",
    "dlrecipes predict mnist-cnn seven.png",
)
PARTS = re.compile(r"\x1b\[(?P<numbers>[\d;?]*)(?P<code>[A-Za-z])|\x1b.|(?P<sign>.)", re.DOTALL)
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A terminal session of dlrecipes</title>
<style>
.{unique_id}-matrix {{
font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's form of an SVG, without the fonts that it would load from elsewhere."""


class Screen:
    """What a terminal shows: enough of one for lines that are drawn again."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[str, str]]] = [[]]
        """Of each line, the signs, each with the codes of its colours."""
        self.row = self.column = 0
        self.style = ""

    def write(self, text: str) -> None:
        """Show text with its control codes."""
        for part in PARTS.finditer(text):
            if part["code"]:
                self._control(part["code"], part["numbers"])
            elif part["sign"] == "\n":
                self.row, self.column = self.row + 1, 0
            elif part["sign"] == "\r":
                self.column = 0
            elif part["sign"] and part["sign"].isprintable():
                line = self._line()
                line += [("", " ")] * (self.column + 1 - len(line))
                line[self.column] = (self.style, part["sign"])
                self.column += 1

    def _line(self) -> list[tuple[str, str]]:
        self.lines += [[] for _ in range(self.row + 1 - len(self.lines))]
        return self.lines[self.row]

    def _control(self, code: str, numbers: str) -> None:
        """Do what a control code says: colours, movements, and clearing a line."""
        if code == "m":
            self.style = "" if numbers in ("", "0") else f"{self.style}\x1b[{numbers}m"
        elif code == "A":
            self.row = max(self.row - int(numbers or 1), 0)
        elif code == "K":
            line = self._line()
            del line[0 if numbers == "2" else self.column :]

    def text(self) -> Text:
        """Return what the screen shows, with its colours."""
        shown = []
        for line in self.lines:
            parts = groupby(line, key=itemgetter(0))
            text = "".join(
                f"{style}{''.join(sign for _, sign in signs)}\x1b[0m" for style, signs in parts
            )
            shown.append(Text.from_ansi(text))
        return Text("\n").join(shown)


def shown(command: str, folder: Path) -> str:
    """Run a command in a terminal and return what it wrote there.

    Args:
        command: As it is typed.
        folder: Where it runs.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "TERM": "xterm-256color", "PATH": path}
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        command.split(), cwd=folder, stdin=its, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # which is how Linux says that nobody writes any more
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    if process.wait():
        sys.exit(f"{command}\n{written.decode()}")
    return written.decode()


def main() -> None:
    """Run the commands and write the picture."""
    screen = Screen()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = np.load(BytesIO(files("dlrecipes.data").joinpath("mnist.npz").read_bytes()))
        seven = arrays["x_test"][arrays["y_test"] == 7][0]
        Image.fromarray(seven).save(folder / "seven.png")
        for command in COMMANDS:
            screen.write(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n")
            screen.write(shown(command, folder).replace("\r\n", "\n"))
            screen.write("\n")
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    text = screen.text()
    text.rstrip()
    console.print(text, no_wrap=True)
    console.save_svg(str(PICTURE), title="dlrecipes", code_format=SVG, unique_id="session")
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
