"""The `ensemble` command: make a run of several."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrecipes.catalog.find import all_recipes
from dlrecipes.cli import completion, options, output
from dlrecipes.cli.display import Display
from dlrecipes.cli.report import leave_report
from dlrecipes.cli.result import print_run, show_members
from dlrecipes.runs.lookup import check_name, find_run
from dlrecipes.runs.seed_groups import find_group

if TYPE_CHECKING:
    from dlrecipes.runs.record import Run

Members = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="The runs to put together; the name of a group of train --seeds stands for all of its "
        "runs.",
        autocompletion=completion.runs,
        show_default=False,
    ),
]


def ensemble(
    runs: Members,
    name: options.RunName = "",
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a run of several: its model answers the mean of what their models say.

    The mean is that of probabilities for classes, and of predictions for numbers. The runs must be
    of one task, with the same data and splits. The new run contains their models: it does not need
    them any more.
    """
    from dlrecipes.use.combine import Combined, combine

    if name:
        check_name(name, [known.name for known in all_recipes()])
    members = [run for text in runs for run in _named(text, runs_dir)]
    display = Display(output.console(stderr=json, in_passing=True), quiet=quiet)
    with output.only_json(json):
        made = combine(members, Combined(name, runs_dir, trust_recipe), display)
        leave_report(made)
    if not json:
        show_members(made)
    print_run(made, options.typed_run(made), as_json=json, quiet=quiet)


def _named(text: str, runs_dir: Path) -> "list[Run]":
    """Return the run that an argument names, or the runs of a group."""
    group = find_group(text, runs_dir)
    return list(group.runs) if group else [find_run(text, runs_dir)]
