"""Show what a test found row by row: the worst mistakes, and the metrics of groups of rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dlrecipes.cli import output
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.system.words import alike

Mistakes = Annotated[
    int | None,
    typer.Option(
        "--mistakes",
        metavar="N",
        help="Show the N worst mistakes with their place in your files, the worst first.",
        show_default=False,
    ),
]
PredictionsFile = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="FILE",
        help="Write every test row with its truth, prediction and loss (.csv or .parquet).",
        show_default=False,
    ),
]
ByColumn = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="COLUMN",
        help="Compare groups of test rows: those of each value of a column of your table.",
        show_default=False,
    ),
]

PLACES = ("line", "row", "place")
WIDEST = 60
"""Characters of a text or a row that are shown; `--json` and `--predictions` have all."""


def show_mistakes(mistakes: Sequence[Mapping[str, Any]], asked: int) -> None:
    """Print the worst mistakes, the worst first.

    Args:
        mistakes: As `evaluate --json` has them.
        asked: How many were asked for.
    """
    target = output.console()
    if not asked:
        return
    if not mistakes:
        target.print("\nMistakes: none.")
        return
    files = {_file(row) for row in mistakes}
    (file,) = files if len(files) == 1 else ("",)
    of = f" in {printable(file)}" if file else ""
    target.print(f"\nThe worst mistakes{of}, the worst first", markup=False)
    has_probability = mistakes[0]["probability"] is not None
    titles = ["input", "truth", "prediction", *["probability"] * has_probability, "loss", "where"]
    loss = alike(*(row["loss"] for row in mistakes))
    number = alike(*(value for row in mistakes for value in _compared(row)))
    rows = []
    for row in mistakes:
        probability = [f"{row['probability']:.1%}"] if has_probability else []
        name = str(row["input"])
        is_place = "file" in row and name.startswith(str(row["file"]))
        cells = [str(row["example"]) if is_place else _shown(name, number)]
        cells += [_shown(row[name], number) for name in ("truth", "prediction")]
        rows.append([*cells, *probability, loss(row["loss"]), printable(_where(row, file))])
    if all(cells[0] == str(row["example"]) for cells, row in zip(rows, mistakes, strict=True)):
        titles[0] = "test example"
    if not any(row[-1] for row in rows):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    output.print_table(titles, rows, optional=("loss", "probability"))


def _compared(row: Mapping[str, Any]) -> list[float]:
    """Return the numbers of a test row that are compared: a truth and a prediction, if they are."""
    return [row[name] for name in ("truth", "prediction") if isinstance(row[name], float)]


def _shown(value: Any, number: Callable[[float], str]) -> str:
    """Return a value for a cell: a number as it is shown, a text that is not long."""
    if isinstance(value, float):
        return number(value)
    text = " ".join(str(value).split())
    return shortened(printable(text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"))


def _file(row: Mapping[str, Any]) -> str:
    """Return the file that a test row is in, without its folders; of its own file, nothing."""
    has_place = any(name in row for name in PLACES)
    return str(row.get("file", "")).rpartition("/")[2] if has_place else ""


def _where(row: Mapping[str, Any], file: str) -> str:
    """Return where a test row stands in the user's files.

    Args:
        row: The test row.
        file: The file that all rows are in; empty if it is to be said.
    """
    name = "/".join(str(row.get("file", "")).split("/")[-2:])
    place = [f"{unit} {row[unit]}" for unit in ("line", "row") if unit in row]
    place += [str(row["place"])] if "place" in row else []
    return ", ".join(filter(None, ["" if file else name, *place]))


def show_groups(groups: Sequence[Mapping[str, Any]], column: str, headline: str) -> None:
    """Print the headline metric of each group of test rows, and which gaps are not noise."""
    if not groups:
        return
    target = output.console()
    name = printable(shortened(column))
    target.print(
        f"\nBy {name}: {headline}, its 95 % interval, and the gap to the other rows", markup=False
    )
    number = alike(*(group["metrics"][headline] for group in groups))
    rows = []
    for group in groups:
        gap = group.get("gap")
        rows.append(
            [
                printable(shortened(group["group"])),
                f"{group['rows']:,}",
                number(group["metrics"][headline]),
                _interval(group["intervals"][headline], number),
                "" if gap is None else f"{'-' if gap < 0 else '+'}{number(abs(gap))}",
                {"tie": "may be noise"}.get(group.get("verdict", ""), group.get("verdict", "")),
            ]
        )
    titles = ["group", "rows", "value", "interval", "gap", "verdict"]
    output.print_table(titles, rows, optional=("gap",))


def _interval(ends: Sequence[float | None], number: Callable[[float | None], str]) -> str:
    """Return an interval for people."""
    if None in ends:
        return "too few rows"
    return f"{number(ends[0])} to {number(ends[1])}"
