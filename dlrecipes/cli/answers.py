"""Write what `predict` answers: a table, one JSON document, JSON lines, or CSV, as it comes."""

import csv
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any

import typer

from dlrecipes.cli import output
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.errors import DlrecipesError
from dlrecipes.system.words import counted

if TYPE_CHECKING:
    from dlrecipes.tasks.base import Answer

FORMATS = ("table", "json", "jsonl", "csv")
ROWS_AT_ONCE = 1000
"""Rows of a table for people that are laid out together."""
ERRORS_SHOWN = 20
"""Inputs that could not be used whose errors are shown below a table; the others are counted."""
PLACES = ("file", "row", "line")
Entry = dict[str, Any]


class Tally:
    """Counts the inputs that could not be used.

    Args:
        parts: The entries of `predict`, some at a time.
    """

    def __init__(self, parts: Iterable[list[Entry]]) -> None:
        self.parts = parts
        self.entries = self.failed = 0

    def __iter__(self) -> Iterator[list[Entry]]:
        """Yield the entries, and count them."""
        for part in self.parts:
            self.entries += len(part)
            self.failed += sum("error" in entry for entry in part)
            yield part


@contextmanager
def complete(wanted: bool) -> Iterator[IO[str]]:
    """Give the block what to write to: standard output, whole at its end if that is wanted."""
    if not wanted:
        yield sys.stdout
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        yield file
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout)


def write_json(document: Mapping[str, Any], parts: Iterable[list[Entry]], file: IO[str]) -> None:
    """Write one JSON document: what is known of the run, and `predictions`."""
    file.write("{\n")
    for name, value in document.items():
        file.write(f'  "{name}": {output.json_text(value, 2)},\n')
    file.write('  "predictions": [')
    separator = "\n    "
    for entry in chain.from_iterable(parts):
        file.write(f"{separator}{output.json_text(entry, 4)}")
        separator = ",\n    "
    file.write("\n  ]\n}\n")


def write_json_lines(parts: Iterable[list[Entry]], file: IO[str]) -> None:
    """Write a JSON object on every line."""
    for part in parts:
        file.writelines(f"{output.json_text(entry)}\n" for entry in part)
        file.flush()


def write_csv(parts: Iterable[list[Entry]], file: IO[str]) -> None:
    """Write a table of comma-separated values whose columns are those of the first answer.

    Control characters would act on a terminal: there, they are escaped.
    """
    clean = printable if sys.stdout.isatty() else str
    writer = csv.writer(file, lineterminator="\n")
    held: list[Entry] = []
    names: list[str] = []
    for part in parts:
        held += part
        first = next((entry for entry in held if "error" not in entry), None)
        if not names and first is None:
            continue
        if not names and first is not None:
            names = _column_names(first, held)
            writer.writerow(map(clean, names))
        for entry in held:
            cells = _flat(entry)
            writer.writerow([clean(str(cells.get(name, ""))) for name in names])
        held = []
        file.flush()


def _column_names(answer: Entry, some: Sequence[Entry]) -> list[str]:
    """Return the names of the columns: the input, its place, what is answered, notes and errors."""
    answered = [name for name in _flat(answer) if name not in (*PLACES, "note")]
    places = [name for name in PLACES if any(name in entry for entry in some)]
    return [answered[0], *places, *answered[1:], "note", "error"]


def _flat(entry: Entry) -> Entry:
    """Return an entry with the values in its objects beside the others: a column for each."""
    flat: Entry = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}:{inner}": number for inner, number in value.items()}
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else value
    if "error" in entry:  # An answer may have `prompt` in place of `input`.
        flat["prompt"] = entry["input"]
    return flat


def show(parts: Iterable[list[Entry]], answer: "Answer") -> None:
    """Print the entries as a table for people, and below it what could not be used, and why."""
    target = output.console()
    errors: list[Entry] = []
    count = 0
    entries = chain.from_iterable(parts)
    while some := list(islice(entries, ROWS_AT_ONCE)):
        _show_some(some, answer)
        failed = [entry for entry in some if "error" in entry]
        count += len(failed)
        errors += failed[: ERRORS_SHOWN - len(errors)]
    for entry in errors:
        target.print(f"  {failure(entry)}", markup=False)
    if count > len(errors):
        target.print(f"  and {count - len(errors):,} inputs more that could not be used")


def end_if_failed(failed: int, inputs: int | None = None) -> None:
    """End with 1 if some inputs could not be used, and say how many.

    Args:
        failed: How many could not.
        inputs: How many there are; None if nobody counted them.
    """
    if failed:
        of = f"{failed:,} of {counted(inputs, 'input')}" if inputs else counted(failed, "input")
        output.print_error(DlrecipesError(f"{of} could not be used."), as_json=False)
        raise typer.Exit(1)


def failure(entry: Entry) -> str:
    """Return why an input cannot be used, with its name unless the error begins with its file."""
    error = str(entry["error"])
    if error.startswith(str(entry.get("file", entry["input"]))):
        return error
    return f"{shortened(printable(entry['input']))}: {error}"


def _show_some(some: Sequence[Entry], answer: "Answer") -> None:
    """Print some entries as a table for people."""
    target = output.console()
    titles, answered = answer.table([entry for entry in some if "error" not in entry])
    if titles == ["text"]:  # Prose is shown as it is, not cut to a column.
        for (text,) in answered:
            target.print(text, markup=False, style=None)
    else:
        rest = iter(answered)
        output.print_table(
            titles,
            [
                [shortened(printable(entry["input"])), "error", *[""] * (len(titles) - 2)]
                if "error" in entry
                else next(rest)
                for entry in some
            ],
        )
    for line, count in Counter(_noted(entry) for entry in some if "note" in entry).items():
        shown = f"{line} ({count:,} inputs)" if count > 1 else line
        target.print(f"  {printable(shown)}", markup=False)


def _noted(entry: Entry) -> str:
    """Return what to know of an answer, with its place in a file of many."""
    unit = "line" if "line" in entry else "row"
    name = entry.get("file", "") and f"{entry['file']}, {unit} {entry[unit]}: "
    return f"{name}{entry['note']}"
