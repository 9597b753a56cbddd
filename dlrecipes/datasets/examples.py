"""Labelled examples in memory, their fingerprint, and the `tf.data` pipelines over them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrecipes.errors import InputError

Array = npt.NDArray[Any]
Features = Array | dict[str, Array]
"""One array whose first axis is the example, or one such array for each named column."""

SPLIT_SEED = 0
"""Held-out rows are the same whatever seed a run has, so that runs can be compared."""

BATCHES_SORTED = 50
"""Batches whose examples are sorted by length together."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples in memory.

    Args:
        features: Inputs: an array with one row an example, or such an array for each column.
        labels: What is to be predicted, one for each example; None if the inputs are all there is.
        seed: Seeds the order in which `batches` shuffles.
    """

    features: Features
    labels: Array | None = None
    seed: int = 0

    def __len__(self) -> int:
        """Return the number of examples."""
        if isinstance(self.features, dict):
            return len(next(iter(self.features.values())))
        return len(self.features)

    def take(self, rows: Array) -> "Examples":
        """Return the examples at these row numbers."""
        features = (
            {name: column[rows] for name, column in self.features.items()}
            if isinstance(self.features, dict)
            else self.features[rows]
        )
        labels = None if self.labels is None else self.labels[rows]
        return Examples(features, labels, self.seed)

    def split(self, fraction: float) -> tuple["Examples", "Examples"]:
        """Return the examples without a random fraction of them, and that fraction.

        Args:
            fraction: How much to hold out, from 0 to below 1; the same rows every time.
        """
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self))
        held_out = round(len(self) * fraction)
        return self.take(np.sort(order[held_out:])), self.take(np.sort(order[:held_out]))

    def transform(self, function: Callable[[Any], Any], batch_size: int = 4096) -> "Examples":
        """Return the examples with features that a function or a Keras model made of theirs.

        Args:
            function: From a batch of features, as tensors, to a tensor with one row an example.
                Rows of token numbers may differ in length between batches: all are padded with 0.
            batch_size: Examples in a batch.
        """
        import tensorflow as tf

        columns = self.features
        parts = []
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            if isinstance(columns, dict):
                # Keras reads a column as (batch, 1).
                batch: Any = {
                    name: tf.constant(column[rows, None]) for name, column in columns.items()
                }
            else:
                batch = tf.constant(columns[rows])
            parts.append(np.asarray(function(batch)))
        width = max(part.shape[-1] for part in parts)
        padded = [
            np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, width - part.shape[-1])])
            for part in parts
        ]
        return Examples(np.concatenate(padded), self.labels, self.seed)

    def batches(self, batch_size: int, *, shuffle: bool = False) -> Any:
        """Return a `tf.data.Dataset` of batches `(features, labels)`, or of features alone.

        Rows are shuffled as numbers and gathered a batch at a time, which costs far less than
        handling examples one by one. The order depends on nothing but the seed and the epoch.

        Args:
            batch_size: Examples in a batch; the last may have fewer.
            shuffle: Whether to go through the examples in a new random order each epoch.
        """
        import tensorflow as tf

        rows = tf.data.Dataset.range(len(self))
        if shuffle:
            rows = rows.shuffle(max(len(self), 1), seed=self.seed)
        return with_fixed_pipeline(rows.batch(batch_size).map(self._gather()))

    def batches_by_length(self, batch_size: int, *, shuffle: bool = False) -> Any:
        """Return batches of token numbers of about one length, cut to the longest of each batch.

        Padding is computed on like any token, so batches of like lengths save most of the work.
        Chunks of 50 random batches are sorted by length, cut into batches, and shuffled again.

        Args:
            batch_size: Examples in a batch; the last of the longest may have fewer.
            shuffle: Whether to go through the examples in a new random order each epoch.
        """
        import tensorflow as tf

        assert isinstance(self.features, np.ndarray)
        lengths = tf.constant(np.maximum((self.features != 0).sum(axis=1), 1).astype("int32"))
        gather = self._gather()

        def sort(rows: Any) -> Any:
            order = tf.argsort(tf.gather(lengths, rows), stable=True)
            return tf.data.Dataset.from_tensor_slices(tf.gather(rows, order)).batch(batch_size)

        def cut(rows: Any) -> Any:
            tokens, labels = gather(rows)
            return tokens[:, : tf.reduce_max(tf.gather(lengths, rows))], labels

        rows = tf.data.Dataset.range(len(self))
        if shuffle:
            rows = rows.shuffle(max(len(self), 1), seed=self.seed)
        batches = rows.batch(batch_size * BATCHES_SORTED).flat_map(sort)
        if shuffle:
            batches = batches.shuffle(BATCHES_SORTED, seed=self.seed + 1)
        steps = tf.data.experimental.assert_cardinality(-(-len(self) // batch_size))
        return with_fixed_pipeline(batches.apply(steps).map(cut))

    def _gather(self) -> Callable[[Any], Any]:
        """Return the function from row numbers to those rows, as tensors."""
        import tensorflow as tf

        columns = self.features if self.labels is None else (self.features, self.labels)
        tensors = tf.nest.map_structure(tf.constant, columns)
        return lambda rows: tf.nest.map_structure(lambda column: tf.gather(column, rows), tensors)


def with_fixed_pipeline(dataset: Any) -> Any:
    """Return a `tf.data.Dataset` that prefetches two elements, in order, without autotuning.

    Autotuning costs more than it saves in the short epochs of these recipes.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    # Ours is one cheap gather a batch: there is nothing to run in parallel.
    options.experimental_optimization.map_parallelization = False
    return dataset.prefetch(2).with_options(options)


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

    def train_and_validation(self, fraction: float) -> tuple[Examples, Examples]:
        """Return examples to train on and to watch, holding some out if there is no such split.

        Args:
            fraction: How much of the training examples to hold out, from 0 to below 1.

        Raises:
            InputError: if that leaves nothing to train on, or nothing to watch.
        """
        if self.validation is not None:
            return self.train, self.validation
        train, validation = self.train.split(fraction)
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
            digest.update(split.encode())
            columns = (
                examples.features
                if isinstance(examples.features, dict)
                else {"features": examples.features}
            )
            for name, column in columns.items():
                digest.update(name.encode())
                _update(digest, column)
            if examples.labels is not None:
                _update(digest, examples.labels)
        return digest.hexdigest()[:16]

    def splits(self) -> dict[str, Examples]:
        """Return the examples of each split that there is."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in found.items() if examples is not None}

    def stamp(self) -> dict[str, Any]:
        """Return what a run records of its data."""
        return {
            "rung": self.rung,
            "name": self.name,
            "source": self.origin,
            "fingerprint": self.fingerprint,
            "rows": {split: len(examples) for split, examples in self.splits().items()},
            "classes": list(self.classes),
            "target": self.target,
        }


def _update(digest: Any, column: Array) -> None:
    """Add the content of an array to a digest."""
    digest.update(f"{column.shape}{column.dtype.kind}".encode())
    if column.dtype.kind in "OUS":
        for text in column.reshape(-1):
            content = text if isinstance(text, bytes) else str(text).encode()
            digest.update(len(content).to_bytes(8, "big") + content)
    else:
        digest.update(np.ascontiguousarray(column))


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
