"""Numbers as people write them: 1,234.50, 1.234,5, $12, 12 %, (5), 1 234 kg."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

PLAIN = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
"""A number that every program reads: the regular expression, for whole columns."""
DOT_OR_GROUP = r"^[-+]?[1-9][0-9]{0,2}\.[0-9]{3}$"
"""A plain number that is another one where the point parts thousands: 1.234."""
MARKS = {".": ",", ",": "."}
"""What may part thousands, by what begins the decimals."""

_CURRENCY = "$€£¥₹₽₩₺₴₫฿₪₦₱₲₵₡"
_BEFORE = re.compile(rf"(?:[A-Z]{{0,3}}[{_CURRENCY}]|[A-Z]{{3}}|Rs\.?|Fr\.?|kr\.?|zł|Kč|ca\.|~|≈)?")
_SHAPE = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<before>[^\d.,+\-()']{0,5}?)\s*(?P<sign2>[-+]?)\s*"
    r"(?P<number>[.,]?\d(?:[\d.,'\u2019_ ]*\d)?)(?P<end>[.,]?)(?P<power>[eE][-+]?\d{1,3})?"
    r"\s*(?P<after>[^\d\s][^\s]{0,14}(?: [^\d\s]{1,10})?)?"
)
_AFTER = re.compile(
    rf"%|‰|°\s?[CFK]?|[{_CURRENCY}]|['\"\u2032\u2033]|[^\W\d_][^\W\d_.]*\.?"
    r"(?:[23²³]|\^[23])?(?:\s?/\s?[^\W\d_]+[23²³]?)?(?: [^\W\d_]+\.?)?"
)
_GROUPED = r"\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}"
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2012\u2013\u2014\ufe63\uff0d", "-"),
        **dict.fromkeys("\u00a0\u202f\u2009\u2007\u2008\u200a\u2002\u2003\t", " "),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u200e\u200f\u2060", None),
        **dict.fromkeys("\u2019\u2018\u02bc\uff07", "'"),
        "\uff0e": ".",
        "\uff0c": ",",
        "\u066b": ".",
        "\u066c": ",",
        "\uff05": "%",
        "\uff04": "$",
    }
)
TIMES = {
    **{"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "bn": 1e9, "tn": 1e12, "mn": 1e6},
    **{"Mio": 1e6, "Mio.": 1e6, "Mrd": 1e9, "Mrd.": 1e9, "million": 1e6, "billion": 1e9},
    **{"lakh": 1e5, "crore": 1e7, "万": 1e4, "亿": 1e8, "億": 1e8},
}
"""What stands behind a number that is to be multiplied, where others of its column have none."""
_ORDINALS = ("st", "nd", "rd", "th")


@dataclass(frozen=True)
class Numeral:
    """A number as it is written.

    Args:
        point: Its value if a point begins the decimals; None if it is no number then.
        comma: Its value if a comma does.
        unit: What stands before or behind it: `kg`, `$`, `%`; empty for nothing.
    """

    point: float | None
    comma: float | None
    unit: str = ""

    def value(self, decimal: str) -> float | None:
        """Return its value with a mark before the decimals: `.` or `,`."""
        return self.point if decimal == "." else self.comma


def tidy(text: str) -> str:
    """Return a text with the plain forms of its spaces, signs and digits, and none around it."""
    if not text.isascii():
        text = text.translate(_TYPOGRAPHY)
        text = "".join(
            str(unicodedata.digit(letter)) if letter.isdigit() and letter not in "²³¹" else letter
            for letter in text
        )
    return text.strip()


@lru_cache(maxsize=2**16)
def numeral(text: str) -> Numeral | None:
    """Return the number that a text is, in either reading of its marks; None if it is none."""
    bare, negative = tidy(text), False
    if bare.startswith("(") and bare.endswith(")"):
        bare, negative = bare[1:-1].strip(), True
    for ending in (",-", ".-", ",--", ".--", "-"):
        if bare.endswith(ending) and len(bare) > len(ending):
            bare, negative = bare.removesuffix(ending).rstrip(), negative or ending == "-"
            break
    match = _SHAPE.fullmatch(bare)
    if not match or not _BEFORE.fullmatch(match["before"]):
        return None
    after = (match["after"] or "").strip()
    if (after and not _AFTER.fullmatch(after)) or (match["sign"] and match["sign2"]):
        return None
    digits = match["number"].replace(" ", "'").replace("_", "'") + match["end"]
    negative ^= "-" in (match["sign"], match["sign2"])
    before = "" if match["before"] in ("ca.", "~", "≈") else match["before"]
    if before and after:
        return None
    power = match["power"] or ""
    point = _signed(_value(digits, ".", power), negative)
    comma = _signed(_value(digits, ",", power), negative)
    if point is None and comma is None:
        return None
    unit = "" if after in _ORDINALS else before or after.replace(" ", "")
    return Numeral(point, comma, unit)


def _signed(value: float | None, negative: bool) -> float | None:
    return -value if negative and value is not None else value


def _value(digits: str, decimal: str, power: str) -> float | None:
    """Return the value of digits with marks, if a mark begins their decimals; None if it cannot."""
    whole, mark, decimals = digits.partition(decimal)
    if mark and decimals and not decimals.isdecimal():
        return None
    if whole and not whole.isdecimal():
        others = {letter for letter in whole if not letter.isdecimal()}
        if len(others) != 1:
            return None
        group = others.pop()
        if not re.fullmatch(_GROUPED.format(mark=re.escape(group)), whole):
            return None
        if whole.startswith("0"):
            return None
        whole = whole.replace(group, "")
    return float(f"{whole or 0}.{decimals or 0}{power}")
