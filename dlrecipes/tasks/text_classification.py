"""Text classification: texts in, a class and its probability out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Array, Examples, Source
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
SHOWN_CHARACTERS = 60


def texts_of(arguments: Sequence[str]) -> list[str]:
    """Return the texts that arguments stand for: themselves, a file's lines, or those of `-`.

    Raises:
        InputError: if there is no text, or a file is not UTF-8 text.
    """
    texts: list[str] = []
    for argument in arguments:
        if argument == "-":
            texts += base.read_standard_input().splitlines()
        elif len(argument) < 1024 and "\n" not in argument and Path(argument).is_file():
            texts += base.read_text(Path(argument)).splitlines()
        elif len(argument.split()) == 1 and argument.lower().endswith(".txt"):
            raise InputError(f"There is no file {argument}.")
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
    monitored = "accuracy"

    def read_path(self, path: Path, like: Source | None, seed: int) -> Source:
        """Return the rows of a table, or the text files of a folder with a folder for each class.

        A table has the columns `text` and `label`, and maybe `split`.
        """
        if path.is_dir():
            folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
            files = [file for folder in folders for file in sorted(folder.glob("*.txt"))]
            if not files:
                raise InputError(f"{path} must hold a folder of .txt files for each class.")
            texts = [base.read_text(file) for file in files]
            labels = [file.parent.name for file in files]
            names = ["train"] * len(files)
        elif path.suffix in TABLE_SUFFIXES:
            table = base.read_table(path)
            missing = [name for name in ("text", "label") if name not in table]
            if missing:
                raise InputError(
                    f"{path} has no column {' and '.join(missing)}: it has "
                    f"{', '.join(map(str, table))}."
                )
            texts = table["text"].astype(str).tolist()
            labels = table["label"].astype(str).tolist()
            names = table["split"].tolist() if "split" in table else ["train"] * len(texts)
        else:
            raise InputError(
                f"{path} must be a folder with a folder of .txt files for each class, or a table "
                f"({', '.join(TABLE_SUFFIXES)}) with the columns text and label."
            )
        classes, numbers = base.examples_by_class(labels, like, path)
        rows = Examples(text_array(texts), numbers, seed)
        of_split = np.array(names, dtype=object)
        splits = {
            split: rows.take(np.flatnonzero(of_split == split))
            for split in ("train", "validation", "test")
            if (of_split == split).any()
        }
        return base.own_source(path, splits, like, classes)

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
