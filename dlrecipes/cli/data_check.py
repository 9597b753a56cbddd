"""The `data check` command: look your own data through before you train on it."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dlrecipes.cli import options, output
from dlrecipes.cli.moving import progress_shown
from dlrecipes.errors import InputError, nearest
from dlrecipes.system.words import counted, numbers

if TYPE_CHECKING:
    from dlrecipes.tasks.check import Findings

WORST = 3
"""Problems of a kind that are shown, unless all are asked for."""
MOST_KINDS, MOST_WARNINGS, MOST_NOTES = 5, 4, 4
"""Kinds of problems, and warnings and notes, that are shown then."""
MOST_ROWS = 7
"""Classes, or columns, that a table shows then."""
PLACES_SHOWN = 2
"""Places of an example that occurs more than once that are named then."""
TWO_LINES = 140
"""Characters that two lines of a terminal have."""


def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Your own file or folder.", readable=False)
    ],
    task: Annotated[
        str, typer.Option("--task", metavar="TASK", help="A recipe that is to use it, or a task.")
    ] = "",
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    strict: options.StrictFiles = False,
    skip_damaged: options.SkipDamaged = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every problem, class and column.")
    ] = False,
    ignore: options.Ignore = None,
    use: options.Use = None,
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    json: options.Json = False,
) -> None:
    """Show the problems of your own data, and what training would use. Trains nothing.

    Exits with 2 if the data cannot be used.
    """
    from dlrecipes.catalog.find import all_recipes
    from dlrecipes.datasets.own.files import FileOptions, existing_path, nearest_path
    from dlrecipes.tasks import find_task, task_names
    from dlrecipes.tasks.check import look_at

    recipes = {facts.name: facts for facts in all_recipes()}
    if not task:
        raise InputError(
            "Name the recipe that is to use the data, or its task, with --task.",
            f"The recipes are {', '.join(recipes)}.",
        )
    if task not in (*recipes, *task_names()):
        raise InputError(
            f"There is no recipe or task {task!r}. The recipes are {', '.join(recipes)}; the tasks "
            f"are {', '.join(task_names())}.",
            nearest(task, (*recipes, *task_names())),
        )
    found = find_task(recipes[task].task if task in recipes else task)
    there = existing_path(str(path))
    if there is None:
        raise InputError(f"There is no file or folder {path}.", nearest_path(path))
    files = FileOptions(
        **options.given_files(
            target=target,
            text_column=text_column,
            label_column=label_column,
            encoding=encoding,
            strict=strict,
            skip_damaged=skip_damaged,
            ignore=ignore,
            use=use,
            types=types,
            decimal=decimal,
            separator=separator,
            quoting=quoting,
            header=header,
        )
    )
    by_task = {facts.task: name for name, facts in reversed(recipes.items())}
    with progress_shown():
        findings = look_at(there, found, files, by_task)
    if json:
        output.print_json(findings.document())
    else:
        _show(findings, everything=everything)
        fitting = [name for name, facts in recipes.items() if facts.task == found.name]
        recipe = task if task in recipes else next(iter(fitting), "")
        if findings.usable and recipe:
            typed = f"{quote(str(path))}{files.flags}"
            output.print_next(f"dlrecipes train {recipe} --data {typed}")
    if not findings.usable:
        raise typer.Exit(2)


def _show(findings: "Findings", *, everything: bool) -> None:
    """Print what was found, for people: on one screen, unless everything is asked for."""
    target = output.console()
    verdict = "[green]can be used[/]" if findings.usable else "[red]cannot be used[/]"
    target.print(f"{escape(findings.path)}: {verdict} for {findings.task}")
    _show_kinds("problem", findings.problems, findings.problem_count, everything=everything)
    for kind, sentences, most in (
        ("what to do", [findings.hint] if findings.hint else [], 1),
        ("warning", findings.warnings, MOST_WARNINGS),
    ):
        _show_sentences(kind, sentences, None if everything else most)
    _show_repeated(findings, everything=everything)
    _show_sentences("note", findings.notes, None if everything else MOST_NOTES)
    if findings.rows:
        _show_use(findings, everything=everything)


def _show_sentences(kind: str, sentences: Sequence[str], most: int | None) -> None:
    """Print sentences of a kind; of long ones, and of many, not all unless that is asked for."""
    target = output.console()
    for sentence in sentences[:most]:
        target.print(f"  {kind}: {sentence if most is None else _cut(sentence)}", markup=False)
    if most is not None and len(sentences) > most:
        target.print(f"  and {counted(len(sentences) - most, f'more {kind}')} (--all)")


def _cut(sentence: str) -> str:
    """Return a sentence that takes no more than two lines of a terminal."""
    return sentence if len(sentence) <= TWO_LINES else f"{sentence[: TWO_LINES - 1]}…"


def _show_kinds(
    word: str, sentences: Sequence[str], count: int, *, everything: bool, kinds: int = MOST_KINDS
) -> None:
    """Print how often each kind of problem occurs, and the first ones of each."""
    from dlrecipes.tasks.check import by_kind

    target = output.console()
    if everything or len(sentences) <= WORST:
        for sentence in sentences:
            target.print(f"  {word}: {sentence}", markup=False)
        if count > len(sentences):
            target.print(f"  and {count - len(sentences):,} problems more")
        return
    found = by_kind(sentences)
    for kind, some in list(found.items())[:kinds]:
        target.print(f"  {counted(len(some), word)}: {_cut(kind)}", markup=False)
        for sentence in some[:WORST]:
            target.print(f"    {_cut(sentence)}", markup=False)
    shown = sum(len(some) for some in list(found.values())[:kinds])
    if count > shown:
        target.print(f"  and {counted(count - shown, word)} more of other kinds (--all)")
    else:
        target.print("  All of them: --all")


def _show_repeated(findings: "Findings", *, everything: bool) -> None:
    """Print the worst examples of each way to occur more than once."""
    from dlrecipes.tasks.check import repeated_kind, repeated_sentence

    target = output.console()
    kinds: dict[str, int] = {}
    for one in findings.repeated:
        kind = repeated_kind(one)
        kinds[kind] = kinds.get(kind, 0) + 1
        if everything or kinds[kind] <= WORST:
            sentence = repeated_sentence(one, None if everything else PLACES_SHOWN)
            target.print(f"  {kind}: {sentence if everything else _cut(sentence)}", markup=False)
    shown = sum(kinds.values()) if everything else sum(min(n, WORST) for n in kinds.values())
    if not findings.repeated_by_chance and findings.repeated_count > shown:
        more = " (--all)" if not everything else ""
        target.print(f"  and {findings.repeated_count - shown:,} repeated examples more{more}")


def _show_use(findings: "Findings", *, everything: bool) -> None:
    """Print what training would use."""
    from dlrecipes.datasets.own.files import printable, shortened

    target = output.console()
    rows = ", ".join(f"{count:,} {split}" for split, count in findings.rows.items())
    target.print(f"\nTraining would use {rows}.")
    if findings.image_shape:
        height, width, channels = findings.image_shape
        colour = "in colour" if channels == 3 else "grey"
        target.print(f"Images: {height}x{width} pixels (height x width), {colour}.")
    most = None if everything else MOST_ROWS
    if findings.rows_per_class:
        names = list(next(iter(findings.rows_per_class.values())))
        output.print_table(
            ["class", *findings.rows_per_class],
            [
                [
                    printable(shortened(name)),
                    *(f"{counts[name]:,}" for counts in findings.rows_per_class.values()),
                ]
                for name in names[:most]
            ],
        )
        if most and (rest := len(names) - most) > 0:
            target.print(f"and {rest:,} more {'class' if rest == 1 else 'classes'} (--all)")
    if findings.columns:
        target.print(f"It would predict {findings.target} from:", markup=False)
        output.print_table(
            ["column", "kind", "what it holds"],
            [
                [shortened(column["name"]), column["kind"], _holds(column)]
                for column in findings.columns[:most]
            ],
        )
        if most and (rest := len(findings.columns) - most) > 0:
            target.print(f"and {counted(rest, 'more column')} (--all)")


def _holds(column: dict[str, Any]) -> str:
    """Return what a column holds, for people."""
    missing = ", some missing" if column["has_missing"] else ""
    if column["kind"] == "categories":
        return f"{column['values']:,} different values{missing}"
    if column["kind"] == "dates":
        return f"{column['first']} to {column['last']}{missing}"
    mean, deviation = numbers([column["mean"], column["deviation"]])
    return f"mean {mean}, deviation {deviation}{missing}"
