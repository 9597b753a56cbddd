"""The `explain` command. It runs no recipe's code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dlrecipes.cli import answers, options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.predict import given_reading
from dlrecipes.cli.result import print_run_in_use
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import Run
from dlrecipes.system.words import decimals_for, numbers

if TYPE_CHECKING:
    from dlrecipes.training.request import Changes
    from dlrecipes.use.explain import Explanation
    from dlrecipes.use.predict import Asked, Unusable

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT…]",
        help="Image files, texts, text files or tables to explain; folders of them, or patterns "
        "such as 'new/*.png'. - reads standard input.",
        show_default=False,
    ),
]
EXPLANATIONS = "explanations"
BAR = 20
"""Characters of the longest bar."""
STRONG, WEAK = 0.5, 0.15
"""Shares of the strongest attribution from which a part is marked."""


def explain(
    run: options.RunArgument,
    inputs: Inputs = None,
    overall: Annotated[
        bool,
        typer.Option(
            "--global",
            help="Over the test rows: importance and partial dependence of each column, or the "
            "words that push each answer.",
        ),
    ] = False,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack",
            help="Show the smallest change of an image that flips its answer; without INPUT, the "
            "accuracy of attacked test rows.",
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FOLDER",
            help="Folder for the page and the pictures.",
            show_default="explanations in the run's folder",
        ),
    ] = None,
    invert: options.Invert = "",
    encoding: options.Encoding = "",
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    data_dir: options.DataDir = None,
    device: options.DeviceName = "auto",
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Show what moved the answer to each input: words, columns, or parts of a picture.

    Takes what `predict` takes. Writes explanation.html, and PNG images for each picture. Exits
    with 1 if some inputs could not be used. Needs shap: pip install 'dlrecipes[explain]'.
    With --global, shows what a model of tables or texts relies on.
    --attack writes attack.html instead, and needs ART: pip install 'dlrecipes[robust]'
    """
    if (overall and (inputs or attack)) or not (overall or inputs or attack):
        raise InputError(
            "explain takes inputs, or --global without inputs, or --attack with or without inputs.",
            f"dlrecipes explain {run} INPUT…, or dlrecipes explain {run} --global",
        )
    found = find_run(run, runs_dir)
    from dlrecipes.training.request import Changes
    from dlrecipes.use.predict import Asked

    files = options.given_files(
        encoding=encoding,
        types=types,
        decimal=decimal,
        separator=separator,
        quoting=quoting,
        header=header,
    )
    if files and not inputs:
        raise InputError(f"--{min(files)} has no effect without inputs: the run's data is known.")
    asked = Asked(inputs or [], reading=given_reading(found, invert), files=files)
    changes = Changes(device=device, data_dir=data_dir, trust_recipe=trust_recipe)
    target = folder or found.folder(EXPLANATIONS)
    if attack:
        from dlrecipes.cli.explain_attack import show_attack

        show_attack(found, asked, changes, target, json=json)
        return
    print_run_in_use(found, run, runs_dir)
    if overall:
        from dlrecipes.cli.explain_overall import show_overall

        show_overall(found, changes, target, json=json)
        return
    _explain_inputs(found, asked, changes, target, json=json)


def _explain_inputs(
    run: Run, asked: "Asked", changes: "Changes", folder: Path, *, json: bool
) -> None:
    """Explain the answers to inputs, and print each as soon as it is known."""
    from dlrecipes.runs.golden import form_of
    from dlrecipes.use import explain as use
    from dlrecipes.use.explain.page import write_page

    found = []
    with output.only_json(json):
        for one in use.explain(run, asked, changes, FetchDisplay(quiet=False)):
            found.append(one)
            if not json:
                _show(one)
                sys.stdout.flush()  # Each takes seconds: also a pipe gets it when it is there.
    path = write_page(run, found, folder)
    documents = [one.document() for one in found]
    if json:
        output.print_json({"run": run.run, "path": str(path), "explanations": documents})
    else:
        if rule := form_of(run).answer.rule:
            output.console().print(f"\n{rule}", markup=False)
        output.console().print(f"\nWrote {path}", markup=False)
    answers.end_if_failed(sum("error" in one for one in documents))


def _show(one: "Explanation | Unusable") -> None:
    """Print one explanation, or why there is none."""
    from dlrecipes.use.predict import Unusable

    target = output.console()
    target.print()
    if isinstance(one, Unusable):
        target.print(answers.failure(one.document()), markup=False)
        return
    value, expectation = numbers([one.value, one.expectation])
    answer = f"{shortened(printable(one.answer))}, probability " if one.answer else ""
    # The text itself follows.
    name = "" if one.kind in ("words", "characters") else f"{shortened(printable(one.input))}: "
    target.print(
        Text(name, style="bold").append(
            f"{answer}{value} ({expectation} with all {one.kind} hidden)",
            style="not bold",
        )
    )
    strongest = max(map(abs, one.attributions), default=0.0) or 1.0
    shares = [attribution / strongest for attribution in one.attributions]
    if one.kind == "columns":
        _show_columns(one, shares)
    elif one.kind in ("words", "characters"):
        _show_words(one, shares)
    else:
        _show_cells(one, shares)


def _show_columns(one: "Explanation", shares: Sequence[float]) -> None:
    """Print what each column adds, the most first."""
    order = sorted(range(len(shares)), key=lambda place: -abs(shares[place]))
    decimals = decimals_for(one.attributions)
    output.print_table(
        ["column", "value", "adds", ""],
        [
            [
                shortened(printable(one.names[place])),
                shortened(printable(one.values[place])),
                f"{one.attributions[place]:+,.{decimals}f}",
                ("+" if shares[place] > 0 else "-") * round(BAR * abs(shares[place])),
            ]
            for place in order
        ],
    )


def _show_words(one: "Explanation", shares: Sequence[float]) -> None:
    """Print a text whose words are marked by what they add, and the strongest of them."""
    text = Text()
    for word, share in zip(one.names, shares, strict=True):
        strength = "bold" if abs(share) >= STRONG else "not bold"
        colour = "green" if share > 0 else "red"
        style = f"{strength} {colour}" if abs(share) >= WEAK else ""
        text.append(printable(word), style=style).append(" " if one.kind == "words" else "")
    output.console().print(text)
    order = sorted(range(len(shares)), key=lambda place: -abs(shares[place]))[:10]
    output.print_table(
        [one.kind.removesuffix("s"), "adds"],
        [[shortened(printable(one.names[n])), f"{one.attributions[n]:+.4f}"] for n in order],
    )


def _show_cells(one: "Explanation", shares: Sequence[float]) -> None:
    """Print which cells of a picture speak for the answer (+, #) and against it (-, =)."""
    across = 1 + max(int(name.split(",")[1]) for name in one.names)
    for start in range(0, len(shares), across):
        line = Text()
        for share in shares[start : start + across]:
            sign = (
                "."
                if abs(share) < WEAK
                else "+-"[share < 0]
                if abs(share) < STRONG
                else "#="[share < 0]
            )
            line.append(sign * 2, style={".": "dim"}.get(sign, "green" if share > 0 else "red"))
        output.console().print(line)
    output.console().print("+ and #: speak for the answer; - and =: against it; .: hardly any")
