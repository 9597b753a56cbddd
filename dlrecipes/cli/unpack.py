"""The `unpack` command. It runs no recipe's code."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.runs.packing import unpack as read_pack


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that `pack` wrote.")],
    name: Annotated[
        str,
        typer.Option("--name", help="Name of the new run.", show_default="the name that it had"),
    ] = "",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Unpack a run that `pack` wrote into your runs.

    Checks names, sizes and checksums first. Never overwrites a run.
    """
    run = read_pack(file, runs_dir, name)
    if json:
        output.print_json({"run": run.run, "path": str(run.path), "recipe": run.recipe})
        return
    output.console().print(f"Unpacked {run.run} into {run.path}.", markup=False)
    verb = "evaluate" if run.status == "finished" else "resume"
    output.print_next(f"dlrecipes {verb} {quote(str(run.path))}")
