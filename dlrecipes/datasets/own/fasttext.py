"""Lines of text that begin with their label, as fastText takes them: `__label__good I like it`."""

from collections.abc import Iterator
from pathlib import Path

from dlrecipes.datasets.own.files import Report, shortened, text_pieces
from dlrecipes.datasets.own.labelled import Item

MARK = "__label__"


def is_fasttext(path: Path) -> bool:
    """Tell whether the first text in a file is such a label."""
    try:
        with path.open("rb") as file:
            return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(MARK.encode())
    except OSError:
        return False


def fasttext_lines(path: Path, encoding: str, report: Report) -> Iterator[Item]:
    """Yield the lines with their labels.

    Args:
        path: The file.
        encoding: Of the file.
        report: Is told of lines without a text, and without a label or with several.
    """
    report.note(f"Each line is a text behind its label ({MARK}…).")
    for number, line in enumerate(_lines(path, encoding, report), start=1):
        words = line.split()
        labels = [word for word in words if word.startswith(MARK)]
        text = " ".join(word for word in words if not word.startswith(MARK))
        if not words:
            continue
        if not labels or not text:
            what = "text" if labels else f"label ({MARK}…)"
            report.problem(f"{path}, line {number}: there is no {what}: {shortened(line.strip())}")
            continue
        names = list(dict.fromkeys(label.removeprefix(MARK) for label in labels))
        if len(names) > 1:
            report.problem(
                f"{path}, line {number}: it has {len(names)} labels "
                f"({shortened(', '.join(names))}): a text has one.",
                f"Keep one on each line; or make a set of them a class ({MARK}{'_'.join(names)}); "
                f"or train a model for each label ({MARK}{names[0]} or {MARK}not_{names[0]}).",
            )
        else:
            yield Item("train", text, names[0], f"{path}, line {number}")


def _lines(path: Path, encoding: str, report: Report) -> Iterator[str]:
    """Yield the lines of a file."""
    rest = ""
    for piece in text_pieces(path, encoding, report):
        *lines, rest = (rest + piece).split("\n")
        yield from lines
    if rest:
        yield rest
