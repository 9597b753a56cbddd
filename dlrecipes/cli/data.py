"""The `data` commands: full data sets, where they are, how to get them and how to remove them."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import all_recipes
from dlrecipes.cli import options, output
from dlrecipes.cli.data_check import check
from dlrecipes.cli.data_info import data_set_document, described, print_info
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.published import fetch as published
from dlrecipes.datasets.published.cache import cache_folder
from dlrecipes.datasets.published.disk import Place, clear_place, data_folder, size_of, sole_writer
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.datasets.published.names import DataSet, find_data_set
from dlrecipes.datasets.published.prepared import all_prepared, find_prepared
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.system.packages import DATASETS, entry_points

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A data set of TensorFlow Datasets, or one that an installed package brings: NAME, "
        "NAME/CONFIG or NAME/CONFIG:1.0.0.",
    ),
]


def make_data_app(epilog: str) -> typer.Typer:
    """Return the `data` command with its sub-commands."""
    app = typer.Typer(
        help="List, fetch and remove full data sets; check your own data.",
        epilog=epilog,
        no_args_is_help=True,
    )
    app.command("list", epilog="Example: dlrecipes data list")(list_data_sets)
    app.command("info", epilog="Example: dlrecipes data info cifar10")(info)
    app.command("fetch", epilog="Example: dlrecipes data fetch mnist")(fetch)
    app.command("clear", epilog="Example: dlrecipes data clear mnist")(clear)
    app.command("check", epilog="Example: dlrecipes data check photos/ --task mnist-cnn")(check)
    return app


def list_data_sets(data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """List the data sets of the installed recipes, and those that are prepared."""
    folder, recipes = data_folder(data_dir), all_recipes()
    documents = [
        data_set_document(Place(folder, data_set), recipes)
        for data_set in _known_data_sets(folder, recipes)
    ]
    if json:
        output.print_json(documents)
        return
    output.print_table(
        ["data set", "what it is", "prepared", "recipes"],
        [
            [
                document["name"],
                document["title"],
                shown_bytes(document["bytes"]) if document["prepared"] else "no",
                ", ".join(document["recipes"]),
            ]
            for document in documents
        ],
    )
    output.console().print(
        "\nAny other data set of TensorFlow Datasets works, too: "
        "https://www.tensorflow.org/datasets/catalog/overview",
        soft_wrap=False,
    )
    output.print_next(_typed("info", documents[0]["name"], data_dir))


def info(name: Name, data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """Show a data set's features, splits, size, licence, citation and files, and where it is."""
    place = _place(name, data_dir)
    with output.only_json(json):
        document = described(data_set_document(place, all_recipes()), place)
    if json:
        output.print_json(document)
        return
    print_info(document)
    output.print_next(
        _train(document, data_dir) if document["prepared"] else _typed("fetch", name, data_dir)
    )


def fetch(name: Name, data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """Download and prepare a data set, unless it is prepared; resume where that was interrupted."""
    place = _place(name, data_dir)
    started = time.perf_counter()
    there = published.is_prepared(name, data_dir)
    with output.only_json(json):
        path = published.fetch(name, data_dir, FetchDisplay(quiet=False))
    document = data_set_document(place, all_recipes())
    if json:
        seconds = round(time.perf_counter() - started, 3)
        output.print_json({**document, "fetched": not there, "seconds": seconds})
        return
    state = "was already prepared" if there else "is prepared"
    output.console().print(f"{name} {state}: {shown_bytes(size_of(path))} in {escape(str(path))}")
    output.print_next(_train(document, data_dir))


def clear(
    name: Name,
    data_dir: options.DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Remove a prepared data set and its downloads, and nothing else."""
    place = _place(name, data_dir)
    paths = place.all_paths()
    size = sum(map(size_of, paths))
    if paths and not yes:
        _ask(f"Remove {shown_bytes(size)}: {', '.join(map(str, paths))}?", name, data_dir)
    removed = 0
    if paths:
        try:
            with sole_writer(place, on_wait=lambda: _refuse(place)):
                removed = clear_place(place)
                with suppress(FileNotFoundError):
                    shutil.rmtree(cache_folder(place.data_set.name))
        except OSError as error:
            raise DlrecipesError(f"{place.folder} cannot be cleared: {error.strerror}.") from error
    if json:
        output.print_json({"name": name, "removed": [*map(str, paths)], "bytes": removed})
        return
    output.console().print(
        f"Removed {shown_bytes(removed)} of {name} from {place.folder}."
        if paths
        else f"{place.folder} holds nothing of {name}.",
        markup=False,
    )
    output.print_next(_typed("fetch", name, data_dir))


def _place(name: str, data_dir: str | None) -> Place:
    """Return the place of the data set of that name."""
    folder = data_folder(data_dir)
    return Place(folder, find_data_set(name, folder))


def _known_data_sets(folder: Path, recipes: Sequence[Facts]) -> list[DataSet]:
    """Return the data sets of recipes and packages, and those that are prepared, by name."""
    found: dict[str, DataSet] = {}
    wanted = [facts.dataset for facts in recipes if not facts.error]
    for name in (*wanted, *entry_points(DATASETS)):
        with suppress(InputError):  # `check` says what is wrong with the recipe.
            data_set = find_data_set(name, folder)
            prepared = find_prepared(data_set, folder)
            found.setdefault(prepared.name if prepared else data_set.full_name, data_set)
    for prepared in all_prepared(folder):
        found.setdefault(prepared.name, find_data_set(prepared.name.partition(":")[0], folder))
    return sorted(found.values(), key=lambda data_set: data_set.full_name)


def _ask(question: str, name: str, data_dir: str | None) -> None:
    """Ask on the terminal; raise Abort at a no, and InputError if there is nobody to ask."""
    if not sys.stdin.isatty():
        raise InputError(
            f"{question.removesuffix('?')}: there is no terminal to ask on.",
            f"To remove it without being asked: {_typed('clear', name, data_dir)} --yes",
        )
    typer.confirm(question, abort=True, err=True)


def _refuse(place: Place) -> None:
    """Raise DlrecipesError: what is being written is not removed."""
    raise DlrecipesError(
        f"Another process is fetching {place.data_set.name} into {place.folder}.",
        "Wait until it is done, or stop it.",
    )


def _typed(verb: str, name: str, data_dir: str | None) -> str:
    """Return a `data` command as it is typed, for the same folder."""
    return f"dlrecipes data {verb} {name}{_folder_option(data_dir)}"


def _train(document: dict[str, Any], data_dir: str | None) -> str:
    """Return what to type to train on a data set that is prepared."""
    recipes, name = document["recipes"], document["name"]
    wanted = f"{recipes[0]} --data full" if recipes else f"RECIPE --data tfds:{name}"
    return f"dlrecipes train {wanted}{_folder_option(data_dir)}"


def _folder_option(data_dir: str | None) -> str:
    """Return `--data-dir` as it was given, to be typed again."""
    return f" --data-dir {shlex.quote(data_dir)}" if data_dir else ""
