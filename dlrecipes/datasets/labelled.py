"""Labelled examples from a user's files: the labels become class numbers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter
from dlrecipes.datasets.files import Report
from dlrecipes.datasets.storage import Array


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

    def append(
        self, split: str, features: Array, labels: Sequence[str], origins: Sequence[str]
    ) -> None:
        """Add examples of a split.

        Args:
            split: `train`, `validation` or `test`.
            features: One row an example.
            labels: The label of each.
            origins: Where each stands: its file, or its line.
        """
        for label, origin in zip(labels, origins, strict=True):
            if self.required and label not in self.required:
                self.report.problem(
                    f"{origin}: the label {label!r} is none that the network was trained on: "
                    f"{', '.join(self.required)}."
                )
            elif label not in self.labels.setdefault(split, set()):
                self.labels[split].add(label)
                self.numbers.setdefault(label, len(self.numbers))
        # Numbers in order of appearance, for now; in order of names once all are known.
        codes = np.array([self.numbers.get(label, 0) for label in labels], dtype="int32")
        places = np.empty(len(origins), dtype=object)
        places[:] = list(origins)
        self.writers.setdefault(split, ExamplesWriter()).append(Examples(features, codes, places))

    def finish(self) -> tuple[tuple[str, ...], dict[str, Examples]]:
        """Return the names of the classes in order, and the examples of each split."""
        found = self.labels.get("train", set()) if not self.required else set(self.required)
        classes = self.required or tuple(sorted(found))
        for split, labels in self.labels.items():
            for label in sorted(labels - found):
                self.report.problem(
                    f"{self.path}: the label {label!r} stands in {split} and never in train."
                )
        if not self.writers and not self.report.count:
            self.report.problem(f"{self.path} has no examples.")
        elif len(classes) == 1:
            self.report.problem(f"{self.path} has one class only ({classes[0]}): two are needed.")
        order = {name: number for number, name in enumerate(classes)}
        numbers = np.array([order.get(label, 0) for label in self.numbers], dtype="int32")
        splits = {}
        for split, writer in self.writers.items():
            examples = writer.finish()
            splits[split] = replace(examples, labels=numbers[np.asarray(examples.labels)])
        return classes, splits
