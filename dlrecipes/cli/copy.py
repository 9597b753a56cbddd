"""The `copy` command. It runs no recipe's code."""

import os
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dlrecipes.catalog.find import find_recipe
from dlrecipes.cli import options, output
from dlrecipes.errors import InputError


def copy(
    recipe: options.RecipeArgument,
    file: Annotated[
        Path | None,
        typer.Argument(help="The new file.", show_default="the recipe's file name, in this folder"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Copy a recipe file, so that you can change it and train it."""
    facts = find_recipe(recipe)
    target = file or Path(facts.path.name)
    if os.path.isdir(target):
        target = target / facts.path.name
    if target.suffix != ".py":
        raise InputError(f"The new file's name must end in .py. Received: {target}")
    try:
        # "x" makes the file or fails: a file that exists is never overwritten.
        with target.open("xb") as copied:
            copied.write(facts.path.read_bytes())
    except FileExistsError:
        raise InputError(
            f"{target} already exists.", "Choose another name: files are never overwritten."
        ) from None
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from None
    if json:
        output.print_json({"recipe": facts.name, "path": str(target)})
        return
    output.console().print(f"Copied {facts.name} to {target}.", markup=False)
    typed = str(target) if target.is_absolute() else f"./{target}"
    output.print_next(f"dlrecipes train {quote(typed)}")
