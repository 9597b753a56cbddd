"""What the cells of a table hold: numbers, dates, texts, nothing."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import composed, shortened
from dlrecipes.datasets.own.numerals import Numeral, numeral, tidy
from dlrecipes.datasets.storage import Array

MISSING = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "#n/a", "<na>", "-nan", "?")  # as pandas has them
)
"""What a cell without a value may hold, in lower case."""
NO_VALUE = MISSING | frozenset(
    (
        *("-", "--", "---", ".", "..", "...", "…", "??", "???", "*", "/", "nil", "nd", "n.d.", "x"),
        *("n.a.", "n.a", "n. a.", "#na", "n.v.", "k.a.", "k. a.", "k.a", "s/d", "n.c.", "n.k."),
        *("unknown", "unbekannt", "inconnu", "desconocido", "unk", "not available", "missing"),
        *("not applicable", "not known", "no data", "nodata", "keine angabe", "blank", "empty"),
        *("(null)", "(none)", "(blank)", "(empty)", "[null]", "nat", "\\n", "tbd", "undefined"),
        *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#wert!", "#bezug!"),
        *("#error!", "#zahl!", "#nv", "n/k", "none given", "not given", "no value", "not recorded"),
    )
)
"""The same where a column holds numbers or dates: no text there is a value."""
TICKS = frozenset(("x", "*"))
"""Words for no value that tick a box, where all other cells of a column are empty."""
BOOLEANS = (
    {"true": 1.0, "false": 0.0},
    {"t": 1.0, "f": 0.0},
    {"yes": 1.0, "no": 0.0},
    {"y": 1.0, "n": 0.0},
    {"on": 1.0, "off": 0.0},
    {"ja": 1.0, "nein": 0.0},
    {"j": 1.0, "n": 0.0},
    {"wahr": 1.0, "falsch": 0.0},
    {"oui": 1.0, "non": 0.0},
    {"vrai": 1.0, "faux": 0.0},
    {"sí": 1.0, "no": 0.0},
    {"si": 1.0, "no": 0.0},
    {"sim": 1.0, "não": 0.0},
    {"да": 1.0, "нет": 0.0},
    {"是": 1.0, "否": 0.0},
    {"sì": 1.0, "no": 0.0},
    {"ja": 1.0, "nee": 0.0},
    {"ja": 1.0, "nej": 0.0},
    {"ja": 1.0, "nei": 0.0},
    {"tak": 1.0, "nie": 0.0},
    {"так": 1.0, "ні": 0.0},
    {"ano": 1.0, "ne": 0.0},
    {"igen": 1.0, "nem": 0.0},
    {"kyllä": 1.0, "ei": 0.0},
    {"evet": 1.0, "hay\u0131r": 0.0},
    {"\u03bd\u03b1\u03b9": 1.0, "\u03cc\u03c7\u03b9": 0.0},  # nai, ochi
    {"نعم": 1.0, "لا": 0.0},
    {"हाँ": 1.0, "नहीं": 0.0},
    {"はい": 1.0, "いいえ": 0.0},
    {"예": 1.0, "아니오": 0.0},
    {"có": 1.0, "không": 0.0},
    {"ya": 1.0, "tidak": 0.0},
    {"✓": 1.0, "✗": 0.0},
    {"✔": 1.0, "✘": 0.0},
)
"""Words for 1 and 0, in lower case."""
MOSTLY = 0.9
"""Share of the values of a column that must be numbers for it to be a column of numbers."""
LARGEST = 1e19
"""Number that is computed with: the squares of larger ones do not fit into float32."""
TRIED_FIRST = 16
"""Cells of a column that are read as numbers before all are."""
MAX_CATEGORIES = 1000
"""Different values of a column that are told apart; the others count as one."""


def is_number(text: str) -> bool:
    """Tell whether a text is a number as programs write it, maybe an infinite one."""
    try:
        float(text)
    except ValueError:
        return False
    # Python takes 1_000 and the digits of every script.
    return text.isascii() and "_" not in text and text.strip().lower() not in MISSING


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds no value."""
    if isinstance(cell, str):
        return _is_missing_word(cell)
    return cell is None or cell != cell  # NaN alone is not itself


@lru_cache(maxsize=2**16)
def _is_missing_word(cell: str) -> bool:
    return tidy(cell).lower() in MISSING


@lru_cache(maxsize=2**16)
def word_of(cell: str) -> str:
    """Return a cell as it is compared with words: without spaces around it, in lower case."""
    return tidy(cell).lower()


def class_name(cell: Any) -> str:
    """Return the name of the class that a cell stands for: 1 and 1.0 are one class."""
    if isinstance(cell, str):
        return composed(cell.strip())
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower()
    is_whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
    return str(int(cell)) if is_whole else str(cell)


def why_no_number(cell: Any) -> str:
    """Return what a cell is instead of a number that can be computed with."""
    text = str(cell)
    is_large = is_number(text) and math.isfinite(float(text))
    wanted = f"a number up to {LARGEST:g}" if is_large else "a finite number"
    return f"{shortened(text)!r}, not {wanted}"


def as_texts(cells: Sequence[Any]) -> Array:
    """Return cells as texts, an empty one for a missing value."""
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [
        cell if isinstance(cell, str) else "" if is_missing(cell) else str(cell) for cell in cells
    ]
    return texts


def as_arrow(cells: Any) -> Any:
    """Return cells as an Arrow array: of texts, or of the numbers, dates or booleans they are."""
    import pyarrow

    if isinstance(cells, pyarrow.Array | pyarrow.ChunkedArray):
        whole = cells.combine_chunks() if isinstance(cells, pyarrow.ChunkedArray) else cells
        is_coded = pyarrow.types.is_dictionary(whole.type)
        return whole.dictionary_decode() if is_coded else whole
    for wanted in (pyarrow.string(), None):
        try:
            return pyarrow.array(cells, wanted, from_pandas=True)
        except (pyarrow.ArrowException, OverflowError, TypeError, ValueError):
            continue
    texts = [None if is_missing(cell) else str(cell) for cell in cells]
    return pyarrow.array(texts, pyarrow.string())


def is_textual(array: Any) -> bool:
    """Tell whether an Arrow array holds texts, or nothing at all."""
    from pyarrow import types

    kind = array.type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_null(kind)
        or "string_view" in str(kind)
    )


def typed_seconds(array: Any) -> Array | None:
    """Return an Arrow array of dates or times as seconds since 1970; None for anything else."""
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import types

    from dlrecipes.datasets.own.moments import NO_MOMENT

    kind = array.type
    if types.is_time(kind):
        ticks = array.cast(pyarrow.int32() if types.is_time32(kind) else pyarrow.int64())
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        values = pc.fill_null(ticks.cast(pyarrow.int64()), NO_MOMENT).to_numpy(False)
        return np.where(values == NO_MOMENT, NO_MOMENT, values // per_second)
    if not types.is_timestamp(kind) and not types.is_date(kind):
        return None
    if types.is_timestamp(kind) and kind.tz:  # The clock on the wall says more than Greenwich's.
        array = pc.local_timestamp(array)
    seconds = array.cast(pyarrow.timestamp("s"), safe=False).cast(pyarrow.int64())
    whole: Array = pc.fill_null(seconds, NO_MOMENT).to_numpy(False)
    return whole


def typed_numbers(array: Any) -> Array:
    """Return an Arrow array of numbers, booleans or durations as float64, NaN where missing."""
    import pyarrow
    from pyarrow import types

    kind = array.type
    if types.is_boolean(kind):
        array = array.cast(pyarrow.int8())
    elif types.is_duration(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return typed_numbers(array.cast(pyarrow.int64())) / per_second
    return np.array(
        array.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False), "float64"
    )


def plain_numbers(texts: Any) -> tuple[Array, Array]:
    """Return texts as float64, and which are no numbers as every program reads them, nor nothing.

    Args:
        texts: An Arrow array of texts.

    Returns:
        Numbers, NaN for all else; and booleans, true for texts that are to be looked at closer.
    """
    import pyarrow
    import pyarrow.compute as pc

    if pyarrow.types.is_null(texts.type):
        return np.full(len(texts), np.nan), np.zeros(len(texts), bool)
    filled = pc.if_else(pc.equal(texts, ""), pyarrow.scalar(None, texts.type), texts)
    try:
        # Arrow says of every text why it is no number, which takes long: a few are tried first.
        pc.cast(filled.slice(0, TRIED_FIRST), pyarrow.float64())
        numbers = pc.cast(filled, pyarrow.float64())
    except pyarrow.ArrowInvalid:
        from dlrecipes.datasets.own.numerals import PLAIN

        is_plain = pc.match_substring_regex(filled, PLAIN)
        kept = pc.if_else(is_plain, filled, pyarrow.scalar(None, texts.type))
        numbers = pc.cast(kept, pyarrow.float64())
    values = np.array(numbers.to_numpy(zero_copy_only=False), "float64")
    other = ~(np.abs(values) <= LARGEST) & filled.is_valid().to_numpy(zero_copy_only=False)
    values[other] = np.nan
    return values, other


def are_plain_values(cells: Any) -> Array:
    """Return which cells surely hold a value: numbers as every program writes them, or typed."""
    array = as_arrow(cells)
    if is_textual(array):
        return ~np.isnan(plain_numbers(array)[0])
    known: Array = ~array.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
    return known


def numeral_of(text: str) -> Numeral | None:
    """Return the number that a text is; None if it is none, or stands for a missing value."""
    return None if word_of(text) in NO_VALUE else numeral(text)
