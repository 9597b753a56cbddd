"""What networks for tables share: waves of numbers, and members that share their weights."""

import math
from typing import Any

MOST_NUMBERS = 128
"""With more, waves would cost more than all other layers: there are none."""
WAVE_OUTPUTS = 3
"""Numbers that the waves of one number are summed up to."""


def number_waves(columns: Any, preprocessing: Any, waves: int, frequency: float) -> Any:
    """Return columns with sums of waves of their numbers: V cos(2 pi f x + p) + b of each x.

    The frequencies f and phases p are learned, and belong to one column each: PBLD of RealMLP
    (arXiv:2407.04491), after Gorishniy and others 2022, arXiv:2203.05556.

    Args:
        columns: Standardised columns (batch, columns), numbers first.
        preprocessing: What `standardised_columns` returned, which made them.
        waves: Waves of each number; 0 for none.
        frequency: Initial standard deviation of the frequencies, in cycles per interquartile range.
            Low frequencies are smooth, which suits few rows.

    Returns:
        (batch, columns + 3 * numbers).
    """
    from keras import initializers, layers, ops

    numbers = sum("float" in tensor.dtype for tensor in preprocessing.inputs)  # no text, no date
    if not 0 < numbers <= MOST_NUMBERS or not waves:
        return columns
    angles = layers.EinsumDense(
        "bn,nw->bnw",
        output_shape=(numbers, waves),
        bias_axes="nw",
        kernel_initializer=initializers.RandomNormal(stddev=2 * math.pi * frequency),
        bias_initializer=initializers.RandomUniform(-math.pi, math.pi),
        name="waves",
    )(columns[:, :numbers])
    seen = ops.cos(angles)
    limit = waves**-0.5
    sums = layers.EinsumDense(
        "bnw,nwo->bno",
        output_shape=(numbers, WAVE_OUTPUTS),
        bias_axes="no",
        kernel_initializer=initializers.RandomUniform(-limit, limit),
        name="sums_of_waves",
    )(seen)
    return layers.Concatenate()([columns, layers.Flatten()(sums)])


def for_each_member(x: Any, members: int) -> Any:
    """Return (batch, members, columns): the columns as each member sees them, times its factors.

    The layers after it are the same for all members, so that many cost less than as many networks
    and learn from each other: TabM-mini (arXiv:2410.24210). A single one sees the columns as they
    are, (batch, columns).

    Args:
        x: (batch, columns).
        members: How many.
    """
    from keras import initializers, layers

    if members == 1:
        return x
    factors = layers.EinsumDense(
        "bc,mc->bmc",
        output_shape=(members, x.shape[-1]),
        kernel_initializer=initializers.RandomNormal(stddev=1.0),
        name="members",
    )
    return factors(x)


def member_outputs(x: Any, units: int, activation: str | None = None) -> Any:
    """Return what each member answers, (batch, members, units), by a last layer of its own.

    Args:
        x: (batch, members, columns), or (batch, columns) of a single one.
        units: Numbers in an answer.
        activation: Function of the last layer, by its name in Keras.
    """
    from keras import initializers, layers

    options: dict[str, Any] = {"activation": activation, "dtype": "float32", "name": "answers"}
    if len(x.shape) == 2:
        return layers.Reshape((1, units))(layers.Dense(units, **options)(x))
    _, members, width = x.shape
    start = initializers.RandomUniform(-(width**-0.5), width**-0.5)
    shape = {"output_shape": (members, units), "bias_axes": "mu"}
    return layers.EinsumDense("bmc,mcu->bmu", kernel_initializer=start, **shape, **options)(x)


def mean_of_members(model: Any) -> Any:
    """Return the model that answers with the mean of its members: (batch, units)."""
    import keras
    from keras import ops

    return keras.Model(model.input, ops.mean(model.output, axis=1))


def error_of_members(loss: str, scale: float) -> Any:
    """Return the loss of each example: the mean over the members of their own errors.

    Args:
        loss: `mae`, `mse` or `huber`.
        scale: What errors are divided by, so that the unit of the target does not matter; `huber`
            is linear from there on.
    """
    import keras
    from keras import ops

    class ErrorOfMembers(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            target = ops.reshape(y_true, (-1, 1, 1))
            difference = ops.cast((y_pred - target) / scale, "float32")
            size, square = ops.absolute(difference), ops.square(difference)
            huber = ops.where(size < 1, square / 2, size - 0.5)
            errors = {"mae": size, "mse": square, "huber": huber}
            return ops.mean(errors[loss], axis=(1, 2))

    # Keras would round targets to float32 before the loss sees them, and they may differ in their
    # tenth digit alone.
    return ErrorOfMembers(dtype="float64")


def mae_of_mean(target: Any, values: Any) -> Any:
    """Return the absolute error of each example's mean over the members, in the target's unit."""
    from keras import ops

    target = ops.cast(target, "float64")
    return ops.absolute(ops.reshape(target, (-1,)) - ops.mean(ops.cast(values, "float64"), (1, 2)))


def surprise_of_members(label: Any, probabilities: Any) -> Any:
    """Return the cross-entropy of each example, the mean over the members of their own.

    Args:
        label: Class number (batch,).
        probabilities: (batch, members, classes).
    """
    import keras
    from keras import ops

    members = probabilities.shape[1]
    labels = ops.repeat(ops.reshape(label, (-1, 1)), members, axis=1)
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, probabilities), axis=1)
