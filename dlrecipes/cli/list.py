"""The `list` command. It runs no recipe's code."""

from typing import Any

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import all_recipes
from dlrecipes.cli import options, output


def list_recipes(json: options.Json = False) -> None:
    """List all recipes."""
    recipes = all_recipes()
    if json:
        output.print_json([listed(facts) for facts in recipes])
        return
    names = [facts.name for facts in recipes]
    output.print_table(
        ["recipe", "task", "data", "summary"],
        [
            [
                f"{facts.package}/{facts.name}" if names.count(facts.name) > 1 else facts.name,
                facts.task,
                facts.dataset,
                facts.error or facts.summary,
            ]
            for facts in recipes
        ],
        optional=("task", "data"),
    )
    if recipes:
        output.print_next(f"dlrecipes describe {recipes[0].name}")


def listed(facts: Facts) -> dict[str, Any]:
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
