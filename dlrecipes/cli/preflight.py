"""The `data check` command: look your own data through before you train on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.cli import options, output
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.preflight import Findings


def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Your own file or folder.")],
    task: Annotated[
        str, typer.Option("--task", metavar="TASK", help="What for: a recipe's task or its name.")
    ],
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "utf-8",
    json: options.Json = False,
) -> None:
    """List every problem of your own data, and what training would use. Trains nothing.

    Exits with 2 if the data cannot be used.
    """
    from dlrecipes.catalog import all_recipes
    from dlrecipes.datasets.files import FileOptions, existing_path
    from dlrecipes.preflight import look_at
    from dlrecipes.tasks import find_task

    recipes = {facts.name: facts for facts in all_recipes()}
    found = find_task(recipes[task].task if task in recipes else task)
    if existing_path(str(path)) is None:
        raise InputError(f"There is no file or folder {path}.")
    files = FileOptions(target, text_column, label_column, encoding)
    findings = look_at(path, found, files)
    if json:
        output.print_json(findings.document())
    else:
        _show(findings)
        recipe = next((name for name, facts in recipes.items() if facts.task == found.name), "")
        if findings.usable and recipe:
            flags = "".join(
                f" {flag} {value}"
                for flag, value in (
                    ("--target", target),
                    ("--text-column", text_column),
                    ("--label-column", label_column),
                    ("--encoding", encoding if encoding != "utf-8" else ""),
                )
                if value
            )
            output.print_next(f"dlrecipes train {recipe} --data {path}{flags}")
    if not findings.usable:
        raise typer.Exit(2)


def _show(findings: "Findings") -> None:
    """Print what was found, for people."""
    from dlrecipes.preflight import repeated_sentence

    target = output.console()
    verdict = "[green]can be used[/]" if findings.usable else "[red]cannot be used[/]"
    target.print(f"{escape(findings.path)}: {verdict} for {findings.task}")
    for kind, sentences in (
        ("problem", findings.problems),
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
        names = next(iter(findings.rows_per_class.values()))
        output.print_table(
            ["class", *findings.rows_per_class],
            [
                [name, *(f"{counts[name]:,}" for counts in findings.rows_per_class.values())]
                for name in names
            ],
        )
    if findings.columns:
        target.print(f"It would predict {findings.target} from:", markup=False)
        output.print_table(
            ["column", "kind", "what it holds"],
            [[column["name"], column["kind"], _holds(column)] for column in findings.columns],
        )


def _holds(column: dict[str, Any]) -> str:
    """Return what a column holds, for people."""
    if column["kind"] == "categories":
        return f"{column['values']:,} different texts"
    missing = ", some missing" if column["has_missing"] else ""
    return (
        f"mean {output.number(column['mean'])}, deviation {output.number(column['deviation'])}"
        f"{missing}"
    )
