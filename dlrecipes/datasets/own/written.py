"""How each column of a table is written: told by the column as a whole, or by the user."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from dlrecipes.datasets.own import units
from dlrecipes.datasets.own.cells import (
    BOOLEANS,
    LARGEST,
    MISSING,
    MOSTLY,
    NO_VALUE,
    as_arrow,
    is_textual,
    plain_numbers,
    typed_numbers,
    typed_seconds,
    word_of,
)
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.files import Report, composed, shortened
from dlrecipes.datasets.own.moments import (
    DAY_FIRST,
    MONTH_FIRST,
    NO_MOMENT,
    as_seconds,
    seconds_of_days,
)
from dlrecipes.datasets.own.numerals import ELAPSED, PLAIN, TIMES, elapsed, numeral, tidy
from dlrecipes.datasets.storage import Array

NUMBERS, TEXTS, DATES = "numbers", "texts", "dates"
CALLED = {NUMBERS: "numbers", TEXTS: "categories", DATES: "dates"}
"""What people call what a column holds."""
TYPES = {
    "number": NUMBERS,
    "category": TEXTS,
    "date": DATES,
    DAY_FIRST: DATES,
    MONTH_FIRST: DATES,
}
"""What `--types` calls the kinds of columns."""
MANY_UNITS = 5
"""Different units beside numbers that are a mixture still; with more, they are no units."""
MOST_WORDS = 3
"""Different words in a column of numbers that may stand for missing values."""
WORDS_SHARE = 0.3
"""Of a column of numbers that may be such words."""


@dataclass(frozen=True)
class Written:
    """How the cells of a column are written.

    Args:
        kind: `numbers`, `texts` or `dates`.
        decimal: What begins the decimals: `.` or `,`.
        order: Of dates, `day-first` or `month-first` where that makes a difference.
        unit: What stands beside the numbers, which is left out.
        times: Whether it multiplies them: `k`, `M`.
        scale: The unit that different ones are turned into: see `units.SCALES`.
        days: Whether numbers are days such as 20210301.
        missing: Words that stand for missing values, beside those that always do.
        words: Numbers that words stand for: `yes`, `no`.
    """

    kind: str = NUMBERS
    decimal: str = "."
    order: str = ""
    unit: str = ""
    times: bool = False
    scale: str = ""
    days: bool = False
    missing: tuple[str, ...] = ()
    words: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as JSON types, without what is as usual."""
        usual = asdict(Written())
        found = asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if name == "kind" or value != usual[name]
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Written":
        """Return what `document` was made of."""
        return cls(**{**document, "missing": tuple(document.get("missing", ()))})


def settle(
    facts: Mapping[str, ColumnFacts],
    types: Mapping[str, str],
    decimal: str,
    separator: str,
    report: Report,
) -> dict[str, Written]:
    """Return how each column is written; what cannot be told is a problem.

    Args:
        facts: What each column holds.
        types: What the user says that columns are, by `TYPES`.
        decimal: The mark before decimals that the user names; empty to tell by the columns.
        separator: What parts the cells: with semicolons, decimals may begin with a comma.
        report: Is told of problems, which name the flag that settles them.
    """
    kinds = {name: _kind(name, one, types.get(name, ""), report) for name, one in facts.items()}
    numeric = [name for name, one in kinds.items() if one.kind == NUMBERS]
    sure = {_sure_mark(facts[name]) for name in numeric} - {""}
    usual = decimal or (sure.pop() if len(sure) == 1 else "")
    for name in numeric:
        mark = decimal or _mark(name, facts[name], usual, separator, report)
        kinds[name] = replace(kinds[name], decimal=mark)
        facts[name].is_numeric = True
    return kinds


def _kind(name: str, facts: ColumnFacts, wanted: str, report: Report) -> Written:
    """Return what a column holds, but for the mark of its decimals."""
    order = wanted if wanted in (DAY_FIRST, MONTH_FIRST) else ""
    if wanted == "category":
        return Written(TEXTS)
    if facts.typed_dates:
        return Written(DATES)
    if TYPES.get(wanted) == DATES:
        days = facts.days and facts.numbers > 0
        return Written(DATES, order=order or _order(name, facts, report), days=days)
    if wanted != "number" and (words := _booleans(facts)):
        facts.values.update(words.values())
        return Written(words=words)
    known = facts.rows - facts.missing
    has_elapsed = facts.units[ELAPSED] > (1 - MOSTLY) * known  # Others may be times of a day.
    if has_elapsed and facts.numbers + facts.dates >= MOSTLY * known:
        return Written(unit=ELAPSED)
    if not wanted and facts.dates and facts.dates >= MOSTLY * (facts.rows - facts.missing):
        return Written(DATES, order=_order(name, facts, report))
    if not wanted and facts.days and len(facts.values) >= 3 and not facts.texts:
        return Written(DATES, days=True)
    return _numbers(name, facts, wanted, report)


def _numbers(name: str, facts: ColumnFacts, wanted: str, report: Report) -> Written:
    """Return whether a column holds numbers, or names; a mixture is a problem."""
    others = facts.others()
    total = facts.numbers + facts.infinite + facts.dates + sum(others.values())
    numbers = facts.numbers + facts.infinite
    missing = _words_for_nothing(others, total) if not facts.dates else ()
    rest = total - numbers - sum(others[word] for word in missing)
    if numbers and (wanted == "number" or numbers >= MOSTLY * (numbers + rest)):
        facts.texts -= sum(others[word] for word in missing)
        facts.missing += sum(others[word] for word in missing)
        beside = _units(name, facts, wanted, report)
        if beside.kind == TEXTS:
            return beside
        return replace(beside, missing=tuple(sorted(others)) if wanted == "number" else missing)
    if numbers >= (numbers + rest) / 2 and rest and not wanted:
        examples = ", ".join(repr(shortened(word)) for word in list(others)[:2]) or "dates"
        report.problem(
            f"The column {name} is mixed: {numbers / (numbers + rest):.0%} of its values are "
            f"numbers, others are such as {examples}.",
            f"--types {name}=number takes the others as missing, --types {name}=category takes "
            f"all as names, --ignore {name} leaves the column out.",
        )
    return Written(TEXTS)


def _booleans(facts: ColumnFacts) -> dict[str, float]:
    """Return the words for 1 and 0 that a column is made of; empty if it is made of others."""
    if facts.dates or facts.infinite or not facts.values <= {0.0, 1.0}:
        return {}
    words = set(facts.others())
    if not words or facts.numbers > sum(facts.others().values()):
        return {}
    pair = next((pair for pair in BOOLEANS if words <= pair.keys()), {})
    return dict(pair) if len(words) == 2 or facts.numbers or "true" in pair else {}


def _words_for_nothing(others: Mapping[str, int], total: int) -> tuple[str, ...]:
    """Return the words in a column of numbers that stand for missing values."""
    if not 0 < len(others) <= MOST_WORDS or sum(others.values()) > WORDS_SHARE * total:
        return ()
    repeated = all(count > 1 for count in others.values())
    return tuple(sorted(others)) if repeated and not any(map(_has_digit, others)) else ()


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _units(name: str, facts: ColumnFacts, wanted: str, report: Report) -> Written:
    """Return how what stands beside a column's numbers is written.

    Texts, if these are no numbers with units: house numbers, for example.
    """
    found: dict[str, list[str]] = {}
    for unit in facts.units:
        if unit:
            found.setdefault(units.short(unit), []).append(unit)
    if not found:
        return Written()
    spelt = [unit for some in found.values() for unit in some]
    bare = facts.numbers - sum(facts.units[unit] for unit in spelt)
    if all(unit in TIMES for unit in spelt):
        return Written(times=True)
    is_percent = "%" in found and bare
    if len(found) == 1 and not is_percent:
        return Written(unit=spelt[0])
    if not bare and (scale := units.scale_of(found)):
        report.note(f"The column {name} has different units; all are turned into {scale}.")
        return Written(unit=scale, scale=scale)
    if len(found) > MANY_UNITS or not all(one in units.KNOWN or one in TIMES for one in found):
        return Written(TEXTS if wanted != "number" else NUMBERS)
    if wanted != "number":
        counts = [f"{unit} ({facts.units[unit]:,})" for unit in spelt[:MANY_UNITS]]
        counts += [f"none ({bare:,})"] if bare else []
        report.problem(
            f"The column {name} has numbers with different units: {', '.join(counts)}.",
            f"Convert them to one; or --types {name}=number takes the numbers as they are, "
            f"--types {name}=category takes them as names, --ignore {name} leaves them out.",
        )
    return Written()


def _sure_mark(facts: ColumnFacts) -> str:
    """Return the mark before a column's decimals if no other is possible; empty if one is."""
    marks = facts.marks
    if marks["comma"] and not marks["point"]:
        return ","
    return "." if marks["point"] and not marks["comma"] else ""


def _mark(name: str, facts: ColumnFacts, usual: str, separator: str, report: Report) -> str:
    """Return the mark before the decimals of a column; what cannot be told is a problem.

    Args:
        name: Its name.
        facts: What it holds.
        usual: The mark in other columns; empty if that is not known.
        separator: What parts the cells of the table.
        report: Is told of the problem.
    """
    marks = facts.marks
    if sure := _sure_mark(facts):
        return sure
    settles = f"Say which with --decimal , or --decimal . ; --ignore {name} leaves it out."
    if marks["point"]:
        both = marks["point"] + marks["comma"]
        if min(marks["point"], marks["comma"]) <= (1 - MOSTLY) / 2 * both:
            return "." if marks["point"] > marks["comma"] else ","
        report.problem(
            f"The column {name} has decimals behind points ({marks['point']:,}) and behind commas "
            f"({marks['comma']:,}).",
            settles,
        )
        return "."
    # 1,234 is both; 1.234 beside 999 may be.
    is_doubtful = marks["either"] or (marks["grouped"] and marks["bare"])
    if usual or not is_doubtful:
        return usual or "."
    if marks["either"] and not marks["grouped"] and separator != ";":
        return "."
    shown = next((one for one in facts.examples if "," in one or "." in one), "1.234")
    report.problem(
        f"The column {name} can be read in two ways: {shown!r} with decimals, or with thousands "
        "parted.",
        settles,
    )
    return "."


def _order(name: str, facts: ColumnFacts, report: Report) -> str:
    """Return whether the day comes first in a column of dates; what cannot be told is a problem."""
    orders = facts.orders
    day, month = orders[DAY_FIRST], orders[MONTH_FIRST]
    if day and month:
        report.problem(
            f"The column {name} has dates with the day first ({day:,}) and with the month first "
            f"({month:,}).",
            f"Make them one; or --types {name}=day-first takes the others as missing.",
        )
    if day or month:
        return DAY_FIRST if day else MONTH_FIRST
    if not orders["either"] or orders["point"]:
        return DAY_FIRST if orders["either"] else ""
    report.problem(
        f"The column {name} has dates such as {(facts.examples or [''])[0]!r}: day or month may "
        "come first.",
        f"Say which with --types {name}=day-first or --types {name}=month-first.",
    )
    return DAY_FIRST


def read_numbers(cells: Any, written: Written) -> tuple[Array, list[int]]:
    """Return cells as float64, NaN where missing, and the places of those that are no number.

    Args:
        cells: A list, or an Arrow array.
        written: How they are written.
    """
    array = as_arrow(cells)
    if not is_textual(array):
        values = typed_numbers(array)
        large = np.flatnonzero(np.abs(values) > LARGEST)
        values[large] = np.nan
        return values, large.tolist()
    if written.decimal == ",":
        array = _with_points(array)
    values, other = plain_numbers(array)
    bad: list[int] = []
    for places, text in different(array, other):
        found = _number(text, written)
        if found is None:
            bad += places.tolist()
        else:
            values[places] = found
    return values, sorted(bad)


def _with_points(array: Any) -> Any:
    """Return texts with a point for the comma of plain numbers; other points stay apart."""
    import pyarrow.compute as pc

    simple = pc.match_substring_regex(array, r"^[-+]?[0-9]*,[0-9]+$")
    pointed = pc.match_substring_regex(array, PLAIN)
    has_point = pc.and_(pointed, pc.match_substring(array, "."))
    changed = pc.if_else(simple, pc.replace_substring(array, ",", "."), array)
    # 1.234 is 1234 here: a space keeps it from being taken for 1.234 as programs write it.
    return pc.if_else(has_point, pc.binary_join_element_wise(array, " ", ""), changed)


def different(cells: Any, places: Array | None = None) -> Iterator[tuple[Array, Any]]:
    """Yield each different cell, at some places or all, with the places where it stands."""
    import pyarrow

    array = as_arrow(cells)
    where = np.arange(len(array)) if places is None else np.flatnonzero(places)
    if not len(where):
        return
    some = array if places is None else array.filter(pyarrow.array(places))
    coded = some.dictionary_encode(null_encoding="encode")
    codes = coded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    found = coded.dictionary.to_pylist()
    ends = np.cumsum(np.bincount(codes, minlength=len(found)))
    for cell, rows in zip(found, np.split(where[order], ends[:-1]), strict=True):
        yield rows, cell


def _number(text: str, written: Written) -> float | None:
    """Return the number that a text is, NaN for a missing one; None if it is no number."""
    word = word_of(text)
    if word in written.words:
        return written.words[word]
    if written.unit == ELAPSED and (seconds := elapsed(text)) is not None:
        return seconds
    found = numeral(text)
    if word in NO_VALUE or word in written.missing:
        return np.nan
    if word in BOOLEANS[0]:
        return BOOLEANS[0][word]
    value = None if found is None else found.value(written.decimal)
    if value is None or abs(value) > LARGEST:
        return None
    assert found is not None
    if written.scale:
        times = units.factor(found.unit, written.scale)
        return None if times is None else value * times
    return value * TIMES.get(found.unit, 1.0) if written.times else value


def read_dates(cells: Any, written: Written) -> tuple[Array, list[int]]:
    """Return cells as seconds since 1970, int64, and the places of those that are no date."""
    array = as_arrow(cells)
    if not is_textual(array):
        seconds = typed_seconds(array)
        return (seconds_of_days(typed_numbers(array)) if seconds is None else seconds), []
    values, other = plain_numbers(array)
    numbers = np.flatnonzero(~np.isnan(values))
    seconds = np.full(len(values), NO_MOMENT)
    if written.days and len(numbers):
        seconds[numbers] = seconds_of_days(values[numbers])
    elif len(numbers):
        other[numbers] = True
    bad: list[int] = []
    some = list(different(array, other))
    found = as_seconds(np.array([text for _, text in some], dtype=object), written.order)
    for (places, text), value in zip(some, found.tolist(), strict=True):
        if value == NO_MOMENT and word_of(text) not in NO_VALUE | set(written.missing):
            bad += places.tolist()
        seconds[places] = value
    return seconds, sorted(bad)


def read_texts(cells: Any) -> Array:
    """Return cells as texts without spaces around them, an empty one for a missing value."""
    array = as_arrow(cells)
    if not is_textual(array):
        import pyarrow

        if pyarrow.types.is_floating(array.type) or pyarrow.types.is_boolean(array.type):
            cells = array.to_pylist()
            return np.array([_plain_text(cell) for cell in cells] or [], dtype=object)
        array = array.cast(pyarrow.string())
    coded = array.dictionary_encode()
    names = [_category(text) for text in coded.dictionary.to_pylist()]
    table = np.array([*names, ""], dtype=object)
    codes = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    texts: Array = table[codes]
    return texts


def _plain_text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _category(text: str) -> str:
    short = composed(tidy(text))
    return "" if short.lower() in MISSING else short
