"""Find recipe files and read their facts from the syntax tree: listing runs nobody's code.

Recipes come through one door, from three places: the packages named by entry points of the group
`dlrecipes.recipes` (the built-in recipes are the first), the folders in `DLRECIPES_PATH` or
`./recipes`, and paths on the command line.
"""

import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.errors import InputError, nearest
from dlrecipes.system.home import expanded
from dlrecipes.system.packages import recipe_folders


def _recipe_files(folder: Path) -> Iterator[Path]:
    """Yield the recipe files of a folder, in order of name."""
    try:
        yield from sorted(
            path for path in folder.glob("*.py") if path.is_file() and not path.name.startswith("_")
        )
    except OSError:
        return


def is_installed(source: bytes) -> bool:
    """Tell whether this is the source of an installed recipe, byte for byte."""
    return installed_file(source) is not None


def installed_file(source: bytes) -> Path | None:
    """Return the file of the installed recipe with this source, byte for byte; None if none has."""
    files = (path for folder, _ in recipe_folders() for path in _recipe_files(folder))
    return next((path for path in files if path.read_bytes() == source), None)


def _folders() -> Iterator[tuple[Path, str]]:
    """Yield each folder that may hold recipes, and what it is called."""
    yield from recipe_folders()
    # A user's own folders: those of DLRECIPES_PATH, else ./recipes.
    for name in os.environ.get("DLRECIPES_PATH", "recipes").split(os.pathsep):
        if name and Path(name).is_dir():
            yield Path(name), str(Path(name))


def all_recipes() -> list[Facts]:
    """Return the facts of every recipe that can be found, in order of name and package."""
    found: dict[Path, Facts] = {}
    for folder, package in _folders():
        for path in _recipe_files(folder):
            if not any(_is_same(path, other) for other in found):
                found[path] = read_facts(path, package)
    return sorted(found.values(), key=lambda facts: (facts.name, facts.package))


def _is_same(path: Path, other: Path) -> bool:
    """Tell whether two files are one recipe: a checkout's ./recipes holds the installed files."""
    if path.name != other.name:
        return False
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return path.resolve() == other.resolve()


def is_path(text: str) -> bool:
    """Tell whether a RECIPE argument names a file rather than a recipe."""
    return text.endswith(".py") or text.startswith((".", "~")) or Path(text).is_absolute()


def find_recipe(text: str) -> Facts:
    """Return the facts of the recipe that a RECIPE argument names.

    Args:
        text: A recipe's name, `package/name`, or the path of a file.

    Raises:
        InputError: if there is no such recipe, two have that name, or its file cannot be parsed.
    """
    # A folder of DLRECIPES_PATH may be absolute, so /folder/name can be package/name.
    qualified = is_path(text) and any(
        f"{facts.package}/{facts.name}" == text for facts in all_recipes()
    )
    facts = _facts_of_name(text) if qualified or not is_path(text) else _facts_of_file(text)
    if facts.error:
        raise InputError(
            f"{facts.path}: {facts.error}.", f"See what is wrong: dlrecipes check {facts.path}"
        )
    return facts


def _facts_of_file(text: str) -> Facts:
    path = expanded(text)
    if path.is_dir() or path.suffix != ".py":
        raise InputError(f"{text} is not a recipe file: its name must end in .py.")
    if not path.exists():
        raise InputError(
            f"There is no recipe file {text}.", f"Start from one: dlrecipes copy mnist-cnn {text}"
        )
    return read_facts(path)


def _facts_of_name(text: str) -> Facts:
    package, _, name = text.rpartition("/")
    recipes = all_recipes()
    matches = [
        facts
        for facts in recipes
        if facts.name == name.replace("_", "-") and package in ("", facts.package)
    ]
    if not matches:
        raise InputError(
            f"There is no recipe {text!r}.",
            nearest(text, [facts.name for facts in recipes]) or "See what there is: dlrecipes list",
        )
    if len(matches) > 1:
        paths = " and ".join(str(facts.path) for facts in matches)
        raise InputError(
            f"Two recipes are named {name}: {paths}.",
            f"Name one of them as {' or '.join(f'{facts.package}/{name}' for facts in matches)}.",
        )
    return matches[0]
