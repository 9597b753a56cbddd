"""The `runs prune` command."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.runs_rm import ask, remove_folder, require_removable
from dlrecipes.datasets.published.disk import size_of
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import all_runs, read_run
from dlrecipes.runs.ranking import best_first, has_result
from dlrecipes.runs.record import CHECKPOINTS, Run
from dlrecipes.system.words import counted


def prune(
    context: typer.Context,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            help="Also remove finished runs, except the N best of each recipe on the same data.",
            show_default=False,
        ),
    ] = None,
    only_checkpoints: Annotated[
        bool,
        typer.Option(
            "--checkpoints",
            help="Remove no runs, only the checkpoints of finished ones: nothing needs them.",
        ),
    ] = False,
    recipe: options.OfRecipe = "",
    yes: options.Yes = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Remove runs that failed or were interrupted.

    Refuses to remove any part of a run that is being trained. Runs with a note are kept, but
    --checkpoints removes their checkpoints, too.
    """
    if keep is not None and keep < 1:
        raise InputError(f"--keep must be at least 1. Received: {keep}")
    if only_checkpoints and keep is not None:
        raise InputError("--checkpoints and --keep exclude each other.", "Give one of the two.")
    options.check_recipe_name(recipe)
    runs, _ = all_runs(options.folder_of_runs(context, runs_dir), recipe or "*")
    what = "the checkpoints of {}" if only_checkpoints else "{}"
    chosen = _with_checkpoints(runs) if only_checkpoints else _superfluous(runs, keep)
    paths = [run.path / CHECKPOINTS if only_checkpoints else run.path for run in chosen]
    for run in chosen:
        require_removable(run.path)
    size = sum(map(size_of, paths))
    named = what.format(counted(len(paths), "run"))
    if paths and not yes:
        ask(paths, f"{named} ({shown_bytes(size)})")
    removed = []
    for run, path in zip(chosen, paths, strict=True):
        if _is_as_it_was(run):
            remove_folder(path)
            removed.append({"run": run.run, "path": str(path)})
        else:
            output.print_warning(f"{run.run} changed meanwhile: it is kept.")
    if json:
        output.print_json({"removed": removed, "bytes": size})
        return
    named = what.format(counted(len(removed), "run"))
    said = f"Removed {named} ({shown_bytes(size)})." if removed else "There is nothing to remove."
    output.console().print(said)
    output.print_next("dlrecipes runs")


def _is_as_it_was(run: Run) -> bool:
    """Tell whether a run is what it was when it was chosen: a question may take hours."""
    try:
        now = read_run(run.path)
    except InputError:
        return False
    return (now.status, now.note) == (run.status, run.note)


def _with_checkpoints(runs: Sequence[Run]) -> list[Run]:
    """Return the finished runs that have checkpoints in a folder of their own."""
    return [run for run in runs if run.status == "finished" and _is_folder(run.path / CHECKPOINTS)]


def _is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _superfluous(runs: Sequence[Run], keep: int | None) -> list[Run]:
    """Return the runs without a note that failed, or are not among the best ones.

    Args:
        runs: All runs.
        keep: How many finished runs of a recipe on the same data are kept; None for all.
    """
    failed = [run for run in runs if run.status in ("failed", "interrupted")]
    alike: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.status == "finished" and has_result(run):
            alike[run.recipe, run.data["fingerprint"]].append(run)
    beyond = [run for some in alike.values() for run in best_first(some)[keep or len(some) :]]
    return [run for run in [*failed, *beyond] if not run.note]
