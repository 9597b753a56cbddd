"""The parts of texts and pictures, and inputs in which some of them are hidden."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from dlrecipes.datasets.storage import Array

MOST_WORDS = 200
"""Words of a text that are parts of their own; of a longer text, several in a row are one part."""
GRID = 14
"""Cells a side of a picture, at most."""
WORD = re.compile(
    # A letter of a script that does not part words is a word.
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]\\s*|[^\\s\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\u0e00-\u0e7f]+\\s*|^\\s+"
)


def words_of(text: str, most: int = MOST_WORDS) -> list[str]:
    """Return the words of a text, each with the spaces behind it.

    Args:
        text: The text.
        most: Parts, at most: of more words, several in a row are one; 0 for any number.
    """
    words = WORD.findall(text) or [text]
    size = -(-len(words) // (most or len(words)))
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def bare_word(word: str) -> str:
    """Return a word in lower case, without punctuation and spaces around it; emoji stay."""
    inside = [n for n, sign in enumerate(word) if unicodedata.category(sign)[0] not in "PZC"]
    return word[inside[0] : inside[-1] + 1].lower() if inside else ""


def shown_character(character: str) -> str:
    """Return a character as it can be seen."""
    return {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}.get(character, character)


def joined(words: Sequence[str], mask: Array, nothing: str = "") -> Array:
    """Return a text for each row of which words are shown.

    Args:
        words: The words, with the spaces behind them.
        mask: bool (variants, words).
        nothing: The text of which no word is shown.
    """
    texts = [
        "".join(word for word, is_shown in zip(words, row, strict=True) if is_shown) or nothing
        for row in mask
    ]
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found


def cells_of(size: Sequence[int], grid: int) -> Array:
    """Return the number of the cell that each pixel is in, int64 (height, width)."""
    down, across = (np.arange(side) * min(grid, side) // side for side in size)
    cells: Array = down[:, np.newaxis] * min(grid, size[1]) + across
    return cells


def hidden_cells(pixels: Array, cells: Array, mask: Array) -> Array:
    """Return a picture for each row of which cells are shown; the others have its mean colour.

    Args:
        pixels: uint8 (height, width, channels).
        cells: The cell of each pixel, (height, width).
        mask: bool (variants, cells).
    """
    mean = pixels.reshape(-1, pixels.shape[-1]).mean(axis=0).round().astype("uint8")
    found: Array = np.where(mask[:, cells][..., np.newaxis], pixels, mean)
    return found
