"""Tell rock, paper and scissors apart, on a data set that dlrecipes names nowhere.

dlrecipes train hands-cnn --data sample
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "image-classification"
DATASET = "rock_paper_scissors"
SAMPLE = "hands"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        filters: Output channels of each convolution.
    """

    epochs: int = 8
    batch_size: int = 8
    learning_rate: float = 1e-2
    filters: tuple[int, ...] = (8, 16)


def load(config: Config, source: Source) -> Data:
    """Return batches of pixels and class numbers."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(100),
        test=source.test.batches(100),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network, the way that a learner writes one."""
    model = keras.Sequential([keras.Input(data.image_shape, dtype="uint8", name="image")])
    model.add(layers.Rescaling(1 / 255))
    for filters in config.filters:
        model.add(layers.Conv2D(filters, 3, strides=2, activation=config.activation))
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dropout(config.dropout))
    model.add(layers.Dense(len(data.classes), activation="softmax"))
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.classification_metrics(model, data.test, data.classes)


PRESETS = {"tiny": {"epochs": 1, "filters": (4,)}}
