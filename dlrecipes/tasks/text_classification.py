"""Text classification: texts in, a class and its probability out."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.catalog import DataSet
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
SHOWN_CHARACTERS = 60
FILE_NAME = re.compile(r"\S*[/\\]\S*|\S+\.(txt|csv|tsv|json|jsonl|md|parquet|html)", re.IGNORECASE)
"""A single word that can only be meant as a file."""
SPLIT_NAMES = ("train", "validation", "test")


def texts_of(arguments: Sequence[str]) -> list[str]:
    """Return the texts that arguments stand for: themselves, a file's lines, or those of `-`.

    Raises:
        InputError: if there is no text, or a file is not UTF-8 text.
    """
    texts: list[str] = []
    for argument in arguments:
        if argument == "-":
            texts += base.read_standard_input().splitlines()
        elif os.path.isfile(argument):  # False for a text too long to be a path
            texts += base.read_text(Path(argument)).splitlines()
        elif FILE_NAME.fullmatch(argument) or os.path.isdir(argument):
            raise InputError(f"There is no text file {argument}.")
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

    def read_path(self, path: Path, data_set: DataSet, like: Source | None) -> Source:
        """Return the rows of a table, or the text files of a folder with a folder for each class.

        A table has the columns `text` and `label`, and maybe `split`.
        """
        rows = self._read_folder(path) if path.is_dir() else self._read_table(path)
        classes, numbers = base.examples_by_class([label for _, label, _ in rows], like, path)
        examples = Examples(text_array([text for text, _, _ in rows]), numbers)
        of_split = np.array([split for _, _, split in rows], dtype=object)
        splits = {
            split: examples.take(np.flatnonzero(of_split == split))
            for split in SPLIT_NAMES
            if (of_split == split).any()
        }
        return base.own_source(path, splits, like, classes=classes)

    @staticmethod
    def _read_folder(path: Path) -> list[tuple[str, str, str]]:
        """Return text, label and split of every file in a folder of class folders."""
        rows = [
            (base.read_text(file), folder.name, split)
            for split, classes in base.split_folders(path).items()
            for folder in base.class_folders(classes)
            for file in sorted(folder.glob("*.txt"))
        ]
        if not rows:
            raise InputError(f"{path} must hold a folder of .txt files for each class.")
        return rows

    @staticmethod
    def _read_table(path: Path) -> list[tuple[str, str, str]]:
        """Return text, label and split of every row of a table."""
        if path.suffix not in TABLE_SUFFIXES:
            raise InputError(
                f"{path} must be a folder with a folder of .txt files for each class, or a table "
                f"({', '.join(TABLE_SUFFIXES)}) with the columns text and label."
            )
        table = base.read_table(path, as_text=True)
        missing = [name for name in ("text", "label") if name not in table]
        if missing:
            raise InputError(
                f"{path} has no column {' and '.join(missing)}: it has {', '.join(table)}."
            )
        splits = table["split"].tolist() if "split" in table else ["train"] * len(table)
        rows = list(zip(table["text"].tolist(), table["label"].tolist(), splits, strict=True))
        problems = [
            f"{path}, row {number}: its text or its label is empty."
            for number, (text, label, _) in enumerate(rows, start=1)
            if not text.strip() or not label.strip()
        ]
        problems += [
            f"{path}, row {number}: its split must be {', '.join(SPLIT_NAMES)}, not {split!r}."
            for number, (_, _, split) in enumerate(rows, start=1)
            if split not in SPLIT_NAMES
        ]
        base.raise_problems(problems, str(path))
        return rows

    def read_inputs(self, arguments: Sequence[str], serving: Any) -> base.Inputs:
        """Return the texts that the arguments stand for."""
        texts = texts_of(arguments)
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
            if len(row[0]) > SHOWN_CHARACTERS:
                row[0] = row[0][: SHOWN_CHARACTERS - 1] + "…"
        return titles, rows
