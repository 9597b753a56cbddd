"""Say how high the tide stands, on files that a function of this package writes.

dlrecipes train tides-mlp --data sample
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "tabular-regression"
DATASET = "tide_tables"
SAMPLE = "tides.csv"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        units: Units of the hidden layer.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-2
    units: int = 32


def load(config: Config, source: Source) -> Data:
    """Return batches of standardised columns and heights."""
    train, validation = source.train_and_validation(config.validation_fraction)
    columns = dlrecipes.standardised_columns(train)
    return source.data(
        train=train.transform(columns).batches(config.batch_size, shuffle=True),
        validation=validation.transform(columns).batches(1000),
        test=source.test.transform(columns).batches(1000),
        preprocessing=columns,
        mean=float(np.mean(train.labels)),
        deviation=float(np.std(train.labels)),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network."""
    inputs = keras.Input(data.preprocessing.output_shape[1:], name="columns")
    x = layers.Dense(config.units, config.activation)(inputs)
    x = layers.Dense(1)(x)
    outputs = layers.Rescaling(data.extra["deviation"], data.extra["mean"])(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="mae",
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.regression_metrics(model, data.test)
