"""The `export` command. It runs no recipe's code."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.runs.lookup import find_run


def export(
    run: options.RunArgument,
    format_name: Annotated[
        str, typer.Option("--format", metavar="saved-model|keras", help="Format to write.")
    ] = "saved-model",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="New or empty folder to write.",
            show_default="in the run",
        ),
    ] = None,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Export a finished run as a model that takes raw input.

    A fresh process checks that the export predicts the same. Runs no recipe code.
    """
    found = find_run(run, runs_dir)
    from dlrecipes.use.export.writer import export as write_export

    display = FetchDisplay(quiet=False)
    written = write_export(found, format_name, folder, trust=trust_recipe, listener=display)
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(written.path),
                "format": written.format,
                "max_abs_difference": written.max_abs_difference,
            }
        )
        return
    target = output.console()
    target.print(f"Exported {found.run} as {written.format}: {written.path}", markup=False)
    if written.format == "saved-model" and set("*?[") & set(str(written.path.resolve())):
        output.print_warning(
            "TensorFlow takes *, ? and [ in a path for a pattern: copy the export to a folder "
            "without them before you load it."
        )
    target.print(
        "Checked in a fresh process: the largest difference from predict is "
        f"{written.max_abs_difference:.1e}."
    )
    follow_up = (
        f"saved_model_cli show --dir {quote(str(written.path))} --all"
        if written.format == "saved-model"
        else f"python {quote(str(written.path / 'verify.py'))}"
    )
    output.print_next(follow_up)
