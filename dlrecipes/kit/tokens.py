"""A Keras layer that parts texts of any script into tokens. It imports Keras: import it late."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.layers import TextVectorization

from dlrecipes.datasets.examples import Examples

SCRIPTS = (
    *("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Tai_Le"),
    *("New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Javanese", "Balinese"),
)
"""Those that put no spaces between words."""
UNSPACED = "".join(rf"\p{{{name}}}" for name in SCRIPTS) + r"\x{30FC}\x{FF70}"
TOKEN = rf"(?:[^\p{{L}}\p{{M}}\p{{N}}_\s]|[{UNSPACED}])\p{{M}}*"
"""A mark or a symbol, or a letter of those scripts; each with what is written above or below it."""
IGNORED = r"[\p{Cf}\x{0640}\x{FE0F}]"
"""Characters without a form of their own, and the line that stretches Arabic words."""
SPACE = r"[\p{Z}\x{200B}]"
LOOKED_AT = 1000
"""Texts of many whose words are looked up."""


@keras.saving.register_keras_serializable(package="dlrecipes")
class Tokens(keras.layers.Layer):
    """Texts (batch,) as their tokens in lower case with spaces between.

    A token is a word, with its digits; a punctuation mark; an emoji; or, in scripts that put no
    spaces between words (Chinese, Japanese, Thai), a letter with its vowel signs and tones.
    """

    def call(self, texts: Any) -> Any:
        """Return the tokens of each text, as one text."""
        import tensorflow as tf

        spaced = tf.strings.regex_replace(tf.strings.lower(texts, encoding="utf-8"), SPACE, " ")
        return tf.strings.regex_replace(
            tf.strings.regex_replace(spaced, IGNORED, ""), TOKEN, r" \0 "
        )

    def compute_output_spec(self, texts: Any) -> Any:
        """Return the form of the output: that of the input."""
        return keras.KerasTensor(texts.shape, dtype="string")


def unknown_words(model: Any, texts: Any) -> list[float]:
    """Return the share of each text's words that a model was not trained on.

    Args:
        model: A Keras model that begins with a `TextVectorization` layer, maybe behind `Tokens`.
        texts: The texts.

    Returns:
        A share for each text, 1 for one without words; nothing for a model that begins otherwise.
    """
    layers = list(_layers(model))
    vectorize = next((one for one in layers if isinstance(one, TextVectorization)), None)
    if vectorize is None or getattr(vectorize, "_split", "") != "whitespace":
        return []
    tokens = next((one for one in layers if isinstance(one, Tokens)), None)
    texts = keras.ops.convert_to_tensor(texts, dtype="string")
    numbers = keras.ops.convert_to_numpy(vectorize(tokens(texts) if tokens else texts))
    words, unknown = (numbers > 0).sum(axis=1), (numbers == 1).sum(axis=1)
    return [
        float(of / all_of) if all_of else 1.0 for of, all_of in zip(unknown, words, strict=True)
    ]


def share_unknown(preprocessing: Any, texts: Examples) -> float | None:
    """Return the share of unknown words in texts, the mean of a thousand of them, spread evenly.

    Args:
        preprocessing: What makes numbers of texts: a Keras model; whatever else has no such share.
        texts: Examples whose features are texts.

    Returns:
        From 0 to 1; None for a model that knows no words, and for empty texts.
    """
    if not isinstance(preprocessing, keras.Model) or not len(texts):
        return None
    rows = np.unique(np.linspace(0, len(texts) - 1, LOOKED_AT).astype("int64"))
    shares = unknown_words(preprocessing, texts.take(rows).arrays())
    return float(np.mean(shares)) if shares else None


def _layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, those of models in it, too."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)
