"""Learn the vocabulary of texts, as a Keras layer that saves and loads with it."""

from collections import Counter
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter


def word_vectorization(texts: Examples, max_tokens: int) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their commonest words.

    Words are in lower case without punctuation; 0 is padding, 1 any word that is not among them.

    Args:
        texts: Examples whose features are texts: those to count words in.
        max_tokens: Numbers in all, at least 3.
    """
    import keras

    layer = keras.layers.TextVectorization(max_tokens=max_tokens)
    layer.adapt(chunk.arrays() for chunk in texts.chunks(1024))
    # Keras writes an adapted vocabulary a word a line, so one with a line break in it (U+0085
    # stands in IMDB) cannot be loaded again. A vocabulary that the layer is made with is kept
    # in its configuration instead.
    words = [word for word in layer.get_vocabulary() if word.isprintable() and word]
    return keras.layers.TextVectorization(max_tokens=max_tokens, vocabulary=words[1:])


def character_vectorization(texts: Examples) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their characters.

    0 is padding, 1 any character that is not in the texts; the commonest characters come first.

    Args:
        texts: Examples whose features are texts: those to take the characters from.
    """
    import keras

    counts: Counter[str] = Counter()
    for chunk in texts.chunks(1):
        counts.update(*chunk.columns["features"][:])
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
