"""Show the result of a finished run."""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any, Protocol

from rich.text import Text

from dlrecipes.cli import output, streams
from dlrecipes.runs import verdict
from dlrecipes.runs.lookup import previous_on_other_data
from dlrecipes.runs.record import REPORT_FILE, Run, shown_data
from dlrecipes.system.words import alike

Shown = Callable[[float | None], str]
"""Shows numbers that are compared."""
STYLES = {
    verdict.AS_EXPECTED: "bold green",
    verdict.BEATS_BASELINE: "bold green",
    verdict.WORSE: "bold red",
    verdict.LOSES_TO_BASELINE: "bold red",
    verdict.BETTER: "bold yellow",
    verdict.TIES_BASELINE: "bold yellow",
}


LABEL_NOISE = "label noise"
"""The diagnosis after which to look at the mistakes, and not to train again."""
MANY_UNKNOWN = 0.2
"""Share of the words of test texts from which on it is said that they are unknown."""
PLAIN_VERDICTS = {
    "better": verdict.BEATS_BASELINE,
    "tie": verdict.TIES_BASELINE,
    "worse": verdict.LOSES_TO_BASELINE,
}
"""The verdict where a comparison with the plain baseline decides."""


def print_run(run: Run, typed: str, *, as_json: bool, quiet: bool) -> None:
    """Print a finished run, and what to type next, where `typed` stands for it."""
    try:
        if as_json:
            output.print_json(run.document())
            sys.stdout.flush()
            return
        show_result(run)
        if not quiet:
            output.print_next(next_command(run, typed))
    except OSError as error:
        raise streams.OutputLost(
            f"The run is finished, and standard output cannot be written to: {error.strerror}.",
            f"Show it: dlrecipes runs show {quote(str(run.path))}",
        ) from error


def next_command(run: Run, typed: str) -> str:
    """Return what to type after a training: what its diagnosis says to try, or a test of it."""
    if not run.diagnosis:
        return f"dlrecipes evaluate {typed}"
    first = run.diagnosis[0]
    if first["what"] == LABEL_NOISE or not first["try"]:
        return f"dlrecipes evaluate {typed} --mistakes 20"
    return f"dlrecipes train --config {quote(str(run.path))} {first['try'][0]}"


def show_diagnosis(run: Run) -> None:
    """Print what is wrong with a training and what to try, or that it stopped early."""
    target = output.console()
    for finding in run.diagnosis:
        flags = f" Try {' or '.join(finding['try'])}." if finding["try"] else ""
        label = Text("Diagnosis: ", style="bold yellow")
        target.print(Text().append_text(label).append(f"{finding['sentence']}{flags}"))
    for event in run.events if not run.diagnosis else []:
        if event["what"] == "stopped early":
            target.print(
                f"Training stopped early, after epoch {event['epoch']} of {run.config['epochs']}, "
                f"and kept epoch {event['kept']}."
            )


def show_unknown_words(details: Mapping[str, Any]) -> None:
    """Say how many words of the test texts the model does not know, if it is many.

    Args:
        details: Of a test, as a run records them.
    """
    share = details.get("unknown_words", 0.0)
    if share > MANY_UNKNOWN:
        output.console().print(
            f"Of the words in the test texts, {share:.0%} were not learned: the model reads each "
            "as an unknown one. More training texts help, or texts of the same kind."
        )


def show_best_member(run: Run) -> None:
    """Say of an ensemble whether it is better than its best member, or whether that is noise."""
    if run.ensemble:
        from dlrecipes.runs.pairs import sentence  # It imports NumPy, which a list can spare.

        best = run.ensemble["best"]
        output.console().print(
            f"Best member on these test examples: {best}. "
            f"{sentence(run.ensemble['comparison'], best, run.run)}",
            markup=False,
        )


def show_members(run: Run) -> None:
    """Print the members of an ensemble."""
    shown = alike(*(one["metrics"].get(run.headline) for one in run.ensemble["members"]))
    output.print_table(
        ["member", "seed", run.headline],
        [
            [
                f"{one['recipe']}/{one['run']}",
                str(one["seed"]),
                shown(one["metrics"].get(run.headline)),
            ]
            for one in run.ensemble["members"]
        ],
    )


def show_result(run: Run) -> None:
    """Print the test metrics of a finished run, the verdict, and where it is."""
    target = output.console()
    output.print_pairs(
        "Test", [f"{name} {output.number(value)}" for name, value in run.metrics.items()]
    )
    target.print(Text("Verdict: ").append_text(shown_verdict(run)))
    show_best_member(run)
    show_unknown_words(run.details)
    show_diagnosis(run)
    seconds = run.seconds
    if (run.path / REPORT_FILE).is_file():
        target.print(f"Report: {run.path / REPORT_FILE}", markup=False)
    target.print(
        f"Run: {run.path}  ({output.duration(seconds['total'])} in all, "
        f"{output.duration(seconds['fit'])} training)",
        markup=False,
    )


def print_run_in_use(run: Run, typed: str, runs_dir: Path) -> None:
    """Say on standard error which run is used, and if the one before it had other data.

    Args:
        run: The run.
        typed: What the user typed for it.
        runs_dir: The folder of all runs.
    """
    when = datetime.fromisoformat(run.started).astimezone()
    output.console(stderr=True).print(
        f"Using run {run.run} of {run.recipe}, trained {when:%Y-%m-%d %H:%M} on "
        f"{shown_data(run.data)}.",
        markup=False,
    )
    if typed == run.recipe and (before := previous_on_other_data(run, runs_dir)):
        output.print_warning(
            f"The run before it was trained on other data: {before.run}, on "
            f"{shown_data(before.data)}. To use that one, name it."
        )


def shown_verdict(run: Run) -> Text:
    """Return the verdict and what the result was compared with, for people."""
    value = run.metrics.get(run.headline)
    if run.expected:
        shown = _alike(run.headline, value, run, *run.expected[run.headline])
        against = f"; {against_plain(run.plain_baseline, shown)}" if run.plain_baseline else ""
        result = f"{run.headline} {shown(value)}"
        lowest, highest = map(shown, run.expected[run.headline])
        leaks = "check for leaks. " if run.verdict == verdict.BETTER else ""
        sentence = f"{leaks}{result} (expected: {lowest} to {highest}){against}."
        return shown_comparison(run.verdict, sentence)
    missing = run.no_plain_baseline if not run.no_baseline else ""
    why = f" There is no plain baseline: {missing}." if missing else ""
    return shown_comparison(
        run.verdict,
        f"{compared(run.headline, value, run)}.{why} There is no expected range: "
        f"{run.not_expected}.",
    )


class Judged(Protocol):
    """A result with what it is compared with."""

    @property
    def baseline(self) -> Mapping[str, Any]:
        """Return the result without a model."""

    @property
    def plain_baseline(self) -> Mapping[str, Any]:
        """Return the result of a plain baseline."""

    @property
    def verdict(self) -> str:
        """Return how good the result is."""


def compared(headline: str, value: float | None, judged: Judged) -> str:
    """Return a metric beside what it is compared with, in a clause."""
    plain, shown = judged.plain_baseline, _alike(headline, value, judged)
    if not plain:
        return against_baseline(headline, value, judged.baseline, shown)
    result = f"{headline} {shown(value)}"
    if judged.verdict != PLAIN_VERDICTS[plain["comparison"]["verdict"]]:
        # Where guessing does better than the plain baseline.
        result = against_baseline(headline, value, judged.baseline, shown)
    return f"{result}; {against_plain(plain, shown)}"


def _alike(headline: str, value: float | None, judged: Judged, *more: float) -> Shown:
    """Return what shows a metric and what it is compared with, in one way."""
    plain = judged.plain_baseline.get("comparison", {}).get("baseline")
    return alike(value, judged.baseline.get("metrics", {}).get(headline), plain, *more)


def shown_comparison(judgement: str, comparison: str) -> Text:
    """Return a verdict in its colour, and what it is based on."""
    return Text().append(judgement, STYLES.get(judgement, "bold")).append(f": {comparison}")


def against_baseline(
    headline: str, value: float | None, baseline: Mapping[str, Any], shown: Shown
) -> str:
    """Return a metric beside its baseline, if there is one."""
    result = f"{headline} {shown(value)}"
    if headline not in baseline.get("metrics", {}):
        return result
    return f"{result} against {shown(baseline['metrics'][headline])} ({baseline['name']})"


def against_plain(plain: Mapping[str, Any], shown: Shown) -> str:
    """Return how a network compares with a plain baseline, in a clause.

    Args:
        plain: As a run records it.
        shown: Shows the numbers.
    """
    found, kept, left_out = plain["comparison"], plain["rows"], plain["left_out"]
    fitted, tested = "", ""
    if left_out["train"]:
        fitted = f", fitted on {_share_of(kept, left_out, 'train')}"
    if not plain["complete"]:
        fitted += ", others not finished in time"
    if left_out["test"]:
        tested = f"on {_share_of(kept, left_out, 'test')} it is {shown(found['network'])}; "
    apart = f"difference {_signed(found['difference'], shown)}"
    if found["interval"][0] is not None:
        lowest, highest = (_signed(end, shown) for end in found["interval"])
        apart += f", 95 % interval {lowest} to {highest}"
    elif found["test"] != "none":
        apart += ", on too few test rows to tell"
    is_open = found["ahead"] or found["interval"][0] is None
    said = {
        "better": "this network is better",
        "tie": "the test rows do not show that this network is better"
        if is_open
        else "this network adds nothing on this data",
        "worse": "the baseline does better on this data",
    }[found["verdict"]]
    advice = plain.get("advice", []) if found["verdict"] == "worse" else []
    hint = f". Try {' or '.join(advice)}" if advice else ""
    baseline = f"a plain baseline ({plain['name']}{fitted})"
    return f"{tested}{baseline} reaches {shown(found['baseline'])}: {said} ({apart}){hint}"


def _share_of(kept: Mapping[str, int], left_out: Mapping[str, int], split: str) -> str:
    """Return how many rows of a split were used, of all."""
    return f"{kept[split]:,} of {kept[split] + left_out[split]:,} {split} rows"


def _signed(value: float, shown: Shown) -> str:
    """Return a number with its sign."""
    return f"{'-' if value < 0 else '+'}{shown(abs(value))}"
