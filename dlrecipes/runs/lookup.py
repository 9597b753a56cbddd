"""Find runs by name, by path, by recipe, or the latest; and make a folder for a new one."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any, get_origin

from dlrecipes.catalog.find import all_recipes
from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs.record import (
    KILLED,
    LOCK_FILE,
    MAX_RECORD_BYTES,
    NAME,
    RUN_FILE,
    SCHEMA,
    STAMP,
    STATUSES,
    Run,
    digest,
    is_folder_name,
)
from dlrecipes.system.atomic import whole_folder
from dlrecipes.system.home import expanded
from dlrecipes.system.locks import holder, is_held
from dlrecipes.system.words import counted

MATCHES_SHOWN = 5


def check_name(name: str, recipes: list[str]) -> None:
    """Raise InputError unless `name` can be the name of a run."""
    if not NAME.fullmatch(name):
        raise InputError(
            "--name takes up to 100 letters, digits, '.', '_' and '-', and begins with a letter or "
            f"digit. Received: {name!r}"
        )
    if name in recipes:
        raise InputError(f"{name} is the name of a recipe.", "Choose another --name.")


@contextmanager
def new_folder(runs_dir: Path, recipe: str, name: str = "") -> Iterator[tuple[Path, Path]]:
    """Give the block a folder to start a run in, which then becomes the run's with all it holds.

    An existing run is never reused, and a run's folder never exists without its record.

    Args:
        runs_dir: The folder of all runs.
        recipe: Name of the recipe.
        name: Name of the run; empty for the time and a random part.

    Yields:
        The folder to fill, and the run's folder that it becomes after the block.

    Raises:
        InputError: if a run of that name exists, or the folder cannot be made.
    """
    if not is_folder_name(recipe):
        raise InputError(f"{recipe!r} is not a valid folder name.", "Rename the recipe's file.")
    # Two trainings that begin in one second still get two names.
    path = runs_dir / recipe / (name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}")
    taken = InputError(
        f"The run {path} already exists.", "Choose another --name: runs are never overwritten."
    )
    if os.path.lexists(path):
        raise taken
    try:
        with whole_folder(path) as temporary:
            yield temporary, path
    except OSError as error:
        if os.path.lexists(path):
            raise taken from None
        raise InputError(
            f"The run folder {path} cannot be created: {error.strerror}.",
            "Choose another --runs-dir.",
        ) from None


def read_run(path: Path) -> Run:
    """Return the record in a run's folder, up to date: a killed run is `interrupted`.

    Raises:
        InputError: if it is missing, or was changed.
    """
    run = _read_record(path)
    # Whoever wrote "running" may have been killed since.
    if run.status == "running" and is_held(path / LOCK_FILE) is False:
        again = _read_record(path)  # It may have finished just before it let go of the lock.
        if again != run:
            return again
        run.status, run.error = "interrupted", KILLED
    return run


def _read_record(path: Path) -> Run:
    """Return the record in a run's folder, as it was written."""
    file = path / RUN_FILE
    try:
        if file.stat().st_size > MAX_RECORD_BYTES:
            raise InputError(f"{file} is too large for a run's record (limit: 10 MB).")
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file} is damaged: it is not valid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise InputError(f"{file} is not the record of a run.")
    if document["schema"] > SCHEMA:
        raise InputError(
            f"{file} was written by a newer dlrecipes: its format is {document['schema']}, and "
            f"this version reads up to {SCHEMA}.",
            "Upgrade: python -m pip install --upgrade dlrecipes",
        )
    if document.pop("digest", "") != digest(document):
        raise InputError(f"{file} was changed after training: its digest does not match.")
    if not _is_record(document):
        raise InputError(f"{file} is not the record of a run.")
    return Run(**document, path=path)


def _is_record(document: dict[str, Any]) -> bool:
    """Tell whether a document has the form of a run's record, as dlrecipes writes it."""
    known: dict[str, Any] = {entry.name: entry.type for entry in fields(Run)}
    del known["path"]
    return (
        set(document) == set(known)
        and all(
            isinstance(value, get_origin(known[name]) or known[name])
            for name, value in document.items()
        )
        and document["status"] in STATUSES
        and is_folder_name(document["recipe"])
        and is_folder_name(document["run"])
        and set(STAMP) <= set(document["data"])
        and isinstance(document["data"]["rows"], dict)
        and all(isinstance(document["data"][name], dict) for name in ("files", "input", "answer"))
        and set(document["data"]["files"]) <= set(FILE_OPTIONS)
        and all(isinstance(value, str | bool) for value in document["data"]["files"].values())
    )


def run_folders(runs_dir: Path, recipe: str = "*") -> Iterator[Path]:
    """Yield the folder of every run, of all recipes or of one."""
    pattern = escape(recipe) if recipe != "*" else recipe
    yield from sorted(
        file.parent
        for file in runs_dir.glob(f"{pattern}/*/{RUN_FILE}")
        if not file.parent.name.startswith(".")  # a run that is just being begun
    )


def all_runs(runs_dir: Path, recipe: str = "*") -> tuple[list[Run], dict[Path, str]]:
    """Return the runs, oldest first, and why each unreadable one could not be read."""
    runs, unreadable = [], {}
    for path in run_folders(runs_dir, recipe):
        try:
            runs.append(read_run(path))
        except InputError as error:
            unreadable[path] = error.message
    return sorted(runs, key=lambda run: run.started), unreadable


def find_run(text: str, runs_dir: Path, *, finished: bool = True) -> Run:
    """Return the run that a RUN argument names.

    Args:
        text: A run's path or name, the beginning of its name, `recipe/name`, or a recipe's name:
            its latest finished run.
        runs_dir: The folder of all runs.
        finished: Whether an unfinished run is an error.

    Raises:
        InputError: if no run or several are meant, or it is not finished.
    """
    run = read_run(_run_path(text, runs_dir, ("finished",)))
    if finished and run.status == "running":
        by = holder(run.path / LOCK_FILE)
        raise InputError(
            f"The run {run.run} is not finished: it is being trained{by}.",
            "Wait until it is finished, or name another run: dlrecipes runs",
        )
    if finished and run.status != "finished":
        reason = f": {run.error}" if run.error else ""
        raise InputError(
            f"The run {run.run} is not finished: it is {run.status}{reason}.", run.how_to_resume
        )
    return run


def require_training(run: Run) -> None:
    """Raise InputError if a run was put together of others, and there is no training of it."""
    if run.ensemble:
        raise InputError(
            f"The run {run.run} is an ensemble: it was put together of trained runs, and there is "
            "no training of its own.",
            "Make another one: dlrecipes ensemble RUN RUN",
        )


def find_unfinished(text: str, runs_dir: Path) -> Run:
    """Return the run to resume that a RUN argument names.

    Args:
        text: As for `find_run`; of a recipe, its latest run that was interrupted or has failed.
        runs_dir: The folder of all runs.

    Raises:
        InputError: if no run or several are meant.
    """
    return read_run(_run_path(text, runs_dir, ("interrupted", "failed")))


def find_folder(text: str, runs_dir: Path) -> Path:
    """Return the folder of the one run that is named, whether or not its record can be read.

    Args:
        text: As for `find_run`, but not a recipe's name, which stands for several runs.
        runs_dir: The folder of all runs.

    Raises:
        InputError: if no run or several are meant.
    """
    path = expanded(text)
    if os.path.isfile(path / RUN_FILE):
        return path
    if "/" not in text and (count := len(list(run_folders(runs_dir, text)))):
        raise InputError(
            f"{text} is a recipe. {runs_dir} holds {counted(count, 'run')} of it.",
            "Name the runs: dlrecipes runs",
        )
    return _named(text, runs_dir)


def previous_on_other_data(run: Run, runs_dir: Path) -> Run | None:
    """Return the finished run before this one of its recipe, if it was trained on other data."""
    runs, _ = all_runs(runs_dir, run.recipe)
    before = [one for one in runs if one.status == "finished" and one.started < run.started]
    other = before and before[-1].data["fingerprint"] != run.data["fingerprint"]
    return before[-1] if other else None


def _changed(path: Path) -> float:
    """Return when a run's record was last written, seconds since 1970."""
    return (path / RUN_FILE).stat().st_mtime


def _run_path(text: str, runs_dir: Path, statuses: tuple[str, ...]) -> Path:
    """Return the folder that a RUN argument names; of a recipe, its latest run with a status."""
    path = expanded(text)
    if os.path.isfile(path / RUN_FILE):  # False for a text too long to be a path
        return path
    if NAME.fullmatch(text) and (runs_dir / text).is_dir():
        runs, unreadable = all_runs(runs_dir, text)
        wanted = [run for run in runs if run.status in statuses]
        newer = [
            path for path in unreadable if wanted and _changed(path) > _changed(wanted[-1].path)
        ]
        if newer:
            raise InputError(
                f"The latest run cannot be read. {unreadable[newer[-1]]}",
                f"Name another run, such as {wanted[-1].run}: dlrecipes runs",
            )
        if wanted:
            return wanted[-1].path
        if runs:
            return runs[-1].path
        if unreadable:
            return next(iter(unreadable))
    return _named(text, runs_dir)


def _named(text: str, runs_dir: Path) -> Path:
    """Return the folder of the run with a name, `recipe/name`, or the beginning of a name."""
    recipe, _, name = text.rpartition("/")
    if not all(NAME.fullmatch(part) for part in (name, recipe or name)):
        raise InputError(f"There is no run at {text}.", "List your runs: dlrecipes runs")
    folders = list(run_folders(runs_dir, recipe or "*"))
    is_recipe = not recipe and name in {facts.name for facts in all_recipes()}
    matches = [path for path in folders if path.name == name]
    if not matches and not is_recipe:
        matches = [path for path in folders if path.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(f"{path.parent.name}/{path.name}" for path in matches[:MATCHES_SHOWN])
        more = " and more" if len(matches) > MATCHES_SHOWN else ""
        raise InputError(
            f"{text!r} could be any of {counted(len(matches), 'run')}: {shown}{more}.",
            "Type more of the name, or recipe/name.",
        )
    known = {path.name for path in folders} | {path.parent.name for path in run_folders(runs_dir)}
    raise InputError(
        f"There is no run {text!r} in {runs_dir}.",
        f"Train it first: dlrecipes train {name}"
        if is_recipe
        else nearest(text, known) or "List your runs: dlrecipes runs",
    )
