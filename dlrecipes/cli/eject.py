"""The `eject` command."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import find_run


def eject(
    run: options.RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.py", help="The new script.")],
    data_dir: options.DataDir = None,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Write a run as one Keras script that needs no dlrecipes.

    Its examples are written beside it, as NumPy arrays. Runs the recipe's `load`.
    """
    if file.suffix != ".py":
        raise InputError(f"The new file's name must end in .py. Received: {file}")
    found = find_run(run, runs_dir)
    from dlrecipes.training.request import Changes
    from dlrecipes.use.eject.script import eject as write_script

    changes = Changes(device="cpu", data_dir=data_dir, trust_recipe=trust_recipe)
    with output.only_json(json):
        ejected = write_script(found, file, changes, FetchDisplay(quiet=False))
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(ejected.path),
                "arrays": str(ejected.arrays),
                "bytes": ejected.bytes,
                "lines": ejected.lines,
            }
        )
        return
    target = output.console()
    target.print(f"Wrote {found.run} as {file} ({ejected.lines} lines).", markup=False)
    target.print(
        f"Its examples are in {ejected.arrays} ({shown_bytes(ejected.bytes)}).", markup=False
    )
    output.print_next(f"python {quote(str(file))}")
