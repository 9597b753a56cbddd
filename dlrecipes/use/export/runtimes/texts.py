"""Turn texts into the numbers that this export takes, with the vocabularies of texts.json.

It needs NumPy alone, and is short enough to be written again in another language:

    from texts import encode
    numbers = encode("text", ["A fine film."])
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""Letters of English alone are put in lower case."""
WORD = re.compile(r"[^ \t\n\v\f\r]+")


def encode(name: str, texts: Sequence[str]) -> Any:
    """Return the numbers of an input's texts, int32.

    Categories are (texts, 1); words and characters (texts, longest), with 0 behind shorter texts.
    """
    file = Path(__file__).with_name("texts.json")
    return numbers_of(json.loads(file.read_text("utf-8"))[name], texts)


def numbers_of(rule: dict[str, Any], texts: Sequence[str]) -> Any:
    """Return the numbers of texts by a rule: `kind`, `vocabulary`, `unknown`, `standardize`."""
    places = {value: place for place, value in enumerate(rule["vocabulary"])}
    plain = [unicodedata.normalize("NFC", text) for text in texts]
    rows = [[places.get(part, rule["unknown"]) for part in parts(rule, text)] for text in plain]
    numbers = np.zeros((len(rows), max(map(len, rows), default=0) or 1), "int32")
    for place, row in enumerate(rows):
        numbers[place, : len(row)] = row
    return numbers


def parts(rule: dict[str, Any], text: str) -> list[str]:
    """Return the parts of a text that have numbers: the whole, its words, or its characters."""
    if rule["kind"] == "category":
        return [text]
    if rule["standardize"]:
        text = PUNCTUATION.sub("", text.translate(LOWER))
    return list(text) if rule["kind"] == "characters" else WORD.findall(text)
