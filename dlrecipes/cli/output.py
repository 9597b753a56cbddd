"""What commands print: one JSON document, or lines and tables for people."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from dlrecipes.cli import layout
from dlrecipes.cli.streams import forgiving
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.errors import DlrecipesError, Interrupted
from dlrecipes.system.words import counted
from dlrecipes.system.words import duration as duration
from dlrecipes.system.words import number as number

MAX_MATRIX_CLASSES = 20
"""Classes up to which the confusion matrix fits a terminal; `--json` always has it."""
COMMAND = "dlrecipes"


COLUMNS_SHOWN = 15
"""Columns of a user's table that are shown before training."""


drawn: list[Callable[[], None]] = []
"""Take away what is being drawn on the terminal just now."""


class Screen(Console):
    """A console for people: wraps prose between words on a terminal, and nowhere else."""

    @property
    def is_live(self) -> bool:
        """Tell whether a person looks at it just now, and lines on it can be drawn again."""
        return self.file.isatty() and not self.is_dumb_terminal

    @property
    def limit(self) -> int | None:
        """Return the columns that a line has; None where lines are as long as they are."""
        return self.width if self.file.isatty() else None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does; texts are wrapped between words, and a long word stays whole."""
        objects = tuple(
            layout.visible(item)
            if isinstance(item, str)
            else layout.visible_text(item)
            if isinstance(item, Text)
            else item
            for item in objects
        )
        limit = self.limit
        if options.pop("soft_wrap", False) or limit is None:
            limit = None
        if limit and all(isinstance(item, str | Text) for item in objects):
            objects = tuple(
                layout.wrapped(
                    item
                    if isinstance(item, Text)
                    else Text.from_markup(item, emoji=False)
                    if options.get("markup") is not False
                    else Text(item),
                    limit,
                )
                for item in objects
            )
        super().print(*objects, soft_wrap=True, **options)


def console(
    *, stderr: bool = False, file: IO[str] | None = None, in_passing: bool = False
) -> Screen:
    """Return the console for people: standard output, standard error, or a file on a terminal.

    Args:
        stderr: Whether it is standard error; then what cannot be written is lost.
        file: Another file on a terminal.
        in_passing: Whether what cannot be written is lost on standard output, too.
    """
    system: Any = "auto"
    if os.environ.get("NO_COLOR"):
        system = None
    elif os.environ.get("FORCE_COLOR") and os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        system = "standard"
    if file is None and (stderr or in_passing):
        file = sys.stderr if stderr else sys.stdout
    if stderr or in_passing:
        file = forgiving(file or sys.stderr)
    return Screen(stderr=stderr, file=file, highlight=False, emoji=False, color_system=system)


def stop_drawing() -> None:
    """Take away whatever is still drawn on the terminal: the work ended in the middle of it."""
    for stop in [*drawn]:
        stop()


@contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """Keep standard output for the one document, whatever the block prints, if that is wanted."""
    with redirect_stdout(sys.stderr) if wanted else nullcontext():
        yield


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json_text(document, 0) + "\n")


def json_text(document: Any, indent: int | None = None) -> str:
    """Return a JSON document, with JSON's escapes for what standard output cannot show.

    Control characters are escaped, too: they would act on a terminal.

    Args:
        document: The document.
        indent: Spaces before each line after the first; None for one line.
    """
    spaces = None if indent is None else 2
    text = json.dumps(document, indent=spaces, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=spaces, allow_nan=False)
    text = layout.ACTING.sub(lambda sign: json.dumps(sign[0])[1:-1], text)
    return text.replace("\n", "\n" + " " * indent) if indent else text


def print_error(error: DlrecipesError, *, as_json: bool) -> None:
    """Print an error: two lines on standard error, or one JSON document on standard output."""
    if as_json:
        print_json({"error": error.message, "hint": error.hint})
        return
    target = console(stderr=True)
    label = "" if isinstance(error, Interrupted) else "[bold red]Error:[/] "
    target.print(f"{label}{escape(error.message)}")
    words, colon, command = error.hint.partition(f": {COMMAND} ")
    if colon and target.limit and cell_len(error.hint) > target.limit:
        # The command stays on one line, however long, so that it can be copied.
        target.print(f"{words}:", markup=False)
        target.print(f"{COMMAND} {command}", markup=False, soft_wrap=True)
    elif error.hint:
        target.print(error.hint, markup=False)


def print_warning(message: str) -> None:
    """Print a warning on standard error."""
    console(stderr=True).print(f"[yellow]Note:[/] {escape(message)}")


def print_next(command: str) -> None:
    """Print what to type next: on one line, however long, so that it can be copied."""
    console().print(f"Next: [bold]{escape(command)}[/]", soft_wrap=True)


def print_pairs(label: str, pairs: Sequence[str]) -> None:
    """Print a label and names with their values, broken between the pairs where they do not fit."""
    target = console()
    for place, line in enumerate(layout.pair_lines(label, pairs, target.limit)):
        shown = escape(line.removeprefix(label) if not place else line)
        target.print(f"{'' if place else f'[bold]{label}[/]'}{shown}", soft_wrap=True)


def print_prose(text: str) -> None:
    """Print paragraphs, wrapped anew to the width of a terminal."""
    target = console()
    shown = layout.reflowed(text, target.limit or layout.PROSE_WIDTH)
    target.print(shown, markup=False, soft_wrap=True)


def print_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    optional: Sequence[str] = (),
    whole: int = 1,
) -> None:
    """Print a table: fitted to the width of a terminal, as wide as it is elsewhere.

    Args:
        titles: The title of each column.
        rows: The cells of each row.
        optional: Titles of columns that may be left out of a narrow terminal, the first one first.
        whole: How many of the first columns hold names to copy: they are not broken.
    """
    target = console()
    for line in layout.table(titles, list(rows), target.limit, optional, whole):
        target.print(line, soft_wrap=True)


def print_columns(columns: Sequence[tuple[str, str, str]]) -> None:
    """Print on standard error how the columns of a user's table are understood."""
    target = console(stderr=True)
    # The target, which comes last, is always among them.
    shown = (
        columns if len(columns) <= COLUMNS_SHOWN else [*columns[: COLUMNS_SHOWN - 1], columns[-1]]
    )
    rows = [[printable(shortened(name)), kind, printable(cells)] for name, kind, cells in shown]
    for line in layout.table(["column", "kind", "such as"], rows, target.limit, ()):
        target.print(line, soft_wrap=True)
    if rest := len(columns) - len(shown):
        target.print(f"and {counted(rest, 'more column')}")


def print_details(details: dict[str, Any]) -> None:
    """Print the metrics of each class, and the confusion matrix."""
    classes = details.get("per_class", {})
    if not classes:
        return
    console().print()
    print_table(
        ["class", "precision", "recall", "F1", "test examples"],
        [
            [
                shortened(name),
                *(number(values[metric]) for metric in ("precision", "recall", "f1")),
                str(values["support"]),
            ]
            for name, values in classes.items()
        ],
    )
    if len(classes) <= MAX_MATRIX_CLASSES:
        _print_matrix([shortened(name) for name in classes], details["confusion_matrix"])


def _print_matrix(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
    """Print a confusion matrix; where the names are too long for columns, with numbers for them."""
    target = console()
    rows = [[name, *map(str, counts)] for name, counts in zip(names, matrix, strict=True)]
    titles = ["", *names]
    if not layout.fits(titles, rows, target.limit):
        titles = ["", *(str(place) for place in range(1, len(names) + 1))]
        rows = [[f"{place} {row[0]}", *row[1:]] for place, row in enumerate(rows, start=1)]
    if layout.fits(titles, rows, target.limit):
        target.print("\nConfusion matrix (rows: true class; columns: predicted class)")
        print_table(titles, rows)
    else:
        target.print("\nThe confusion matrix needs a wider terminal; --json always shows it.")
