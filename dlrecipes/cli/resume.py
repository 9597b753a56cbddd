"""The `resume` command."""

from dataclasses import asdict, replace
from shlex import quote
from typing import TYPE_CHECKING

import typer

from dlrecipes.catalog.facts import read_facts
from dlrecipes.catalog.metrics import metrics_of
from dlrecipes.cli import limits, options, output, sharing
from dlrecipes.cli import workers as several
from dlrecipes.cli.display import Display
from dlrecipes.cli.report import leave_report
from dlrecipes.cli.result import print_run
from dlrecipes.cli.watch import Watch, watched
from dlrecipes.runs.lookup import find_unfinished, require_training
from dlrecipes.runs.record import RECIPE_FILE, Run

if TYPE_CHECKING:
    from dlrecipes.training.request import Changes


def resume(
    run: options.UnfinishedRun,
    data: options.DataNow = "",
    data_dir: options.DataDir = None,
    device: options.DeviceNow = "",
    devices: sharing.DevicesNow = "",
    workers: sharing.WorkersNow = None,
    rank: sharing.Rank = None,
    world_size: sharing.WorldSize = None,
    coordinator: sharing.Coordinator = "",
    join_timeout: sharing.JoinTimeout = sharing.JOIN_SECONDS,
    on_nan: options.OnNaNNow = "",
    watch: Watch = False,
    prove: options.Prove = False,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    fail_below: limits.Below = None,
    fail_above: limits.Above = None,
    fail_on: limits.On = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Resume a run that was interrupted or has failed.

    The result is bit-identical to that of a run without an interruption. Runs the recipe code that
    the run was started with. A finished run is only shown.
    """
    from dlrecipes.training.request import check_devices, check_on_nan

    check_on_nan(on_nan)
    wanted = limits.parse(fail_below, fail_above, fail_on)
    check_devices(device, devices)
    asked = several.Asked(workers, rank, world_size, coordinator, join_timeout)
    world = asked.world({"--devices": bool(devices), "--prove": prove})
    found = find_unfinished(run, runs_dir)
    require_training(found)
    from dlrecipes.training.request import Changes

    wanted.check_names(metrics_of(read_facts(found.path / RECIPE_FILE)), found.recipe)
    changes = Changes(device, data, data_dir, on_nan, trust_recipe, devices=devices)
    if prove:
        _prove(found, changes, as_json=json)
        return
    if found.status == "finished":
        output.print_warning(f"The run {found.path} is already finished.")
    else:
        asked.launch(device)
        facts = several.facts_of_run(found, changes) if world else {}
        with several.joined(world, facts, join_timeout, as_json=json) as meeting:
            changes = replace(changes, meeting=meeting)
            if meeting and not meeting.world.is_chief:
                several.help_to_resume(found, changes)
                return
            if meeting:
                meeting.require_same("copy", "made")  # by the others, of the run as it is
            progress = output.console(stderr=json, in_passing=True)
            with watched(watch, progress) as follow:
                display = Display(progress, quiet=quiet, follow=follow)
                found = _resume(found, changes, display, as_json=json)
    # By its path: the recipe's name may stand for a run that was started later.
    print_run(found, quote(str(found.path)), as_json=json, quiet=quiet)
    wanted.enforce(found.metrics, found.verdict)


def _resume(run: Run, changes: "Changes", display: Display, *, as_json: bool) -> Run:
    """Return a run that was resumed, with its report."""
    from dlrecipes.training import trainer

    with output.only_json(as_json):
        run = trainer.resume(run, changes, display)
        leave_report(run, wanted=not run.no_report)
    return run


def _prove(run: Run, changes: "Changes", *, as_json: bool) -> None:
    """Show the difference between a training with and without an interruption; fail if any."""
    from dlrecipes.training.proof import prove

    proof = prove(run, changes)
    if as_json:
        output.print_json(
            {"run": run.run, "path": str(run.path), "same": proof.same, **asdict(proof)}
        )
    else:
        target = output.console()
        target.print(
            f"{proof.steps} steps without an interruption, against {proof.steps} steps that were "
            f"interrupted after {proof.interrupted_after} and resumed, each in a fresh process:\n"
        )
        rows = [[name, f"{value:g}"] for name, value in proof.largest_difference.items()]
        output.print_table(["state", "largest difference"], rows)
        target.print(f"\nTraining batches that differ: {proof.other_batches}.")
        target.print("[green]Bit-identical.[/]" if proof.same else "[red]Not identical.[/]")
        output.print_next(f"dlrecipes runs show {quote(str(run.path))}")
    if not proof.same:
        raise typer.Exit(1)
