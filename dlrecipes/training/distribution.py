"""Several devices or processes that train one network: each takes its share of every batch.

TensorFlow's own strategies do the work. What Keras 3 does wrongly under them is set right here, so
that a recipe stays as it is: shares of a batch that differ in size count by their rows, gradients
are clipped after they are summed, batch normalization sees the whole batch, and each device draws
random numbers of its own.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Keras divides a loss by the number of devices, which is right for shares of one size alone.
from keras.src.losses import loss as keras_loss

# Joining has limits that no public class can set.
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context as tf_context

from dlrecipes.datasets.pipelines import Share, share_of, with_fixed_pipeline
from dlrecipes.errors import InputError
from dlrecipes.runs.checkpoints import Array
from dlrecipes.system.backend import quiet_stderr

STRIDE = 0x9E3779B9
"""Between the seeds of two devices: 2**32 over the golden ratio, which keeps them far apart."""
SEEDS = 2**31
JOIN_MILLISECONDS = 8_000
"""In which workers that have met must have joined; TensorFlow takes up to twice as long."""


def shares(batches: Any, count: int) -> Any:
    """Return a pipeline with the shares of all devices of each batch, one after the other.

    Args:
        batches: A `tf.data.Dataset` of batches.
        count: How many devices there are.
    """

    def split(*batch: Any) -> Any:
        whole = batch if len(batch) > 1 else batch[0]
        return tf.data.Dataset.range(count).map(lambda number: Share(number, count).of(whole))

    return with_fixed_pipeline(batches.flat_map(split))


class Devices(tf.distribute.MirroredStrategy):
    """TensorFlow's strategy for the devices of one machine, with shares of the batches as above."""

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return a pipeline of batches that every device takes its share of."""
        count = self.num_replicas_in_sync
        return self.distribute_datasets_from_function(
            lambda context: shares(dataset, count), options
        )


class Workers(tf.distribute.MultiWorkerMirroredStrategy):
    """TensorFlow's strategy for several processes, each of which trains on one device.

    Args:
        addresses: `HOST:PORT` of each, for TensorFlow's own servers.
        rank: Number of this one, from 0.
    """

    def __init__(self, addresses: Sequence[str], rank: int) -> None:
        _limit_joining(len(addresses))
        cluster = tf.train.ClusterSpec({"worker": list(addresses)})
        super().__init__(
            tf.distribute.cluster_resolver.SimpleClusterResolver(
                cluster, task_type="worker", task_id=rank, rpc_layer="grpc"
            )
        )
        self.rank = rank

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return a pipeline of this worker's share of every batch.

        A worker has one device, and needs none of TensorFlow's iterators for several, each of which
        takes long to begin an epoch; `options` are theirs.
        """
        return share_of(dataset, Share(self.rank, self.num_replicas_in_sync))

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """Reduce as TensorFlow does, unless a step has done that.

        Keras asks for axis 0 of metrics, which are numbers.
        """
        if isinstance(value, tf.Tensor) and getattr(value, "is_of_all", False):
            return value
        is_number = self.experimental_local_results(value)[0].shape.rank == 0
        return super().reduce(reduce_op, value, None if axis == 0 and is_number else axis)

    def stacked(self, variable: Any) -> Array:
        """Return the values that all workers have of a variable, (workers, …).

        TensorFlow's `gather` does it, too, in a hundred times as long: it is traced each time.
        """
        value = tf.identity(variable)[tf.newaxis]
        others = [self.rank, self.num_replicas_in_sync - 1 - self.rank]
        row = tf.pad(value, [others, *[[0, 0]] * (len(value.shape) - 1)])
        found: Array = super().reduce("SUM", row, axis=None).numpy()
        return found

    def any_of(self, flags: Sequence[bool]) -> list[bool]:
        """Return for each flag whether some worker has it; all of them call this."""
        mine = tf.constant([float(flag) for flag in flags])
        return [bool(count > 0) for count in super().reduce("SUM", mine, axis=None).numpy()]


def _limit_joining(count: int) -> None:
    """Have TensorFlow give up soon if a worker is lost while they join.

    It holds Python's interpreter meanwhile, so that nobody else can notice; and for an hour, unless
    it is told otherwise in a way that the strategy itself has no argument for.
    """
    context: Any = tf_context.context()
    context.configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/task:0",
        cluster_register_timeout_in_ms=JOIN_MILLISECONDS,
        coordinated_jobs=[CoordinatedJob(name="worker", num_tasks=count)],
    )
    context.coordination_service.cluster_register_with_barrier = True


def joined(addresses: Sequence[str], rank: int) -> Workers:
    """Return the strategy for workers, once all have joined; see `Workers`.

    TensorFlow takes SIGTERM for itself then, and would not end by it.

    Raises:
        InputError: if they cannot reach each other.
    """
    try:
        with quiet_stderr():
            strategy = Workers(addresses, rank)
    except tf.errors.OpError as error:
        raise InputError(
            f"The workers have met, but TensorFlow cannot join them at {', '.join(addresses)}.",
            "Workers must reach each other on any port, not only at the coordinator's.",
        ) from error
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


@cache
def strategy_of(scopes: tuple[str, ...]) -> Devices:
    """Return the strategy for devices, which is the same for all trainings of a process.

    Args:
        scopes: Each as `tf.device` takes it.
    """
    return Devices(list(scopes))


@contextmanager
def scope_of(strategy: Any) -> Iterator[None]:
    """Give the block a strategy to build and train in, with losses that no one divides."""
    names = ("scale_loss_for_distribution", "unscale_loss_for_distribution")
    kept = {name: getattr(keras_loss, name) for name in names}
    for name in names:
        setattr(keras_loss, name, lambda value: value)
    try:
        with strategy.scope():
            yield
    finally:
        for name, function in kept.items():
            setattr(keras_loss, name, function)


def synchronize(model: Any, optimizers: Any) -> None:
    """Have a model that was built in a strategy's scope train as on one device with whole batches.

    Args:
        model: The compiled model.
        optimizers: All of its optimizers.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer._moments = partial(_moments_of_all, layer)
    # It takes the mean of the devices' shares, which differ in size. Resumption builds the model.
    model._maybe_symbolic_build = lambda **options: None
    # Its loop over several steps cannot be traced with batches of several devices.
    model.steps_per_execution = 1
    rows = threading.local()  # Each device's step is traced in a thread of its own.
    train_step, test_step = model.train_step, model.test_step

    def counted_step(data: Any) -> Any:
        rows.count = tf.shape(tf.nest.flatten(data)[0])[0]
        return _mean_of_all(train_step(data))

    model.train_step = counted_step
    model.test_step = lambda data: _mean_of_all(test_step(data))
    for optimizer in optimizers:
        _sum_first(optimizer, lambda: rows.count)


def _moments_of_all(layer: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Return what `BatchNormalization._moments` does, of the batches of all devices together.

    Each device finds those of its share, and all learn those of the others at once. Keras has that,
    too (`synchronized`), in three questions, with a mean of squares less a square of the mean, and
    gradients that are right only for shares of one size.

    Args:
        layer: The layer.
        inputs: Its inputs (batch, …), float32 or wider.
        mask: Booleans of the shape of the inputs without the last axis, or None.
    """
    mean, variance = type(layer)._moments(layer, inputs, mask)
    context = tf.distribute.get_replica_context()
    if context is None:
        return mean, variance
    count = tf.size(inputs) / tf.size(mean) if mask is None else tf.math.count_nonzero(mask)
    own = tf.stack([tf.fill(tf.shape(mean), tf.cast(count, mean.dtype)), mean, variance])
    place = tf.one_hot(
        context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=own.dtype
    )
    rows = tf.cast(tf.shape(inputs)[0], own.dtype)
    known = _sum_of_all(context, place[:, tf.newaxis, tf.newaxis] * own, rows)
    counts, means, variances = tf.unstack(known, axis=1)
    parts = tf.math.divide_no_nan(counts, tf.reduce_sum(counts, axis=0))
    mean = tf.reduce_sum(parts * means, axis=0)
    return mean, tf.reduce_sum(parts * (variances + tf.square(means - mean)), axis=0)


def _sum_of_all(context: Any, values: Any, rows: Any) -> Any:
    """Return the sum of the values of all devices, in a step whose gradients are weighted later.

    `_mean_gradients` weighs the gradients of a share by its rows. What the loss of another share
    adds to them through the sum is weighed by the rows of that one here.

    Args:
        context: Of the device, `tf.distribute.ReplicaContext`.
        values: Those of this device.
        rows: Rows of its share.
    """

    def summed(own: Any) -> tuple[Any, Callable[[Any], Any]]:
        def gradient(upstream: Any) -> Any:
            return context.all_reduce(tf.distribute.ReduceOp.SUM, upstream * rows) / rows

        return context.all_reduce(tf.distribute.ReduceOp.SUM, own), gradient

    found: Any = tf.custom_gradient(summed)(values)
    return found


def _mean_of_all(logs: Any) -> Any:
    """Return what a step has found, the mean over the devices; asked for at once."""
    flat = tf.nest.flatten(logs)
    if not flat or any(value is None for value in flat):
        return logs
    context = tf.distribute.get_replica_context()
    numbers = [tf.cast(value, "float32") for value in flat]
    means = context.all_reduce(tf.distribute.ReduceOp.MEAN, numbers)
    for mean in means:
        mean.is_of_all = True
    return tf.nest.pack_sequence_as(logs, means)


def _sum_first(optimizer: Any, rows: Callable[[], Any]) -> None:
    """Have an optimizer clip the gradients of the whole batch, not those of each share."""
    clip = optimizer._clip_gradients
    optimizer._clip_gradients = lambda gradients: clip(_mean_gradients(gradients, rows()))
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _mean_gradients(gradients: Any, rows: Any) -> list[Any]:
    """Return the gradients of the mean over a batch, from those over this device's share."""
    context = tf.distribute.get_replica_context()
    if context is None:  # A model is built in its scope, where there is no share.
        return list(gradients)
    found = [tf.convert_to_tensor(gradient) for gradient in gradients]
    # All in one: each time that devices ask each other takes as long as a small step.
    wide = "float64" if any(one.dtype == "float64" for one in found) else "float32"
    count = tf.cast(rows, wide)
    weighted = [count, *(tf.cast(one, wide) * count for one in found)]
    total, *summed = context.all_reduce(tf.distribute.ReduceOp.SUM, weighted)
    return [tf.cast(one / total, was.dtype) for one, was in zip(summed, found, strict=True)]


def is_per_device(variable: Any) -> bool:
    """Tell whether each device has a value of its own of a Keras variable: a running metric."""
    held = getattr(variable, "_value", variable)
    return (
        isinstance(held, tf.distribute.DistributedValues)
        and held.synchronization == tf.VariableSynchronization.ON_READ
    )


def _parts(variable: Any) -> Any:
    """Return the variables, one a device, that are behind a variable, Keras's or TensorFlow's."""
    held = getattr(variable, "_value", variable)
    return tf.distribute.get_strategy().experimental_local_results(held)


def _first() -> int:
    """Return the number of the first device of this process among all."""
    rank: int = getattr(tf.distribute.get_strategy(), "rank", 0)
    return rank


def first_of(variable: Any) -> Any:
    """Return what is behind a variable, Keras's or TensorFlow's, on the first of its devices."""
    held = getattr(variable, "_value", variable)
    return held.values[0] if isinstance(held, tf.distribute.DistributedValues) else held


def values_of(variable: Any) -> Array:
    """Return the values that the devices have of a variable, (devices, …)."""
    strategy, parts = tf.distribute.get_strategy(), _parts(variable)
    if isinstance(strategy, Workers):
        return strategy.stacked(parts[0])
    return np.stack([part.numpy() for part in parts])


def assign_values(variable: Any, values: Array) -> None:
    """Set what `values_of` returned; of another number of devices, each gets the same part."""
    parts, first = _parts(variable), _first()
    count = tf.distribute.get_strategy().num_replicas_in_sync
    if len(values) != count:
        values = np.stack([values.sum(axis=0) / count] * count)
    values = values[first : first + len(parts)]
    for part, value in zip(parts, values, strict=True):
        part.assign(value.astype(part.dtype.as_numpy_dtype))


def spread_seed(variable: Any, state: Array) -> None:
    """Set the state of a random generator: each device draws numbers of its own.

    Args:
        variable: The state, [seed, counter].
        state: That of the first device.
    """
    for number, part in enumerate(_parts(variable), start=_first()):
        seed = (int(state[0]) + STRIDE * number) % SEEDS
        spread = np.array([seed, *state[1:]], state.dtype)
        part.assign(spread if number else state)
