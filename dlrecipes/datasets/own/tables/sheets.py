"""Sheets of Excel and LibreOffice."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from dlrecipes.datasets.own.files import Report, shortened
from dlrecipes.datasets.own.tables.base import Chunk, Table
from dlrecipes.datasets.own.tables.delimited import MOST_FOOTERS, TOTALS, units_left_out
from dlrecipes.datasets.own.tables.dialect import (
    LEAST_BELOW,
    LOOKED_AT,
    heading,
    lacks_header,
    numbered_names,
)
from dlrecipes.datasets.storage import CHUNK


class SheetTable(Table):
    """The first sheet with rows of a file of Excel or LibreOffice.

    Args:
        path: The file.
        header: `none` if its first row names no columns, `first` if it does; empty to find it.
        report: Is told how it is laid out, and what is wrong with it.
    """

    unit = "row"

    def __init__(self, path: Path, header: str, report: Report) -> None:
        super().__init__(path)
        self.header = header
        import python_calamine

        try:
            book = python_calamine.CalamineWorkbook.from_path(str(path))
            sheets = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            report.problem(f"{path} cannot be read as a sheet: {error}.", "Save it as .csv.")
            return
        filled = {name: sheet for name, sheet in sheets.items() if sheet.height > 1}
        if not filled:
            report.problem(f"{path} is empty.")
            return
        tables = [one for one in filled.items() if min(one[1].width, one[1].height // 2) > 1]
        name, sheet = next(iter([*tables, *filled.items()]))
        if len(filled) > 1:
            report.note(f"The sheet {shortened(name)!r} is read, of {len(filled)} with rows.")
        rows = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
        self._begin(rows, report)

    def _begin(self, rows: list[list[str]], report: Report) -> None:
        """Find the header, and the columns below it."""
        width = max(map(len, rows))
        usual = sorted(sum(map(bool, row)) for row in rows)[len(rows) // 2]
        first = next(
            (place for place, row in enumerate(rows) if sum(map(bool, row)) * 2 > usual), 0
        )
        columns = [place for place in range(width) if any(row[place] for row in rows[first:])]
        rows = [[row[place] for place in columns] for row in rows]
        names, used, units = heading(rows[first : first + LOOKED_AT])
        names = [" ".join(name.split()) for name in names]
        if names and not names[0]:
            names[0] = "row"
        if self.header == "none":
            names, used, units = numbered_names(len(columns)), 0, ()
        begin = first + used
        self.below = [
            (begin + 1 + number, row) for number, row in enumerate(rows[begin:]) if any(row)
        ]
        some = [row for _, row in self.below[:LOOKED_AT]]
        if not self.header and lacks_header(self.path, names, some, report):
            return
        if first > 0:
            said = next((cell for row in rows[:first] for cell in row if cell), "")
            if said:
                report.note(f"Left out above the header: {shortened(said)!r}.")
        if units:
            report.note(units_left_out(units))
        self._cut_end(report)
        self.set_names(names, first + 1, report)

    def _cut_end(self, report: Report) -> None:
        """Leave out notes below the table, and rows that add up the others."""
        for _ in range(MOST_FOOTERS):
            if len(self.below) < LEAST_BELOW:
                return
            line, row = self.below[-1]
            said = [cell for cell in row if cell]
            before = [cell.lower() for _, above in self.below[:-1] for cell in above]
            if len(said) == 1 and len(row) > 2:
                report.note(f"{self.where(line)}: left out: {shortened(said[0])!r}.")
            elif any(cell.lower() in TOTALS and cell.lower() not in before for cell in said):
                report.note(f"{self.where(line)}: the row of the total is left out.")
            else:
                return
            self.below.pop()

    def rows(self, report: Report) -> Iterator[Chunk]:
        """Yield some rows at a time."""
        for start in range(0, len(self.below), CHUNK):
            some: Sequence[tuple[int, list[str]]] = self.below[start : start + CHUNK]
            yield self.chunk_of([line for line, _ in some], [row for _, row in some])


def _text(cell: Any) -> str:
    """Return a cell as the text that a table has for it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell.total_seconds())
    return str(cell).strip()
