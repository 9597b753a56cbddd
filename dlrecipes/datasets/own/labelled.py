"""Item examples from a user's files: the labels become class numbers."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrecipes.datasets.own.cells import as_texts
from dlrecipes.datasets.own.columns import Wanted, find_columns, splits_of
from dlrecipes.datasets.own.encodings import is_utf_16_unsaid
from dlrecipes.datasets.own.files import (
    KINDS_SHOWN,
    FileOptions,
    Report,
    files_below,
    is_unicode,
    printable,
    shortened,
    undecodable_lines,
)
from dlrecipes.datasets.own.folders import ClassFolder, class_folders
from dlrecipes.datasets.own.tables import DelimitedTable, Table, open_table

CLASS_AND_NUMBER = re.compile(r"(.*?[^\W\d_])[\W_]*\d[\W\d_]*\.\w+")
"""The name of a file that begins with its class: `cat.0.jpg`, `great_pyrenees_12.jpg`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a user's files with its answer.

    Args:
        split: `train`, `validation` or `test`; empty for none of them.
        value: The input: a text, or the path of a file.
        label: The answer: the name of a class, a cell, the path of a file, an array.
        origin: Where it stands, for messages: a file, or file and line.
    """

    split: str
    value: Any
    label: Any
    origin: Any


def labelled_files(
    path: Path, suffixes: Sequence[str], kind: str, report: Report
) -> Iterator[Item]:
    """Yield every file in a folder with a folder for each class.

    Args:
        path: The folder, or one with such folders called `train`, `validation` and `test`.
        suffixes: Endings of the files that count, in lower case.
        kind: What they are, for messages: `images`.
        report: Is told of folders that cannot be read or are empty, and of files left out.
    """
    for one in class_folders(path, suffixes, report):
        if not is_unicode(one.path.name):
            report.problem(f"{one.path} cannot be a class: its name is not UTF-8.")
            continue
        before = report.count
        files = files_below(one.path, report)
        chosen = [file for file in files if file.suffix.lower() in suffixes]
        others = [file for file in files if file.suffix.lower() not in suffixes]
        for file in others:
            report.leave_out(file.suffix.lower() or "without an ending", file)
        if not one.name:
            yield from _labelled_by_name(one, chosen, path, report)
            continue
        if not chosen and not others and report.count == before:
            report.problem(f"{one.path} has no {kind} ({', '.join(suffixes)}).")
        name = unicodedata.normalize("NFC", one.name)
        for file in chosen:
            yield Item(one.split, str(file), name, printable(str(file)))


def _labelled_by_name(
    folder: ClassFolder, files: Sequence[Path], path: Path, report: Report
) -> Iterator[Item]:
    """Yield files that are in no folder of a class, with the class that their names begin with.

    That is how some well-known sets are: `cat.0.jpg`, `dog.0.jpg`.
    """
    names = [CLASS_AND_NUMBER.fullmatch(file.name) for file in files]
    classes = Counter(unicodedata.normalize("NFC", match[1]) for match in names if match)
    if not all(names) or not 1 < len(classes) <= len(files) / 2:
        if folder.split == "train":
            report.problem(f"{folder.path} has no folder for each class, such as {path / 'cat'}.")
        else:
            report.note(f"{folder.path} is left out: its files are in no folder of a class.")
        return
    report.note(
        f"{folder.path} has no folders of classes: each class is what the names of its files begin "
        f"with ({', '.join(list(classes)[:KINDS_SHOWN])})."
    )
    for file, match in zip(files, names, strict=True):
        assert match
        label = unicodedata.normalize("NFC", match[1])
        yield Item(folder.split, str(file), label, printable(str(file)))


def labelled_rows(
    path: Path, options: FileOptions, wanted: tuple[Wanted, Wanted], report: Report
) -> Iterator[Item]:
    """Yield the rows of a table with a column of labels.

    Args:
        path: The table.
        options: How it is read.
        wanted: The columns of what is labelled and of labels.
        report: Is told of columns that were guessed or are not there, and of unusable rows.
    """
    if is_utf_16_unsaid(path, options.encoding):
        undecodable_lines(path, options.encoding, report)
        return
    if not options.header and _begins_with_a_row(path, options, wanted):
        options = replace(options, header="first")
    table = open_table(path, options, report)
    if table is None:
        return
    before, headerless = report.count, _without_header(table, *wanted)
    value_column, label_column = headerless or find_columns(
        table, _by_content(table, *wanted), report
    )
    if headerless and options.header == "none":
        report.note(f"The texts are in {value_column}, their labels in {label_column}.")
        report.chosen[wanted[0].what] = value_column
        report.chosen[wanted[1].what] = label_column
    elif headerless:
        report.note(
            f"{path} has no header: its texts are in the column that begins with "
            f"{shortened(value_column)!r}, its labels in that which begins with "
            f"{shortened(label_column)!r}."
        )
        yield Item("train", value_column, label_column.strip(), table.where(1))
    if report.count == before:
        yield from _items(table, value_column, label_column, report)


def _items(table: Table, value_column: str, label_column: str, report: Report) -> Iterator[Item]:
    """Yield the rows of a table; the report is told of empty cells."""
    for chunk in table.chunks(report):
        values, labels = as_texts(chunk.cells[value_column]), as_texts(chunk.cells[label_column])
        splits = splits_of(table, chunk, report)
        for line, text, name, split in zip(chunk.lines, values, labels, splits, strict=True):
            name = unicodedata.normalize("NFC", name.strip())
            empty = [
                column
                for column, cell in ((value_column, text), (label_column, name))
                if not cell or cell.isspace()
            ]
            if empty and split:
                report.problem(f"{table.where(line)}: {' and '.join(empty)} must not be empty.")
            elif split:
                yield Item(split, text, name, table.where(line))


def _without_header(table: Table, value: Wanted, label: Wanted) -> tuple[str, str] | None:
    """Return the columns of texts and labels of a table without a header; None if it has one.

    It has none if the user says so; or if no column has a known name, and a column of few values
    holds its own name, too: the names are the first row then.
    """
    if not isinstance(table, DelimitedTable) or value.find(table) or label.find(table):
        return None
    if value.name or label.name or table.split_column or len(table.names) < 2:
        return None
    found = _told_apart(table, with_own_name=not table.is_headerless)
    return found if all(found) else None


def _begins_with_a_row(path: Path, options: FileOptions, wanted: Sequence[Wanted]) -> bool:
    """Tell whether the first line of a delimited text is a row: its label stands below it, too."""
    table = open_table(path, replace(options, header="none"), Report())
    chunk = next(table.chunks(), None) if isinstance(table, DelimitedTable) else None
    if table is None or chunk is None or len(table.names) < 2 or any(one.name for one in wanted):
        return False
    first = {as_texts(chunk.cells[name])[0].strip().lower() for name in table.names}
    if first & {known for one in wanted for known in one.known}:
        return False
    _, few = _told_apart(table)
    labels = [text.strip() for text in as_texts(chunk.cells[few])] if few else [""]
    return labels[0] in labels[1:]


def _by_content(table: Table, value: Wanted, label: Wanted) -> tuple[Wanted, Wanted]:
    """Return what is wanted, with the names of the only two columns if those say nothing."""
    names = [name for name in table.names if name != table.split_column]
    if value.find(table) or label.find(table) or value.name or label.name or len(names) != 2:
        return value, label
    text, few = _told_apart(table)
    if not text:
        return value, label
    return (
        replace(value, known=(*value.known, text.lower())),
        replace(label, known=(*label.known, few.lower())),
    )


def _told_apart(table: Table, *, with_own_name: bool = False) -> tuple[str, str]:
    """Return the columns of texts and of labels by what they hold; empty if that does not tell.

    Args:
        table: The table.
        with_own_name: Whether the one of labels must hold its own name, too.
    """
    chunk = next(table.chunks(), None)
    if chunk is None:
        return "", ""
    names = [name for name in table.names if name != table.split_column]
    cells = {name: as_texts(chunk.cells[name]) for name in names}
    few = [
        name
        for name, texts in cells.items()
        if (not with_own_name or name in {text.strip() for text in texts})
        and 1 < len(set(texts)) <= max(len(texts) / 5, 2)
    ]
    if len(few) != 1:
        return "", ""
    others = [name for name in names if name != few[0]]
    return max(others, key=lambda name: sum(map(len, cells[name]))), few[0]
