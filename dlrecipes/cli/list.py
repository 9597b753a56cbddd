"""Commands on recipes as files: list, describe, copy, check. They run no recipe's code."""

import os
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.catalog.find import Facts, all_recipes, find_recipe, read_facts
from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import options, output
from dlrecipes.errors import InputError


def list_recipes(json: options.Json = False) -> None:
    """List the recipes that there are."""
    recipes = all_recipes()
    if json:
        output.print_json([_listed(facts) for facts in recipes])
        return
    names = [facts.name for facts in recipes]
    output.print_table(
        ["recipe", "task", "data", "what it does"],
        [
            [
                f"{facts.package}/{facts.name}" if names.count(facts.name) > 1 else facts.name,
                facts.task,
                facts.dataset,
                facts.error or facts.summary,
            ]
            for facts in recipes
        ],
    )
    if recipes:
        output.print_next(f"dlrecipes describe {recipes[0].name}")


def _listed(facts: Facts) -> dict[str, Any]:
    """Return what `list --json` shows of a recipe."""
    document = {
        "name": facts.name,
        "task": facts.task,
        "summary": facts.summary,
        "dataset": facts.dataset,
        "presets": list(facts.presets),
        "path": str(facts.path),
    }
    return document | ({"error": facts.error} if facts.error else {})


def describe(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or file.")],
    json: options.Json = False,
) -> None:
    """Tell what a recipe teaches, its settings, its presets and the results to expect."""
    from dlrecipes.catalog.contract import require_contract

    facts = find_recipe(recipe)
    require_contract(facts)
    settings = [
        {
            "name": setting.name,
            "flag": setting.flag,
            "type": setting.type.describe(),
            "default": setting.default,
            "help": setting.help,
        }
        for setting in facts.settings
    ]
    if json:
        document = _listed(facts) | {
            "documentation": facts.documentation,
            "presets": facts.presets,
            "expected": facts.expected,
            "settings": settings,
        }
        output.print_json(document)
        return
    target = output.console()
    target.print(
        f"[bold]{facts.name}[/]  {facts.task} on {facts.dataset}  ({escape(str(facts.path))})\n"
    )
    target.print(facts.documentation, markup=False)
    target.print("\n[bold]Settings[/]")
    output.print_table(
        ["flag", "default", "what it is"],
        [[setting.flag, show_value(setting.default), setting.help] for setting in facts.settings],
    )
    if facts.presets:
        target.print("\n[bold]Presets[/]")
        output.print_table(
            ["preset", "settings"],
            [
                [name, "  ".join(f"{key}={show_value(value)}" for key, value in values.items())]
                for name, values in facts.presets.items()
            ],
        )
    if facts.expected:
        target.print("\n[bold]Expected test results[/], over five seeds and more")
        output.print_table(
            ["data (and preset)", "metric", "from", "to"],
            [
                [name, metric, output.number(band[0]), output.number(band[1])]
                for name, bands in facts.expected.items()
                for metric, band in bands.items()
            ],
        )
    output.print_next(f"dlrecipes train {quote(recipe)}")


def copy(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or file.")],
    file: Annotated[
        Path | None, typer.Argument(help="The new file; without it, the recipe's own name, here.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Copy a recipe's file here, to change it and train it."""
    facts = find_recipe(recipe)
    target = file or Path(facts.path.name)
    if os.path.isdir(target):
        target = target / facts.path.name
    if target.suffix != ".py":
        raise InputError(f"{target} must be a Python file: its name must end in .py.")
    try:
        # "x" makes the file or fails: a file that exists is never overwritten.
        with target.open("xb") as copied:
            copied.write(facts.path.read_bytes())
    except FileExistsError:
        raise InputError(
            f"{target} exists already.", "Choose another name: a file is never overwritten."
        ) from None
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from None
    if json:
        output.print_json({"recipe": facts.name, "path": str(target)})
        return
    output.console().print(f"Copied {facts.name} to {target}.", markup=False)
    typed = str(target) if target.is_absolute() else f"./{target}"
    output.print_next(f"dlrecipes train {quote(typed)}")


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]…", help="Recipe files; without: all.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Hold recipes against the contract, and say what is missing. Trains nothing."""
    from dlrecipes.catalog.contract import missing_documentation, missing_parts

    recipes = [read_facts(path) for path in files] if files else all_recipes()
    reports = [
        {
            "name": facts.name,
            "path": str(facts.path),
            "problems": (problems := missing_parts(facts)),
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
    if broken:
        raise typer.Exit(2)


def _show_report(report: dict[str, Any]) -> None:
    """Print what `check` found in one recipe."""
    target = output.console()
    verdict = "[red]not a recipe[/]" if report["problems"] else "[green]keeps the contract[/]"
    target.print(f"{escape(report['path'])}: {verdict}")
    for problem in report["problems"]:
        target.print(f"  wrong: {problem}", markup=False)
    for advice in report["advice"]:
        target.print(f"  advice: {advice}", markup=False)
