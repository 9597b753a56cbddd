"""Files that a table lists: where they lie, and the table in a folder that lists its files."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dlrecipes.datasets.own.files import Report, files_below, folder_entries
from dlrecipes.datasets.own.folders import class_folders, split_folders
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.tables import is_table

USUAL_NAMES = ("metadata", "labels", "annotations", "train", "train_labels", "data")
"""What the table of a folder's files is often called; the likeliest first."""


def tables_of(folder: Path, suffixes: Sequence[str], report: Report) -> list[tuple[str, Path]]:
    """Return the tables that list a folder's files, where they lie in no folders of classes.

    It may be one; or one in the folder of each split, as the Hugging Face Hub has them.

    Args:
        folder: The folder.
        suffixes: Endings of the files that count, in lower case.
        report: Is told of the tables.

    Returns:
        Each with the split whose folder it lies in; empty for none.
    """
    folders, files = folder_entries(folder, Report())
    while len(folders) == 1 and not files:
        folders, files = folder_entries(folders[0], Report())
    table = _table_among(files)
    found = [("", table)] if table else []
    if not found:
        splits = split_folders(folders)
        listed = [
            (split, _table_among(folder_entries(inner, Report())[1], only_usual=True))
            for inner, split in splits.items()
        ]
        if "train" in splits.values():
            found = [(split, table) for split, table in listed if table]
    if not found:
        return []
    classes = class_folders(folder, suffixes, Report())
    if len({one.name for one in classes if one.name}) > 1:
        return []
    report.note(f"The classes are those that {', '.join(str(table) for _, table in found)} lists.")
    return found


def _table_among(files: Sequence[Path], *, only_usual: bool = False) -> Path | None:
    """Return the table among files that is called as usual, or else the only one."""
    tables = {file.stem.lower(): file for file in files if is_table(file)}
    usual = [tables[name] for name in USUAL_NAMES if name in tables]
    if not usual and len(tables) == 1 and not only_usual:
        return next(iter(tables.values()))
    return usual[0] if usual else None


def placed(items: Iterable[Item], split: str, table: Path) -> Iterator[Item]:
    """Yield the items of a table in the folder of a split, with whole paths."""
    for item in items:
        yield replace(item, split=split, value=str(table.parent / item.value))


def split_by_folder(items: Sequence[Item]) -> Sequence[Item]:
    """Return the items of a table without splits, where all their files lie in folders of splits.

    Args:
        items: The items, whose values are paths below the table's folder.
    """
    firsts = [Path(str(item.value).replace("\\", "/")).parts[:-1][:1] for item in items]
    names = {Path(part) for first in firsts for part in first}
    splits = split_folders(sorted(names))
    is_else = not all(firsts) or len(splits) < len(names) or len(names) < 2
    if is_else or "train" not in splits.values() or {item.split for item in items} != {"train"}:
        return items
    return [
        replace(item, split=splits[Path(first[0])])
        for item, first in zip(items, firsts, strict=True)
    ]


class ListedFiles:
    """Finds the files that a table names.

    Args:
        folder: Where their paths begin; None if they are whole.
        suffixes: Endings of the files that count, in lower case.
        report: Is told that some are found elsewhere.
    """

    def __init__(self, folder: Path | None, suffixes: Sequence[str], report: Report) -> None:
        self.folder, self.suffixes, self.report = folder, suffixes, report
        self.by_name: dict[str, list[Path]] | None = None

    def path(self, value: str) -> Path:
        """Return the path of a file: as it is named, or else the only one of that name below.

        Names may be written with the other slash, in another form of Unicode, or without ending.
        """
        if self.folder is None:
            return Path(value)
        named = self.folder / value
        if _exists(named):
            return named
        for other in (value.replace("\\", "/"), *_forms(value)):
            if other != value and _exists(self.folder / other):
                return self.folder / other
        found = self._below().get(_key(value.replace("\\", "/")), [])
        if len(found) != 1:
            return named
        self.report.note(
            f"Files are found by their names alone, in the folders below {self.folder}."
        )
        return found[0]

    def _below(self) -> dict[str, list[Path]]:
        """Return the files below the folder by their names, with and without ending."""
        if self.by_name is None:
            self.by_name = {}
            for file in files_below(self.folder or Path(), Report()):
                if file.suffix.lower() in self.suffixes:
                    for key in {_key(file.name), _key(file.stem)}:
                        self.by_name.setdefault(key, []).append(file)
        return self.by_name


def _exists(path: Path) -> bool:
    """Tell whether a path is that of a file; a name that is too long is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _forms(value: str) -> list[str]:
    """Return a text in both forms of Unicode: macOS takes letters and their accents apart."""
    return [unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)]


def _key(path: str) -> str:
    """Return the name at the end of a path, as names are compared."""
    return unicodedata.normalize("NFC", path.rsplit("/", 1)[-1]).lower()
