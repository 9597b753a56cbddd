"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
DeviceName = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|gpu|gpu:N", help="auto takes a GPU if there is one."
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's name or path, or a recipe's name: its latest finished run."
    ),
]
