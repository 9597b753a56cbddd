"""The `data` commands: the full data sets, where they are, how to have them and be rid of them."""

import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.catalog.find import Facts, all_recipes
from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.preflight import check
from dlrecipes.datasets.cache import cache_file
from dlrecipes.datasets.ladder import data_folder
from dlrecipes.datasets.published.catalog import DATA_SETS, find_data_set
from dlrecipes.datasets.published.disk import Place, clear_place, size_of, sole_writer
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.datasets.published.fetch import prepare
from dlrecipes.datasets.sources import remote_files
from dlrecipes.errors import DlrecipesError, InputError

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A data set's name: see dlrecipes data list.")
]


def make_data_app(epilog: str) -> typer.Typer:
    """Return the `data` command with its sub-commands."""
    app = typer.Typer(
        help="See, fetch and remove the full data sets; check your own data.",
        epilog=epilog,
        no_args_is_help=True,
    )
    app.command("list", epilog="Example: dlrecipes data list")(list_data_sets)
    app.command("info", epilog="Example: dlrecipes data info mnist")(info)
    app.command("fetch", epilog="Example: dlrecipes data fetch mnist")(fetch)
    app.command("clear", epilog="Example: dlrecipes data clear mnist")(clear)
    app.command("check", epilog="Example: dlrecipes data check photos/ --task mnist-cnn")(check)
    return app


def list_data_sets(data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """List the full data sets, and which of them are prepared."""
    recipes = all_recipes()
    documents = [
        _document(Place(data_folder(data_dir), data_set), recipes)
        for data_set in DATA_SETS.values()
    ]
    if json:
        output.print_json(documents)
        return
    output.print_table(
        ["data set", "what it is", "rows", "download", "prepared", "recipes"],
        [
            [
                document["name"],
                document["title"],
                f"{sum(document['rows'].values()):,} {document['unit']}",
                shown_bytes(document["download_bytes"]),
                shown_bytes(document["bytes"]) if document["prepared"] else "no",
                ", ".join(document["recipes"]),
            ]
            for document in documents
        ],
    )
    output.print_next(_typed("info", documents[0]["name"], data_dir))


def info(name: Name, data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """Show a data set's size, licence, citation, splits and classes, and where it is."""
    data_set = find_data_set(name)
    place = Place(data_folder(data_dir), data_set)
    document = _document(place, all_recipes())
    if json:
        output.print_json(document)
        return
    target = output.console()
    target.print(f"[bold]{name}[/] {document['version']}: {document['title']}\n")
    rows = ", ".join(f"{count:,} {split}" for split, count in document["rows"].items())
    state = f"{shown_bytes(document['bytes'])} in {document['path']}"
    if not document["prepared"]:
        state = f"no; it will be in {document['path']}"
    facts = {
        "licence": document["licence"],
        "homepage": document["homepage"],
        "splits": f"{rows} ({document['unit']})",
        "classes": ", ".join(document["classes"]) or "none",
        "recipes": ", ".join(document["recipes"]) or "none",
        "sample": f"{document['sample']['name']}, {shown_bytes(document['sample']['bytes'])}",
        "download": shown_bytes(document["download_bytes"]),
        "downloaded": shown_bytes(document["downloaded_bytes"]),
        "prepared": state,
    }
    output.print_table(["fact", "value"], [list(item) for item in facts.items()])
    target.print()
    output.print_table(
        ["file", "bytes", "SHA-256", "from"],
        [
            [file["name"], f"{file['bytes']:,}", file["sha256"], " ".join(file["urls"])]
            for file in document["files"]
        ],
    )
    target.print(f"\n{document['citation']}\n", markup=False)
    output.print_next(
        _train(document, data_dir) if document["prepared"] else _typed("fetch", name, data_dir)
    )


def fetch(name: Name, data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """Download a full data set and prepare it, unless that is done. Goes on where it stopped."""
    data_set = find_data_set(name)
    place = Place(data_folder(data_dir), data_set)
    started = time.perf_counter()
    there = place.is_prepared()
    with output.only_json(json):
        prepare(data_set, place.folder, FetchDisplay(quiet=False))
    document = _document(place, all_recipes())
    if json:
        seconds = round(time.perf_counter() - started, 3)
        output.print_json({**document, "fetched": not there, "seconds": seconds})
        return
    state = "was prepared already" if there else "is prepared"
    output.console().print(
        f"{name} {state}: {shown_bytes(document['bytes'])} in {escape(document['path'])}"
    )
    output.print_next(_train(document, data_dir))


def clear(
    name: Name,
    data_dir: options.DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Remove a prepared data set and its downloads, and nothing else."""
    place = Place(data_folder(data_dir), find_data_set(name))
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
                    cache_file(name).unlink()
        except OSError as error:
            raise DlrecipesError(f"{place.folder} cannot be cleared: {error.strerror}.") from error
    if json:
        output.print_json({"name": name, "removed": [*map(str, paths)], "bytes": removed})
        return
    output.console().print(
        f"Removed {shown_bytes(removed)} of {name} from {place.folder}."
        if paths
        else f"There is nothing of {name} in {place.folder}.",
        markup=False,
    )
    output.print_next(_typed("fetch", name, data_dir))


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
        f"Another process fetches {place.data_set.name} into {place.folder} just now.",
        "Wait until it is done, or stop it.",
    )


def _document(place: Place, recipes: Sequence[Facts]) -> dict[str, Any]:
    """Return what `--json` shows of a data set, and of where it is."""
    data_set, release = place.data_set, place.data_set.release
    files = remote_files(data_set)
    prepared = place.is_prepared()
    return {
        "name": data_set.name,
        "title": release.title,
        "version": release.version,
        "config": release.config,
        "licence": release.licence,
        "citation": release.citation,
        "homepage": release.homepage,
        "rows": dict(release.rows),
        "unit": release.unit,
        "classes": list(data_set.classes),
        "recipes": [facts.name for facts in recipes if facts.dataset == data_set.name],
        "sample": {"name": data_set.sample, "bytes": len(data_set.sample_bytes())},
        "download_bytes": sum(file.size for file in files),
        "downloaded_bytes": sum(file.received(place.downloads) for file in files),
        "prepared": prepared,
        "path": str(place.prepared),
        "bytes": size_of(place.prepared) if prepared else 0,
        "files": [
            {
                "name": file.name,
                "bytes": file.size,
                "sha256": file.sha256,
                "urls": list(file.urls),
            }
            for file in files
        ],
    }


def _typed(verb: str, name: str, data_dir: str | None) -> str:
    """Return a `data` command as it is typed, for the same folder."""
    return f"dlrecipes data {verb} {name}{_folder_option(data_dir)}"


def _train(document: dict[str, Any], data_dir: str | None) -> str:
    """Return what to type to train on a prepared data set."""
    recipe = next(iter(document["recipes"]), "RECIPE")
    return f"dlrecipes train {recipe} --data full{_folder_option(data_dir)}"


def _folder_option(data_dir: str | None) -> str:
    """Return `--data-dir` as it was given, to be typed again."""
    return f" --data-dir {shlex.quote(data_dir)}" if data_dir else ""
