"""Tell the class of a text by its words and the phrases of two or three words in it.

    dlrecipes train text-ngrams                 37 s  accuracy 0.917
    dlrecipes train text-ngrams --data sample   21 s  accuracy 0.808

Which words a text has says more than their order. What order does matter for, "not good", is found
in phrases of two or three words: together they are its n-grams. Each of the 220,000 commonest has
one weight, and the network is a sum over those in a text, n in number:

    z = (w_1 r_1 + w_2 r_2 + ... + w_n r_n) / sqrt(n)        p = sigmoid(a z + b)

where r_i = log(share of i in the class / share of i in the others), which counting gives. If all
w_i are equal, that is naive Bayes. Training changes each w_i by steps in proportion to r_i: "dull"
learns fast, and "the" hardly at all. This prior is what makes so plain a network strong (Wang and
Manning 2012); to embed n-grams and add them is fastText (Joulin and others 2016, arXiv:1607.01759).
With more than two classes, each has weights of its own, and a softmax takes the place of sigmoid.

Try `--longest 1`, words alone; `--learning-rate 1e-6`, naive Bayes; `--epochs 10`: it overfits.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "text-classification"
DATASET = "imdb_reviews"
SAMPLE = "movie_reviews.csv"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network, and other defaults than those that recipes share.

    Args:
        vocabulary_size: Words that have numbers of their own: the commonest, and two more.
        longest: Words of the longest n-grams.
        ngrams: N-grams of each length above 1 that have numbers: the commonest.
        first_weight: Weight of each n-gram before training.
    """

    epochs: int = 2
    learning_rate: float = 3e-2
    vocabulary_size: int = 20_000
    longest: int = 3
    ngrams: int = 100_000
    first_weight: float = 0.3


def load(config: Config, source: Source) -> Data:
    """Return batches of the numbers of n-grams (batch, time), 0 for padding, and labels."""
    train, validation = source.train_and_validation(config.validation_fraction)
    numbers = dlrecipes.ngram_numbers(train, config.vocabulary_size, config.ngrams, config.longest)
    train = train.transform(numbers)
    size = config.vocabulary_size + config.ngrams * (config.longest - 1)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True, by_length=True),
        validation=validation.transform(numbers).batches(512, by_length=True),
        test=source.test.transform(numbers).batches(512, by_length=True),
        preprocessing=numbers,
        balance_classes=config.balance_classes,
        ratios=log_count_ratios(dlrecipes.texts_with(train, size, len(source.classes))),
        shares=np.bincount(train.labels, minlength=len(source.classes)) / len(train),
    )


def log_count_ratios(counts: np.ndarray) -> np.ndarray:
    """Return r (n-grams, classes), or (n-grams, 1) of the second of two classes, from counts."""
    of_class, total = counts.sum(axis=0), counts.sum()
    counts = counts + 2 * of_class / total  # Two texts more that have it, so that no share is 0.
    others = counts.sum(axis=1, keepdims=True) - counts
    ratios = np.log(counts / of_class) - np.log(others / (total - of_class))
    return ratios[:, 1:] if counts.shape[1] == 2 else ratios


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: numbers (batch, time) -> probability (batch, 1)."""
    keras.config.set_dtype_policy(config.precision)
    ratios, shares = data.extra["ratios"], data.extra["shares"]
    size, units = ratios.shape
    numbers = keras.Input((None,), dtype="int32", name="numbers")
    start = keras.initializers.Constant(config.first_weight)
    weight = layers.Embedding(size, units, embeddings_initializer=start, name="weight")(numbers)
    ratio = layers.Embedding(size, units, weights=ratios, trainable=False, name="ratio")(numbers)
    terms = layers.Dropout(config.dropout)(weight * ratio)
    n = ops.sum(ops.cast(numbers != 0, terms.dtype), axis=1, keepdims=True)
    activation = "sigmoid" if units == 1 else "softmax"
    last = layers.Dense(units, activation, kernel_initializer="identity", dtype="float32")
    model = keras.Model(numbers, last(ops.sum(terms, axis=1) / ops.sqrt(n)))
    last.bias.assign(np.log(shares / (1 - shares))[-units:])  # Some classes are commoner.
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss="binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        class_weight=data.class_weight,
        callbacks=[*dlrecipes.early_stopping(config), *callbacks],
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return test metrics by name."""
    return dlrecipes.classification_metrics(model, data.test, data.classes)


OWN_STEPS = 300
EXPECTED = {"imdb_reviews": {"accuracy": (0.912, 0.922)}, "sample": {"accuracy": (0.795, 0.822)}}
