"""The `runs` commands: what was trained, on what, with what result."""

from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import options, output
from dlrecipes.runs.record import Run, all_runs, find_run


def make_runs_app(epilog: str) -> typer.Typer:
    """Return the `runs` command with its sub-commands."""
    app = typer.Typer(callback=list_runs, invoke_without_command=True, epilog=epilog)
    app.command("show", epilog="Example: dlrecipes runs show mnist-cnn")(show)
    app.command("compare", epilog="Example: dlrecipes runs compare RUN RUN")(compare)
    return app


def list_runs(
    context: typer.Context,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """List what was trained, on what data, with what result."""
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
        output.console().print(f"There are no runs in {runs_dir}.", markup=False)
        output.print_next("dlrecipes train mnist-cnn")
        return
    output.print_table(
        ["run", "recipe", "when", "data", "rung", "device", "result", "seconds", "status"],
        [_row(run) for run in runs],
    )
    output.print_next(f"dlrecipes runs show {options.typed_run(runs[-1], runs[-1].run)}")


def _row(run: Run) -> list[str]:
    """Return a run's row in the table."""
    value = run.metrics.get(run.headline)
    result = "-" if value is None else f"{run.headline} {output.number(value)}"
    when = datetime.fromisoformat(run.started).astimezone()
    return [
        run.run,
        run.recipe + (f" ({run.preset})" if run.preset else ""),
        f"{when:%Y-%m-%d %H:%M}",
        run.data["name"],
        run.data["rung"],
        run.device,
        result,
        f"{run.seconds['total']:.0f}" if "total" in run.seconds else "-",
        run.status,
    ]


def show(
    context: typer.Context,
    run: options.RunArgument,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Show all that is recorded of a run."""
    found = find_run(run, _folder(context, runs_dir), finished=False)
    if json:
        output.print_json(found.document())
        return
    target = output.console()
    target.print(
        f"[bold]{found.recipe}[/] {found.run}: {found.status}  ({escape(str(found.path))})"
    )
    if found.error:
        target.print(found.error, markup=False)
    rows = ", ".join(f"{count:,} {split}" for split, count in found.data["rows"].items())
    facts = {
        "started": found.started,
        "data": f"{found.data['name']} ({found.data['rung']}), {rows}",
        "source": found.data["source"],
        "fingerprint": found.data["fingerprint"],
        "preset": found.preset or "none",
        "seed": str(found.seed),
        "device": found.device,
        "parameters": f"{found.parameters:,}",
        "machine": ", ".join(str(value) for value in found.machine.values()),
        "versions": ", ".join(f"{name} {text}" for name, text in found.versions.items()),
        "git commit": found.git_commit or "none",
        "verdict": found.verdict,
    }
    output.print_table(["fact", "value"], [list(item) for item in facts.items()])
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
    if found.events:
        target.print()
        output.print_table(
            ["when", "what", "where and why"],
            [
                [
                    event["when"],
                    event["what"],
                    ", ".join(
                        str(value) for name, value in event.items() if name not in ("when", "what")
                    ),
                ]
                for event in found.events
            ],
        )
    if found.status == "finished":
        output.print_next(f"dlrecipes evaluate {options.typed_run(found, run)}")
    elif found.status != "running":
        output.print_next(f"dlrecipes resume {options.typed_run(found, run)}")


def _folder(context: typer.Context, runs_dir: Path) -> Path:
    """Return the folder of runs, which may be named before the sub-command or after it."""
    return context.obj if runs_dir == options.RUNS_DIR and context.obj else runs_dir


def compare(
    context: typer.Context,
    first: options.RunArgument,
    second: options.RunArgument,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Set two runs side by side: the settings that differ, and the metrics."""
    folder = _folder(context, runs_dir)
    one, other = find_run(first, folder, finished=False), find_run(second, folder, finished=False)
    settings = _pairs(_comparable(one), _comparable(other))
    differing = {name: pair for name, pair in settings.items() if pair[0] != pair[1]}
    metrics = _pairs(one.metrics, other.metrics)
    warnings = _warnings(one, other)
    if json:
        output.print_json(
            {
                "runs": [one.run, other.run],
                "settings": differing,
                "metrics": metrics,
                "warnings": warnings,
            }
        )
        return
    for warning in warnings:
        output.print_warning(warning)
    titles = ["setting", one.run, other.run]
    if differing:
        output.print_table(
            titles, [[name, *map(show_value, pair)] for name, pair in differing.items()]
        )
    else:
        output.console().print("The settings are the same.")
    output.console().print()
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
    """Return why the metrics of two runs cannot simply be compared, a sentence each."""
    warnings = []
    if one.recipe != other.recipe:
        warnings.append(f"The recipes differ: {one.recipe} and {other.recipe}.")
    if one.data["rung"] != other.data["rung"]:
        warnings.append(
            f"The data differ in rung: {one.run} used {one.data['rung']}, {other.run} used "
            f"{other.data['rung']}. Their metrics do not compare."
        )
    elif one.data["fingerprint"] != other.data["fingerprint"]:
        warnings.append("The data differ: their fingerprints do. Their metrics do not compare.")
    warnings += [
        f"The run {run.run} is not finished: it is {run.status}."
        for run in (one, other)
        if run.status != "finished"
    ]
    return warnings
