"""`--fail-below`, `--fail-above` and `--fail-on`: when a result that is too bad is a failure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.markup import escape

from dlrecipes.cli import output
from dlrecipes.errors import InputError, nearest
from dlrecipes.kit.metric_names import ERRORS, FUNCTIONS
from dlrecipes.runs.verdict import BAD

Below = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-below",
        metavar="METRIC=VALUE",
        help="Exit with code 1 if a test metric is below a value, as in accuracy=0.9. Repeatable.",
    ),
]
Above = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-above",
        metavar="METRIC=VALUE",
        help="Exit with code 1 if an error is above a value, as in mae=300. Repeatable.",
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="worse",
        help="Exit with code 1 if the result is worse than expected, or worse than the baseline.",
    ),
]


@dataclass(frozen=True)
class Limits:
    """What a result must keep for the command to succeed.

    Args:
        below: The lowest value of a metric, by its name.
        above: The highest value of a metric, by its name.
        on_worse: Whether a verdict that is worse than expected fails.
    """

    below: Mapping[str, float] = field(default_factory=dict)
    above: Mapping[str, float] = field(default_factory=dict)
    on_worse: bool = False

    def check_names(self, known: Iterable[str], of: str) -> None:
        """Raise InputError if a limit is on a metric that there cannot be.

        Args:
            known: The metrics that there can be; none if nobody knows.
            of: What has these metrics.
        """
        names = list(known)
        for name in (*self.below, *self.above):
            if names and name not in names:
                raise InputError(
                    f"{of} has no test metric {name!r}. It has {', '.join(names)}.",
                    nearest(name, names),
                )

    def failures(self, metrics: Mapping[str, float | None], verdict: str) -> list[str]:
        """Return each limit that a result does not keep, as a sentence."""
        found = []
        for word, limits in (("below", self.below), ("above", self.above)):
            for name, limit in limits.items():
                value = metrics.get(name)
                if name not in metrics:
                    hint = nearest(name, metrics) or f"It has {', '.join(metrics)}."
                    found.append(f"The result has no test metric {name!r}. {hint}")
                elif value is None or math.isnan(value):
                    found.append(f"{name} is not a number.")
                elif value < limit if word == "below" else value > limit:
                    found.append(f"{name} is {value:.6g}, which is {word} {limit:g}.")
        if self.on_worse and verdict in BAD:
            found.append(f"The result is {verdict}.")
        return found

    def enforce(self, metrics: Mapping[str, float | None], verdict: str) -> None:
        """Say which limits a result does not keep, and end with exit code 1 if there are any."""
        failures = self.failures(metrics, verdict)
        for sentence in failures:
            output.console(stderr=True).print(f"[bold red]Failed:[/] {escape(sentence)}")
        if failures:
            raise typer.Exit(1)


def parse(below: Sequence[str] | None, above: Sequence[str] | None, on: str) -> Limits:
    """Return the limits that flags ask for.

    Raises:
        InputError: if one is not METRIC=VALUE, or is the wrong way round for its metric.
    """
    if on not in ("", "worse"):
        raise InputError(f"--fail-on must be worse. Received: {on!r}")
    return Limits(_values("below", below), _values("above", above), on_worse=bool(on))


def _values(word: str, texts: Sequence[str] | None) -> dict[str, float]:
    """Return the values of `--fail-below` or `--fail-above`, by metric."""
    values = {}
    for text in texts or ():
        name, shown = (part.strip() for part in text.partition("=")[::2])
        try:
            values[name] = float(shown)
            if not name or math.isnan(values[name]):
                raise ValueError
        except ValueError:
            raise InputError(
                f"--fail-{word} must be METRIC=VALUE, as in accuracy=0.9. Received: {text!r}"
            ) from None
        other = "above" if word == "below" else "below"
        if (name in ERRORS) != (word == "above") and (word == "below" or name in _scores()):
            better = "lower" if name in ERRORS else "higher"
            raise InputError(
                f"--fail-{word} {text} would fail on good results: a {better} {name} is better.",
                f"Did you mean --fail-{other} {text}?",
            )
    return values


def _scores() -> set[str]:
    """Return the usual metrics of which a higher value is a better one."""
    return {name for names in FUNCTIONS.values() for name in names} - ERRORS
