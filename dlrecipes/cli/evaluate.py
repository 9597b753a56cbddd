"""The `evaluate` command."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dlrecipes.cli import limits, options, output, tested_rows
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.result import (
    compared,
    show_best_member,
    show_unknown_words,
    shown_comparison,
    shown_verdict,
)
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import Run, finite, shown_data
from dlrecipes.system.words import numbers

if TYPE_CHECKING:
    from dlrecipes.use.evaluate import Evaluation
    from dlrecipes.use.rows import Look


def evaluate(
    run: options.RunArgument,
    data: options.TestData = None,
    data_dir: options.DataDir = None,
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    strict: options.StrictFiles = False,
    skip_damaged: options.SkipDamaged = False,
    ignore: options.Ignore = None,
    use: options.Use = None,
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    device: options.DeviceName = "auto",
    mistakes: tested_rows.Mistakes = None,
    predictions: tested_rows.PredictionsFile = None,
    by: tested_rows.ByColumn = "",
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    fail_below: limits.Below = None,
    fail_above: limits.Above = None,
    fail_on: limits.On = "",
    json: options.Json = False,
) -> None:
    """Test a finished run, on its own test split or on other data.

    Runs the recipe code that the run was trained with.
    """
    found = find_run(run, runs_dir)
    wanted = limits.parse(fail_below, fail_above, fail_on)
    wanted.check_names(found.metrics, f"The run {found.run}")
    from dlrecipes.training.request import Changes, data_of
    from dlrecipes.use.evaluate import evaluate as test
    from dlrecipes.use.rows import Look

    look = Look(mistakes, predictions, by)
    changes = Changes(device=device, data_dir=data_dir, trust_recipe=trust_recipe)
    given = options.given_files(
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
    if given and not data:
        flag = min(given).replace("_", "-")
        raise InputError(f"--{flag} has no effect without --data: the run's own data is known.")
    own = data_of(found, data_dir)
    other = replace(own, data=data, files=replace(own.files, **given)) if data else None
    with output.only_json(json):
        tested = test(found, changes, other, FetchDisplay(quiet=False), look)
    if json:
        output.print_json(_document(found, tested, look))
    else:
        _show(found, tested)
        tested_rows.show_groups(tested.groups, by, found.headline)
        tested_rows.show_mistakes(tested.mistakes, mistakes or 0)
        if predictions:
            output.console().print(f"\nWrote {predictions}", markup=False)
        output.print_next(f"dlrecipes export {options.typed_run(found, run)} --format saved-model")
    wanted.enforce(tested.metrics, tested.verdict)


def _document(run: Run, tested: "Evaluation", look: "Look") -> dict[str, Any]:
    """Return what `--json` prints: what was not asked for has no key."""
    asked: dict[str, Any] = {}
    if look.by:
        asked["by"] = {"column": look.by, "metric": run.headline, "groups": tested.groups}
    if look.mistakes:
        asked["mistakes"] = finite(tested.mistakes)
    if look.predictions:
        asked["predictions"] = str(look.predictions)
    return {
        "run": run.run,
        "path": str(run.path),
        "data": tested.data,
        "metrics": finite(tested.metrics),
        "baseline": finite(dict(tested.baseline)),
        "plain_baseline": finite(dict(tested.plain_baseline)),
        "verdict": tested.verdict,
        "details": finite(tested.details),
        **asked,
    }


def _show(run: Run, tested: "Evaluation") -> None:
    """Print what a test found, for people."""
    target = output.console()
    target.print(
        f"Run {run.run} of {run.recipe}  ({run.path})\n"
        f"Tested on {shown_data(tested.data)}: {tested.data['rows']['test']:,} test rows, "
        f"fingerprint {tested.data['fingerprint']}\n",
        markup=False,
    )
    output.print_table(
        ["metric", "now", "when trained"],
        [
            [name, *numbers([value, run.metrics.get(name)])]
            for name, value in tested.metrics.items()
        ],
    )
    output.print_details(tested.details)
    target.print()
    target.print(_verdict(run, tested))
    if tested.data["fingerprint"] == run.data["fingerprint"]:
        show_best_member(run)
    show_unknown_words(tested.details)


def _verdict(run: Run, tested: "Evaluation") -> Text:
    """Return the verdict on a test, for people."""
    verdict = Text("Verdict: ")
    if tested.verdict == run.verdict and tested.data["fingerprint"] == run.data["fingerprint"]:
        return verdict.append_text(shown_verdict(run))
    value = tested.metrics.get(run.headline)
    sentence = compared(run.headline, value, tested)
    return verdict.append_text(shown_comparison(tested.verdict, f"{sentence}."))
