"""`train --seeds`: several trainings that differ in their seeds, and how far they differ."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlrecipes.cli import limits, options, output
from dlrecipes.cli.display import Display, FetchDisplay
from dlrecipes.cli.report import leave_report
from dlrecipes.cli.watch import Follow
from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.record import Run, finite
from dlrecipes.runs.verdict import BAD
from dlrecipes.system.words import with_margin

if TYPE_CHECKING:
    from dlrecipes.training.request import Request
    from dlrecipes.training.seeds import Spread
    from dlrecipes.use.ensemble import Ensemble


class Silent(FetchDisplay):
    """Shows nothing, for what was said before."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def warn(self, message: str) -> None:
        """Show nothing."""


def train(
    request: "Request",
    count: int,
    wanted: limits.Limits,
    follow: Follow | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train with several seeds, and print how far the results differ.

    Args:
        request: What is to be trained, with the first seed.
        count: Number of seeds.
        wanted: Limits of the mean metrics.
        follow: Is told of each run that begins; None for nobody.
        as_json: Whether to print one JSON document.
        quiet: Whether to show the result and warnings alone.
    """
    from dlrecipes.training import seeds
    from dlrecipes.training.request import Changes
    from dlrecipes.use.ensemble import test_together

    seeds.check_seeds(request, count)
    group = seeds.group_name(request)
    command = shlex.join(["dlrecipes", *sys.argv[1:]])
    progress = output.console(stderr=as_json, in_passing=True)
    with output.only_json(as_json):
        try:
            runs = list(
                seeds.train_seeds(
                    request, count, group, lambda: Display(progress, quiet=quiet, follow=follow)
                )
            )
        except DlrecipesError as error:
            if error.exit_code == 2:
                raise
            raise seeds.how_to_continue(error, command, group) from error
        for run in runs:
            leave_report(run, wanted=not request.no_report)
        together = test_together(runs, Changes(trust_recipe=True), Silent())
    spread = seeds.spread_of(runs)
    if as_json:
        output.print_json(_document(group, runs, spread, together))
    else:
        _show(runs, spread, together)
        output.print_next(f"dlrecipes evaluate {options.typed_run(runs[0], runs[0].run)}")
    bad = [run.verdict for run in runs if run.verdict in BAD]
    wanted.enforce(spread.mean, bad[0] if bad else runs[0].verdict)


def _document(
    group: str, runs: Sequence[Run], spread: "Spread", together: "Ensemble"
) -> dict[str, Any]:
    """Return what `--json` shows of the runs, and of the spread of their metrics."""
    return {
        "name": group,
        "recipe": runs[0].recipe,
        "runs": [run.document() for run in runs],
        "mean": spread.mean,
        "margin": spread.margin,
        "deviation": spread.deviation,
        "lowest": spread.lowest,
        "highest": spread.highest,
        "ensemble": finite(dict(together.metrics)),
        "not_ensembled": together.why_none,
    }


def _show(runs: Sequence[Run], spread: "Spread", together: "Ensemble") -> None:
    """Print the runs, and the spread of their metrics."""
    target = output.console()
    headline = runs[0].headline
    target.print()
    output.print_table(
        ["run", "seed", headline, "verdict"],
        [
            [run.run, str(run.seed), output.number(run.metrics.get(headline)), run.verdict]
            for run in runs
        ],
    )
    target.print()
    output.print_table(
        ["test metric", "mean (95 %)", "deviation", "lowest", "highest", "ensemble"],
        [
            [
                name,
                with_margin(spread.mean[name], spread.margin[name]),
                *(
                    output.number(value)
                    for value in (
                        spread.deviation[name],
                        spread.lowest[name],
                        spread.highest[name],
                        together.metrics.get(name),
                    )
                ),
            ]
            for name in spread.mean
        ],
    )
    if together.why_none:
        target.print(f"There is no ensemble: {together.why_none}.")
    else:
        target.print(f"The ensemble answers the mean of what the {len(runs)} models say.")
    diagnosed = Counter(found["what"] for run in runs for found in run.diagnosis)
    for what, count in diagnosed.most_common():
        target.print(f"Diagnosis: {what} in {count} of {len(runs)} runs.")
