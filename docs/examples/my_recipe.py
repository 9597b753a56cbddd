"""Classify small images of clothes with a multilayer perceptron.

    dlrecipes train ./my_recipe.py

Each dense layer computes relu(W x + b). The last one gives a probability for each class; training
lowers the cross-entropy, -log p(true class).
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "image-classification"
DATASET = "fashion_mnist"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        units: Units of each hidden layer.
    """

    epochs: int = 3
    units: tuple[int, ...] = (128, 64)


def load(config: Config, source: Source) -> Data:
    """Return batches of uint8 pixels (batch, height, width, channels) and class numbers."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(1000),
        test=source.test.batches(1000),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: uint8 pixels -> probabilities (batch, classes)."""
    model = keras.Sequential(
        [
            keras.Input(data.image_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            *(layers.Dense(units, config.activation) for units in config.units),
            layers.Dropout(config.dropout),
            layers.Dense(len(data.classes), "softmax"),
        ]
    )
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
