"""Labelled examples: rows of features, what is to be predicted of them, and where they stand."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dlrecipes.datasets import pipelines
from dlrecipes.datasets.fingerprints import add_to_digest
from dlrecipes.datasets.forms import NOTHING, Form
from dlrecipes.datasets.holding_out import (
    class_counts,
    held_out_by_class,
    places_of,
    random_order,
)
from dlrecipes.datasets.pipelines import Order
from dlrecipes.datasets.storage import (
    CHUNK,
    Array,
    Column,
    ColumnsWriter,
    in_one_piece,
    take,
)
from dlrecipes.errors import InputError
from dlrecipes.system.progress import tracked

Features = Column | Mapping[str, Column]
"""One column, or one for each name; each has one row an example."""
Rows = Array | dict[str, Array]
"""Features in memory."""

TEXTS_CHUNK = 512
"""Texts that are transformed together: each becomes many numbers."""


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
        order = random_order(len(self))
        held_out = max(round(len(self) * fraction), 1) if fraction else 0
        order[held_out:].sort()
        order[:held_out].sort()
        return self.take(order[held_out:]), self.take(order[:held_out])

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
        assert self.labels is not None
        counts = class_counts(self.labels)
        if not fraction or counts.max() < 2:
            return self.split(fraction)
        wanted = max(round(len(self) * fraction), 1)
        if every_class:
            wanted = max(wanted, int((counts > 1).sum()))
        is_held_out = held_out_by_class(self.labels, counts, wanted)
        return self.take(places_of(~is_held_out)), self.take(places_of(is_held_out))

    def transform(
        self, function: Callable[[Any], Any], batch_size: int | None = None
    ) -> "Examples":
        """Return the examples with features that a function or a Keras model made of theirs.

        Args:
            function: From a batch of features, as tensors, to a tensor with one row an example.
                Rows of token numbers may differ in length: `batches` pads them with 0.
            batch_size: Examples in a batch; None for one that suits them.
        """
        # Keras says None of a length that is not known before the texts are.
        ragged = None in getattr(function, "output_shape", ())[1:]
        writer = ColumnsWriter(ragged=ragged)
        is_text = not isinstance(self.features, Mapping) and self.features.dtype.kind == "O"
        batch_size = batch_size or (TEXTS_CHUNK if is_text else CHUNK)
        # Numbers of words fit into half of what Keras gives them.
        found = pipelines.converted(self.features, function, batch_size, narrow=ragged)
        for rows in tracked(found, "Preparing examples", -(-len(self) // batch_size)):
            writer.append({"features": rows})
        return replace(self, features=writer.finish()["features"])

    def batches(self, batch_size: int, *, shuffle: bool = False, by_length: bool = False) -> Any:
        """Return a `tf.data.Dataset` of batches `(features, labels)`, or of features alone.

        Args:
            batch_size: Examples in a batch; the last may have fewer.
            shuffle: Whether to go through the examples in a random order of its own each epoch.
            by_length: Whether to put token numbers of about one length together, cut to the longest
                of each batch: padding is computed on like any token, so that saves most of the
                work.
        """
        make = pipelines.batches_by_length if by_length else pipelines.batches
        dataset = make(self.features, self.labels, batch_size, self.order if shuffle else None)
        dataset.rows = len(self)
        dataset.made = self, batch_size, shuffle, by_length  # what it takes to make it again
        return dataset


class ExamplesWriter:
    """Gathers examples a chunk at a time, in memory as long as they fit there.

    Args:
        coded: Whether texts may be few different ones, as in the columns of a table.
    """

    def __init__(self, *, coded: bool = False) -> None:
        self.columns = ColumnsWriter(coded=coded)
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
        rung: `full`, `sample` or `own`.
        origin: Where the data came from, in words.
        train: Examples to train on.
        test: Examples to report on, never trained on.
        validation: Examples to watch while training; None if the recipe is to hold some out.
        input: What must be known of the inputs, such as the shape of the images.
        answer: What must be known of the answers, such as the names of the classes.
        place: What the origins of the examples are places in, such as `rows.csv, line`; empty if
            they say that themselves.
    """

    name: str
    rung: str
    origin: str
    train: Examples
    test: Examples
    validation: Examples | None = None
    input: Form = NOTHING
    answer: Form = NOTHING
    place: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of their numbers; empty without classes."""
        return tuple(getattr(self.answer, "classes", ()))

    @property
    def has_class_labels(self) -> bool:
        """Tell whether each example is labelled with the number of one class."""
        labels = self.train.labels
        return bool(self.classes) and labels is not None and len(labels.shape) == 1

    def in_order_of(self, seed: int) -> "Source":
        """Return the source with training examples that are shuffled as a seed says."""
        return replace(self, train=replace(self.train, order=Order(seed)))

    def with_classes(self, classes: Sequence[str]) -> "Source":
        """Return the source with other names of classes: a vocabulary that a recipe has made.

        Args:
            classes: What the model tells apart, in the order of their numbers.
        """
        changes: dict[str, Any] = {"classes": tuple(map(str, classes))}
        return replace(self, answer=replace(self.answer, **changes))

    def with_input(self, **changes: Any) -> "Source":
        """Return the source with a changed form of its inputs: what a recipe has chosen.

        Args:
            changes: Fields of the form with other values, such as `size` of noise.
        """
        return replace(self, input=replace(self.input, **changes))

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
        by_class = self.rung == "own" and self.has_class_labels
        split = self.train.split_by_class if by_class else self.train.split
        train, validation = split(fraction)
        if not len(train) or not len(validation):
            raise InputError(
                f"Holding out {fraction:g} of {len(self.train)} training examples leaves "
                f"{len(train)} to train on and {len(validation)} to validate on.",
                "Choose another --validation-fraction.",
            )
        return train, validation

    def without_test(self, fraction: float) -> "Source":
        """Return the source with its validation split to test on, so that nothing sees the test.

        Args:
            fraction: How much of the training examples to hold out if there is no such split.
        """
        train, validation = self.train_and_validation(fraction)
        return replace(self, train=train, validation=validation, test=validation)

    @cached_property
    def fingerprint(self) -> str:
        """Return the first 16 digits of the SHA-256 of all the examples."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for split, examples in self.splits().items():
            digest.update(f"{split} {len(examples)}".encode())
            labels = {} if examples.labels is None else {"": examples.labels}
            for name, column in {**examples.columns, **labels}.items():
                digest.update(f"{name} {column.shape[1:]} {column.dtype.kind}".encode())
                add_to_digest(digest, column)
        return digest.hexdigest()[:16]

    def splits(self) -> Splits:
        """Return the examples of each split that there is."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in found.items() if examples is not None}

    def rows_per_class(self) -> dict[str, dict[str, int]]:
        """Return how many examples of each class each split has; empty without classes."""
        if not self.has_class_labels:
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
            "input": self.input.document(),
            "answer": self.answer.document(),
        }

    def data(
        self,
        *,
        train: Any,
        validation: Any,
        test: Any,
        preprocessing: Any = None,
        balance_classes: bool = False,
        **extra: Any,
    ) -> "Data":
        """Return the pipelines of a recipe, with what its model must know of the data.

        Args:
            train: Batches to train on, a `tf.data.Dataset` made by `Examples.batches` or of it.
            validation: Batches to watch while training.
            test: Batches to report on.
            preprocessing: Keras model or layer from raw input to what the network reads.
            balance_classes: Whether rare classes weigh as much in the loss as common ones.
            extra: Anything else that the recipe's functions share.
        """
        pipelines_of = {"train": train, "validation": validation, "test": test}
        return Data(
            **pipelines_of,
            rows={split: pipelines.rows_of(dataset) for split, dataset in pipelines_of.items()},
            input=self.input,
            answer=self.answer,
            preprocessing=preprocessing,
            class_weight=class_weights(self.train.labels) if balance_classes else None,
            extra=extra,
        )


def class_weights(labels: Column | None) -> dict[int, float] | None:
    """Return the weight of each class in the loss with which rare classes count as much in all.

    Args:
        labels: Class number of each training example, (examples,).

    Returns:
        examples / (classes * examples of the class), by class number; None without labels.
    """
    if labels is None:
        return None
    counts = class_counts(labels)
    numbers = np.flatnonzero(counts)
    counts = counts[numbers]
    weights = counts.sum() / (len(numbers) * counts)
    return {int(number): float(weight) for number, weight in zip(numbers, weights, strict=True)}


def _counts(examples: Examples, classes: int) -> list[int]:
    """Return how many examples each class has, by its number."""
    assert examples.labels is not None
    return list(map(int, class_counts(examples.labels, classes)))


@dataclass(frozen=True, eq=False)
class Data:
    """The pipelines of a recipe and what its model must know of the data: what `load` returns.

    Args:
        train: Batches to train on, a `tf.data.Dataset`.
        validation: Batches to watch while training.
        test: Batches to report on.
        rows: Examples in each split.
        input: What must be known of the inputs (see `Source`).
        answer: What must be known of the answers.
        preprocessing: Keras model or layer from raw input (text, named columns) to what the
            network reads; None if it reads raw input.
        class_weight: Weight of each class in the loss; None for equal weights.
        extra: Anything else that the recipe's functions share.
    """

    train: Any
    validation: Any
    test: Any
    rows: Mapping[str, int]
    input: Form = NOTHING
    answer: Form = NOTHING
    preprocessing: Any = None
    class_weight: dict[int, float] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of their numbers; empty without classes."""
        return tuple(getattr(self.answer, "classes", ()))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return height, width and channels of the images; empty without images."""
        return tuple(getattr(self.input, "shape", ()))

    @property
    def steps(self) -> int:
        """Return how many batches an epoch of training has; 0 if that is not known."""
        return max(int(self.train.cardinality()), 0)
