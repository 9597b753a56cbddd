"""Learn the vocabulary of texts, as a Keras layer that saves and loads with it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dlrecipes.datasets.storage import Array


def word_vectorization(texts: Array, max_tokens: int) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their commonest words.

    Words are in lower case without punctuation; 0 is padding, 1 any word that is not among them.

    Args:
        texts: Texts (examples,) to count words in.
        max_tokens: Numbers in all, at least 3.
    """
    import keras

    layer = keras.layers.TextVectorization(max_tokens=max_tokens)
    layer.adapt(texts, batch_size=1024)
    # Keras writes an adapted vocabulary a word a line, so one with a line break in it (U+0085
    # stands in IMDB) cannot be loaded again. A vocabulary that the layer is made with is kept
    # in its configuration instead.
    words = [word for word in layer.get_vocabulary() if word.isprintable() and word]
    return keras.layers.TextVectorization(max_tokens=max_tokens, vocabulary=words[1:])


def character_vectorization(texts: Iterable[str]) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their characters.

    0 is padding, 1 any character that is not in the texts; the commonest characters come first.

    Args:
        texts: Texts to take the characters from.
    """
    import keras

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    # "\0" cannot stand in TensorFlow's vocabulary tables.
    characters = sorted(set(counts) - {"\0"}, key=lambda character: (-counts[character], character))
    return keras.layers.TextVectorization(
        split="character", standardize=None, vocabulary=characters
    )
