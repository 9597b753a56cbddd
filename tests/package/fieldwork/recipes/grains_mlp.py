"""Tell rocks by their grains, on a data set whose builder this package brings.

dlrecipes train grains-mlp --data sample
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "tabular-classification"
DATASET = "grain_sizes"
SAMPLE = "grains.csv"


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
    """Return batches of standardised columns and class numbers."""
    train, validation = source.train_and_validation(config.validation_fraction)
    columns = dlrecipes.standardised_columns(train)
    return source.data(
        train=train.transform(columns).batches(config.batch_size, shuffle=True),
        validation=validation.transform(columns).batches(1000),
        test=source.test.transform(columns).batches(1000),
        preprocessing=columns,
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network."""
    inputs = keras.Input(data.preprocessing.output_shape[1:], name="columns")
    x = layers.Dense(config.units, config.activation)(inputs)
    outputs = layers.Dense(len(data.classes), "softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="sparse_categorical_crossentropy",
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.rare_class_metrics(model, data.test, data.validation, data.classes)
