"""Delimited text: CSV and all that is called so, read a block of lines at a time.

Arrow parts the lines of a block into cells, in a hundredth of the time that Python takes. It says
neither on which line a row stands nor what is wrong with one: where the rows of a block are not its
lines, Python's `csv` reads the block again, and says so.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dlrecipes.datasets.own.files import FileOptions, Report, read_standard_input, shortened
from dlrecipes.datasets.own.numerals import tidy
from dlrecipes.datasets.own.tables.base import Chunk, Table
from dlrecipes.datasets.own.tables.dialect import (
    AS_THEY_ARE,
    HEAD_CHARACTERS,
    NAMES,
    RARE,
    Dialect,
    lacks_header,
    named_separator,
    sniff,
    sniff_quoted,
)
from dlrecipes.datasets.own.tables.spaces import SPACE, Spaces, found_spaces, spaced
from dlrecipes.datasets.own.tables.streams import kind_of, open_text
from dlrecipes.system.progress import pieces_of

MAX_CELL_CHARACTERS = 10**8
BLOCK_CHARACTERS = 2**20
"""Of a file that are read together, up to the end of a row."""
TRIED_BLOCKS = 64
"""That are looked through to tell whether quotation marks keep cells together."""
MOST_FOOTERS = 10
"""Lines below a table that may say something else."""
TOTALS = frozenset(
    (
        *("total", "totals", "grand total", "sum", "subtotal", "overall", "total:", "all"),
        *("summe", "gesamt", "gesamtsumme", "insgesamt", "total général", "somme", "totale"),
        *("totaal", "suma", "toplam", "итого", "合计", "总计", "合計"),
        *("mean", "average", "avg", "avg.", "average:", "mean:", "durchschnitt", "mittelwert"),
        *("moyenne", "promedio", "среднее", "平均", "平均值"),
    )
)
"""What a row of the sums or the means of the others is called, in lower case."""


class TextTable(Table):
    """A table in a text file.

    Args:
        path: The file; `-` for standard input.
        encoding: Of the file.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path)
        self.encoding = encoding
        self.content = read_standard_input() if str(path) == "-" else None

    def open(self) -> TextIO:
        """Return the text, from its beginning."""
        if self.content is not None:
            return io.StringIO(self.content, newline=None)
        return open_text(self.path, self.encoding)

    def text_lines(self, file: TextIO, report: Report) -> Iterator[str]:
        """Yield the lines of the file, up to one with a zero byte, which is a problem."""
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                report.problem(f"{self.where(number)}: it holds a zero byte: this is no text file.")
                return
            yield line


class DelimitedTable(TextTable):
    """A CSV or TSV file, or another text whose lines are parted into cells.

    Args:
        path: The file; `-` for standard input.
        options: What the user says of its encoding, separator, quotation marks and header.
        report: Is told of how it is laid out, and what is wrong with it.
    """

    def __init__(self, path: Path, options: FileOptions, report: Report) -> None:
        super().__init__(path, options.encoding)
        self.spaces: Spaces | None = None
        self.is_headerless = options.header == "none"
        self.said: set[str] = set()
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        usual = {".tsv": "\t", ".tab": "\t", ".psv": "|"}.get(kind_of(path), ",")
        self.dialect = self._found(options, usual)
        self.separator = self.dialect.separator
        names = self.dialect.names
        if not names:
            report.problem(f"{path} is empty.")
            return
        if not options.quoting and not self.dialect.quoting.keeps:
            report.note("Quotation marks are read as they are (--quoting double: as marks).")
        if not options.header and lacks_header(path, names, self.dialect.found_rows, report):
            return
        self.set_names(names, self.dialect.header, report)
        if self.separator != usual and not options.separator:
            report.note(f"Cells {self._how_parted()} (--separator names another).")
        if self.dialect.comments:
            report.note('Lines that begin with "#" are left out.')
        if self.dialect.spare:
            report.note("Columns at the end that have no name are left out.")
        if self.dialect.titles:
            report.note(f"Left out above the header: {shortened(self.dialect.titles[0])!r}.")
        if self.dialect.units:
            report.note(units_left_out(self.dialect.units))

    def _found(self, options: FileOptions, usual: str) -> Dialect:
        """Return the layout, after looking at the beginning of the text.

        Args:
            options: What the user says of it.
            usual: The separator that the file's ending promises.
        """
        separator, is_quoted = named_separator(options.separator), options.quoting != "none"
        with self.open() as file:
            head = file.read(HEAD_CHARACTERS)
            if len(head) == HEAD_CHARACTERS:
                head += file.readline()
        if len(separator) > 1 or separator == SPACE:
            self.spaces = Spaces(mark="" if separator == SPACE else separator)
        elif not separator:
            usual_reading = sniff_quoted(head, usual) if is_quoted else sniff(head, usual)
            self.spaces = found_spaces(head, usual_reading)
        if self.spaces:
            separator = "\t"
            head = "".join(map(self.spaces.tabbed, head.splitlines(keepends=True)))
        plain = sniff(head, usual, separator, AS_THEY_ARE)
        quoted = sniff_quoted(head, usual, separator) if is_quoted else plain
        if self.is_headerless:
            quoted, plain = quoted.without_header(), plain.without_header()
        self.dialect = quoted
        return quoted if options.quoting or not quoted.names else self._settled(quoted, plain)

    def _how_parted(self) -> str:
        """Return what parts the cells, for a note."""
        if self.spaces and self.spaces.columns:
            return "stand in columns of one width"
        mark = self.spaces.mark or SPACE if self.spaces else self.separator
        name = {**NAMES, **RARE}.get(mark)
        return f"are parted by {name}s" if name else f"are parted by {mark!r}"

    def open(self) -> Any:
        """Return the text, from its beginning; with tabs between cells that spaces part."""
        return spaced(super().open(), self.spaces)

    def _settled(self, quoted: Dialect, plain: Dialect) -> Dialect:
        """Return the layout in which all rows fit; that with quotation marks, if both do."""
        if quoted.cells == plain.cells and quoted.first == plain.first and not self._has_marks():
            return quoted
        is_good, rows = _fits(self._first_lines(), quoted)
        is_plain_good, plain_rows = _fits(self._first_lines(), plain)
        return plain if is_plain_good and (not is_good or rows < plain_rows) else quoted

    def _has_marks(self) -> bool:
        """Tell whether there are quotation marks below the header."""
        with self.open() as file:
            for _ in range(self.dialect.first):
                file.readline()
            pieces = islice(pieces_of(file, BLOCK_CHARACTERS, self.path), TRIED_BLOCKS)
            return any('"' in piece for piece in pieces)

    def _first_lines(self) -> Iterator[str]:
        """Yield the lines that are looked through, which are not held in memory."""
        size = 0
        with self.open() as file:
            for line in file:
                yield line
                size += len(line)
                if size >= TRIED_BLOCKS * BLOCK_CHARACTERS:
                    return

    def _blocks(self, report: Report) -> Iterator[tuple[int, str]]:
        """Yield whole rows of the text, and the line that they begin on, from 1."""
        line, rest = 1, ""
        with self.open() as file:
            for _ in range(self.dialect.first):
                line += 1
                if "\0" in file.readline():
                    self._no_text(line - 1, report)
                    return
            for piece in pieces_of(file, BLOCK_CHARACTERS, self.path):
                text = rest + piece
                cut = text.rfind("\n") + 1
                while cut and self.dialect.quoting.keeps and self._marks(text, cut) % 2:
                    cut = text.rfind("\n", 0, cut - 1) + 1
                if len(text) > MAX_CELL_CHARACTERS:
                    cut = len(text)
                block, rest = text[:cut], text[cut:]
                if "\0" in block:
                    block, rest = block[: block.index("\0")], ""
                    whole = block[: block.rfind("\n") + 1]
                    yield line, whole
                    self._no_text(line + whole.count("\n"), report)
                    return
                if block:
                    yield line, block
                line += block.count("\n")
        if rest:
            if "\0" in rest:
                self._no_text(line + rest[: rest.index("\0")].count("\n"), report)
                rest = rest[: rest.index("\0")]
                rest = rest[: rest.rfind("\n") + 1]
            yield line, rest

    def _marks(self, text: str, end: int) -> int:
        """Return the quotation marks before a place that begin or end a cell, or are doubled."""
        escape = self.dialect.quoting.escape
        return text.count('"', 0, end) - (text.count(f'{escape}"', 0, end) if escape else 0)

    def _no_text(self, line: int, report: Report) -> None:
        report.problem(f"{self.where(line)}: it holds a zero byte: this is no text file.")

    def rows(self, report: Report) -> Iterator[Chunk]:
        """Yield some rows at a time; the report is told of unusable ones."""
        late = _Late(self, report)
        held: list[Chunk] = []
        for line, block in self._blocks(report):
            chunk = self._arrow_rows(line, block)
            if chunk is None:
                chunk = self._python_rows(line, block, late)
            elif len(chunk.lines):
                late.tell()
            if chunk is not None and len(chunk.lines):
                held.append(self._without_decoration(chunk, report))
                if len(held) > 2:
                    yield held.pop(0)
        late.end()
        yield from self._without_totals(held, report)

    def _without_totals(self, held: list[Chunk], report: Report) -> list[Chunk]:
        """Return the last chunks that have rows, without sums at the end and means below them."""
        rows = -1
        while held and rows != len(held[-1].lines):
            rows = len(held[-1].lines)
            if rows:
                before = held[-2] if len(held) > 1 else None
                held[-1] = self._without_total(held[-1], before, report)
            if not len(held[-1].lines):
                held.pop()
                rows = -1
        return [chunk for chunk in held if len(chunk.lines)]

    def _arrow_rows(self, line: int, block: str) -> Chunk | None:
        """Return the rows of a block; None if they are not its lines, each with all cells."""
        import pyarrow
        from pyarrow import csv as arrow_csv

        dialect = self.dialect
        has_marks = dialect.quoting.keeps and '"' in block
        if has_marks and dialect.quoting.skips:
            return None
        is_even = "\n\n" not in block and not block.startswith("\n")
        if is_even:
            lines = np.arange(line, line + block.count("\n") + (not block.endswith("\n")))
        else:
            filled = [bool(one) for one in block.split("\n")]
            lines = line + np.flatnonzero(filled)
        names = [str(number) for number in range(dialect.cells)]
        try:
            table = arrow_csv.read_csv(
                pyarrow.BufferReader(block.encode()),
                arrow_csv.ReadOptions(column_names=names, block_size=2**25),
                arrow_csv.ParseOptions(
                    delimiter=dialect.separator,
                    quote_char='"' if has_marks else False,
                    escape_char=dialect.quoting.escape or False,
                ),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
            )
        except (pyarrow.ArrowException, UnicodeError):
            return None
        if table.num_rows != len(lines) or (has_marks and _has_stray_mark(block, dialect)):
            return None
        columns = [column.combine_chunks() for column in table.columns]
        columns = columns[: len(self.names)]
        spare = table.columns[len(self.names) :]
        if not dialect.spare and any(len(column.unique()) > 1 for column in spare):
            return None
        return Chunk(lines, dict(zip(self.names, columns, strict=True)))

    def _python_rows(self, line: int, block: str, late: "_Late") -> Chunk | None:
        """Return the rows of a block, read one by one; what is wrong with others is told."""
        text = io.StringIO(block, newline="")
        reader = self.dialect.quoting.reader(text, self.dialect.separator, strict=True)
        lines, rows, end = [], [], 0
        cells, wanted = self.dialect.cells, len(self.names)
        try:
            for row in reader:
                if len(row) in (cells, wanted) and (self.dialect.spare or not any(row[wanted:])):
                    late.tell()
                    lines.append(line + end)
                    rows.append(row[:wanted])
                elif row and not (self.dialect.comments and row[0].startswith("#")):
                    late.add(line + end, row)
                end = reader.line_num
        except csv.Error as error:
            late.tell()
            late.report.problem(
                f"{self.where(line + end)}: it cannot be read ({error}): is a quotation mark "
                "missing?",
                "A cell that begins with a quotation mark ends with one, and those within are "
                "doubled. If they mean nothing: --quoting none",
            )
        return self.chunk_of(lines, rows) if rows else None

    def _without_decoration(self, chunk: Chunk, report: Report) -> Chunk:
        """Return a chunk without empty rows, comments, and repetitions of the header."""
        import pyarrow
        import pyarrow.compute as pc

        columns = {
            name: pyarrow.array(column, pyarrow.string()) if isinstance(column, list) else column
            for name, column in chunk.columns.items()
        }
        first = columns[self.names[0]]
        is_odd = pc.equal(pc.utf8_length(first), 0)
        is_odd = pc.or_(is_odd, pc.equal(pc.utf8_trim_whitespace(first), self.own_names[0]))
        if self.dialect.comments:
            is_odd = pc.or_(is_odd, pc.starts_with(first, "#"))
        places = np.flatnonzero(is_odd.to_numpy(zero_copy_only=False))
        keep = np.ones(len(first), bool)
        for place in places.tolist():
            row = [columns[name][place].as_py().strip() for name in self.names]
            if len(row) > 1 and not any(row):
                keep[place] = False
                self.say("empty", "Empty rows are left out.", report)
            elif [tidy(cell) for cell in row] == self.own_names:
                keep[place] = False
                where = self.where(int(chunk.lines[place]))
                self.say("header", f"{where}: the header again, left out.", report)
            elif self.dialect.comments and row[0].startswith("#"):
                keep[place] = False
        if keep.all():
            return Chunk(chunk.lines, columns)
        kept = pyarrow.array(keep)
        return Chunk(
            chunk.lines[keep], {name: column.filter(kept) for name, column in columns.items()}
        )

    def _without_total(self, chunk: Chunk, before: Chunk | None, report: Report) -> Chunk:
        """Return the last chunk without a last row that adds up the others, here and before."""
        texts = [tidy(str(column[-1])).lower() for column in chunk.columns.values()]
        is_only = len(chunk.lines) < 2 and before is None
        if len(texts) < 2 or not any(text in TOTALS for text in texts) or is_only:
            return chunk
        name, total = next(
            (name, text) for name, text in zip(self.names, texts, strict=True) if text in TOTALS
        )
        others = [*chunk.columns[name][:-1], *(before.columns[name] if before else ())]
        if any(tidy(str(cell)).lower() == total for cell in others):
            return chunk
        where = self.where(int(chunk.lines[-1]))
        self.say(
            f"total {where}", f"{where}: the row of the total, {total!r}, is left out.", report
        )
        columns = {one: column[:-1] for one, column in chunk.columns.items()}
        return Chunk(chunk.lines[:-1], columns)

    def say(self, what: str, sentence: str, report: Report) -> None:
        """Note something once."""
        if what not in self.said:
            self.said.add(what)
            report.note(sentence)


class _Late:
    """Rows with too few or too many cells: problems, unless they stand below the table.

    Args:
        table: The table.
        report: Is told of them.
    """

    def __init__(self, table: DelimitedTable, report: Report) -> None:
        self.table, self.report = table, report
        self.rows: list[tuple[int, Sequence[str]]] = []

    def add(self, line: int, row: Sequence[str]) -> None:
        """Note a row."""
        if len(self.rows) >= MOST_FOOTERS:
            self.tell()
        self.rows.append((line, list(row)))

    def tell(self) -> None:
        """Report the rows: good ones follow."""
        for line, row in self.rows:
            header = len(self.table.names)
            self.report.problem(
                f"{self.table.where(line)}: it has {len(row)} cells, and the header {header}.",
                "Put a cell that contains the separator in quotation marks.",
            )
        self.rows.clear()

    def end(self) -> None:
        """Report the rows unless each is one text, as below a table."""
        wide = len(self.table.names) > 2
        if wide and all(sum(bool(cell.strip()) for cell in row) == 1 for _, row in self.rows):
            for line, row in self.rows:
                text = shortened(next(cell for cell in row if cell.strip()))
                where = self.table.where(line)
                self.table.say("footer", f"{where}: left out: {text!r}.", self.report)
        else:
            self.tell()
        self.rows.clear()


def units_left_out(units: Sequence[str]) -> str:
    """Return a note that the units between header and rows are left out."""
    return f"Left out between the header and the rows: {shortened(', '.join(units))}."


def _has_stray_mark(block: str, dialect: Dialect) -> bool:
    """Tell whether a quotation mark may stand where Arrow reads it otherwise than `csv`."""
    mark = dialect.separator
    bare = block.replace('""', "")
    inner = bare.count('"') - bare.count(f'{mark}"') - bare.count(f'"{mark}')
    inner -= bare.count('\n"') + bare.count('"\n') + bare.startswith('"') + bare.endswith('"')
    return inner != 0 and '""' not in block


def _fits(lines: Iterable[str], dialect: Dialect) -> tuple[bool, int]:
    """Return whether all rows of a text have the cells of a layout, and how many rows there are."""
    reader = dialect.quoting.reader(lines, dialect.separator, strict=True)
    rows, cells = 0, {dialect.cells, len(dialect.names)}
    try:
        for row in reader:
            if row and reader.line_num > dialect.first:
                rows += 1
                if len(row) not in cells:
                    return False, rows
    except csv.Error:
        return False, rows
    return len(dialect.names) > 1, rows
