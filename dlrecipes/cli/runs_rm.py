"""The `runs rm` command."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from dlrecipes.cli import completion, options, output
from dlrecipes.datasets.published.disk import size_of
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs.lookup import find_folder
from dlrecipes.runs.record import LOCK_FILE
from dlrecipes.system import locks
from dlrecipes.system.atomic import temporary_name
from dlrecipes.system.words import counted

LISTED = 10
"""Runs that are listed before the question; of more, their number is enough."""


def remove(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="Runs by name, by a unique beginning of a name, or by path.",
            autocompletion=completion.runs,
        ),
    ],
    yes: options.Yes = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Remove runs with everything in their folders.

    Refuses to remove a run that is being trained.
    """
    folder = options.folder_of_runs(context, runs_dir)
    paths = list(dict.fromkeys(find_folder(text, folder) for text in runs))
    for path in paths:
        require_removable(path)
    size = sum(map(size_of, paths))
    if not yes:
        ask(paths, f"{counted(len(paths), 'run')} ({shown_bytes(size)})")
    for path in paths:
        remove_folder(path)
        with suppress(OSError):  # Other runs of the recipe are in it.
            path.parent.rmdir()
    if json:
        removed = [{"run": path.name, "path": str(path)} for path in paths]
        output.print_json({"removed": removed, "bytes": size})
        return
    output.console().print(f"Removed {counted(len(paths), 'run')} ({shown_bytes(size)}).")
    output.print_next("dlrecipes runs")


def require_removable(path: Path) -> None:
    """Raise InputError if a run is being trained, or its folder is not its own."""
    if path.is_symlink() or path.resolve() == Path.cwd():
        what = "a symbolic link" if path.is_symlink() else "the folder you are in"
        raise InputError(f"{path} is {what}: it is not removed.", "Remove it by hand.")
    if locks.is_held(path / LOCK_FILE):
        raise InputError(
            f"The run {path.name} is being trained{locks.holder(path / LOCK_FILE)}.",
            "Stop it first, or wait until it is finished.",
        )


def ask(paths: Sequence[Path], what: str) -> None:
    """Ask whether to remove something; raise Abort at a no, and InputError if nobody can answer.

    Args:
        paths: The folders that would be removed.
        what: What is in them, in words.
    """
    if not sys.stdin.isatty():
        raise InputError(
            f"Removing {what} needs a confirmation, and there is no terminal to ask on.",
            "To remove without being asked, add --yes.",
        )
    target = output.console(stderr=True)
    for path in paths[:LISTED]:
        target.print(f"  {path}", markup=False)
    if len(paths) > LISTED:
        target.print(f"  and {len(paths) - LISTED:,} more")
    typer.confirm(f"Remove {what}?", abort=True, err=True)


def remove_folder(path: Path) -> None:
    """Remove a run, or a folder of one: it is gone at once, even if its files take a while."""
    try:
        lock = locks.take(path / LOCK_FILE, f"The run {path}")
        with lock:
            hidden = temporary_name(path)
            path.rename(hidden)
            shutil.rmtree(hidden)
    except OSError as error:
        raise DlrecipesError(f"{path} cannot be removed: {error.strerror}.") from error
