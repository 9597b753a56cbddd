"""The `runs` commands: what was trained, on what, with what result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import options, output
from dlrecipes.cli.result import (
    Shown,
    show_best_member,
    show_diagnosis,
    show_members,
    shown_verdict,
)
from dlrecipes.cli.runs_note import note
from dlrecipes.cli.runs_prune import prune
from dlrecipes.cli.runs_rm import remove
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.datasets.published.disk import size_of
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import all_runs, find_run
from dlrecipes.runs.ranking import best_first
from dlrecipes.runs.record import STATUSES, Run, shown_data
from dlrecipes.system.words import alike, numbers

SORTS = ("started", "result", "time", "size")
TITLES = (
    *("run", "recipe", "started", "data", "device", "result", "baseline", "time", "size", "status"),
    "note",
)


def make_runs_app(epilog: str) -> typer.Typer:
    """Return the `runs` command with its sub-commands."""
    app = typer.Typer(callback=list_runs, invoke_without_command=True, epilog=epilog)
    app.command("show", epilog="Example: dlrecipes runs show mnist-cnn")(show)
    app.command("compare", epilog="Example: dlrecipes runs compare RUN RUN")(compare)
    app.command("note", epilog="Example: dlrecipes runs note mnist-cnn 'a wider network'")(note)
    app.command("rm", epilog="Example: dlrecipes runs rm 20261105-0612")(remove)
    app.command("prune", epilog="Example: dlrecipes runs prune --keep 3")(prune)
    return app


def list_runs(
    context: typer.Context,
    recipe: options.OfRecipe = "",
    status: Annotated[
        str,
        typer.Option(
            "--status",
            metavar="|".join(STATUSES),
            help="Only the runs with this status.",
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="|".join(SORTS),
            help="Order: the latest, best, longest or largest run comes last.",
        ),
    ] = "started",
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Only the last N runs.", show_default="all"),
    ] = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """List your runs with their data and results, the latest last.

    With --sort result, runs are grouped by task, and the best run of each task comes last.
    """
    if context.invoked_subcommand:
        context.obj = runs_dir
        return
    if status and status not in STATUSES:
        raise InputError(f"--status must be one of {', '.join(STATUSES)}. Received: {status!r}")
    if sort not in SORTS:
        raise InputError(f"--sort must be one of {', '.join(SORTS)}. Received: {sort!r}")
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1. Received: {limit}")
    options.check_recipe_name(recipe)
    runs, unreadable = all_runs(runs_dir, recipe or "*")
    runs = _sorted([run for run in runs if status in ("", run.status)], sort)[-(limit or 0) :]
    unreadable = {} if status else unreadable
    if json:
        broken = [
            {"run": path.name, "path": str(path), "status": "unreadable", "error": reason}
            for path, reason in unreadable.items()
        ]
        output.print_json([run.document() for run in runs] + broken)
        return
    for reason in unreadable.values():
        output.print_warning(reason)
    if not runs:
        such = " such" if recipe or status else ""
        output.console().print(f"No{such} runs in {runs_dir}.", markup=False)
        output.print_next("dlrecipes train mnist-cnn")
        return
    headlines = {run.headline for run in runs}
    shown = {name: _alike([run for run in runs if run.headline == name]) for name in headlines}
    output.print_table(
        TITLES,
        [_row(run, shown[run.headline]) for run in runs],
        optional=("device", "size", "started", "note", "time", "baseline", "status"),
        whole=2,
    )
    last = runs[-1]
    is_alone = [run.run for run in runs].count(last.run) == 1
    name = last.run if is_alone else f"{last.recipe}/{last.run}"
    output.print_next(f"dlrecipes runs show {options.typed_run(last, name)}")


def _sorted(runs: list[Run], sort: str) -> list[Run]:
    """Return runs, which are in the order of their start, in another order."""
    if sort == "result":
        return best_first(runs)[::-1]
    if sort == "time":
        return sorted(runs, key=lambda run: run.seconds.get("total", 0.0))
    return sorted(runs, key=lambda run: size_of(run.path)) if sort == "size" else runs


def _alike(runs: Sequence[Run]) -> Shown:
    """Return what shows the results of runs with one headline metric."""
    results = [run.metrics.get(run.headline) for run in runs]
    plain = [run.plain_baseline["comparison"]["baseline"] for run in runs if run.plain_baseline]
    return alike(*results, *plain)


def _row(run: Run, shown: Shown) -> list[str]:
    """Return a run's row in the table."""
    value = run.metrics.get(run.headline)
    return [
        run.run,
        run.recipe + (f" ({run.preset})" if run.preset else ""),
        _when(run),
        shown_data(run.data),
        run.device,
        run.status if value is None else f"{run.headline} {shown(value)}",
        _baseline(run, shown),
        output.duration(run.seconds["total"]) if "total" in run.seconds else "-",
        shown_bytes(size_of(run.path)),
        run.status,
        shortened(printable(run.note)),
    ]


def _baseline(run: Run, shown: Shown) -> str:
    """Return what a plain baseline reaches, and how the network compares with it."""
    if not run.plain_baseline:
        return "-"
    found = run.plain_baseline["comparison"]
    return f"{shown(found['baseline'])} ({found['verdict']})"


def _when(run: Run) -> str:
    """Return when a run was started, in local time."""
    return f"{datetime.fromisoformat(run.started).astimezone():%Y-%m-%d %H:%M}"


def show(
    context: typer.Context,
    run: options.RunArgument,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Show everything that is recorded about a run."""
    found = find_run(run, options.folder_of_runs(context, runs_dir), finished=False)
    if json:
        output.print_json(found.document())
        return
    target = output.console()
    target.print(
        f"[bold]{escape(found.recipe)}[/] {found.run}: {found.status}  ({escape(str(found.path))})"
    )
    if found.error:
        target.print(found.error, markup=False)
    if found.metrics:
        target.print(Text("Verdict: ").append_text(shown_verdict(found)))
        show_best_member(found)
        show_diagnosis(found)
    target.print()
    if found.ensemble:
        show_members(found)
        target.print()
    output.print_table(["property", "value"], [list(item) for item in _properties(found).items()])
    target.print()
    output.print_table(
        ["setting", "value"], [[name, show_value(value)] for name, value in found.config.items()]
    )
    if found.metrics:
        target.print()
        output.print_table(
            ["test metric", "value"],
            [[name, output.number(value)] for name, value in found.metrics.items()],
        )
    output.print_details(found.details)
    _show_events(found)
    if found.status == "finished":
        output.print_next(f"dlrecipes evaluate {options.typed_run(found, run)}")
    elif found.status != "running":
        output.print_next(f"dlrecipes resume {options.typed_run(found, run)}")


def _properties(run: Run) -> dict[str, str]:
    """Return what is recorded about a run beside its settings and its result."""
    rows = ", ".join(f"{count:,} {split}" for split, count in run.data["rows"].items())
    return {
        "started": _when(run),
        **({"note": printable(run.note)} if run.note else {}),
        "data": f"{shown_data(run.data)}: {rows}",
        "source": run.data["source"],
        "fingerprint": run.data["fingerprint"],
        "preset": run.preset or "none",
        "seed": str(run.seed),
        "device": run.device,
        "parameters": f"{run.parameters:,}",
        "machine": ", ".join(
            f"{value} cores" if name == "cores" else str(value)
            for name, value in run.machine.items()
        ),
        "versions": ", ".join(f"{name} {text}" for name, text in run.versions.items()),
        "git commit": run.git_commit or "none",
    }


def _show_events(run: Run) -> None:
    """Print what happened on the way."""
    if not run.events:
        return
    output.console().print()
    output.print_table(
        ["when", "event", "details"],
        [
            [
                f"{datetime.fromisoformat(event['when']).astimezone():%Y-%m-%d %H:%M:%S}",
                event["what"],
                ", ".join(
                    str(value) for name, value in event.items() if name not in ("when", "what")
                ),
            ]
            for event in run.events
        ],
    )


def compare(
    context: typer.Context,
    first: options.RunArgument,
    second: options.RunArgument,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Compare two runs: settings, metrics, and whether the difference is more than noise.

    Of trainings with --seeds, name the two groups: then their means are compared.
    """
    # They import NumPy, which a list can spare.
    from dlrecipes.cli.runs_groups import compare_groups
    from dlrecipes.runs import pairs
    from dlrecipes.runs.seed_groups import find_group

    folder = options.folder_of_runs(context, runs_dir)
    groups = [find_group(text, folder) for text in (first, second)]
    if any(groups):
        compare_groups(groups, (first, second), as_json=json)
        return
    one, other = find_run(first, folder, finished=False), find_run(second, folder, finished=False)
    differing = pairs.differing_settings(one, other)
    metrics = pairs.side_by_side(one.metrics, other.metrics)
    warnings = pairs.cautions(one, other)
    difference = pairs.compared(one, other) if one.metrics and other.metrics else {}
    if json:
        output.print_json(
            {
                "warnings": warnings,
                "runs": [one.run, other.run],
                "settings": differing,
                "metrics": metrics,
                "difference": difference,
            }
        )
        return
    target = output.console()
    for warning in warnings:
        target.print(f"[bold yellow]Caution:[/] {escape(warning)}")
    if warnings:
        target.print()
    titles = ["setting", *pairs.names(one, other)]
    if differing:
        output.print_table(
            titles,
            [
                [name, *("-" if value is None else show_value(value) for value in pair)]
                for name, pair in differing.items()
            ],
        )
    else:
        target.print("All settings are the same.")
    target.print()
    output.print_table(
        ["test metric", *titles[1:]],
        [[name, *numbers(pair)] for name, pair in metrics.items()],
    )
    if difference:
        target.print(f"\n{pairs.in_words(difference, one, other)}", markup=False)
    typed = f"{options.typed_run(one, first)} {options.typed_run(other, second)}"
    output.print_next(f"dlrecipes report {typed} --open")
