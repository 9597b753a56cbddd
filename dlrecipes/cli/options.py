"""Options that several commands share."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.runs.record import Run

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
RunsDir = Annotated[
    Path, typer.Option("--runs-dir", envvar="DLRECIPES_RUNS", help="The folder of all runs.")
]
RUNS_DIR = Path("runs")
DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="The folder of prepared data sets. Without it: DLRECIPES_DATA, TFDS_DATA_DIR, or "
        "tensorflow_datasets in the home folder.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Of your own table: the column to predict.",
        show_default="the last",
    ),
]
TextColumn = Annotated[
    str,
    typer.Option(
        "--text-column",
        metavar="COLUMN",
        help="Of your own table: the column of texts.",
        show_default="guessed",
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option(
        "--label-column",
        metavar="COLUMN",
        help="Of your own table: the column of labels.",
        show_default="guessed",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Of your own text files, such as latin-1.",
        show_default="utf-8",
    ),
]
DeviceName = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|gpu|gpu:N", help="auto takes a GPU if there is one."
    ),
]
DataNow = Annotated[
    str,
    typer.Option(
        "--data", metavar="PATH", help="Where its data is now.", show_default="where it was"
    ),
]
DeviceNow = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|gpu|gpu:N", help="Where.", show_default="where it was"
    ),
]
TrustRecipe = Annotated[
    bool,
    typer.Option(
        "--trust-recipe",
        help="Run the code of a recipe that came with a run from elsewhere.",
    ),
]
OnNaN = Annotated[
    str,
    typer.Option(
        "--on-nan",
        metavar="stop|restore",
        help="At a loss that is not a number: stop, or go back to the last good checkpoint and on "
        "at half the learning rate.",
        show_default="stop",
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's name or path, or a recipe's name: its latest finished run."
    ),
]


def given_files(target: str, text_column: str, label_column: str, encoding: str) -> dict[str, str]:
    """Return those of `FILE_OPTIONS` that were given, by name: how to read the user's own files."""
    values = (target, text_column, label_column, encoding)
    return {name: value for name, value in zip(FILE_OPTIONS, values, strict=True) if value}


def check_on_nan(value: str) -> None:
    """Raise InputError unless `value` is one that `--on-nan` takes, or empty."""
    if value not in ("", "stop", "restore"):
        raise InputError(f"--on-nan must be stop or restore. Received: {value!r}")


def typed_run(run: "Run", typed: str = "") -> str:
    """Return what to type for a run in the next command.

    Args:
        run: The run.
        typed: What the user typed for it; empty for its recipe's name.
    """
    in_default_folder = run.path.parent.parent == RUNS_DIR
    return shlex.quote((typed or run.recipe) if in_default_folder else str(run.path))
