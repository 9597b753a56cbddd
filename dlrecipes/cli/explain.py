"""The `explain` command. It runs no recipe's code."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.result import print_run_in_use
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import find_run

if TYPE_CHECKING:
    from dlrecipes.use.explain import Explanation, Overall, OverallWords

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
    data_dir: options.DataDir = None,
    device: options.DeviceName = "auto",
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Show what moved the answer to each input: words, columns, or parts of a picture.

    Takes what `predict` takes. Writes explanation.html, and PNG images for each picture. Needs
    shap: pip install 'dlrecipes[explain]'. With --global, shows what a model of
    tables or texts relies on.
    --attack writes attack.html instead, and needs ART: pip install 'dlrecipes[robust]'
    """
    if (overall and (inputs or attack)) or not (overall or inputs or attack):
        raise InputError(
            "explain takes inputs, or --global without inputs, or --attack with or without inputs.",
            f"dlrecipes explain {run} INPUT…, or dlrecipes explain {run} --global",
        )
    found = find_run(run, runs_dir)
    from dlrecipes.training.request import Changes
    from dlrecipes.use import explain as use
    from dlrecipes.use.explain.page import write_overall, write_page

    changes = Changes(device=device, data_dir=data_dir, trust_recipe=trust_recipe)
    target = folder or found.folder(EXPLANATIONS)
    if attack:
        from dlrecipes.cli.explain_attack import show_attack

        show_attack(found, inputs or [], changes, target, json=json)
        return
    display = FetchDisplay(quiet=False)
    print_run_in_use(found, run, runs_dir)
    if overall:
        with output.only_json(json):
            whole = use.explain_overall(found, changes, display)
        path = write_overall(found, whole, target)
        if json:
            output.print_json({"run": found.run, "path": str(path), **whole.document()})
            return
        if isinstance(whole, use.OverallWords):
            _show_overall_words(whole)
        else:
            _show_overall(whole)
        output.console().print(f"\nWrote {path}", markup=False)
        return
    explained: list[Explanation] = []
    with output.only_json(json):
        for one in use.explain(found, inputs or [], changes, display):
            explained.append(one)
            if not json:
                _show(one)
                sys.stdout.flush()  # Each takes seconds: also a pipe gets it when it is there.
    path = write_page(found, explained, target)
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(path),
                "explanations": [one.document() for one in explained],
            }
        )
        return
    output.console().print(f"\nWrote {path}", markup=False)


def _show(one: "Explanation") -> None:
    """Print one explanation."""
    target = output.console()
    answer = f"{shortened(printable(one.answer))}, probability " if one.answer else ""
    # The text itself follows.
    name = "" if one.kind in ("words", "characters") else f"{shortened(printable(one.input))}: "
    target.print()
    target.print(
        Text(name, style="bold").append(
            f"{answer}{output.number(one.value)} ({output.number(one.expectation)} with all "
            f"{one.kind} hidden)",
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
    decimals = _decimals(one.attributions)
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


def _decimals(values: Sequence[float]) -> int:
    """Return how many decimals show four digits of the largest of values."""
    largest = max(map(abs, values), default=0.0)
    return max(0, 3 - math.floor(math.log10(largest))) if largest else 3


def _show_overall(overall: "Overall") -> None:
    """Print how important each column is, the most first, and what the answer is at its ends."""
    target = output.console()
    target.print(
        f"\nImportance: how much worse the {overall.metric} of {output.number(overall.value)} "
        f"becomes when a column is shuffled ({overall.rows:,} test rows, {overall.shuffles} "
        "shuffles)",
        markup=False,
    )
    strongest = max((abs(one.mean) for one in overall.columns), default=0.0) or 1.0
    decimals = _decimals([strongest])
    output.print_table(
        ["column", "importance", "±", ""],
        [
            [
                shortened(printable(one.name)) + ("" if one.used else " (ignored)"),
                f"{one.mean:,.{decimals}f}",
                f"{one.deviation:,.{decimals}f}",
                ("#" if one.mean > 0 else "-") * round(BAR * abs(one.mean) / strongest),
            ]
            for one in overall.columns
        ],
    )
    if not overall.dependence:
        return
    answer = (
        f"probability of {shortened(printable(overall.answer))}" if overall.answer else "answer"
    )
    target.print(f"\nPartial dependence: the mean {answer} by", markup=False)
    for one in overall.dependence:
        points = one.points[:: max(1, len(one.points) // 4)]
        ends = ", ".join(
            f"{shortened(printable(f'{value:,.4g}' if one.is_curve else value))}: "
            f"{output.number(mean)}"
            for value, mean in points
        )
        target.print(f"  {shortened(printable(one.column))}  {ends}", markup=False)


def _show_overall_words(overall: "OverallWords") -> None:
    """Print the words that push each answer, the most first."""
    target = output.console()
    target.print(
        f"\nWords that push each answer, over {overall.rows:,} of {overall.of:,} test rows. What a "
        "word adds is a mean; the bars are over all rows together.",
        markup=False,
    )
    for one in overall.answers:
        target.print()
        target.print(f"Towards {shortened(printable(one.towards))}", style="bold", markup=False)
        if not one.words:
            target.print("  no word that is in enough texts", markup=False)
            continue
        most = max(word.whole for word in one.words)
        decimals = 3 if one.answer else _decimals([word.mean for word in one.words])
        output.print_table(
            ["word", "adds", "texts", ""],
            [
                [
                    shortened(printable(word.word)),
                    f"{word.mean:+,.{decimals}f}",
                    f"{word.texts:,}",
                    "+-"[word.mean < 0] * round(BAR * word.whole / most),
                ]
                for word in one.words
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
