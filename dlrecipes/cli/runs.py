"""The `runs` commands: what was trained, on what, with what result."""

from datetime import datetime
from typing import Any

import typer
from rich.markup import escape
from rich.text import Text

from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import options, output
from dlrecipes.cli.result import show_diagnosis, shown_verdict
from dlrecipes.cli.runs_rm import remove
from dlrecipes.runs.lookup import all_runs, find_run
from dlrecipes.runs.record import Run, shown_data


def make_runs_app(epilog: str) -> typer.Typer:
    """Return the `runs` command with its sub-commands."""
    app = typer.Typer(callback=list_runs, invoke_without_command=True, epilog=epilog)
    app.command("show", epilog="Example: dlrecipes runs show mnist-cnn")(show)
    app.command("compare", epilog="Example: dlrecipes runs compare RUN RUN")(compare)
    app.command("rm", epilog="Example: dlrecipes runs rm 20261105-0612")(remove)
    return app


def list_runs(
    context: typer.Context,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """List your runs with their data and results."""
    if context.invoked_subcommand:
        context.obj = runs_dir
        return
    runs, unreadable = all_runs(runs_dir)
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
        output.console().print(f"No runs in {runs_dir}.", markup=False)
        output.print_next("dlrecipes train mnist-cnn")
        return
    output.print_table(
        ["run", "recipe", "started", "data", "device", "result", "baseline", "time", "status"],
        [_row(run) for run in runs],
        optional=("device", "started", "time", "baseline"),
    )
    output.print_next(f"dlrecipes runs show {options.typed_run(runs[-1], runs[-1].run)}")


def _row(run: Run) -> list[str]:
    """Return a run's row in the table."""
    value = run.metrics.get(run.headline)
    return [
        run.run,
        run.recipe + (f" ({run.preset})" if run.preset else ""),
        _when(run),
        shown_data(run.data),
        run.device,
        "-" if value is None else f"{run.headline} {output.number(value)}",
        _baseline(run),
        output.duration(run.seconds["total"]) if "total" in run.seconds else "-",
        run.status,
    ]


def _baseline(run: Run) -> str:
    """Return what a plain baseline reaches, and how the network compares with it."""
    if not run.plain_baseline:
        return "-"
    found = run.plain_baseline["comparison"]
    return f"{output.number(found['baseline'])} ({found['verdict']})"


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
        show_diagnosis(found)
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
    """Compare the settings and metrics of two runs."""
    folder = options.folder_of_runs(context, runs_dir)
    one, other = find_run(first, folder, finished=False), find_run(second, folder, finished=False)
    settings = _pairs(_comparable(one), _comparable(other))
    differing = {name: pair for name, pair in settings.items() if pair[0] != pair[1]}
    metrics = _pairs(one.metrics, other.metrics)
    warnings = _warnings(one, other)
    if json:
        output.print_json(
            {
                "warnings": warnings,
                "runs": [one.run, other.run],
                "settings": differing,
                "metrics": metrics,
            }
        )
        return
    target = output.console()
    for warning in warnings:
        target.print(f"[bold yellow]Caution:[/] {escape(warning)}")
    if warnings:
        target.print()
    titles = ["setting", one.run, other.run]
    if differing:
        output.print_table(
            titles, [[name, *map(show_value, pair)] for name, pair in differing.items()]
        )
    else:
        target.print("All settings are the same.")
    target.print()
    output.print_table(
        ["test metric", *titles[1:]],
        [[name, *map(output.number, pair)] for name, pair in metrics.items()],
    )
    output.print_next(f"dlrecipes runs show {options.typed_run(one, first)}")


def _comparable(run: Run) -> dict[str, Any]:
    """Return what was chosen for a run."""
    return {
        "recipe": run.recipe,
        "preset": run.preset or None,
        "seed": run.seed,
        "device": run.device,
        **run.config,
    }


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    """Return both values of every name that either has, None where one lacks it."""
    return {name: [one.get(name), other.get(name)] for name in {**one, **other}}


def _warnings(one: Run, other: Run) -> list[str]:
    """Return why the metrics of two runs are not comparable, a sentence or two each."""
    warnings = []
    if one.run == other.run and one.recipe == other.recipe:
        warnings.append(f"Both names mean the same run, {one.run}.")
    if one.recipe != other.recipe:
        warnings.append(f"Different recipes: {one.recipe} and {other.recipe}.")
    if one.data["fingerprint"] != other.data["fingerprint"]:
        names = [shown_data(run.data) for run in (one, other)]
        which = f"{names[0]} and {names[1]}"
        if names[0] == names[1]:
            which = f"{names[0]} was changed between the two runs"
        warnings.append(f"Different data: {which}. The metrics are not comparable.")
    warnings += [
        f"The run {run.run} is not finished: it is {run.status}."
        for run in (one, other)
        if run.status != "finished"
    ]
    return warnings
