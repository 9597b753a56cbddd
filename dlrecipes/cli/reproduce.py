"""The `reproduce` command."""

from collections.abc import Sequence
from dataclasses import asdict
from shlex import quote

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.display import Display
from dlrecipes.cli.report import leave_report
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import finite


def reproduce(
    run: options.RunArgument,
    data: options.DataNow = "",
    data_dir: options.DataDir = None,
    device: options.DeviceNow = "",
    allow_changed: options.AllowChanged = False,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a finished run again from its record and compare the two.

    Runs the recipe code that the run was trained with. The new run goes into --runs-dir.
    """
    from dlrecipes.system.backend import check_device_name

    check_device_name(device or "auto")
    found = find_run(run, runs_dir)
    from dlrecipes.runs.compare import compare
    from dlrecipes.runs.provenance import differences
    from dlrecipes.training import trainer
    from dlrecipes.training.request import Changes

    changes = Changes(
        device,
        data,
        data_dir,
        trust_recipe=trust_recipe,
        allow_changed=allow_changed,
        runs_dir=runs_dir,
    )
    display = Display(output.console(stderr=json, in_passing=True), quiet=quiet)
    with output.only_json(json):
        again = trainer.reproduce(found, changes, display)
        leave_report(again, wanted=not again.no_report)
    comparison, reasons = compare(found, again), differences(found, again)
    if json:
        output.print_json(
            {
                "run": found.run,
                "reproduction": again.run,
                "path": str(again.path),
                "same": comparison.same,
                "largest_difference": finite(asdict(comparison)),
                "differs_in": reasons,
            }
        )
    else:
        rows = [[name, f"{value:g}"] for name, value in asdict(comparison).items()]
        output.print_table(["compared", "largest difference"], rows)
        for reason in reasons:
            output.console().print(f"{reason}.", markup=False)
        output.console().print(_judgement(same=comparison.same, reasons=reasons), markup=False)
        output.console().print(f"Run: {again.path}", markup=False)
        # By their paths: the name of the recipe, which may have been typed, is the new run's too.
        paths = " ".join(quote(str(one.path)) for one in (found, again))
        output.print_next(f"dlrecipes runs compare {paths}")
    if not comparison.same and not reasons:
        raise typer.Exit(1)


def _judgement(*, same: bool, reasons: Sequence[str]) -> str:
    """Return the verdict on a reproduction, for people."""
    if same:
        return "Bit-identical."
    if reasons:
        return "Not bit-identical; these differences explain it."
    return "Not bit-identical, and no difference explains it."
