"""Dates and times as people write them: 2021-03-01, 1.3.2021 14:05, Mar 1, 2021, 02:30 PM."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from dlrecipes.datasets.own.numerals import tidy
from dlrecipes.datasets.storage import Array

NO_MOMENT = np.iinfo("int64").min
"""Stands for a missing date among seconds."""
DAY_FIRST, MONTH_FIRST = "day-first", "month-first"

_MONTHS = (
    ("jan", "ene", "gen", "janv", "янв", "sty", "oca"),
    ("feb", "fev", "fév", "févr", "фев", "lut", "şub"),
    ("mar", "mär", "mae", "mrz", "mars", "mrt", "мар"),
    ("apr", "avr", "abr", "апр", "kwi", "nis"),
    ("may", "mai", "mag", "mei", "maj", "мая", "май"),
    ("jun", "juin", "giu", "июн", "cze", "haz"),
    ("jul", "juil", "lug", "июл", "lip", "tem"),
    ("aug", "aoû", "aou", "ago", "авг", "sie", "ağu"),
    ("sep", "set", "сен", "wrz", "eyl"),
    ("oct", "okt", "ott", "out", "окт", "paź", "eki"),
    ("nov", "ноя", "lis", "kas"),
    ("dec", "dez", "déc", "dic", "дек", "gru", "ara"),
)
_NUMBERS = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}
_WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,?\s+)?"
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp]\.?\s?[Mm]\.?)?\s*(?:Uhr)?\s*(?:Z|UTC|GMT|[A-Z]{1,4}T)?"
    r"\s*(?:\(?[+-]\d{1,2}:?(?:\d{2})?\)?)?"
)
_DATES = (
    re.compile(r"(?P<year>\d{4})(?P<mark>[-/. ])(?P<month>\d{1,2})(?:(?P=mark)(?P<day>\d{1,2}))?"),
    re.compile(r"(?P<year>\d{4})[年년]\s?(?P<month>\d{1,2})[月월]\s?(?:(?P<day>\d{1,2})[日일])?"),
    re.compile(r"(?P<month>\d{1,2})[-/](?P<year>\d{4})"),
    re.compile(r"(?P<year>\d{4})-?W(?P<week>\d\d)(?:-?(?P<weekday>[1-7]))?"),
    re.compile(r"(?P<year>\d{4})[-/ ]?Q(?P<quarter>[1-4])"),
    re.compile(r"Q(?P<quarter>[1-4])[-/ ]?(?P<year>\d{4}|'?\d\d)"),
    re.compile(
        r"(?P<first>\d{1,2})(?P<mark>[-/. ])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d\d)"
    ),
    re.compile(
        _WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th|er)?\.?[-\s/]*(?:de\s)?(?P<name>[^\W\d_]{3,10})"
        r"\.?[-\s,/]*(?:de\s)?(?P<year>\d{4}|\d\d)"
    ),
    re.compile(
        _WEEKDAY + r"(?P<name>[^\W\d_]{3,10})\.?[\s-]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s*"
        r"[-\s,]\s*(?P<year>\d{4})"
    ),
    re.compile(r"(?P<name>[^\W\d_]{3,10})\.?[-\s,/]*(?P<year>\d{4}|'?\d\d)"),
)
_TIME_BEHIND = re.compile(r"(?P<date>.*?\d[日일]?)(?:T|,?\s+|-(?=\d\d?:))(?P<clock>\d{1,2}:.*)")
_OTHERWISE = (
    (  # As C's ctime() and many programs after it: Wed Jan  1 14:05:00 +0000 2020
        re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d?:\S+)( \S+)? (\d{4})"),
        r"\2 \1 \5 \3",
    ),
    (  # The logs of web servers: 01/Jan/2020:14:05:00 +0000
        re.compile(r"\[?(\d{1,2}/[A-Z][a-z]{2}/\d{4}):(\d\d:\d\d:\d\d[^]]*)\]?"),
        r"\1 \2",
    ),
    (  # ISO 8601 without marks: 20200101T140559Z
        re.compile(r"(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d):?(\d\d)([.Z+-].*)?"),
        r"\1-\2-\3 \4:\5:\6\7",
    ),
    (  # The same without seconds
        re.compile(r"(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d)([Z+-].*)?"),
        r"\1-\2-\3 \4:\5\6",
    ),
)
"""Forms of a date with its time, and how the same is written otherwise."""
_PIVOT = 69
"""Two digits of a year from here on are of the last century, as POSIX has it."""


@dataclass(frozen=True)
class Moment:
    """A date, or a time of day, as it is written.

    Args:
        day_first: Its seconds since 1970 if the day comes first; None if it is none then.
        month_first: The same if the month does.
        has_point: Whether points part its numbers, as where the day comes first.
    """

    day_first: int | None
    month_first: int | None
    has_point: bool = False

    def seconds(self, order: str) -> int | None:
        """Return its seconds since 1970, on the clock that it was written by."""
        return self.month_first if order == MONTH_FIRST else self.day_first


@lru_cache(maxsize=2**16)
def moment(text: str) -> Moment | None:
    """Return the date or time that a text is, in either order of day and month; None if none."""
    bare = tidy(text)
    if not 4 <= len(bare) <= 40 or not any(letter.isdigit() for letter in bare):
        return None
    for form, otherwise in _OTHERWISE:
        bare = form.sub(otherwise, bare) if form.fullmatch(bare) else bare
    if clock := _CLOCK.fullmatch(bare):
        seconds = _of_day(clock)
        return None if seconds is None else Moment(seconds, seconds)
    behind, seconds = _TIME_BEHIND.fullmatch(bare), 0
    if behind:
        clock = _CLOCK.fullmatch(behind["clock"].strip())
        found = _of_day(clock) if clock else None
        if found is None:
            return None
        bare, seconds = behind["date"].strip(), found
    for pattern in _DATES:
        if match := pattern.fullmatch(bare):
            return _date(match.groupdict(), seconds)
    return None


def _date(parts: dict[str, str | None], seconds: int) -> Moment | None:
    """Return the date that parts of a text name, so many seconds after its midnight."""
    year = int((parts["year"] or "").lstrip("'"))
    if len(parts["year"] or "") < 4:
        year += 1900 if year >= _PIVOT else 2000
    if week := parts.get("week"):
        start = _day_of_week(year, int(week), int(parts["weekday"] or 1))
        return None if start is None else Moment(start, start)
    if quarter := parts.get("quarter"):
        parts["month"] = str(3 * int(quarter) - 2)
    if "first" in parts:
        first, second = int(parts["first"] or 0), int(parts["second"] or 0)
        readings = ((second, first), (first, second))
    else:
        name = (parts.get("name") or "").lower()
        month = (_NUMBERS.get(name[:4]) or _NUMBERS.get(name[:3])) if name else None
        month = month or int(parts.get("month") or 0)
        readings = ((month, int(parts.get("day") or 1)),) * 2
    days = [_midnight(year, month, day) for month, day in readings]
    if days == [None, None]:
        return None
    first_day, first_month = (None if day is None else day + seconds for day in days)
    return Moment(first_day, first_month, has_point=parts.get("mark") == ".")


def _midnight(year: int, month: int, day: int) -> int | None:
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _day_of_week(year: int, week: int, weekday: int) -> int | None:
    """Return the midnight of a day, from 1, of a week as ISO 8601 counts them."""
    try:
        day = datetime.fromisocalendar(year, week, weekday)
    except ValueError:
        return None
    return int(day.replace(tzinfo=UTC).timestamp())


def _of_day(clock: re.Match[str]) -> int | None:
    """Return the seconds since midnight; None if there is no such time."""
    hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"][0] in "Pp" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    return hour * 3600 + minute * 60 + second


def are_days(numbers: Array) -> bool:
    """Tell whether all numbers are days such as 20210301, with a time or not: 20210301140500."""
    if not len(numbers) or not (np.abs(numbers) < 1e15).all():
        return False
    whole, clocks = _days_and_clocks(numbers)
    if not (whole >= 18000101).all() or not (whole <= 22001231).all():
        return False
    if not (clocks < 240000).all() or not (clocks % 10000 < 6000).all():
        return False
    months, days = whole // 100 % 100, whole % 100
    valid = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)
    return bool((numbers == np.floor(numbers)).all() and valid.all())


def _days_and_clocks(numbers: Array) -> tuple[Array, Array]:
    """Return days such as 20210301, and times such as 140500, 0 where there is none; int64."""
    whole = numbers.astype("int64")
    is_long = whole >= 10**13
    return np.where(is_long, whole // 10**6, whole), np.where(is_long, whole % 10**6, 0)


def seconds_of_days(numbers: Array) -> Array:
    """Return the seconds since 1970 of days such as 20210301, int64; NaN is a missing one.

    A time may stand behind them: 20210301140500.
    """
    missing = np.isnan(numbers)
    whole, clocks = _days_and_clocks(np.where(missing, 19700101, numbers))
    seconds = clocks // 10000 * 3600 + clocks // 100 % 100 * 60 + clocks % 100
    months = (whole // 10000 - 1970) * 12 + whole // 100 % 100 - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype("int64")
    return np.where(missing, NO_MOMENT, (days + whole % 100 - 1) * 86_400 + seconds)


def as_seconds(texts: Array, order: str) -> Array:
    """Return texts as seconds since 1970, int64 (texts,): `NO_MOMENT` for what is no date."""
    import pandas as pd

    if len(texts) and all(len(text) in (10, 16, 19) and text[4:5] == "-" for text in texts):
        found = pd.to_datetime(pd.Series(texts), format="ISO8601", errors="coerce")
        if not found.isna().any():
            exact: Array = found.to_numpy("datetime64[s]").astype("int64")
            return exact
    seconds = np.full(len(texts), NO_MOMENT)
    for place, text in enumerate(texts):
        written = moment(text)
        value = None if written is None else written.seconds(order)
        if value is not None:
            seconds[place] = value
    return seconds


def shown(seconds: int) -> str:
    """Return seconds since 1970 as a date, with its time if it has one; a time of day alone."""
    text = str(np.datetime64(int(seconds), "s"))
    if 0 < seconds < 86_400:
        return text.partition("T")[2]
    return text.removesuffix("T00:00:00").replace("T", " ")
