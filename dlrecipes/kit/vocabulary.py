"""Learn the vocabulary of texts, as a Keras layer that saves and loads with it."""

import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter
from dlrecipes.datasets.pipelines import converted
from dlrecipes.datasets.storage import Array, decoded
from dlrecipes.system.progress import tracked

PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""
"""What Keras's `TextVectorization` takes out of a text."""
MAX_WORDS = 1000
"""Words of a text whose n-grams are looked at."""
MERGED_AT = 2**18
"""Words of batches that are counted apart from each other, before their counts are added up."""
NEXT_CHARACTER = "next_character"
"""Name of a model that can be taken apart again, to read a text a character at a time."""


def word_vectorization(texts: Examples, max_tokens: int, tokens: Any = None) -> Any:
    """Return a `TextVectorization` layer from texts to the numbers of their commonest words.

    Words are in lower case without punctuation, or what stands between the spaces that `tokens`
    puts; 0 is padding, 1 any word that is not among them.

    Args:
        texts: Examples whose features are texts: those to count words in.
        max_tokens: Numbers in all, at least 3.
        tokens: A layer that the texts go through before; None for words of English.

    Raises:
        ValueError: if `max_tokens` is less than 3.
    """
    import keras

    if max_tokens < 3:
        raise ValueError(f"vocabulary_size must be at least 3. Received: {max_tokens}")
    counts = _word_counts(texts, tokens)
    common = sorted(counts.values(), reverse=True)[: max_tokens - 2]
    candidates = (word for word, count in counts.items() if count >= common[-1])
    # As Keras orders them: of words that are equally frequent, the last in the alphabet first.
    words = sorted(candidates, key=lambda word: (counts[word], word), reverse=True)[: len(common)]
    # Keras would count them too, three times as slowly, and write the vocabulary a word a line, so
    # that one with a line break in it (U+0085 stands in IMDB) could not be loaded again. One that
    # the layer is made with is kept in its configuration instead.
    vocabulary = [text for word in words if (text := word.decode()).isprintable()]
    return keras.layers.TextVectorization(
        max_tokens=max_tokens,
        vocabulary=vocabulary,
        standardize="lower_and_strip_punctuation" if tokens is None else None,
    )


def _is_english(texts: Examples) -> bool:
    """Tell whether texts have hardly a letter beyond those of English: one in a thousand."""
    letters = others = 0
    for chunk in texts.chunks():
        for text in chunk.columns["features"][:]:
            letters += len(text)
            if not text.isascii():
                others += sum(letter > "\x7f" and letter.isalpha() for letter in text)
    return others * 1000 <= letters


def word_numbers(
    texts: Examples, vocabulary_size: int, max_words: int, keep: str, *, punctuation: bool = False
) -> Any:
    """Return the Keras model from texts (batch,) to the numbers of their words (batch, time).

    Words of English are in lower case without punctuation. If the texts are in another language,
    punctuation marks and emoji are words, too, and so is each letter of a script that puts no
    spaces between words (see `dlrecipes.kit.tokens.Tokens`). A text without a word is read as one
    unknown word, whose number is 1.

    Args:
        texts: Examples whose features are texts: those to count words in.
        vocabulary_size: Words that have numbers of their own, with padding (0) and unknown (1).
        max_words: Words of a text that are read, at least 1.
        keep: Which words of a longer text: `first` or `last`.
        punctuation: Whether punctuation marks are words in English, too.

    Raises:
        ValueError: if `vocabulary_size` is less than 3, or `max_words` is less than 1.
    """
    import keras
    from keras import ops

    if max_words < 1:
        raise ValueError(f"max_words must be at least 1. Received: {max_words}")
    text = keras.Input((), dtype="string", name="text")
    tokens = None
    if punctuation or not _is_english(texts):
        from dlrecipes.kit.tokens import Tokens

        tokens = Tokens()
    words = tokens(text) if tokens else text
    numbers = word_vectorization(texts, vocabulary_size, tokens)(words)
    if keep == "last":
        # Each text's words, moved left by as many as are too many.
        surplus = ops.maximum(ops.count_nonzero(numbers, axis=1) - max_words, 0)
        places = ops.expand_dims(surplus, 1) + ops.arange(max_words)
        padded = ops.pad(numbers, [[0, 0], [0, max_words]])
        numbers = ops.take_along_axis(padded, places, axis=1)
    numbers = ops.pad(numbers[:, :max_words], [[0, 0], [0, 1]])
    numbers = ops.concatenate([ops.maximum(numbers[:, :1], 1), numbers[:, 1:]], axis=1)
    return keras.Model(text, numbers[:, :max_words])


def ngram_numbers(texts: Examples, vocabulary_size: int, ngrams: int, longest: int) -> Any:
    """Return the Keras model from texts (batch,) to the numbers of their n-grams (batch, time).

    An n-gram is a word, two words that follow each other, or more. Words have the numbers below
    `vocabulary_size`, pairs the next `ngrams`, and so on; 0 is padding, or an n-gram that has no
    number, and 1 any other word.

    Args:
        texts: Examples whose features are texts: those to count n-grams in.
        vocabulary_size: Words that have numbers of their own, with padding (0) and unknown (1).
        ngrams: N-grams of each length above 1 that have: the commonest.
        longest: Words of the longest n-gram, at least 1.

    Raises:
        ValueError: if `vocabulary_size` is less than 3, or `ngrams` or `longest` less than 1.
    """
    import keras
    from keras import ops

    if longest < 1 or ngrams < 1:
        name, value = ("longest", longest) if longest < 1 else ("ngrams", ngrams)
        raise ValueError(f"{name} must be at least 1. Received: {value}")
    to_words = word_numbers(texts, vocabulary_size, MAX_WORDS, "first", punctuation=True)
    texts = texts.transform(to_words)
    words = keras.Input((None,), dtype="int64", name="words")
    shorter, numbers = ops.where(words > 1, words, 0), [words]
    for length in range(2, longest + 1):
        # One number of that of an n-gram without its last word, and the last word's.
        last = ops.pad(words, [[0, 0], [0, length - 1]])[:, length - 1 :]
        keys = ops.where((shorter > 0) & (last > 1), shorter * vocabulary_size + last, 0)
        common = _commonest(texts, keras.Model(words, keys), ngrams)
        if not len(common):
            break
        shorter = keras.layers.IntegerLookup(vocabulary=common)(keys)  # 0 for all others.
        first = vocabulary_size + (length - 2) * ngrams
        numbers.append(ops.where(shorter > 0, shorter + (first - 1), 0))
    # The n-grams that begin with a word stand together, so that padding comes behind all.
    together = keras.layers.Reshape((-1,))(ops.stack(numbers, axis=2))
    return keras.Model(to_words.input, keras.Model(words, together)(to_words.output))


def texts_with(examples: Examples, size: int, classes: int) -> Array:
    """Return how many texts of each class have each number, float64 (size, classes).

    Args:
        examples: Examples whose features are numbers (rows, time) below `size`, 0 for padding,
            which is not counted, and whose labels are class numbers.
        size: How many different numbers there are.
        classes: How many classes.
    """
    counts = np.zeros((size, classes))
    for chunk in examples.chunks():
        numbers = np.sort(np.asarray(chunk.arrays()), axis=1)
        is_first = np.diff(numbers, axis=1, prepend=0) > 0  # Each once, however often it is there.
        rows, _ = np.nonzero(is_first)
        np.add.at(counts, (numbers[is_first], np.asarray(chunk.labels)[rows]), 1)
    return counts


def _commonest(texts: Examples, model: Any, most: int) -> Array:
    """Return the commonest numbers, but for 0, that a model makes of texts, the commonest first."""
    numbers, counts = np.empty(0, "int64"), np.empty(0, "int64")
    waiting: list[Array] = []

    def counted() -> tuple[Array, Array]:
        once, found = np.unique(np.concatenate(waiting), return_counts=True)
        every, place = np.unique(np.concatenate([numbers, once]), return_inverse=True)
        return every, np.bincount(place, np.concatenate([counts, found])).astype("int64")

    for batch in converted(texts.features, model, batch_size=512):
        waiting.append(batch[batch > 0])
        if sum(map(len, waiting)) > max(len(numbers), MERGED_AT):
            (numbers, counts), waiting = counted(), []
    if waiting:
        numbers, counts = counted()
    return numbers[np.argsort(-counts, kind="stable")[:most]]


def _word_counts(texts: Examples, tokens: Any = None) -> dict[bytes, int]:
    """Return how often each word stands in texts, split as Keras's `TextVectorization` does it."""
    import tensorflow as tf

    def count(batch: Any) -> Any:
        if tokens is None:
            plain = tf.strings.regex_replace(tf.strings.lower(batch), PUNCTUATION, "")
        else:
            plain = tokens.call(batch)
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


def _codes(text: str) -> Array:
    """Return the number that Unicode has for each character of a text."""
    if text.isascii():
        return np.frombuffer(text.encode(), "uint8")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")


def character_counts(texts: Examples) -> Counter[str]:
    """Return how often each character stands in examples whose features are texts."""
    counts = np.zeros(sys.maxunicode + 1, "int64")
    for chunk in tracked(texts.chunks(1), "Counting characters", len(texts)):
        found = np.bincount(_codes(str(chunk.columns["features"][0])))
        counts[: len(found)] += found
    return Counter({chr(code): int(counts[code]) for code in np.flatnonzero(counts)})


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


def next_character(model: Any, preprocessing: Any) -> Any:
    """Return the Keras model from texts (batch,) to the probabilities of what comes next.

    Args:
        model: From character numbers (batch, time) to the probabilities of the character that
            follows each, (batch, time, vocabulary).
        preprocessing: From texts to the numbers of their characters, padded with 0.

    Returns:
        A model whose output is (batch, vocabulary).
    """
    import keras
    from keras import ops

    numbers = preprocessing(preprocessing.input)
    # The network does not look ahead: padding behind a shorter text changes nothing before it.
    last = ops.cast(ops.count_nonzero(numbers, axis=1), "int32") - 1
    following = ops.take_along_axis(model(numbers), last[:, None, None], axis=1)
    probabilities = ops.squeeze(following, axis=1)
    return keras.Model(preprocessing.input, probabilities, name=NEXT_CHARACTER)


def character_windows(texts: Examples, vectorize: Any, length: int) -> Examples:
    """Cut texts that follow each other into windows of character numbers.

    The last window is filled with 0, which is to count neither in the loss nor in the metrics.

    Args:
        texts: Examples whose features are texts.
        vectorize: What `character_vectorization` returned.
        length: Characters of a window.

    Returns:
        Examples with features (windows, length), and labels of the same shape: the same
        characters, one further on.

    Raises:
        ValueError: if `length` is less than 1.
    """
    if length < 1:
        raise ValueError(f"window must be at least 1. Received: {length}")
    writer = ExamplesWriter()
    known = vectorize.get_vocabulary()
    number_of = np.ones(sys.maxunicode + 1, np.min_scalar_type(len(known)))
    number_of[[ord(character) for character in known[2:]]] = np.arange(2, len(known))

    def write(numbers: Any) -> None:
        windows = (len(numbers) - 1) // length
        inputs = numbers[: windows * length].reshape(windows, length)
        following = numbers[1 : windows * length + 1].reshape(windows, length)
        writer.append(Examples(inputs, following, order=texts.order))

    rest = np.empty(0, number_of.dtype)
    for chunk in tracked(texts.chunks(1), "Preparing the text", len(texts)):
        rest = np.concatenate([rest, number_of[_codes(str(chunk.columns["features"][0]))]])
        cut = max(len(rest) - 1, 0) // length * length
        if cut:
            write(rest[: cut + 1])
            rest = rest[cut:]
    if len(rest) > 1:
        write(np.pad(rest, (0, length + 1 - len(rest))))
    found = writer.finish()
    whole_numbers = np.arange(len(known), dtype="int32")
    inputs, following = found.columns["features"], found.labels
    assert following is not None
    return replace(
        found, features=decoded(inputs, whole_numbers), labels=decoded(following, whole_numbers)
    )
