"""Give notes the tags that they deserve: a task that this package brings.

dlrecipes train notes-tagger --data sample
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "text-tagging"
DATASET = "tagged_notes"
SAMPLE = "notes.jsonl"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network.

    Args:
        words: Words that have numbers of their own.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 2e-2
    words: int = 200


def load(config: Config, source: Source) -> Data:
    """Return batches of word numbers (batch, time) and tags (batch, tags)."""
    train, validation = source.train_and_validation(config.validation_fraction)
    words = dlrecipes.word_numbers(train, config.words, 20, "first")
    return source.data(
        train=train.transform(words).batches(config.batch_size, shuffle=True),
        validation=validation.transform(words).batches(1000),
        test=source.test.transform(words).batches(1000),
        preprocessing=words,
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: a probability for each tag."""
    inputs = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(config.words, 16)(inputs)
    x = layers.GlobalMaxPooling1D()(x)
    outputs = layers.Dense(len(data.answer.tags), "sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="binary_crossentropy",
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=callbacks
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return the F1 score of all tags of all texts together."""
    pairs = [(model(texts) > 0.5, tags) for texts, tags in data.test]
    said = np.concatenate([guess for guess, _ in pairs])
    true = np.concatenate([tags for _, tags in pairs]) > 0.5
    return {"f1_micro": float(2 * (said & true).sum() / (said.sum() + true.sum()))}
