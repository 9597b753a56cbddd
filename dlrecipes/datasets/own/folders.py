"""How a user's folders are laid out: which are splits, which are classes, which are neither."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrecipes.datasets.own.files import Report, files_below, folder_entries
from dlrecipes.datasets.own.splits import split_word

DEEPEST = 4
"""Folders of one folder each that are looked into: archives are often packed so."""
OTHER_TEXTS = ("", ".text", ".eml", ".story")
"""Endings of texts where there are few .txt files."""
MOST_README = 10
"""As many of them for each .txt file may stand beside the texts, which say something of the set."""
NUMBERED = frozenset((".mp3", ".mp4", ".jp2", ".7z", ".bz2", ".h5", ".hdf5"))
"""Endings with a digit that are no parts of names."""
LARGEST_TEST = 0.6
"""The most files of a test split whose name does not say so, where training has 1."""


@dataclass(frozen=True)
class ClassFolder:
    """A folder of examples.

    Args:
        split: `train`, `validation` or `test`.
        name: The class; empty if the names of its files begin with it.
        path: The folder.
    """

    split: str
    name: str
    path: Path


def class_folders(path: Path, suffixes: Sequence[str], report: Report) -> list[ClassFolder]:
    """Return the folder of each class.

    They lie in the folder itself, which is all training examples then; or in its folders of splits,
    however those are written (`Training`, `seg_train`, `valid`); or those lie in the classes. All
    that may lie deeper, in a folder of its own.

    Args:
        path: The folder.
        suffixes: Endings of the files that count, in lower case.
        report: Is told of folders that cannot be read, that hold no folders, or are left out.
    """
    folders, files = folder_entries(path, report)
    # What is wrong in them is told when they are read.
    inside = {folder: folder_entries(folder, Report())[0] for folder in folders}
    found = (
        _of_named_splits(path, inside, suffixes, report)
        or _splits_of_classes(inside)
        or _of_alike_folders(path, inside, report)
        or _flat(path, folders, files, suffixes)
    )
    if found:
        return found
    if inner := _only_filled(inside, suffixes):
        return class_folders(inner, suffixes, report)
    if not folders and not report.count:
        report.problem(f"{path} has no folder for each class, such as {path / 'cat'}.")
    return [ClassFolder("train", folder.name, folder) for folder in _without_copies(inside, report)]


def text_suffixes(folder: Path, report: Report) -> tuple[str, ...]:
    """Return the endings of the texts in a folder: `.txt`, or what stands in its place.

    Some well-known sets call their files `49960`, or `0001.bfc8d64d`.

    Args:
        folder: The folder.
        report: Is told if few files end in `.txt`.
    """
    found = Counter(file.suffix.lower() for file in files_below(folder, Report()))
    others = {one for one in found if one in OTHER_TEXTS or re.search(r"\d", one)} - NUMBERED
    if sum(found[one] for one in others) <= MOST_README * found[".txt"]:
        return (".txt",)
    if others:
        shown = ", ".join(one or "without an ending" for one in sorted(others)[:3])
        report.note(f"Few files in {folder} end in .txt: others are read as texts ({shown}).")
    return (".txt", *sorted(others))


def split_folders(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the split of each folder whose name says one; such as `seg_train` beside `seg_test`.

    A name of other words is one of a split only if another folder has the same words.
    """
    words = {folder: split_word(folder.name) for folder in folders}
    rests = [rest for split, rest in words.values() if split]
    return {
        folder: split
        for folder, (split, rest) in words.items()
        if split and (not rest or rests.count(rest) > 1)
    }


def _of_named_splits(
    path: Path, inside: Mapping[Path, list[Path]], suffixes: Sequence[str], report: Report
) -> list[ClassFolder]:
    """Return the classes in folders named as splits; nothing if there is no training split."""
    splits = split_folders(list(inside))
    # A class may be called "train", too; then there are examples in it, and no folders.
    filled = {folder: split for folder, split in splits.items() if inside[folder]}
    others = [folder for folder in inside if folder not in filled]
    if "train" not in filled.values():
        return []
    if len(filled) == 1 and sum(_holds(folder, suffixes) for folder in others) > 1:
        return []
    for folder in others:
        if folder in splits:
            report.note(f"{folder} is left out: its files are in no folder of a class.")
    if unnamed := [folder.name for folder in others if folder not in splits]:
        report.note(
            f"{', '.join(unnamed)}: left out, since {path} has folders called train and the like."
        )
    return [
        ClassFolder(split, inner.name, inner)
        for folder, split in filled.items()
        for inner in _unwrapped(folder, report)
    ]


def _splits_of_classes(inside: Mapping[Path, list[Path]]) -> list[ClassFolder]:
    """Return the classes whose folders hold the splits; nothing if not all do."""
    found = []
    for folder, inner in inside.items():
        splits = split_folders(inner)
        if "train" not in splits.values() or len(splits) < len(inner):
            return []
        found += [ClassFolder(split, folder.name, one) for one, split in splits.items()]
    return found if len(inside) > 1 else []


def _of_alike_folders(
    path: Path, inside: Mapping[Path, list[Path]], report: Report
) -> list[ClassFolder]:
    """Return the classes in folders that hold the same ones: splits, whatever they are called."""
    names = {folder: {one.name for one in inner} for folder, inner in inside.items()}
    if len(names) < 2 or len({frozenset(one) for one in names.values()}) > 1:
        return []
    if len(next(iter(names.values()))) < 2:
        return []
    splits = {folder: split_word(folder.name)[0] for folder in inside}
    unnamed = [folder for folder, split in splits.items() if not split]
    sizes = {folder: len(files_below(folder, Report())) for folder in unnamed[:2]}
    if len(unnamed) == len(splits):
        if len(splits) > 2:
            return []
        smaller, larger = sorted(unnamed, key=lambda folder: sizes[folder])
        if sizes[smaller] > LARGEST_TEST * sizes[larger]:
            report.problem(
                f"{smaller} and {larger} hold the same folders: are they splits, or classes?",
                "Name splits train and test; put the files of a class into one folder of its own.",
            )
        splits.update({smaller: "test", larger: "train"})
    else:
        rest = "test" if "train" in splits.values() else "train"
        splits.update(dict.fromkeys(unnamed, rest))
    shown = ", ".join(f"{folder.name} as {split}" for folder, split in splits.items())
    report.note(f"The folders in {path} hold the same classes: they are read as splits ({shown}).")
    return [
        ClassFolder(split, inner.name, inner)
        for folder, split in splits.items()
        for inner in inside[folder]
    ]


def _flat(
    path: Path, folders: Sequence[Path], files: Sequence[Path], suffixes: Sequence[str]
) -> list[ClassFolder]:
    """Return the splits, or the folder itself, whose files lie in no folders of classes."""
    splits = split_folders(folders)
    if splits and len(splits) == len(folders) and "train" in splits.values():
        flat = [ClassFolder(split, "", folder) for folder, split in splits.items()]
        return flat if all(_holds(one.path, suffixes) for one in flat) else []
    if not folders and any(file.suffix.lower() in suffixes for file in files):
        return [ClassFolder("train", "", path)]
    return []


def _unwrapped(folder: Path, report: Report) -> list[Path]:
    """Return the folders in a folder, or in the only one that it holds: `train/train/cat`."""
    inner = folder_entries(folder, report)[0]
    for _ in range(DEEPEST):
        if len(inner) != 1 or not (below := folder_entries(inner[0], Report())[0]):
            break
        inner = below
    return inner


def _only_filled(inside: Mapping[Path, list[Path]], suffixes: Sequence[str]) -> Path | None:
    """Return the only folder that holds folders with files that count; None if others have some."""
    filled = [folder for folder in inside if _reaches(folder, suffixes)]
    if len(filled) != 1 or not inside[filled[0]] or _holds(filled[0], suffixes):
        return None
    return filled[0]


def _without_copies(inside: Mapping[Path, list[Path]], report: Report) -> list[Path]:
    """Return the folders of classes without one that holds the others once more."""
    names = {folder.name for folder in inside}
    copies = [
        folder
        for folder, inner in inside.items()
        if len(inner) > 1 and {one.name for one in inner} <= names - {folder.name}
    ]
    for folder in copies:
        report.note(f"{folder} is left out: it holds the folders beside it once more.")
    return [folder for folder in inside if folder not in copies]


def _holds(folder: Path, suffixes: Sequence[str]) -> bool:
    """Tell whether a folder itself holds a file that counts."""
    files = folder_entries(folder, Report())[1]
    return any(file.suffix.lower() in suffixes for file in files)


def _reaches(folder: Path, suffixes: Sequence[str], depth: int = DEEPEST) -> bool:
    """Tell whether a folder or one below it holds a file that counts."""
    folders, files = folder_entries(folder, Report())
    if any(file.suffix.lower() in suffixes for file in files):
        return True
    return depth > 0 and any(_reaches(inner, suffixes, depth - 1) for inner in folders)
