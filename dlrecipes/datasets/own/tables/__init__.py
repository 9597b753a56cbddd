"""Tables in a user's files, read a chunk of rows at a time."""

from dataclasses import replace
from pathlib import Path

from dlrecipes.datasets.own.files import (
    LOOKED_AT_BYTES,
    FileOptions,
    Report,
    nearest_path,
    undecodable_lines,
    why_unreadable,
)
from dlrecipes.datasets.own.tables.arrow import ArrowTable
from dlrecipes.datasets.own.tables.base import Chunk, Table, why_broken
from dlrecipes.datasets.own.tables.delimited import DelimitedTable
from dlrecipes.datasets.own.tables.objects import JsonTable
from dlrecipes.datasets.own.tables.sheets import SheetTable
from dlrecipes.datasets.own.tables.streams import kind_of
from dlrecipes.errors import InputError

__all__ = [
    "TABLE_SUFFIXES",
    "Chunk",
    "DelimitedTable",
    "Table",
    "is_delimited",
    "is_rows",
    "is_table",
    "open_table",
]

SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
ARROW = (".parquet", ".feather", ".arrow")
JSON = (".jsonl", ".ndjson", ".json")
TEXTS = (".txt", ".dat", ".data")
"""Endings of delimited texts, where nothing but a table is looked for."""
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
"""The commonest endings of tables, for messages."""
CLEAR = ("\t", "|")
"""Separators that hardly stand in a sentence."""
_ENDINGS = frozenset((".csv", ".tsv", ".tab", ".psv", *JSON, *ARROW, *SHEETS))


def is_table(path: Path) -> bool:
    """Tell whether a path is named like a table, packed or not."""
    return kind_of(path) in _ENDINGS


def is_rows(path: Path) -> bool:
    """Tell whether a path may be a table where nothing else is looked for."""
    return is_table(path) or kind_of(path) in TEXTS


def _is_text(path: Path) -> bool:
    """Tell whether a file that is called a sheet is a text: many programs write them so.

    Raises:
        InputError: if it is a web page.
    """
    with path.open("rb") as file:
        begin = file.read(LOOKED_AT_BYTES)
    if begin.lstrip()[:1] == b"<":
        raise InputError(
            f"{path} is not a spreadsheet but a web page (HTML or XML).",
            "Open it with Excel or LibreOffice, and save it as .xlsx or .csv.",
        )
    is_sheet = begin.startswith((b"PK", b"\xd0\xcf\x11\xe0"))
    is_utf16 = begin.startswith((b"\xff\xfe", b"\xfe\xff"))  # Excel's "Unicode text"
    return bool(begin) and not is_sheet and (is_utf16 or b"\0" not in begin)


def is_delimited(path: Path, options: FileOptions) -> bool:
    """Tell whether a file of text, such as `labelled.txt`, has a tab or a bar in every line.

    Args:
        path: The file.
        options: How it is read; a separator that the user names is looked for instead.
    """
    if kind_of(path) not in TEXTS:
        return False
    table = open_table(path, replace(options, header="none"), Report())
    if not isinstance(table, DelimitedTable) or table.spaces or len(table.names) < 2:
        return False
    layout = table.dialect
    is_clear = bool(options.separator) or layout.separator in CLEAR
    return is_clear and all(len(row) == layout.cells for row in layout.found_rows)


def open_table(path: Path, options: FileOptions, report: Report) -> Table | None:
    """Return the table in a file; None if its columns cannot be told, which the report says.

    Args:
        path: The file; `-` for CSV on standard input.
        options: How it is read.
        report: Is told what is wrong, and how the file is laid out.
    """
    before, kind = report.count, kind_of(path)
    try:
        if kind in ARROW:
            table: Table = ArrowTable(path, report)
        elif kind in SHEETS and not _is_text(path):
            table = SheetTable(path, options.header, report)
        elif kind in JSON:
            table = JsonTable(path, options.encoding, report)
        else:
            table = DelimitedTable(path, options, report)
    except UnicodeError:
        undecodable_lines(path, options.encoding, report)
    except InputError as error:
        report.problem(error.message, error.hint)
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError)
        why = why_unreadable(path, error) if error.errno else why_broken(path, error)
        report.problem(why, nearest_path(path) if is_gone else "")
    except (EOFError, ValueError) as error:
        report.problem(why_broken(path, error))
    return None if report.count > before else table
