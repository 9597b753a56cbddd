"""Labelled examples from a user's files: the labels become class numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Splits
from dlrecipes.datasets.own.files import (
    Report,
    class_folders,
    files_below,
    is_unicode,
    printable,
    shortened,
)
from dlrecipes.datasets.own.tables import Wanted, as_texts, find_columns, open_table, splits_of
from dlrecipes.datasets.storage import Array


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file in the folder of its class, or a row of a table with a column of labels.

    Args:
        split: `train`, `validation` or `test`.
        label: Its class.
        value: What is labelled: a text, or the path of a file.
        origin: Where that stands, for messages: a file, or file and line.
    """

    split: str
    label: str
    value: str
    origin: str


def labelled_files(
    path: Path, suffixes: Sequence[str], kind: str, report: Report
) -> Iterator[Labelled]:
    """Yield every file in a folder with a folder for each class.

    Args:
        path: The folder, or one with such folders called `train`, `validation` and `test`.
        suffixes: Endings of the files that count, in lower case.
        kind: What they are, for messages: `images`.
        report: Is told of folders that cannot be read or are empty, and of files left out.
    """
    left_out: list[Path] = []
    for split, folder in class_folders(path, report):
        if not is_unicode(folder.name):
            report.problem(f"{folder} cannot be a class: its name is not UTF-8.")
            continue
        before = report.count
        files = files_below(folder, report)
        chosen = [file for file in files if file.suffix.lower() in suffixes]
        left_out += [file for file in files if file.suffix.lower() not in suffixes]
        if not chosen and report.count == before:
            report.problem(f"{folder} has no {kind} ({', '.join(suffixes)}).")
        for file in chosen:
            yield Labelled(split, folder.name, str(file), printable(str(file)))
    if left_out:
        more = f" and {len(left_out) - 1:,} more" if len(left_out) > 1 else ""
        report.note(f"Left out, being no {kind}: {left_out[0]}{more}.")


def labelled_rows(
    path: Path, encoding: str, value: Wanted, label: Wanted, report: Report
) -> Iterator[Labelled]:
    """Yield the rows of a table with a column of labels.

    Args:
        path: The table.
        encoding: Of a CSV, TSV or JSON lines file.
        value: The column of what is labelled.
        label: The column of labels.
        report: Is told of columns that were guessed or are not there, and of unusable rows.
    """
    table = open_table(path, encoding, report)
    if table is None:
        return
    before = report.count
    value_column, label_column = find_columns(table, (value, label), report)
    if report.count > before:
        return
    for chunk in table.chunks(report):
        values, labels = as_texts(chunk.cells[value_column]), as_texts(chunk.cells[label_column])
        splits = splits_of(table, chunk, report)
        for line, text, name, split in zip(chunk.lines, values, labels, splits, strict=True):
            name = name.strip()
            empty = [
                column
                for column, cell in ((value_column, text), (label_column, name))
                if not cell or cell.isspace()
            ]
            if empty:
                report.problem(f"{table.where(line)}: {' and '.join(empty)} must not be empty.")
            elif split:
                yield Labelled(split, name, text, table.where(line))


class LabelledWriter:
    """Gathers examples whose labels are words, by split.

    Args:
        path: What they are read from, for messages.
        classes: The classes that the labels must be of; empty to take those of the training split.
        report: Is told of labels that cannot be used.
    """

    def __init__(self, path: Path, classes: Sequence[str], report: Report) -> None:
        self.path, self.report = path, report
        self.required = tuple(classes)
        self.numbers: dict[str, int] = {name: number for number, name in enumerate(classes)}
        self.writers: dict[str, ExamplesWriter] = {}
        self.labels: dict[str, set[str]] = {}

    def append_all(self, found: Sequence[Labelled], features: Array) -> None:
        """Add examples.

        Args:
            found: Their splits, labels and origins.
            features: One row an example.
        """
        for one in found:
            if self.required and one.label not in self.required:
                self.report.problem(
                    f"{one.origin}: the label {shortened(one.label)!r} is none that the network "
                    f"was trained on: {', '.join(map(shortened, self.required))}."
                )
            elif one.label not in self.labels.setdefault(one.split, set()):
                self.labels[one.split].add(one.label)
                self.numbers.setdefault(one.label, len(self.numbers))
        # Numbers in order of appearance, for now; in order of names once all are known.
        codes = np.array([self.numbers.get(one.label, 0) for one in found], dtype="int32")
        origins = np.empty(len(found), dtype=object)
        origins[:] = [one.origin for one in found]
        examples = Examples(features, codes, origins)
        splits = np.array([one.split for one in found])
        for split in dict.fromkeys(splits.tolist()):
            some = examples.take(np.flatnonzero(splits == split))
            self.writers.setdefault(split, ExamplesWriter()).append(some)

    def finish(self) -> tuple[tuple[str, ...], Splits]:
        """Return the names of the classes in order, and the examples of each split."""
        found = self.labels.get("train", set()) if not self.required else set(self.required)
        classes = self.required or tuple(sorted(found))
        for split, labels in self.labels.items():
            for label in sorted(labels - found):
                self.report.problem(
                    f"{self.path}: the label {shortened(label)!r} stands in {split} and "
                    "never in train."
                )
        if not self.writers and not self.report.count:
            self.report.problem(f"{self.path} has no examples.")
        elif len(classes) == 1:
            self.report.problem(
                f"{self.path} has one class only ({shortened(classes[0])}): two are needed."
            )
        order = {name: number for number, name in enumerate(classes)}
        numbers = np.array([order.get(label, 0) for label in self.numbers], dtype="int32")
        splits = {}
        for split, writer in self.writers.items():
            examples = writer.finish()
            splits[split] = replace(examples, labels=numbers[np.asarray(examples.labels)])
        return classes, splits
