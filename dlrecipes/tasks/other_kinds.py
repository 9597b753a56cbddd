"""Data of another kind than a task reads: say what it is, and which recipe reads it."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shlex import quote

from dlrecipes.datasets.own.archives import is_packed_folder, only_file, unpacked
from dlrecipes.datasets.own.cells import as_texts
from dlrecipes.datasets.own.files import FileOptions, Report, files_below, folder_entries
from dlrecipes.datasets.own.images import IMAGE_SUFFIXES
from dlrecipes.datasets.own.masks import folders_of_masks
from dlrecipes.datasets.own.tables import is_delimited, is_table, open_table
from dlrecipes.errors import InputError
from dlrecipes.tasks import TASKS
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.reading import Found, Reading

IMAGES, TEXTS, TABLE = "images", "texts", "table"
READ_BY = {
    "image": IMAGES,
    "noise": IMAGES,
    "text": TEXTS,
    "prose": TEXTS,
    "table": TABLE,
}
"""The kind of data that each kind of input reads; of a table, others read a column."""
MOSTLY = 0.5
"""Share of the files in a folder, or of the lines of a file, that say what it holds."""
LINES = 50
"""Lines of a text, or rows of a table, that are looked at."""
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff"
"""Letters of scripts that put no spaces between words."""
SENTENCE = re.compile(rf"\W*([^\W\d_]\S*\s+){{4,}}[^\W\d_]|.*[{UNSPACED}]{{6}}")
"""Five words or more, or six letters without spaces between words."""
NUMBER = re.compile(r"\s*[-+]?[\d.,]+\s*")
WORDS = re.compile(rf".*[^\W\d_]{{2}}\W+[^\W\d_]|.*[{UNSPACED}]{{3}}")
"""Two words or more: what may be a text."""


@dataclass(frozen=True)
class Held:
    """What a user's data holds.

    Args:
        kind: `IMAGES`, `TEXTS` or `TABLE`.
        said: The same in words, behind the name of the data.
        tasks: The tasks that it is made for.
    """

    kind: str
    said: str
    tasks: tuple[str, ...]


def read_own(task: Task, reading: Reading) -> Found:
    """Return what is in a user's files, as `Task.read`.

    Raises:
        InputError: if they cannot be used; where the task reads data of another kind, one that
            says what it is and which recipe reads it, in place of all other problems.
    """
    try:
        return task.read(reading)
    except InputError:
        if (held := _held_by(reading.path, reading.options)) and not _is_read(task, held, reading):
            reading.report.replace_by(*_explained(task, held, reading))
            reading.require_usable()
        raise


def _explained(task: Task, held: Held, reading: Reading) -> tuple[str, str]:
    """Return which recipe reads the data, in a sentence, and what to type for it."""
    recipes = [reading.recipes[name] for name in held.tasks if name in reading.recipes]
    if not recipes:
        return f"{reading.path} {held.said}, which {task.name} does not read.", ""
    pronoun = "it" if held.said.startswith("is") else "them"
    reads = f"{' and '.join(recipes)} {'reads' if len(recipes) == 1 else 'read'} {pronoun}"
    return (
        f"{reading.path} {held.said}: {reads}.",
        f"dlrecipes data check {quote(str(reading.path))} --task {recipes[0]}",
    )


def _is_read(task: Task, held: Held, reading: Reading) -> bool:
    """Tell whether a task reads data of a kind, or a task of a package may."""
    reads = READ_BY.get(task.input.name)
    if task.name not in TASKS or reads in (None, held.kind):
        return True
    if held.kind != TABLE or task.answer.name == "continuation":
        return False
    wanted = task.input.wanted(reading.options)
    if wanted.name or wanted.what in reading.report.chosen:
        return True
    columns = _columns(reading.path, reading.options)
    if task.input.name != "text":
        return any(_are_mostly(cells, _is_image) for cells in columns)
    numeric = sum(_are_mostly(cells, NUMBER.fullmatch) for cells in columns)
    return numeric < len(columns) / 2 or any(_are_mostly(cells, WORDS.match) for cells in columns)


def _held_by(path: Path, options: FileOptions) -> Held | None:
    """Return what a file, a folder or an archive holds; None if that cannot be told."""
    if is_packed_folder(path):
        with unpacked(path) as folder:
            return _held_by(only_file(folder), options)
    if path.is_dir():
        return _in_folder(path)
    if is_table(path) or is_delimited(path, options):
        return _of_table(_columns(path, options))
    if path.suffix.lower() == ".txt" and _is_prose(path):
        return Held(TEXTS, "is a text", ("text-generation",))
    return None


def _in_folder(folder: Path) -> Held | None:
    """Return what most files in a folder are."""
    suffixes = Counter(file.suffix.lower() for file in files_below(folder, Report()))
    enough = MOSTLY * suffixes.total()
    if sum(suffixes[one] for one in IMAGE_SUFFIXES) > enough:
        has_masks = bool(folders_of_masks(folder, Report()))
        task = "image-segmentation" if has_masks else "image-classification"
        return Held(IMAGES, "holds images", (task,))
    if suffixes[".txt"] > enough:
        has_classes = bool(folder_entries(folder, Report())[0])
        task = "text-classification" if has_classes else "text-generation"
        return Held(TEXTS, "holds text files", (task,))
    return None


def _of_table(columns: Sequence[Sequence[str]]) -> Held | None:
    """Return what a table holds: texts, or other columns; None if it cannot be read."""
    if any(_are_mostly(cells, SENTENCE.match) for cells in columns):
        return Held(TABLE, "is a table of texts", ("text-classification",))
    tabular = ("tabular-classification", "tabular-regression")
    return Held(TABLE, "is a table", tabular) if columns else None


def _columns(path: Path, options: FileOptions) -> list[list[str]]:
    """Return the first cells of each column of a table; none if it cannot be read."""
    report = Report()
    table = open_table(path, options, report)
    chunk = next(table.chunks(report), None) if table else None
    if table is None or chunk is None or report.count:
        return []
    return [[*as_texts(chunk.cells[name])][:LINES] for name in table.names]


def _is_prose(path: Path) -> bool:
    """Tell whether most lines of a file are sentences."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = [*islice(filter(str.strip, file), LINES)]
    except OSError:
        return False
    return _are_mostly(lines, SENTENCE.match)


def _are_mostly(texts: Sequence[str], is_wanted: Callable[[str], object]) -> bool:
    """Tell whether most of some texts are of a kind."""
    return sum(bool(is_wanted(text)) for text in texts) > MOSTLY * len(texts)


def _is_image(cell: str) -> bool:
    """Tell whether a cell is the name of an image."""
    return cell.strip().lower().endswith(IMAGE_SUFFIXES)
