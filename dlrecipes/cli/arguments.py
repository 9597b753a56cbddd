"""Which recipe the arguments of a command name, before they are parsed: its settings are flags."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from dlrecipes.catalog.config_files import ConfigFile, read_config_file
from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.catalog.find import find_recipe, is_path
from dlrecipes.errors import InputError
from dlrecipes.runs.record import RECIPE_FILE

FLAGS_WITHOUT_VALUE = ("--join", "--json", "--network", "--plan", "--quiet", "--trust-recipe")


def recipe_of_file(file: ConfigFile | None) -> Facts:
    """Return the recipe that a `--config` file names; of a run, the code it was trained with."""
    if file is None or not file.recipe:
        raise InputError("Name a recipe to train.", "List them: dlrecipes list")
    kept = file.path.with_name(RECIPE_FILE)
    if file.is_run and is_path(file.recipe):
        raise InputError(f"{file.path} is not the record of a run: its recipe is a path.")
    try:
        return find_recipe(file.recipe)
    except InputError:
        if not file.is_run or not kept.is_file():
            raise
        return replace(read_facts(kept), name=file.recipe)


def recipe_of_arguments(arguments: Sequence[str]) -> Facts | None:
    """Return the recipe that the arguments of a command name, so that its settings become flags.

    None if they name none.

    Raises:
        InputError: if they name a recipe that there is not, or whose file cannot be parsed.
    """
    words = [word for word in arguments if not word.startswith("-")]
    for word in words:
        # A word after a flag may be its value; a recipe's name or file is one wherever it stands.
        if is_path(word) and word.endswith(".py"):
            return find_recipe(word)
    values = {
        following
        for flag, following in pairwise(arguments)
        if flag.startswith("--") and "=" not in flag and flag not in FLAGS_WITHOUT_VALUE
    }
    names = [word for word in words if word not in values]
    failure: InputError | None = None
    for word in [*names, *words]:
        try:
            return find_recipe(word)
        except InputError as error:
            failure = failure or error
    if failure and names:
        raise failure
    split = [part for word in arguments for part in word.split("=", 1)]
    if "--config" in split[:-1]:
        return recipe_of_file(read_config_file(Path(split[split.index("--config") + 1])))
    return None
