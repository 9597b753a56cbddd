"""Tell digits by how much ink their rows and columns have, with one-dimensional convolutions.

    dlrecipes train ink-cnn --data sample

A convolution slides a small filter along the signal and answers where a pattern of ink is.
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "signal-classification"
DATASET = "ink_profiles"
SAMPLE = "ink.csv"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        filters: Output channels of each convolution.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-3
    filters: tuple[int, ...] = (16, 32)


def load(config: Config, source: Source) -> Data:
    """Return batches of signals (batch, length, 1) and class numbers."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(1000),
        test=source.test.batches(1000),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: signals -> probabilities (batch, classes)."""
    x = inputs = keras.Input(data.input.shape, name="signal")
    x = layers.Rescaling(1 / 10)(x)
    for filters in config.filters:
        x = layers.Conv1D(filters, 5, activation=config.activation, padding="same")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(len(data.classes), "softmax")(x))
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.classification_metrics(model, data.test, data.classes)
