"""What commands print: one JSON document, or lines and tables for people."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dlrecipes.datasets.own.files import shortened
from dlrecipes.errors import DlrecipesError

MAX_MATRIX_CLASSES = 20
"""Classes up to which the confusion matrix fits a terminal; `--json` always has it."""


def console(*, stderr: bool = False) -> Console:
    """Return the console for people: standard output, or standard error."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)


@contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """Keep standard output for the one document, whatever the block prints, if that is wanted."""
    with redirect_stdout(sys.stderr) if wanted else nullcontext():
        yield


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_error(error: DlrecipesError, *, as_json: bool) -> None:
    """Print an error: two lines on standard error, or one JSON document on standard output."""
    if as_json:
        print_json({"error": error.message, "hint": error.hint})
        return
    target = console(stderr=True)
    target.print(f"[bold red]Error:[/] {escape(error.message)}")
    if error.hint:
        target.print(escape(error.hint))


def print_warning(message: str) -> None:
    """Print a warning on standard error."""
    console(stderr=True).print(f"[yellow]Note:[/] {escape(message)}")


def print_next(command: str) -> None:
    """Print what to type next."""
    console().print(f"Next: [bold]{escape(command)}[/]")


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: folded to the width of a terminal, as wide as it is elsewhere."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    target = console()
    if not target.is_terminal:
        target.width = 10_000
    target.print(table, soft_wrap=False)


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
    if len(classes) > MAX_MATRIX_CLASSES:
        return
    console().print("\nrows: true class; columns: predicted class")
    print_table(
        ["", *map(shortened, classes)],
        [
            [shortened(name), *map(str, counts)]
            for name, counts in zip(classes, details["confusion_matrix"], strict=True)
        ],
    )


def number(value: float | None) -> str:
    """Return a number for people: four digits that matter, thousands apart."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Return a duration for people, such as 2 min 5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
