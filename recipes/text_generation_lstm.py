"""Write text a character at a time with an LSTM.

    dlrecipes train text-generation-lstm                 52 s  loss 1.619
    dlrecipes train text-generation-lstm --data sample   42 s  loss 1.250

The network says, at every character of a text, how likely each character is to come next:
p(c_t | c_1 … c_(t-1)). An LSTM (Hochreiter and Schmidhuber 1997) carries a memory m from one
character to the next, of which it shows h:

    m_t = f * m_(t-1) + i * tanh(W x_t + U h_(t-1) + b)        h_t = o * tanh(m_t)

where x_t stands for the character, and the gates f (keep), i (add) and o (show) are sigmoids of the
same inputs. Training lowers the mean of -log p(c_t), in nats; its exponential, the perplexity, is
the number of characters in doubt. To write, draw one from p^(1/temperature), add it, and ask again.

Try `--embedding-spread 0.03`, Keras's own start, which hides the characters from the LSTM for
hundreds of steps; `--gradient-clip-norm 0`, without which the learning rate cannot climb so high;
`--lstm-units 128,128`; then `dlrecipes predict text-generation-lstm "ROMEO:" --temperature 0.5`.
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig, character_windows

TASK = "text-generation"
DATASET = "tiny_shakespeare"
SAMPLE = "prose.txt"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network, and other defaults than those that recipes share.

    Args:
        window: Characters of a training example.
        embedding_units: Numbers that stand for a character.
        embedding_spread: Standard deviation of those numbers at the start.
        lstm_units: Units of each LSTM layer.
    """

    epochs: int = 3
    learning_rate: float = 2e-2
    gradient_clip_norm: float = 1.0
    window: int = 64
    embedding_units: int = 64
    embedding_spread: float = 1.0
    lstm_units: tuple[int, ...] = (192,)


def load(config: Config, source: Source) -> Data:
    """Return batches of character numbers (batch, time), and of those that come next."""
    vectorize = dlrecipes.character_vectorization(source.train)
    text = keras.Input((), dtype="string", name="text")
    train = character_windows(source.train, vectorize, config.window)
    return source.with_classes(vectorize.get_vocabulary()).data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=character_windows(source.validation, vectorize, 500).batches(32),
        test=character_windows(source.test, vectorize, 500).batches(32),  # long: few lack a past
        preprocessing=keras.Model(text, vectorize(text)),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: character numbers (batch, time) -> probabilities of the next."""
    keras.config.set_dtype_policy(config.precision)
    penalty = keras.regularizers.L1L2(config.l1, config.l2)
    start = keras.initializers.RandomNormal(stddev=config.embedding_spread)
    vocabulary = len(data.classes)
    inputs = keras.Input((None,), dtype="int32", name="characters")
    x = layers.Embedding(vocabulary, config.embedding_units, embeddings_initializer=start)(inputs)
    for units in config.lstm_units:
        x = layers.LSTM(units, return_sequences=True, kernel_regularizer=penalty)(x)
        x = layers.Dropout(config.dropout)(x)
    outputs = layers.Dense(vocabulary, "softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0),
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        callbacks=[*dlrecipes.early_stopping(config), *callbacks],
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name; every character but the first is predicted once."""
    return dlrecipes.text_generation_metrics(model, data.test)


def serving(model: keras.Model, data: Data) -> keras.Model:
    """Return the network with its alphabet: texts in, probabilities of the next character out."""
    return dlrecipes.next_character(model, data.preprocessing)


PRESETS = {
    # The quickest settings that reach what the tutorial's network, below, reaches.
    "fast": {"epochs": 1, "learning_rate": 3e-2, "embedding_units": 32, "lstm_units": (96,)},
    "lstm-128": {
        **{"epochs": 5, "learning_rate": 1e-3, "schedule": "constant", "gradient_clip_norm": 0.0},
        **{"window": 100, "embedding_units": 128, "embedding_spread": 0.03, "lstm_units": (128,)},
    },
}
RATES = {"sgd": 2.0}
EXPECTED = {
    "tiny_shakespeare": {"loss": (1.59, 1.66)},
    "tiny_shakespeare:fast": {"loss": (1.83, 1.94)},
    "sample": {"loss": (1.22, 1.29)},
}
