"""The `check` command. It runs no recipe's code."""

from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.catalog.find import all_recipes
from dlrecipes.cli import options, output


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RECIPE]…",
            help="Recipe files, or names of recipes.",
            show_default="every recipe that can be found",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Check that recipe files are valid, and list what is missing. Trains nothing."""
    from dlrecipes.catalog.contract import (
        HOW_TO_WRITE,
        missing_documentation,
        missing_parts,
        unknown_data,
    )

    recipes = [_facts(file) for file in files] if files else all_recipes()
    reports = [
        {
            "name": facts.name,
            "path": str(facts.path),
            "problems": (problems := missing_parts(facts) + unknown_data(facts)),
            "advice": [] if problems else missing_documentation(facts),
        }
        for facts in recipes
    ]
    broken = [report for report in reports if report["problems"]]
    if json:
        output.print_json(reports)
    else:
        for report in reports:
            _show_report(report)
        if not broken and reports:
            recipe = str(files[0]) if files else recipes[0].name
            output.print_next(f"dlrecipes train {quote(recipe)}")
        elif broken:
            output.console().print(HOW_TO_WRITE, markup=False)
    if broken:
        raise typer.Exit(2)


def _facts(file: Path) -> Facts:
    """Return the facts of a file, or of the recipe of that name where there is no such file."""
    named = [] if file.exists() else [one for one in all_recipes() if one.name == str(file)]
    return named[0] if named else read_facts(file)


def _show_report(report: dict[str, Any]) -> None:
    """Print what `check` found in one recipe."""
    target = output.console()
    verdict = "[red]not valid[/]" if report["problems"] else "[green]valid[/]"
    target.print(f"{escape(report['path'])}: {verdict}")
    for problem in report["problems"]:
        target.print(f"  problem: {problem}", markup=False)
    for advice in report["advice"]:
        target.print(f"  advice: {advice}", markup=False)
