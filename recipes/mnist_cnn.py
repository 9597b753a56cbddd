"""Classify handwritten digits with a small convolutional network.

A convolution slides small filters over the image: each output pixel is the dot product of a
filter with the 3x3 pixels under it, so a stroke is found wherever it stands. Pooling keeps the
strongest of each 2x2 answers and halves the image. Batch normalisation (Ioffe and Szegedy 2015,
arXiv:1502.03167) rescales each channel to mean 0 and variance 1 over the batch, which lets a few
epochs suffice. A softmax turns the last layer's ten numbers z into probabilities
p_i = exp(z_i) / sum_j exp(z_j), and training lowers the cross-entropy -log p(true digit).

Why these settings: the learning rate climbs to a high peak and falls to zero along a cosine, so
that four epochs reach what a constant rate reaches in ten. Dropout, L1/L2 and augmentation pay
only in longer training; early stopping would cut the schedule short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

from dlrecipes import (
    Data,
    Examples,
    Fraction,
    Metrics,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Source,
    class_weights,
    classification_metrics,
    early_stopping,
    make_optimizer,
)

TASK = "image-classification"
DATASET = "mnist"
PRESETS = {
    # The quickest settings that reach what the tutorials' networks reach.
    "fast": {
        "epochs": 1,
        "batch_size": 128,
        "learning_rate": 8e-3,
        "filters": (16, 64, 128),
        "strided": True,
        "dense_units": 0,
    },
    # The networks of three tutorials, with Adam at its usual rate.
    "one-conv": {
        "epochs": 5,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "filters": (32,),
        "pool_last": True,
        "batch_normalization": False,
        "dense_units": 128,
    },
    "three-conv": {
        "epochs": 5,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "filters": (32, 64, 64),
        "batch_normalization": False,
        "dense_units": 64,
        "one_hot_labels": True,
    },
    "two-conv": {
        "epochs": 5,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "filters": (32, 64),
        "pool_last": True,
        "batch_normalization": False,
        "dense_units": 0,
    },
}
EXPECTED = {
    "mnist": {"accuracy": (0.9915, 0.995)},
    "mnist:fast": {"accuracy": (0.9885, 0.994)},
    "mnist-sample": {"accuracy": (0.967, 0.988)},
}


@dataclass(frozen=True)
class Config:
    """Hyperparameters of this recipe.

    Args:
        epochs: Passes over the training images.
        batch_size: Images in a step.
        learning_rate: Step size of the optimizer; the peak of a cosine schedule.
        schedule: cosine: up over the first tenth, then down to 0; or constant.
        optimizer: Rule that turns gradients into steps; sgd has Nesterov momentum 0.9.
        filters: Output channels of each convolution.
        strided: Whether the first convolution is 5x5 and moves by two pixels rather than being
            pooled, and is not normalised: that is the cheapest way to halve the image.
        pool_last: Whether pooling follows the last convolution too.
        batch_normalization: Whether each channel is normalised before its relu.
        dense_units: Units of the layer before the softmax; 0 for no such layer.
        dropout: Fraction of units zeroed before the softmax while training.
        l1: Penalty on the sum of absolute weights.
        l2: Penalty on the sum of squared weights.
        augmentation: Whether training images are shifted, turned and zoomed a little.
        one_hot_labels: Whether labels are one-hot rows rather than class numbers: the same loss.
        balance_classes: Whether rare classes weigh more in the loss.
        early_stopping: Epochs without a lower validation loss before training stops; 0: never.
        validation_fraction: Share of the training images held out to watch training.
        precision: Of the arithmetic; mixed_bfloat16 multiplies in 16 bits and keeps weights in 32.
        steps_per_execution: Steps that TensorFlow makes without Python in between.
    """

    epochs: PositiveInt = 4
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 4e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    filters: tuple[PositiveInt, ...] = (16, 32, 64)
    strided: bool = False
    pool_last: bool = False
    batch_normalization: bool = True
    dense_units: NonNegativeInt = 64
    dropout: Fraction = 0.0
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    augmentation: bool = False
    one_hot_labels: bool = False
    balance_classes: bool = False
    early_stopping: NonNegativeInt = 0
    validation_fraction: Fraction = 0.05
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    steps_per_execution: PositiveInt = 20


def load(config: Config, source: Source) -> Data:
    """Return batches of uint8 pixels (batch, height, width, channels) and labels."""
    train, validation = source.train_and_validation(config.validation_fraction)
    classes = len(source.classes)

    def batches(examples: Examples, batch_size: int, *, shuffle: bool = False):
        dataset = examples.batches(batch_size, shuffle=shuffle)
        if config.one_hot_labels:
            dataset = dataset.map(lambda pixels, label: (pixels, keras.ops.one_hot(label, classes)))
        return dataset

    return Data(
        train=batches(train, config.batch_size, shuffle=True),
        validation=batches(validation, 1000),
        test=batches(source.test, 1000),
        rows={"train": len(train), "validation": len(validation), "test": len(source.test)},
        classes=source.classes,
        image_shape=source.image_shape,
        class_weight=class_weights(train.labels, balance=config.balance_classes),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: uint8 pixels -> probabilities (batch, classes)."""
    keras.config.set_dtype_policy(config.precision)
    penalty = keras.regularizers.L1L2(config.l1, config.l2)
    inputs = keras.Input(data.image_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    if config.augmentation:
        x = layers.RandomTranslation(0.08, 0.08, fill_mode="constant")(x)
        x = layers.RandomRotation(0.03, fill_mode="constant")(x)
        x = layers.RandomZoom(0.1, fill_mode="constant")(x)
    for number, filters in enumerate(config.filters, start=1):
        size, stride = (5, 2) if config.strided and number == 1 else (3, 1)
        normalized = config.batch_normalization and stride == 1
        x = layers.Conv2D(
            filters, size, stride, use_bias=not normalized, kernel_regularizer=penalty
        )(x)
        # relu and max commute: without normalisation, pooling first gives the same answer for a
        # quarter of the work. With it, normalising what is left is another, cheaper network.
        if stride == 1 and (config.pool_last or number < len(config.filters)):
            x = layers.MaxPooling2D()(x)
        if normalized:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    if config.dense_units:
        x = layers.Dense(config.dense_units, activation="relu", kernel_regularizer=penalty)(x)
    x = layers.Dropout(config.dropout)(x)
    outputs = layers.Dense(
        len(data.classes), activation="softmax", dtype="float32", name="probabilities"
    )(x)
    model = keras.Model(inputs, outputs)
    kind = "categorical" if config.one_hot_labels else "sparse_categorical"
    model.compile(
        optimizer=make_optimizer(config, steps_per_epoch=len(data.train)),
        loss=f"{kind}_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=config.steps_per_execution,
    )
    return model


def train(
    model: keras.Model,
    data: Data,
    config: Config,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        class_weight=data.class_weight,
        callbacks=[*early_stopping(config.early_stopping), *callbacks],
        shuffle=False,  # the pipeline shuffles
        verbose=0,
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> Metrics:
    """Return test metrics by name."""
    return classification_metrics(model, data.test, data.classes)


if __name__ == "__main__":
    from dlrecipes import run_recipe

    run_recipe(__file__)
