"""Estimate the value of a handwritten digit from the ink of its rows and columns.

    dlrecipes train ink-counter --data sample

The network predicts the mean of a Poisson distribution, and training lowers its deviance.
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "signal-counting"
DATASET = "ink_profiles"
SAMPLE = "ink.csv"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        units: Units of the hidden layer.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-3
    units: int = 64


def load(config: Config, source: Source) -> Data:
    """Return batches of signals (batch, length, 1) and counts."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(1000),
        test=source.test.batches(1000),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: signals -> expected count (batch, 1)."""
    x = inputs = keras.Input(data.input.shape, name="signal")
    x = layers.Rescaling(1 / 10)(layers.Flatten()(x))
    x = layers.Dense(config.units, config.activation)(x)
    model = keras.Model(inputs, layers.Dense(1, "softplus")(x))
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="poisson",
        metrics=["mae"],
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.regression_metrics(model, data.test)
