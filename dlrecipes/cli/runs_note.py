"""The `runs note` command."""

from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs.lookup import find_run, read_run
from dlrecipes.runs.record import LOCK_FILE
from dlrecipes.system import locks

LONGEST = 2000
"""Characters of a note."""


def note(
    context: typer.Context,
    run: options.RunArgument,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The note. An empty text removes it.")
    ],
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Write a note on a run, in place of any earlier one. `runs` and `runs show` show it.

    The report shows it once you write it again: dlrecipes report RUN. Runs with a note are kept
    by `runs prune`.
    """
    if len(text) > LONGEST:
        raise InputError(f"A note has at most {LONGEST:,} characters. Received: {len(text):,}")
    found = find_run(run, options.folder_of_runs(context, runs_dir), finished=False)
    lock = locks.take(found.path / LOCK_FILE, f"The run {found.path}")
    with lock:
        found = read_run(found.path)  # as it is now that nobody else can change it
        found.note = " ".join(text.split())
        try:
            found.save()
        except OSError as error:
            raise DlrecipesError(
                f"The note cannot be written to {found.path}: {error.strerror}."
            ) from error
        if found.status == "finished":  # Only those are never locked to be trained again.
            (found.path / LOCK_FILE).unlink(missing_ok=True)
    if json:
        output.print_json({"run": found.run, "path": str(found.path), "note": found.note})
        return
    name = f"{found.recipe}/{found.run}"
    said = f"Noted on {name}: {found.note}" if found.note else f"Removed the note on {name}."
    output.console().print(said, markup=False)
    output.print_next("dlrecipes runs")
