"""What installed packages offer under our entry points, found without importing any of them."""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

RECIPES = "dlrecipes.recipes"
"""The group of packages of recipes: the value is the package."""
TASKS = "dlrecipes.tasks"
"""The group of tasks: the value is `module:object`, imported only to use the task."""
DATASETS = "dlrecipes.datasets"
"""The group of data sets: the value is `module:object`, imported only to open the data set."""


def entry_points(group: str) -> Mapping[str, str]:
    """Return the value of each entry point of a group by its name, the first one on `sys.path`.

    Reads what `importlib.metadata.entry_points` reads. Importing that takes a quarter of the time
    of `dlrecipes list`, most of it for the email package, with which it parses what we do not need.
    """
    return _read(tuple(dict.fromkeys(sys.path))).get(group, {})


@cache
def _read(folders: tuple[str, ...]) -> Mapping[str, Mapping[str, str]]:
    """Return the entry points in some folders by group, from all files at once."""
    found: dict[str, dict[str, str]] = {}
    for folder in folders:
        for file in sorted(Path(folder).glob("*.dist-info/entry_points.txt")):
            group = ""
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("["):
                    group = line.strip("[] ")
                elif "=" in line:
                    name, _, value = line.partition("=")
                    found.setdefault(group, {}).setdefault(name.strip(), value.strip())
    return found


def package_folders(package: str) -> list[Path]:
    """Return the folders of a package without importing it.

    `find_spec` imports the parents of what it looks for: for our own that is this very package; of
    another's, whose code must not run, only the outermost is looked for, and the rest is a path.
    """
    top, _, rest = package.partition(".")
    spec = find_spec(package if top == "dlrecipes" else top)
    if spec is None or spec.submodule_search_locations is None:
        return []
    inner = "" if top == "dlrecipes" else rest.replace(".", "/")
    return [Path(location, inner) for location in spec.submodule_search_locations]


def recipe_folders() -> Iterator[tuple[Path, str]]:
    """Yield each folder of an installed package of recipes, and the name of its entry point."""
    for name, package in sorted(entry_points(RECIPES).items()):
        for folder in package_folders(package):
            yield folder, name


def data_folders(package: str) -> Iterator[Path]:
    """Yield the folders of data that a package brings: `data` in it, and in those that it is in.

    Args:
        package: The package, as its entry point names it, such as `acme.recipes`.
    """
    depth = len(package.split("."))
    for folder in package_folders(package):
        yield from (parent / "data" for parent in (folder, *folder.parents)[:depth])


def required_versions(package: str = "dlrecipes") -> dict[str, str]:
    """Return the version of a package and of each installed one that it needs, extras left out.

    Args:
        package: Its name.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    found: dict[str, str] = {}
    pending = [package]
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in found:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # It is for another system.
            continue
        found[name] = installed.version
        for requirement in installed.requires or ():
            wanted = re.match(r"[A-Za-z0-9._-]+", requirement)
            if wanted and "extra ==" not in requirement:
                pending.append(wanted[0])
    return found
