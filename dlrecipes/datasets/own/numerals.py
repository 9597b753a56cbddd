"""Numbers as people write them: 1,234.50, 1.234,5, $12, 12 %, (5), 1 234 kg, 5'10", 2 h 30 min."""

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

_CURRENCY = "$€£¥₹₽₩₺₴₫฿₪₦₱₲₵₡¢₸₼₾"
_ABOUT = "~|≈|ca\\.?|c\\.|circa|approx\\.?|about|around|etwa|env\\.?|约|約"
_SHAPE = re.compile(
    rf"(?P<sign>[-+]?)\s*(?:(?P<about>{_ABOUT})|(?P<before>[A-Z]{{0,3}}[{_CURRENCY}]|[A-Z]{{3}}"
    r"|usd|eur|gbp|inr|jpy|cny|rmb|chf|Rs\.?|Rp\.?|RM|Fr\.?|[Kk]r\.?|zł|Kč|#|№|[Nn]o\.|Nr\.))?\s*"
    r"(?P<sign2>[-+]?)\s*"
    r"(?P<number>[.,]?\d(?:[\d.,'\u2019_ ]*\d)?)(?P<end>[.,]?)"
    r"(?P<power>(?:[eE][-+]?|[dD][-+])\d{1,3})?"
    r"\s*(?P<after>(?:±|\+/-)\s?[\d.,]+|[^\d\s][^\s]{0,14}(?: [^\d\s]{1,10})?"
    r"|out of \d{1,3}(?: \w{1,10})?|/\s?\d{1,3})?"
)
_IN_BRACKETS = re.compile(rf"(?P<before>[A-Z]{{0,3}}[{_CURRENCY}]?)\s*\((?P<inner>.+)\)")
_AFTER = re.compile(
    rf"%|‰|\+|(?:±|\+/-).*|°\s?[CFK]?|[{_CURRENCY}]|['\"\u2032\u2033]|/\s?\d+|out of \d.*"
    r"|[^\W\d_][^\W\d_.]*\.?"
    r"(?:(?<=[a-z])[23²³]|\^[23])?(?:\s?/\s?[^\W\d_]+[23²³]?)?(?: [^\W\d_]+\.?)?"
)
_MONTH = re.compile(r"(?:0?[1-9]|1[0-2])/(?:19|20)\d\d")
"""A month of a year, which is no fraction."""
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
ELAPSED = ":"
"""The unit of times that have passed, such as 36:15, which are seconds."""
_SECONDS = {
    **{"y": 31_557_600, "n": 2_629_800, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1},
}
"""Of each unit of time; a year is of 365.25 days, and a month (`n`) a twelfth of it."""
_TIME = re.compile(
    r"(?:(?P<y>\d+)\s*(?:y|yrs?|years?)\W*)?(?:(?P<n>\d+)\s*(?:mos?|mths?|months?)\W*)?"
    r"(?:(?P<w>\d+)\s*(?:w|wks?|weeks?)\W*)?(?:(?P<d>\d+)\s*(?:d|days?|Tage?)\W*)?"
    r"(?:(?P<h>\d+)\s*(?:h|hrs?|hours?|Std\.?)\W*)?"
    r"(?:(?P<m>\d+)\s*(?:m|mins?|minutes?|['\u2032]|(?<=h[0-5]\d))\W*)?"
    r"(?:(?P<s>\d+(?:[.,]\d+)?)\s*(?:s|secs?|seconds?))?"
)
_PERIOD = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_ELAPSED = re.compile(r"(?P<first>\d{1,4}):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d(?:\.\d+)?))?")
_FEET = re.compile(
    r"(\d{1,3})\s*(?:'|\u2032|ft\.?|feet)\s*(\d{1,2}(?:\.\d+)?)\s*(?:\"|''|\u2033|in\.?)?"
)
_DEGREES = re.compile(
    r"(?P<sign>-?)(?P<d>\d{1,3}(?:[.,]\d+)?)\s*°\s*(?:(?P<m>\d{1,2}(?:[.,]\d+)?)\s*['\u2032]\s*)?"
    r"(?:(?P<s>\d{1,2}(?:[.,]\d+)?)\s*(?:\"|''|\u2033)\s*)?(?P<side>[NSEWO])?"
)
_FRACTION = re.compile(
    r"(?P<sign>-?)(?:(?P<whole>\d+)[\s-])?\s*(?P<over>\d{1,3})[/\u2044](?P<under>\d{1,3})"
)


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
    if bare.startswith('="') and bare.endswith('"'):  # So that Excel keeps a text as it is.
        bare = tidy(bare[2:-1])
    if (found := _composite(bare)) is not None:
        return found
    if match := _IN_BRACKETS.fullmatch(bare):
        bare, negative = f"{match['before']}{match['inner'].strip()}", True
    for ending in (",-", ".-", ",--", ".--", "-"):
        if bare.endswith(ending) and len(bare) > len(ending):
            bare, negative = bare.removesuffix(ending).rstrip(), negative or ending == "-"
            break
    match = _SHAPE.fullmatch(bare)
    if not match or _MONTH.fullmatch(bare):
        return None
    after = (match["after"] or "").strip()
    if (after and not _AFTER.fullmatch(after)) or (match["sign"] and match["sign2"]):
        return None
    digits = match["number"].replace(" ", "'").replace("_", "'") + match["end"]
    negative ^= "-" in (match["sign"], match["sign2"])
    before = match["before"] or ""
    times = TIMES.get(after, 1.0) if before else 1.0
    if before and after and times == 1:
        return None
    power = (match["power"] or "").lower().replace("d", "e")
    point = _signed(_value(digits, ".", power), negative)
    comma = _signed(_value(digits, ",", power), negative)
    if point is None and comma is None:
        return None
    unit = "" if after in _ORDINALS or after[:1] in "+±" else before or after.replace(" ", "")
    return Numeral(point and point * times, comma and comma * times, unit)


def _composite(text: str) -> Numeral | None:
    """Return the number that several together make: 5'10", 2 h 30 min, 6°24'50"N, 1 3/4."""
    if len(text) < 3 or not text[-1:].strip() or text.isdecimal():
        return None
    if match := _FEET.fullmatch(text):
        return _of_one_unit(12 * _decimal(match[1]) + _decimal(match[2]), "in")
    if (match := _DEGREES.fullmatch(text)) and (match["m"] or match["side"]):
        value = _decimal(match["d"]) + _decimal(match["m"]) / 60 + _decimal(match["s"]) / 3600
        is_negative = bool(match["sign"]) or match["side"] in ("S", "W")
        return _of_one_unit(-value if is_negative else value, "°")
    if (match := _FRACTION.fullmatch(text)) and match["whole"]:
        over, under = int(match["over"]), int(match["under"])
        if 0 < over < under:
            value = int(match["whole"]) + over / under
            return _of_one_unit(-value if match["sign"] else value, "")
    parts = _PERIOD.fullmatch(text) or _TIME.fullmatch(text)
    if parts and (text[0] == "P" or sum(one is not None for one in parts.groups()) > 1):
        passed = sum(_decimal(one) * _SECONDS[name] for name, one in parts.groupdict().items())
        return _of_one_unit(passed, "s")
    if (seconds := elapsed(text)) is not None and int(text.partition(":")[0]) > 24:
        return _of_one_unit(seconds, ELAPSED)
    return None


def elapsed(text: str) -> float | None:
    """Return the seconds of a time that has passed, such as 36:15 or 1:02:03; None if it is none.

    Two numbers are hours and minutes, or minutes and seconds: the same but for a factor.
    """
    match = _ELAPSED.fullmatch(tidy(text))
    if not match:
        return None
    return 3600 * int(match["first"]) + 60 * int(match["second"]) + _decimal(match["third"])


def _of_one_unit(value: float, unit: str) -> Numeral:
    return Numeral(value, value, unit)


def _decimal(text: str | None) -> float:
    return float((text or "0").replace(",", "."))


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
