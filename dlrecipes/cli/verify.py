"""The `verify` command. It runs no recipe's code, and none of the programs in an export."""

from pathlib import Path
from typing import Annotated

import typer

from dlrecipes.cli import options, output


def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="EXPORT", help="Folder that `export` wrote, or a copy of it."),
    ],
    json: options.Json = False,
) -> None:
    """Check that an export still predicts the same as when it was made.

    Its runtime answers the inputs in golden.npz in a fresh process. Needs the export alone, not
    the run. Load exports only from people you trust: a SavedModel can read and write files.
    """
    from dlrecipes.use.export.proof import verify as prove

    found = prove(folder)
    if json:
        output.print_json(found)
        return
    named = ", ".join(filter(None, (found["format"], found["quantization"])))
    target = output.console()
    target.print(
        f"{folder} ({found['recipe']}, {named}) predicts the same as when it was exported.",
        markup=False,
    )
    target.print(
        f"The largest difference from predict is {found['max_abs_difference']:.1e}.", markup=False
    )
