"""A file of texts for each class, a text in every line: `rt-polarity.pos`, `positive.txt`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dlrecipes.datasets.own.files import Report, folder_entries, text_pieces
from dlrecipes.datasets.own.labelled import CLASS_AND_NUMBER, Item
from dlrecipes.datasets.own.splits import split_word
from dlrecipes.datasets.own.tables import is_table

MOST_CLASSES = 50
FEWEST_LINES = 10
"""Of a file that is more than one text."""
LOOKED_AT = 2**14
"""Bytes of a file that are looked at."""
TEXT = ".txt"


def class_files(path: Path, suffixes: Sequence[str]) -> Mapping[Path, tuple[str, str]]:
    """Return the split and the class of each file in a folder; empty if these are no such files.

    Args:
        path: The folder.
        suffixes: Endings of the files that the recipe reads: texts, or others.
    """
    folders, files = folder_entries(path, Report())
    files = [file for file in files if not file.name.lower().startswith("readme")]
    if TEXT not in suffixes or folders or not 1 < len(files) <= MOST_CLASSES:
        return {}
    if any(is_table(file) for file in files):
        return {}
    if all(CLASS_AND_NUMBER.fullmatch(file.name) for file in files):
        return {}
    if not all(_has_lines(file) for file in files):
        return {}
    splits = [split_word(file.name)[0] for file in files]
    names = _names([file.name for file in files])
    if not all(names) or ("test" in splits and "train" not in splits):
        return {}
    found = {
        file: (split or "train", name)
        for file, split, name in zip(files, splits, names, strict=True)
    }
    is_sound = (
        len(set(found.values())) == len(files) and len({name for _, name in found.values()}) > 1
    )
    return found if is_sound else {}


def class_lines(
    files: Mapping[Path, tuple[str, str]], encoding: str, report: Report
) -> Iterator[Item]:
    """Yield the lines of the files that `class_files` found, empty ones left out."""
    names = ", ".join(sorted({name for _, name in files.values()})[:4])
    report.note(f"Each line is a text, and each file is one class ({names}).")
    for file, (split, name) in files.items():
        rest, number = "", 0
        for piece in (*text_pieces(file, encoding, report), "\n"):
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                number += 1
                if line.strip():
                    yield Item(split, line.strip(), name, f"{file}, line {number}")


def _has_lines(file: Path) -> bool:
    """Tell whether a file has several lines, with something in nearly each."""
    try:
        with file.open("rb") as opened:
            head = opened.read(LOOKED_AT)
    except OSError:
        return False
    lines = head.split(b"\n")
    filled = [line for line in lines if line.strip()]
    return b"\0" not in head and len(filled) >= max(FEWEST_LINES, 0.7 * len(lines))


def _names(names: Sequence[str]) -> list[str]:
    """Return what tells names of files apart: `pos` and `neg` of `rt-polarity.pos` and `.neg`."""
    words = [
        [word for word in re.split(r"[\W_]+", name) if word and not split_word(word)[0]]
        for name in names
    ]
    while all(words) and len({one[0] for one in words}) == 1:
        words = [one[1:] for one in words]
    while all(words) and len({one[-1] for one in words}) == 1:
        words = [one[:-1] for one in words]
    return ["_".join(one) for one in words]
