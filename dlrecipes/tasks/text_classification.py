"""Text classification: texts in, a class and its probability out."""

import os
import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import (
    FileOptions,
    Report,
    nearest_path,
    read_standard_input,
    read_text,
    shortened,
)
from dlrecipes.datasets.own.labelled import LabelledWriter, labelled_files, labelled_rows
from dlrecipes.datasets.own.tables import (
    TABLE_SUFFIXES,
    Wanted,
    as_texts,
    find_columns,
    is_table,
    open_table,
)
from dlrecipes.datasets.storage import CHUNK, Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

TEXT_COLUMNS = (
    *("text", "review", "sentence", "content", "message", "comment", "body", "tweet"),
    *("document", "description", "title"),
)
FILE_NAME = re.compile(r"\S*[/\\]\S*|\S+\.(txt|csv|tsv|json|jsonl|md|parquet|html)", re.IGNORECASE)
"""A single word that can only be meant as a file."""


def texts_of(
    arguments: Sequence[str], read_table: Callable[[Path], list[str]] | None = None
) -> list[str]:
    """Return the texts that arguments stand for: themselves, a file's lines, or those of `-`.

    Args:
        arguments: Texts, files, or `-` for standard input.
        read_table: Returns the texts in a table; None to read a table line by line, too.

    Raises:
        InputError: if there is no text, or a file is not UTF-8 text.
    """
    texts: list[str] = []
    for argument in arguments:
        if argument == "-":
            texts += read_standard_input().splitlines()
        elif read_table and os.path.isfile(argument) and is_table(Path(argument)):
            texts += read_table(Path(argument))
        elif os.path.isfile(argument):  # False for a text too long to be a path
            texts += read_text(Path(argument)).splitlines()
        elif FILE_NAME.fullmatch(argument) or os.path.isdir(argument):
            raise InputError(f"There is no text file {argument}.", nearest_path(Path(argument)))
        else:
            texts.append(argument)
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise InputError("There is no text to read: every input is empty.")
    return texts


def text_array(texts: Sequence[str]) -> Array:
    """Return texts as an array of Python strings, which TensorFlow takes as UTF-8."""
    return np.array(texts, dtype=object)


class TextClassification(base.Task):
    """Tell which of a few classes a text belongs to."""

    name = "text-classification"
    headline = "accuracy"

    def read_path(
        self, path: Path, options: FileOptions, like: Source | None, report: Report
    ) -> Source:
        """Return the rows of a table, or the text files of a folder with a folder for each class.

        A table has a column of texts and one of labels, and maybe `split`.
        """
        writer = LabelledWriter(path, like.classes if like else (), report)
        if path.is_dir():
            _read_folder(path, options, writer, report)
        elif is_table(path):
            _read_table(path, options, writer, report)
        else:
            raise InputError(
                f"{path} must be a folder with a folder of .txt files for each class, or a table "
                f"({', '.join(TABLE_SUFFIXES)}) with a column of texts and one of labels."
            )
        classes, splits = writer.finish()
        report.require_usable(path)
        return base.own_source(path, splits, like, classes=classes)

    def baseline(self, source: Source) -> base.Baseline:
        """Return the accuracy of always answering the commonest class."""
        return base.commonest_class(source)

    def read_inputs(
        self, arguments: Sequence[str], form: Source, options: FileOptions
    ) -> base.Inputs:
        """Return the texts that the arguments stand for."""
        texts = texts_of(arguments, lambda path: _texts_in_table(path, options))
        return base.Inputs(texts, text_array(texts))

    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return `probabilities` and `label`."""
        return base.classification_answer(outputs, classes)

    def predict(
        self,
        serving: Any,
        inputs: base.Inputs,
        classes: Sequence[str],
        options: base.GenerationOptions,
    ) -> list[dict[str, Any]]:
        """Return the label and every class's probability for each text."""
        return base.classify(serving, inputs, classes)

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the label, its probability and the next likeliest classes."""
        titles, rows = base.classification_table(predictions)
        for row in rows:
            row[0] = shortened(row[0])
        return titles, rows


def _read_folder(path: Path, options: FileOptions, writer: LabelledWriter, report: Report) -> None:
    """Write the text of every file in a folder of class folders."""
    for file in labelled_files(path, (".txt",), "text files", report):
        before = report.count
        text = read_text(Path(file.value), options.encoding, report)
        if report.count > before:
            continue
        if not text.strip():
            report.problem(f"{file.value} is empty.")
        else:
            writer.append_all([file], text_array([text]))


def _texts_in_table(path: Path, options: FileOptions) -> list[str]:
    """Return the texts in a table, by the column that the network was trained on."""
    report = Report()
    table = open_table(path, options.encoding, report)
    texts: list[str] = []
    if table is not None:
        wanted = Wanted("texts", TEXT_COLUMNS, options.text_column)
        (column,) = find_columns(table, [wanted], report)
        if column:
            for chunk in table.chunks(report):
                texts += as_texts(chunk.cells[column]).tolist()
    report.require_usable(path)
    return texts


def _read_table(path: Path, options: FileOptions, writer: LabelledWriter, report: Report) -> None:
    """Write text and label of every row of a table."""
    wanted = Wanted("texts", TEXT_COLUMNS, options.text_column, "--text-column")
    rows = labelled_rows(path, options.encoding, wanted, base.wanted_labels(options), report)
    while some := list(islice(rows, CHUNK)):
        writer.append_all(some, text_array([row.value for row in some]))
