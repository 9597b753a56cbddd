"""What `explain --global` shows. It runs no recipe's code."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlrecipes.cli import output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.own.files import printable, shortened
from dlrecipes.system.words import decimals_for, grouped, numbers

if TYPE_CHECKING:
    from dlrecipes.runs.record import Run
    from dlrecipes.training.request import Changes
    from dlrecipes.use.explain import Overall, OverallWords
    from dlrecipes.use.explain.overall import Dependence


BAR = 20
"""Characters of the longest bar."""
POINTS = 5
"""Values of a column whose answers are shown; the page has more."""


def show_overall(run: "Run", changes: "Changes", folder: Path, *, json: bool) -> None:
    """Print what a run's model relies on over its test rows, and write the page.

    Args:
        run: The run.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        folder: For the page.
        json: Whether to print one JSON document.
    """
    from dlrecipes.use import explain as use
    from dlrecipes.use.explain.page import write_overall

    with output.only_json(json):
        whole = use.explain_overall(run, changes, FetchDisplay(quiet=False))
    path = write_overall(run, whole, folder)
    if json:
        output.print_json({"run": run.run, "path": str(path), **whole.document()})
        return
    if isinstance(whole, use.OverallWords):
        _show_words(whole)
    else:
        _show_columns(whole)
    output.console().print(f"\nWrote {path}", markup=False)


def _show_columns(overall: "Overall") -> None:
    """Print how important each column is, the most first, and what the answer is at its ends."""
    target = output.console()
    target.print(
        f"\nImportance: how much worse the {overall.metric} of {output.number(overall.value)} "
        f"becomes when a column is shuffled ({overall.rows:,} test rows, {overall.shuffles} "
        "shuffles)",
        markup=False,
    )
    strongest = max((abs(one.mean) for one in overall.columns), default=0.0) or 1.0
    decimals = decimals_for([one.mean for one in overall.columns])
    output.print_table(
        ["column", "importance", "±", ""],
        [
            [
                shortened(printable(one.name)) + ("" if one.used else " (ignored)"),
                grouped(one.mean, decimals),
                grouped(one.deviation, decimals),
                ("#" if one.mean > 0 else "-") * round(BAR * abs(one.mean) / strongest),
            ]
            for one in overall.columns
        ],
    )
    if not overall.dependence:
        return
    what = f"probability of {shortened(printable(overall.answer))}" if overall.answer else "answer"
    target.print(
        f"\nPartial dependence: the mean {what} if every row had the same value in a column",
        markup=False,
    )
    most = max(abs(mean) for one in overall.dependence for _, mean in one.points) or 1.0
    for one in overall.dependence:
        target.print()
        titles = [shortened(printable(one.column)), what, ""]
        output.print_table(titles, _dependence_rows(one, most))


def _dependence_rows(one: "Dependence", most: float) -> list[list[str]]:
    """Return some values of a column, and the mean answer to each with its bar.

    Args:
        one: The column.
        most: The answer with the longest bar.
    """
    last = len(one.points) - 1
    # A curve from end to end; of names, the commonest.
    places = sorted({last * place // (POINTS - 1) for place in range(POINTS)})
    points = [one.points[place] for place in places] if one.is_curve else one.points[:POINTS]
    values = [value for value, _ in points]
    if one.is_curve:
        decimals = decimals_for(values)
        values = [grouped(value, decimals) for value in values]
    means = numbers([mean for _, mean in points])
    return [
        [shortened(printable(value)), shown, "-#"[mean > 0] * round(BAR * abs(mean) / most)]
        for value, shown, (_, mean) in zip(values, means, points, strict=True)
    ]


def _show_words(overall: "OverallWords") -> None:
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
        output.print_table(
            ["word", "adds", "texts", ""],
            [
                [
                    shortened(printable(word.word)),
                    f"{word.mean:+,.{one.decimals}f}",
                    f"{word.texts:,}",
                    "+-"[word.mean < 0] * round(BAR * word.whole / most),
                ]
                for word in one.words
            ],
        )
