"""Learn the vocabulary of texts, as a Keras layer that saves and loads with it."""

from collections import Counter
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter
from dlrecipes.datasets.pipelines import converted
from dlrecipes.datasets.storage import Array

PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""
"""What Keras's `TextVectorization` takes out of a text."""
MERGED_AT = 2**18
"""Words of batches that are counted apart from each other, before their counts are added up."""


def word_vectorization(texts: Examples, max_tokens: int) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their commonest words.

    Words are in lower case without punctuation; 0 is padding, 1 any word that is not among them.

    Args:
        texts: Examples whose features are texts: those to count words in.
        max_tokens: Numbers in all, at least 3.
    """
    import keras

    counts = _word_counts(texts)
    common = sorted(counts.values(), reverse=True)[: max_tokens - 2]
    candidates = (word for word, count in counts.items() if count >= common[-1])
    # As Keras orders them: of words that are equally frequent, the last in the alphabet first.
    words = sorted(candidates, key=lambda word: (counts[word], word), reverse=True)[: len(common)]
    # Keras would count them too, three times as slowly, and write the vocabulary a word a line, so
    # that one with a line break in it (U+0085 stands in IMDB) could not be loaded again. One that
    # the layer is made with is kept in its configuration instead.
    vocabulary = [text for word in words if (text := word.decode()).isprintable()]
    return keras.layers.TextVectorization(max_tokens=max_tokens, vocabulary=vocabulary)


def _word_counts(texts: Examples) -> dict[bytes, int]:
    """Return how often each word stands in texts, split as Keras's `TextVectorization` does it."""
    import tensorflow as tf

    def count(batch: Any) -> Any:
        plain = tf.strings.regex_replace(tf.strings.lower(batch), PUNCTUATION, "")
        words, _, found = tf.unique_with_counts(tf.strings.split(plain).flat_values)
        return words, found

    def merged() -> tuple[Array, Array]:
        once, place = tf.unique(np.concatenate(words))
        return once.numpy(), np.bincount(place, np.concatenate(numbers)).astype("int64")

    words: list[Array] = []
    numbers: list[Array] = []
    for some, found in converted(texts.features, count, batch_size=1024):
        words.append(some)
        numbers.append(found)
        # What is gathered is not to grow with the texts, but with their vocabulary alone.
        if sum(map(len, words[1:])) > max(len(words[0]), MERGED_AT):
            words[:], numbers[:] = ([column] for column in merged())
    once, counts = merged()
    return dict(zip(once.tolist(), counts.tolist(), strict=True))


def character_counts(texts: Examples) -> Counter[str]:
    """Return how often each character stands in examples whose features are texts."""
    counts: Counter[str] = Counter()
    for chunk in texts.chunks(1):
        counts.update(*chunk.columns["features"][:])
    return counts


def character_vectorization(texts: Examples) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their characters.

    0 is padding, 1 any character that is not in the texts; the commonest characters come first.

    Args:
        texts: Examples whose features are texts: those to take the characters from.
    """
    import keras

    counts = character_counts(texts)
    # "\0" cannot stand in TensorFlow's vocabulary tables.
    characters = sorted(set(counts) - {"\0"}, key=lambda character: (-counts[character], character))
    return keras.layers.TextVectorization(
        split="character", standardize=None, vocabulary=characters
    )


def character_windows(texts: Examples, vectorize: Any, length: int) -> Examples:
    """Cut texts that follow each other into windows of character numbers.

    The last window is filled with 0, which is to count neither in the loss nor in the metrics.

    Args:
        texts: Examples whose features are texts.
        vectorize: The layer from texts to the numbers of their characters.
        length: Characters of a window.

    Returns:
        Examples with features (windows, length), and labels of the same shape: the same
        characters, one further on.
    """
    writer = ExamplesWriter()

    def write(numbers: Any) -> None:
        windows = (len(numbers) - 1) // length
        inputs = numbers[: windows * length].reshape(windows, length)
        following = numbers[1 : windows * length + 1].reshape(windows, length)
        writer.append(Examples(inputs, following, order=texts.order))

    rest = np.empty(0, "int32")
    for chunk in texts.chunks(1):
        numbers = np.asarray(vectorize(chunk.arrays()))[0].astype("int32")
        rest = np.concatenate([rest, numbers])
        cut = max(len(rest) - 1, 0) // length * length
        if cut:
            write(rest[: cut + 1])
            rest = rest[cut:]
    if len(rest) > 1:
        write(np.pad(rest, (0, length + 1 - len(rest))))
    return writer.finish()
