"""Columns that name the row, from which nothing can be learned that holds for other rows."""

import re

from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.written import NUMBERS, TEXTS, Written

FEW, MANY = 10, 100
"""Rows from which on a column is looked at, by its name and without it."""
ALMOST_ALL = 0.95
"""Share of the texts of a column that are different, if they name the row."""
_NAME = re.compile(
    r"#|row|rows|index|idx|id|ids|n|nr|no|num|number|key|pk|uuid|guid|rownames?|unnamed.*|lfd|lfdnr"
    r"|(row|record|sample|case|obs|observation|line|entry|item)(id|no|nr|num|number|index)?"
)
_ENDS = re.compile(r".*[a-z0-9](ID|Id|UUID)|(.*[_\s.-])?(id|uuid|guid|idx|rowid)|id[_\s.-].*")
_CODE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{24,128}", re.IGNORECASE
)


def why_left_out(name: str, facts: ColumnFacts, written: Written) -> str:
    """Return how a column names the row, as the end of a sentence; empty if it does not."""
    called = _is_called_so(name)
    rows = facts.rows
    if rows < FEW:
        return ""
    if written.kind == NUMBERS:
        if facts.missing or facts.texts or not facts.whole or facts.numbers < rows:
            return ""
        # Of many values a fair share is counted: each once, if all are different.
        are_different = facts.steps or facts.sketch.share == 1
        if are_different and facts.highest - facts.lowest + 1 == rows and (called or rows >= MANY):
            return "counts the rows"
        return "has another number in every row" if called and are_different else ""
    if written.kind != TEXTS or not facts.distinct:
        return ""
    some = list(facts.distinct)[:MANY]
    if facts.sketch.share > 0.5 and all(_CODE.fullmatch(text.strip()) for text in some):
        return "names the rows by codes"
    if facts.sketch.share < ALMOST_ALL or rows < 2 * FEW:
        return ""
    return "has another text in almost every row: nothing can be learned from it"


def _is_called_so(name: str) -> bool:
    """Tell whether a column is called like a number of the row: `id`, `Unnamed: 0`, `userId`."""
    plain = re.sub(r"[^a-z#]", "", name.lower())
    return bool(_NAME.fullmatch(plain) or _ENDS.fullmatch(name) or _ENDS.fullmatch(name.lower()))
