"""Labelled examples: rows of features, what is to be predicted of them, and where they stand."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dlrecipes.datasets import pipelines
from dlrecipes.datasets.pipelines import Order
from dlrecipes.datasets.storage import (
    CHUNK,
    Array,
    Column,
    ColumnsWriter,
    chunks,
    in_one_piece,
    take,
)
from dlrecipes.errors import InputError

Features = Column | Mapping[str, Column]
"""One column, or one for each name; each has one row an example."""
Rows = Array | dict[str, Array]
"""Features in memory."""

SPLIT_SEED = 0
"""Held-out rows are the same whatever seed a run has, so that runs can be compared."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples, in memory or in a temporary file.

    Args:
        features: Inputs: a column with one row an example, or several by name.
        labels: What is to be predicted, one for each example; None if the inputs are all there is.
        origins: Where each example stands: its file, or its line; None if that is not known.
        order: The order in which `batches` shuffles.
    """

    features: Features
    labels: Column | None = None
    origins: Column | None = None
    order: Order = field(default_factory=Order)

    @property
    def columns(self) -> dict[str, Column]:
        """Return the features by name; a single column is called `features`."""
        if isinstance(self.features, Mapping):
            return dict(self.features)
        return {"features": self.features}

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(next(iter(self.columns.values())))

    def arrays(self) -> Rows:
        """Return the features, in memory."""
        arrays = {name: np.asarray(column) for name, column in self.columns.items()}
        return arrays if isinstance(self.features, Mapping) else arrays["features"]

    def take(self, rows: Array) -> "Examples":
        """Return the examples at these row numbers."""
        return self._of(take(self._all_columns(), rows))

    def chunks(self, size: int = CHUNK) -> Iterator["Examples"]:
        """Yield the examples in order, `size` at a time, in memory."""
        columns = self._all_columns()
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self._of({name: column[rows] for name, column in columns.items()})

    def in_one_piece(self) -> "Examples":
        """Return the examples with their texts in one piece, which takes half of their memory."""
        columns = self._all_columns().items()
        return self._of(
            {
                name: in_one_piece(column[:]) if column.dtype.kind == "O" else column
                for name, column in columns
            }
        )

    def _all_columns(self) -> dict[str, Column]:
        """Return every column, the features' names behind a dot."""
        columns = {f".{name}": column for name, column in self.columns.items()}
        if self.labels is not None:
            columns["labels"] = self.labels
        if self.origins is not None:
            columns["origins"] = self.origins
        return columns

    def _of(self, columns: Mapping[str, Column]) -> "Examples":
        """Return examples of the form of these with other columns, as `_all_columns` has them."""
        features = {name: columns[f".{name}"] for name in self.columns}
        return replace(
            self,
            features=features if isinstance(self.features, Mapping) else features["features"],
            labels=columns.get("labels"),
            origins=columns.get("origins"),
        )

    def split(self, fraction: float) -> tuple["Examples", "Examples"]:
        """Return the examples without a random fraction of them, and that fraction.

        Args:
            fraction: How much to hold out, from 0 to below 1; the same rows every time. One at
                least, if it is not 0.
        """
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self))
        held_out = max(round(len(self) * fraction), 1) if fraction else 0
        return self.take(np.sort(order[held_out:])), self.take(np.sort(order[:held_out]))

    def split_by_class(
        self, fraction: float, *, every_class: bool = False
    ) -> tuple["Examples", "Examples"]:
        """Return the examples without a random fraction of them, and that fraction, as `split`.

        Each class is in both parts by its share, as far as it has examples enough: its last one
        always stays in the first. If no class has two, it is a split without regard to classes.

        Args:
            fraction: How much to hold out, as for `split`.
            every_class: Whether more may be held out, so that every class of two examples is in it.
        """
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self))
        labels = np.asarray(self.labels)[order]
        counts = np.bincount(labels)
        # How many of the class of each example come before it in the random order.
        before = np.empty(len(order), dtype="int64")
        by_class = np.argsort(labels, kind="stable")
        before[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        free = np.flatnonzero(before < counts[labels] - 1)
        if not fraction or not len(free):
            return self.split(fraction)
        wanted = max(round(len(self) * fraction), 1)
        if every_class:
            wanted = max(wanted, int((counts > 1).sum()))
        # The first example of every class, then those that come first by their class's share.
        share = before[free] / counts[labels[free]]
        held_out = order[free[np.argsort(share, kind="stable")[:wanted]]]
        return self.take(np.setdiff1d(order, held_out)), self.take(np.sort(held_out))

    def transform(self, function: Callable[[Any], Any], batch_size: int = CHUNK) -> "Examples":
        """Return the examples with features that a function or a Keras model made of theirs.

        Args:
            function: From a batch of features, as tensors, to a tensor with one row an example.
                Rows of token numbers may differ in length: `batches` pads them with 0.
            batch_size: Examples in a batch.
        """
        # Keras says None of a length that is not known before the texts are.
        ragged = None in getattr(function, "output_shape", ())[1:]
        writer = ColumnsWriter(ragged=ragged)
        # Numbers of words fit into half of what Keras gives them.
        for rows in pipelines.converted(self.features, function, batch_size, narrow=ragged):
            writer.append({"features": rows})
        return replace(self, features=writer.finish()["features"])

    def batches(self, batch_size: int, *, shuffle: bool = False) -> Any:
        """Return a `tf.data.Dataset` of batches `(features, labels)`, or of features alone.

        Args:
            batch_size: Examples in a batch; the last may have fewer.
            shuffle: Whether to go through the examples in a random order of its own each epoch.
        """
        return pipelines.batches(
            self.features, self.labels, batch_size, self.order if shuffle else None
        )

    def batches_by_length(self, batch_size: int, *, shuffle: bool = False) -> Any:
        """Return batches of token numbers of about one length, cut to the longest of each batch.

        Padding is computed on like any token, so batches of like lengths save most of the work.

        Args:
            batch_size: Examples in a batch; the last of the longest may have fewer.
            shuffle: Whether to go through the examples in a random order of its own each epoch.
        """
        assert not isinstance(self.features, Mapping)
        return pipelines.batches_by_length(
            self.features, self.labels, batch_size, self.order if shuffle else None
        )


class ExamplesWriter:
    """Gathers examples a chunk at a time, in memory as long as they fit there."""

    def __init__(self) -> None:
        self.columns = ColumnsWriter()
        self.form: Examples | None = None

    def append(self, examples: Examples) -> None:
        """Add examples in memory, of the same columns every time."""
        self.form = self.form or examples
        chunk = examples._all_columns()
        self.columns.append({name: np.asarray(column) for name, column in chunk.items()})

    def finish(self) -> Examples:
        """Return the examples, of which there must be some."""
        assert self.form is not None
        return self.form._of(self.columns.finish())


Splits = dict[str, Examples]
"""Examples by the name of their split: `train`, `validation`, `test`."""


@dataclass(frozen=True, eq=False)
class Source:
    """Raw examples of every split, and where they came from: what a recipe's `load` is given.

    Args:
        name: Name of the data set, or the path of the user's own data.
        rung: `full`, `sample` or `path`.
        origin: Where the data came from, in words.
        train: Examples to train on.
        test: Examples to report on, never trained on.
        validation: Examples to watch while training; None if the recipe is to hold some out.
        classes: Names of the classes, in the order of their numbers; empty if there are none.
        image_shape: Height, width and channels of the images; empty if there are none.
        target: Name of the column that is predicted; empty if there is none.
        column_names: Names of the columns and the target in a user's table, by those that the
            network's inputs can have; empty if they are the same.
        place: What the origins of the examples are places in, such as `rows.csv, line`; empty if
            they say that themselves.
    """

    name: str
    rung: str
    origin: str
    train: Examples
    test: Examples
    validation: Examples | None = None
    classes: tuple[str, ...] = ()
    image_shape: tuple[int, ...] = ()
    target: str = ""
    column_names: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    def in_order_of(self, seed: int) -> "Source":
        """Return the source with training examples that are shuffled as a seed says."""
        return replace(self, train=replace(self.train, order=Order(seed)))

    def train_and_validation(self, fraction: float) -> tuple[Examples, Examples]:
        """Return examples to train on and to watch, holding some out if there is no such split.

        Args:
            fraction: How much of the training examples to hold out, from 0 to below 1.

        Raises:
            InputError: if that leaves nothing to train on, or nothing to watch.
        """
        if self.validation is not None:
            return self.train, self.validation
        # The full data sets and the samples are large and even: they are split at random.
        by_class = self.rung == "path" and self.classes
        split = self.train.split_by_class if by_class else self.train.split
        train, validation = split(fraction)
        if not len(train) or not len(validation):
            raise InputError(
                f"Holding out {fraction:g} of {len(self.train)} training examples leaves "
                f"{len(train)} to train on and {len(validation)} to validate on.",
                "Choose another --validation-fraction.",
            )
        return train, validation

    @cached_property
    def fingerprint(self) -> str:
        """Return the first 16 digits of the SHA-256 of all the examples."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for split, examples in self.splits().items():
            digest.update(f"{split} {len(examples)}".encode())
            labels = {} if examples.labels is None else {"": examples.labels}
            for name, column in {**examples.columns, **labels}.items():
                digest.update(f"{name} {column.shape[1:]} {column.dtype.kind}".encode())
                for rows in chunks(column):
                    _update(digest, rows)
        return digest.hexdigest()[:16]

    def splits(self) -> Splits:
        """Return the examples of each split that there is."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in found.items() if examples is not None}

    def rows_per_class(self) -> dict[str, dict[str, int]]:
        """Return how many examples of each class each split has; empty without classes."""
        if not self.classes:
            return {}
        return {
            split: dict(zip(self.classes, _counts(examples, len(self.classes)), strict=True))
            for split, examples in self.splits().items()
        }

    def stamp(self) -> dict[str, Any]:
        """Return what a run records of its data."""
        return {
            "rung": self.rung,
            "name": self.name,
            "source": self.origin,
            "fingerprint": self.fingerprint,
            "rows": {split: len(examples) for split, examples in self.splits().items()},
            "rows_per_class": self.rows_per_class(),
            "classes": list(self.classes),
            "target": self.target,
            "column_names": dict(self.column_names),
        }


def _counts(examples: Examples, classes: int) -> list[int]:
    """Return how many examples each class has, by its number."""
    return [int(count) for count in np.bincount(np.asarray(examples.labels), minlength=classes)]


def _update(digest: Any, rows: Array) -> None:
    """Add the content of an array to a digest."""
    if rows.dtype.kind in "OUS":
        content = [text if isinstance(text, bytes) else str(text).encode() for text in rows]
        digest.update(np.array([len(text) for text in content], "int64").tobytes())
        digest.update(b"".join(content))
    else:
        digest.update(np.ascontiguousarray(rows))


@dataclass(frozen=True, eq=False)
class Data:
    """The pipelines of a recipe and what its model must know of the data: what `load` returns.

    Args:
        train: Batches to train on, a `tf.data.Dataset`.
        validation: Batches to watch while training.
        test: Batches to report on.
        rows: Examples in each split.
        classes: Names of the classes, in the order of their numbers.
        image_shape: Height, width and channels of the images.
        preprocessing: Keras model or layer from raw input (text, named columns) to what the
            network reads; None if it reads raw input.
        class_weight: Weight of each class in the loss; None for equal weights.
        extra: Anything else that the recipe's functions share.
    """

    train: Any
    validation: Any
    test: Any
    rows: Mapping[str, int]
    classes: tuple[str, ...] = ()
    image_shape: tuple[int, ...] = ()
    preprocessing: Any = None
    class_weight: dict[int, float] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Return how many batches an epoch of training has; 0 if that is not known."""
        return max(int(self.train.cardinality()), 0)
