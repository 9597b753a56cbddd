"""The `data check` command: look your own data through before you train on it."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.cli import options, output
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.catalog.preflight import Findings

CLASSES_SHOWN = 50
"""Classes whose examples are counted in the table; `--json` has all."""


def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Your own file or folder.", readable=False)
    ],
    task: Annotated[
        str, typer.Option("--task", metavar="TASK", help="What for: a recipe's task or its name.")
    ],
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    json: options.Json = False,
) -> None:
    """List every problem of your own data, and what training would use. Trains nothing.

    Exits with 2 if the data cannot be used.
    """
    from dlrecipes.catalog.find import all_recipes
    from dlrecipes.catalog.preflight import look_at
    from dlrecipes.datasets.own.files import FileOptions, existing_path, nearest_path
    from dlrecipes.tasks import find_task

    recipes = {facts.name: facts for facts in all_recipes()}
    found = find_task(recipes[task].task if task in recipes else task)
    there = existing_path(str(path))
    if there is None:
        raise InputError(f"There is no file or folder {path}.", nearest_path(path))
    files = FileOptions(**options.given_files(target, text_column, label_column, encoding))
    findings = look_at(there, found, files)
    if json:
        output.print_json(findings.document())
    else:
        _show(findings)
        recipe = next((name for name, facts in recipes.items() if facts.task == found.name), "")
        if findings.usable and recipe:
            typed = f"{quote(str(path))}{files.flags}"
            output.print_next(f"dlrecipes train {recipe} --data {typed}")
    if not findings.usable:
        raise typer.Exit(2)


def _show(findings: "Findings") -> None:
    """Print what was found, for people."""
    from dlrecipes.catalog.preflight import repeated_sentence
    from dlrecipes.datasets.own.files import printable, shortened

    target = output.console()
    verdict = "[green]can be used[/]" if findings.usable else "[red]cannot be used[/]"
    target.print(f"{escape(findings.path)}: {verdict} for {findings.task}")
    for kind, sentences in (
        ("problem", findings.problems),
        ("what to do", [findings.hint] if findings.hint else []),
        ("warning", findings.warnings),
        ("repeated", [repeated_sentence(one) for one in findings.repeated]),
        ("note", findings.notes),
    ):
        for sentence in sentences:
            target.print(f"  {kind}: {sentence}", markup=False)
    rest = findings.problem_count - len(findings.problems)
    if rest:
        target.print(f"  and {rest:,} problems more")
    rest = findings.repeated_count - len(findings.repeated)
    if rest:
        target.print(f"  and {rest:,} repeated examples more")
    if not findings.rows:
        return
    rows = ", ".join(f"{count:,} {split}" for split, count in findings.rows.items())
    target.print(f"\nTraining would use {rows}.")
    if findings.image_shape:
        height, width, channels = findings.image_shape
        colour = "in colour" if channels == 3 else "grey"
        target.print(f"Images: {height}x{width}, {colour}.")
    if findings.rows_per_class:
        names = list(next(iter(findings.rows_per_class.values())))
        output.print_table(
            ["class", *findings.rows_per_class],
            [
                [
                    printable(shortened(name)),
                    *(f"{counts[name]:,}" for counts in findings.rows_per_class.values()),
                ]
                for name in names[:CLASSES_SHOWN]
            ],
        )
        if len(names) > CLASSES_SHOWN:
            target.print(f"and {len(names) - CLASSES_SHOWN:,} classes more")
    if findings.columns:
        target.print(f"It would predict {findings.target} from:", markup=False)
        output.print_table(
            ["column", "kind", "what it holds"],
            [
                [shortened(column["name"]), column["kind"], _holds(column)]
                for column in findings.columns
            ],
        )


def _holds(column: dict[str, Any]) -> str:
    """Return what a column holds, for people."""
    missing = ", some missing" if column["has_missing"] else ""
    if column["kind"] == "categories":
        return f"{column['values']:,} different texts{missing}"
    return (
        f"mean {output.number(column['mean'])}, deviation {output.number(column['deviation'])}"
        f"{missing}"
    )
