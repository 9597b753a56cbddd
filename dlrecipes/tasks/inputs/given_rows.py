"""The rows of a table that `predict` is given; one that cannot be used does not stop the others."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.own.files import FileOptions, Report, printable
from dlrecipes.datasets.own.tables import Chunk, Table, open_table
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.tasks.base import Inputs
from dlrecipes.tasks.inputs.given import EMPTY_TEXT, as_error, failed

MOST_SHOWN = 3
"""Problems of one row that its error names."""


class GivenRows:
    """The rows of one table.

    Args:
        path: The file; `-` for standard input.
        options: How it is read.
        said: Returns a text with the file called as the user does: it may lie in an archive.

    Raises:
        InputError: if its columns cannot be told.
    """

    def __init__(self, path: Path, options: FileOptions, said: Callable[[str], str] = str) -> None:
        self.report = Report()
        table = open_table(path, options, self.report)
        if table is None:
            raise as_error(self.report)
        self.table: Table = table
        self.said = said
        self.name = printable(said(str(path)))
        self.number = 0
        """Rows so far."""

    def inputs(
        self,
        features: Callable[[Chunk, Report], Rows],
        texts: Callable[[Rows], list[str]] | None = None,
    ) -> Iterator[Inputs]:
        """Yield the rows, some at a time, with their lines and their numbers from 1.

        Args:
            features: Returns what the model takes of some rows; the report is told of those that
                it cannot take.
            texts: Returns what rows are called by what is taken of them; None to call them by
                their file and line.
        """
        for chunk in self.table.chunks(self.report):
            rows = features(chunk, self.report)
            yield from self._part(chunk.lines.tolist(), rows, texts)
        has_problem = bool(self.report.problems)
        yield from self._part([], np.empty(0), None)
        if has_problem and self.number < self._lines() - 1:  # of which the first names columns
            end = f"{self.name} may not have been read to its end: mend its last problem first."
            yield failed(self.name, InputError(end))
        elif not self.number and not has_problem:
            yield failed(self.name, InputError(f"{self.name} has no rows."))

    def _part(
        self, good: Sequence[int], rows: Rows, texts: Callable[[Rows], list[str]] | None
    ) -> Iterator[Inputs]:
        """Yield rows at these lines, and in between those that the report was told of."""
        errors, others = self._problems()
        lines = sorted({*good, *errors})
        called = dict(zip(good, texts(rows), strict=True)) if texts else {}
        numbers = dict(
            zip(lines, range(self.number + 1, self.number + 1 + len(lines)), strict=True)
        )
        if lines:
            yield Inputs(
                names=[
                    called[line] if line in called and line not in errors else f"{self.name}:{line}"
                    for line in lines
                ],
                features=_chosen(rows, [line not in errors for line in good]),
                places=[self._place(line, numbers[line]) for line in lines],
                errors={place: errors[line] for place, line in enumerate(lines) if line in errors},
                notes={
                    place: EMPTY_TEXT
                    for place, line in enumerate(lines)
                    if line in called and line not in errors and not called[line].strip()
                },
            )
        self.number += len(lines)
        yield from (failed(self.name, error) for error in others)

    def _lines(self) -> int:
        """Return the lines of a file of text; 0 for others, and for standard input."""
        if self.table.unit != "line" or not self.table.path.is_file():
            return 0
        with self.table.path.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def _place(self, line: int, number: int) -> dict[str, Any]:
        """Return where a row stands."""
        place: dict[str, Any] = {"file": self.name, "row": number}
        return {**place, "line": line} if self.table.unit == "line" else place

    def _problems(self) -> tuple[dict[int, InputError], list[InputError]]:
        """Return the problems that the report was told of since: of rows, by line; and others."""
        # Every problem of a row begins with its place, as `Table.where` has it.
        place = re.compile(
            re.escape(printable(f"{self.table.path}, {self.table.unit} ")) + r"(\d+)"
        )
        hint = self.report.hint if len(self.report.problems) == 1 else ""
        of_rows: dict[int, list[str]] = {}
        others = []
        for problem in self.report.problems:
            if match := place.match(problem):
                of_rows.setdefault(int(match[1]), []).append(problem)
            else:
                others.append(InputError(self.said(problem), hint))
        errors = {
            line: InputError(self.said(" ".join(some[:MOST_SHOWN])), hint)
            for line, some in of_rows.items()
        }
        self.report.problems.clear()
        return errors, others


def _chosen(rows: Rows, wanted: Sequence[bool]) -> Rows:
    """Return some of the rows."""
    if all(wanted):
        return rows
    places = np.flatnonzero(wanted)
    if isinstance(rows, dict):
        return {name: column[places] for name, column in rows.items()}
    chosen: Array = rows[places]
    return chosen
