"""`tf.data` pipelines over columns of examples, in an order that seed and epoch decide alone.

A pipeline computes which rows stand in step s of epoch e from (seed, e, s), with no state and no
buffer: it can begin at any step, and the memory it takes does not grow with the rows. Rows are
gathered a batch at a time, which costs far less than handling examples one by one. A training that
is resumed within an epoch passes over the steps that are done: their batches are of one row.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from dlrecipes.datasets.content import Memory
from dlrecipes.datasets.storage import Array, CodedColumn, Column, StoredColumn, column_lengths

BATCHES_SORTED = 50
"""Batches whose examples are sorted by length together."""
ROUNDS = 16
"""Of the cipher behind a random order. With 4, which TensorFlow takes by itself, the orders of two
epochs correlate at 0.85; from 8 on they do not."""


@dataclass(frozen=True, eq=False)
class Order:
    """A random order of rows, another in each epoch.

    Args:
        seed: From 0 to 2**32 - 1: the same seed gives the same orders.
        steps: How many steps the pipelines in this order have.
    """

    seed: int = 0
    steps: set[int] = field(default_factory=set)

    @cached_property
    def epoch(self) -> Any:
        """Return the number of the epoch, from 0, which decides the order: a `tf.Variable`."""
        import tensorflow as tf

        with tf.device("/CPU:0"):
            return tf.Variable(0, dtype="int64", trainable=False)

    @cached_property
    def first_step(self) -> Any:
        """Return the step, from 0, that the epoch goes on at: a `tf.Variable`."""
        import tensorflow as tf

        with tf.device("/CPU:0"):
            return tf.Variable(0, dtype="int64", trainable=False)

    def needed(self, rows: Any, step: Any) -> Any:
        """Return the rows of a step; one of them if it comes before the first one."""
        import tensorflow as tf

        return rows[: tf.where(step < self.first_step, 1, tf.size(rows))]

    def shuffled(self, places: Any, count: int, stream: int = 0) -> Any:
        """Return what stands at these places of the order.

        Args:
            places: int64 tensor of numbers from 0 to below `count`.
            count: How many there are to put in order.
            stream: Another one gives another order.
        """
        import tensorflow as tf

        return tf.raw_ops.RandomIndexShuffle(
            index=places,
            seed=tf.stack([tf.constant(self.seed, "int64"), self.epoch, stream]),
            max_index=tf.constant(count - 1, "int64"),
            rounds=ROUNDS,
        )


@dataclass(frozen=True)
class Share:
    """The share of every batch that one of several processes or devices trains on.

    Args:
        number: Of the process or device, from 0.
        count: How many there are.
    """

    number: Any
    count: int

    def of(self, batch: Any) -> Any:
        """Return its rows of a batch: each row is in one share, and no share is empty.

        Of fewer rows than shares some stand twice.

        Args:
            batch: Tensors with as many rows each, in a nest as `tf.nest` has it.
        """
        import tensorflow as tf

        if self.count == 1:
            return batch
        size = tf.cast(tf.shape(tf.nest.flatten(batch)[0])[0], "int64")
        start = self.number * size // self.count
        end = tf.maximum((self.number + 1) * size // self.count, start + 1)
        return tf.nest.map_structure(lambda tensor: tensor[start:end], batch)


WHOLE = Share(0, 1)


def batches(features: Any, labels: Column | None, batch_size: int, order: Order | None) -> Any:
    """Return a `tf.data.Dataset` of batches `(features, labels)`, or of features alone.

    Args:
        features: A column, or columns by name.
        labels: A column with as many rows, or None.
        batch_size: Rows in a batch; the last may have fewer.
        order: The order of rows; None for that in which they stand.
    """
    import tensorflow as tf

    count = len(next(iter(features.values())) if isinstance(features, dict) else features)
    gather = _gatherer(features if labels is None else (features, labels))

    def batch(step: Any, share: Share) -> Any:
        places = tf.range(step * batch_size, tf.minimum((step + 1) * batch_size, count))
        places = share.of(order.needed(places, step) if order else places)
        return gather(order.shuffled(places, count) if order else places)

    dataset = _of_steps(batch, -(-count // batch_size), order, count)
    dataset.row_order = None if order else partial(np.arange, count)
    return dataset


def batches_by_length(
    features: Any, labels: Column | None, batch_size: int, order: Order | None
) -> Any:
    """Return batches of token numbers of about one length, cut to the longest of each batch.

    Groups of 50 batches are sorted by length and cut into batches, which are shuffled again.

    Args:
        features: Rows of token numbers (rows, time), 0 for padding.
        labels: A column with as many rows, or None.
        batch_size: Rows in a batch; the last of the longest may have fewer.
        order: The order of rows, and of batches; None for that in which they stand.
    """
    import tensorflow as tf

    count = len(features)
    lengths = tf.constant(column_lengths(features), "int32")
    gather = _gatherer(features if labels is None else (features, labels))
    steps, group = -(-count // batch_size), batch_size * BATCHES_SORTED

    def batch(step: Any, share: Share) -> Any:
        number = order.shuffled(step, steps, stream=1) if order else step
        start = number // BATCHES_SORTED * group
        places = tf.range(start, tf.minimum(start + group, count))
        rows = order.shuffled(places, count) if order else places
        rows = tf.gather(rows, tf.argsort(tf.gather(lengths, rows), stable=True))
        first = number % BATCHES_SORTED * batch_size
        rows = rows[first : first + batch_size]
        rows = order.needed(rows, step) if order else rows
        longest = tf.reduce_max(tf.gather(lengths, rows))
        tokens, *rest = tf.nest.flatten(gather(share.of(rows)))
        tokens = tokens[:, :longest]
        if share.count > 1:  # The longest may be in another share.
            tokens = tf.pad(tokens, [[0, 0], [0, longest - tf.shape(tokens)[1]]])
        return (tokens, *rest) if rest else tokens

    def row_order() -> Array:
        known = column_lengths(features)
        groups = np.split(np.arange(count), range(group, count, group))
        sorted_groups = [rows[np.argsort(known[rows], kind="stable")] for rows in groups]
        return np.concatenate(sorted_groups)

    dataset = _of_steps(batch, steps, order, count)
    dataset.row_order = None if order else row_order
    return dataset


def _of_steps(
    batch: Callable[[Any, Share], Any], steps: int, order: Order | None, rows: int
) -> Any:
    """Return the fixed pipeline of the batches of all steps: it knows its rows and its shares."""

    def of_share(share: Share) -> Any:
        dataset = _mapped(_steps(steps, order), lambda step: batch(step, share))
        return with_fixed_pipeline(dataset)

    pipeline = of_share(WHOLE)
    pipeline.rows, pipeline.of_share = rows, of_share
    return pipeline


def share_of(dataset: Any, share: Share) -> Any:
    """Return a pipeline with a share of each batch.

    Of what `batches` returned no other rows are read. What was made of that is read whole, and cut.

    Args:
        dataset: A `tf.data.Dataset` of batches.
        share: Which share.
    """
    if hasattr(dataset, "of_share"):
        return dataset.of_share(share)

    def cut(*batch: Any) -> Any:
        return share.of(batch if len(batch) > 1 else batch[0])

    return with_fixed_pipeline(_mapped(dataset, cut))


def rows_of(dataset: Any) -> int:
    """Return the rows that a pipeline goes through, made by `batches` or of what that returned.

    A `tf.data.Dataset` that was made otherwise is counted by its batches, as if each had the rows
    of the first; 0 if even that cannot be told.
    """
    for one in _with_inputs(dataset):
        if isinstance(rows := getattr(one, "rows", None), int):
            return rows
    steps = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else 0
    if steps <= 0:
        return 0
    import tensorflow as tf

    (first,) = tf.nest.flatten(next(iter(dataset)))[:1]
    return steps * int(first.shape[0])


def row_order(dataset: Any) -> Array | None:
    """Return the number of each row that a pipeline goes through, in its order.

    Args:
        dataset: Made by `batches` or `batches_by_length`, or of what those returned.

    Returns:
        The numbers, int64 (rows,); None for an order that changes, or that is not known.
    """
    for one in _with_inputs(dataset):
        if hasattr(one, "row_order"):
            order: Array | None = one.row_order() if one.row_order else None
            return order
    return None


def _with_inputs(dataset: Any) -> Iterator[Any]:
    """Yield a `tf.data.Dataset` and those that it was made of, the nearest first."""
    pending = [dataset]
    while pending:
        one = pending.pop()
        yield one
        pending += one._inputs() if hasattr(one, "_inputs") else ()


def _mapped(dataset: Any, function: Callable[..., Any], **options: Any) -> Any:
    """Return a mapped `tf.data.Dataset`, traced without AutoGraph, which takes longer.

    Args:
        dataset: The data set.
        function: Has no `if` or loop over tensors.
        options: As `tf.data.Dataset.map` has them.
    """
    import tensorflow as tf

    return dataset.map(tf.autograph.experimental.do_not_convert(function), **options)


def _steps(count: int, order: Order | None) -> Any:
    """Return a `tf.data.Dataset` of the steps of an epoch, from 0."""
    import tensorflow as tf

    if order:
        order.steps.add(count)
    return tf.data.Dataset.range(count)


def converted(
    features: Any, function: Callable[[Any], Any], batch_size: int, *, narrow: bool = False
) -> Iterator[Any]:
    """Yield what a function or a Keras model makes of the rows, in order, on all processor cores.

    Args:
        features: A column, or columns by name.
        function: From a batch of rows, as tensors, to a nest of tensors. Of several columns by
            name each is given as (batch, 1), as Keras reads them.
        batch_size: Rows that it is given at once.
        narrow: Whether int64 is to become int32.
    """
    import keras
    import tensorflow as tf

    def convert(rows: Any) -> Any:
        if isinstance(rows, dict):
            rows = {name: tf.expand_dims(column, -1) for name, column in rows.items()}
        results = function(rows)
        return tf.cast(results, "int32") if narrow and results.dtype == tf.int64 else results

    rows = batches(features, None, batch_size, None)
    parallel = {"num_parallel_calls": os.cpu_count() or 1, "deterministic": True}
    # Keras needs no AutoGraph either; a function of somebody else's may.
    is_layer = isinstance(function, keras.Layer)
    results = _mapped(rows, convert, **parallel) if is_layer else rows.map(convert, **parallel)
    yield from results.as_numpy_iterator()


def _gatherer(columns: Any) -> Callable[[Any], Any]:
    """Return the function from row numbers to those rows, as tensors.

    Args:
        columns: Columns in a nest as `tf.nest` has it.
    """
    import tensorflow as tf

    flat = tf.nest.flatten(columns)
    if not any(_is_read_by_python(column) for column in flat):
        gatherers = [_gatherer_in_memory(column) for column in flat]
        return lambda rows: tf.nest.pack_sequence_as(
            columns, [gather_column(rows) for gather_column in gatherers]
        )

    types = [tf.as_dtype("string" if column.dtype == object else column.dtype) for column in flat]

    def gather(rows: Any) -> Any:
        # Without rows in between, which a file is read faster in.
        read = tf.numpy_function(
            lambda numbers: [column[numbers] for column in flat], [rows], types
        )
        for tensor, column in zip(read, flat, strict=True):
            ragged = isinstance(column, StoredColumn) and column.ends is not None
            tensor.set_shape([None, *(None if ragged else size for size in column.shape[1:])])
        return tf.nest.pack_sequence_as(columns, read)

    return gather


def _is_read_by_python(column: Column) -> bool:
    """Tell whether TensorFlow cannot read the rows of a column by itself: texts, or in a file."""
    return isinstance(column, StoredColumn) and (
        column.dtype.kind == "O"
        or isinstance(column, CodedColumn)
        or not isinstance(column.content, Memory)
    )


def _gatherer_in_memory(column: Column) -> Callable[[Any], Any]:
    """Return the function from row numbers to those rows of a column in memory, as a tensor."""
    import tensorflow as tf

    # A constant of a large array takes twice its memory, and gives half of it back.
    if not isinstance(column, StoredColumn):
        whole = tf.Variable(column, trainable=False)
        return lambda rows: tf.gather(whole, rows)
    assert isinstance(column.content, Memory)
    content = tf.Variable(column.content.bytes.view(column.dtype), trainable=False)
    width = column.shape[1]
    starts, ends = (tf.constant(places) for places in column.places(slice(None)))

    def gather(rows: Any) -> Any:
        ranges = tf.ragged.range(tf.gather(starts, rows), tf.gather(ends, rows))
        found = ranges.with_flat_values(tf.gather(content, ranges.flat_values))
        return found.to_tensor(shape=(None, width))

    return gather


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
