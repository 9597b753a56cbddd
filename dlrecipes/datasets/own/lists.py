"""Files that a table lists: where they lie, and the table in a folder that lists its files."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from dlrecipes.datasets.own.files import Report, files_below, folder_entries
from dlrecipes.datasets.own.folders import class_folders
from dlrecipes.datasets.own.tables import is_table

USUAL_NAMES = ("metadata", "labels", "annotations", "train", "train_labels", "data")
"""What the table of a folder's files is often called; the likeliest first."""


def table_of(folder: Path, suffixes: Sequence[str], report: Report) -> Path | None:
    """Return the table that lists a folder's files, where they lie in no folders of classes.

    Args:
        folder: The folder.
        suffixes: Endings of the files that count, in lower case.
        report: Is told of the table.
    """
    folders, files = folder_entries(folder, Report())
    while len(folders) == 1 and not files:
        folders, files = folder_entries(folders[0], Report())
    tables = {file.stem.lower(): file for file in files}
    tables = {name: file for name, file in tables.items() if is_table(file)}
    usual = [tables[name] for name in USUAL_NAMES if name in tables]
    found = usual or (list(tables.values()) if len(tables) == 1 else [])
    if not found:
        return None
    classes = class_folders(folder, suffixes, Report())
    if len({one.name for one in classes if one.name}) > 1:
        return None
    report.note(f"The classes are those that {found[0]} lists.")
    return found[0]


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
