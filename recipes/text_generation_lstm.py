"""Write text a character at a time with an LSTM.

The network reads a text and says, at every character, how likely each character is to come next:
p(c_t | c_1 … c_(t-1)). An LSTM (Hochreiter and Schmidhuber 1997) carries a memory m from one
character to the next, of which it shows h:

    m_t = f * m_(t-1) + i * tanh(W x_t + U h_(t-1) + b)        h_t = o * tanh(m_t)

where x_t stands for the character and the gates f (keep), i (add) and o (show) are sigmoids of the
same inputs with weights of their own. Training lowers the mean of -log p(c_t) in nats; exp of it,
the perplexity, is the number of characters the network is in doubt between; divided by log 2 it is
bits per character. To write, draw a character from p, add it to the text, and ask again;
p^(1/temperature) draws more safely below 1, more wildly above.

Why these settings: short windows make many steps of an epoch, and steps are what counts. Embeddings
begin with deviation 1: Keras's own start, 35 times smaller, hides the characters from the LSTM for
hundreds of steps. Gradients are cut to norm 1, so the learning rate can climb high before it falls
along a cosine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers, ops

from dlrecipes import (
    Data,
    Fraction,
    Metrics,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Source,
    character_vectorization,
    character_windows,
    early_stopping,
    make_optimizer,
    text_generation_metrics,
)

TASK = "text-generation"
DATASET = "tiny_shakespeare"
PRESETS = {
    # The quickest settings that reach what the tutorial's network reaches.
    "fast": {
        "epochs": 1,
        "learning_rate": 3e-2,
        "embedding_units": 32,
        "lstm_units": (96,),
    },
    # The network of the tutorial, with Adam at its usual rate.
    "lstm-128": {
        "epochs": 5,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "gradient_clip_norm": 0.0,
        "window": 100,
        "embedding_units": 128,
        "embedding_start": "uniform",
        "lstm_units": (128,),
    },
}
EXPECTED = {
    "tiny_shakespeare": {"loss": (1.59, 1.66)},
    "tiny_shakespeare:fast": {"loss": (1.83, 1.94)},
    "prose": {"loss": (1.22, 1.29)},
}
TEST_WINDOW = 500
"""Characters read from an empty memory when testing: few are guessed without what came before."""


@dataclass(frozen=True)
class Config:
    """Hyperparameters of this recipe.

    Args:
        epochs: Passes over the training text.
        batch_size: Windows in a step.
        learning_rate: Step size of the optimizer; the peak of a cosine schedule.
        schedule: cosine: up over the first tenth, then down to 0; or constant.
        optimizer: Rule that turns gradients into steps; sgd has Nesterov momentum 0.9.
        gradient_clip_norm: Longest gradient allowed, over all weights; 0 for no limit.
        window: Characters of a training example.
        embedding_units: Numbers that stand for a character.
        embedding_start: How those numbers begin: normal, deviation 1; uniform, up to 0.05.
        lstm_units: Units of each LSTM layer.
        dropout: Fraction of units zeroed after each LSTM while training.
        l1: Penalty on the sum of absolute weights.
        l2: Penalty on the sum of squared weights.
        early_stopping: Epochs without a lower validation loss before training stops; 0: never.
        precision: Of the arithmetic; mixed_bfloat16 multiplies in 16 bits and keeps weights in 32.
    """

    epochs: PositiveInt = 3
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 2e-2
    schedule: Literal["cosine", "constant"] = "cosine"
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    gradient_clip_norm: NonNegativeFloat = 1.0
    window: PositiveInt = 64
    embedding_units: PositiveInt = 64
    embedding_start: Literal["normal", "uniform"] = "normal"
    lstm_units: tuple[PositiveInt, ...] = (192,)
    dropout: Fraction = 0.0
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    early_stopping: NonNegativeInt = 0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"


def load(config: Config, source: Source) -> Data:
    """Return batches of character numbers (batch, time), and of those that come next."""
    vectorize = character_vectorization(source.train)
    text = keras.Input((), dtype="string", name="text")
    train = character_windows(source.train, vectorize, config.window)
    validation = character_windows(source.validation, vectorize, TEST_WINDOW)
    test = character_windows(source.test, vectorize, TEST_WINDOW)
    return Data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(32),
        test=test.batches(32),
        rows={"train": len(train), "validation": len(validation), "test": len(test)},
        classes=tuple(str(character) for character in vectorize.get_vocabulary()),
        preprocessing=keras.Model(text, vectorize(text)),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: character numbers (batch, time) -> probabilities of the next."""
    keras.config.set_dtype_policy(config.precision)
    penalty = keras.regularizers.L1L2(config.l1, config.l2)
    starts = {
        "normal": keras.initializers.RandomNormal(stddev=1.0),
        "uniform": keras.initializers.RandomUniform(-0.05, 0.05),
    }
    vocabulary = len(data.classes)
    inputs = keras.Input((None,), dtype="int32", name="characters")
    x = layers.Embedding(
        vocabulary, config.embedding_units, embeddings_initializer=starts[config.embedding_start]
    )(inputs)
    for units in config.lstm_units:
        x = layers.LSTM(units, return_sequences=True, kernel_regularizer=penalty)(x)
        x = layers.Dropout(config.dropout)(x)
    outputs = layers.Dense(vocabulary, activation="softmax", dtype="float32", name="probabilities")(
        x
    )
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=make_optimizer(config, steps_per_epoch=len(data.train)),
        loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0),
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
        callbacks=[*early_stopping(config.early_stopping), *callbacks],
        shuffle=False,  # the pipeline shuffles
        verbose=0,
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> Metrics:
    """Return test metrics by name; every character but the first is predicted once."""
    return text_generation_metrics(model, data.test)


def serving(model: keras.Model, data: Data) -> keras.Model:
    """Return the network with its alphabet: texts in, probabilities (batch, characters) out."""
    inputs = data.preprocessing.input
    numbers = data.preprocessing(inputs)
    # An LSTM does not look ahead, so the padding behind a shorter text changes nothing before it.
    last = ops.cast(ops.count_nonzero(numbers, axis=1), "int32") - 1
    following = ops.take_along_axis(model(numbers), last[:, None, None], axis=1)
    return keras.Model(inputs, ops.squeeze(following, axis=1))


if __name__ == "__main__":
    from dlrecipes import run_recipe

    run_recipe(__file__)
