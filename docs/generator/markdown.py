"""Markdown: tables, and docstrings as paragraphs."""

import inspect
import re
from collections.abc import Iterable, Sequence

CODE = re.compile(r"`[^`]*`")
"""What Markdown shows as it is."""
MARKS = re.compile(r"[*<]|(?<!\w)_|_(?!\w)")
"""What Markdown may take for a mark, outside of a word."""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `|` in a cell is escaped."""
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return plain text with the characters escaped that Markdown would read as marks."""
    parts, place = [], 0
    for code in CODE.finditer(text):
        parts += [MARKS.sub(r"\\\g<0>", text[place : code.start()]), code[0]]
        place = code.end()
    return "".join([*parts, MARKS.sub(r"\\\g<0>", text[place:])])


def code(text: str) -> str:
    """Return text as code, or nothing for nothing."""
    return f"`{text}`" if text else ""


def sections(docstring: str) -> dict[str, str]:
    """Return the parts of a docstring in Google's style: its description under "", `Args`, …."""
    parts: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if re.fullmatch(r"(Args|Returns|Raises|Yields|Class attributes|Attributes):", line):
            name = line[:-1]
            parts[name] = []
        else:
            if name and line and not line.startswith(" "):
                name = ""
            parts[name].append(line)
    return {name: inspect.cleandoc("\n".join(lines)).strip() for name, lines in parts.items()}


def arguments(docstring: str, section: str = "Args") -> dict[str, str]:
    """Return what a docstring says of each argument, on one line each."""
    entries: dict[str, list[str]] = {}
    name = ""
    for line in sections(docstring).get(section, "").splitlines():
        if line and not line.startswith(" ") and ":" in line:
            name, _, line = line.partition(":")
        if name:
            entries.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines).strip() for name, lines in entries.items()}
