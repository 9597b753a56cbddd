"""The places in README.md that a benchmark writes: between `<!-- NAME: begin -->` and its end."""

from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def text_with(readme: str, name: str, text: str) -> str:
    """Return the README's text with another one in the place of that name.

    Raises:
        ValueError: if there is no such place.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = readme.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{README} has no place for {name}.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def write(name: str, text: str) -> None:
    """Write a text into the place of that name."""
    README.write_text(text_with(README.read_text(), name, text))
