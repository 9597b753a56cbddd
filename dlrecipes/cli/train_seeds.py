"""`train --seeds`: several trainings that differ in their seeds, and how far they differ."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrecipes.cli import limits, options, output
from dlrecipes.cli.display import Display, FetchDisplay
from dlrecipes.cli.jobs_display import JobsDisplay
from dlrecipes.cli.report import leave_report
from dlrecipes.cli.watch import Follow
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.kit.metric_names import limits_of
from dlrecipes.runs.record import Run, finite
from dlrecipes.runs.verdict import BAD
from dlrecipes.system.words import alike, numbers, with_margin

if TYPE_CHECKING:
    from dlrecipes.training.jobs import Trained
    from dlrecipes.training.request import Request
    from dlrecipes.training.seeds import Spread
    from dlrecipes.use.ensemble import Ensemble


class Silent(FetchDisplay):
    """Shows nothing, for what was said before."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def warn(self, message: str) -> None:
        """Show nothing."""


MOST_JOBS = 64
Jobs = Annotated[int, typer.Option("--jobs", help="Processes to run at once on this machine.")]


def check_jobs(jobs: int, seeds: int | None) -> None:
    """Raise InputError unless so many processes can work on so many trainings.

    Args:
        jobs: Number of processes.
        seeds: Number of seeds to train with; None for one training.
    """
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"--jobs must be from 1 to {MOST_JOBS}. Received: {jobs}")
    if jobs > 1 and seeds is None:
        raise InputError(
            "--jobs runs several trainings side by side, and this is one.",
            f"Train with several seeds: --seeds 5 --jobs {jobs}",
        )


class Several:
    """Trains with several seeds, and prints how far the results differ.

    Args:
        request: What is to be trained, with the first seed.
        count: Number of seeds.
        jobs: How many are trained at once.
        quiet: Whether to show the result and warnings alone.
        as_json: Whether to print one JSON document.
    """

    def __init__(
        self, request: "Request", count: int, jobs: int, *, quiet: bool, as_json: bool
    ) -> None:
        from dlrecipes.training import seeds

        seeds.check_seeds(request, count)
        self.request, self.count, self.jobs = request, count, min(jobs, count)
        self.quiet, self.as_json = quiet, as_json
        self.group = seeds.group_name(request)
        self.progress = output.console(stderr=as_json, in_passing=True)

    def train(self, wanted: limits.Limits, follow: Follow | None) -> None:
        """Train, and print how far the results differ.

        Args:
            wanted: Limits of the mean metrics.
            follow: Is told of each run that begins; None for nobody.
        """
        from dlrecipes.training import seeds
        from dlrecipes.training.request import Changes
        from dlrecipes.use.ensemble import test_together

        with output.only_json(self.as_json):
            try:
                trained = self._trained(follow)
            except DlrecipesError as error:
                if error.exit_code == 2:
                    raise
                command = shlex.join(["dlrecipes", *sys.argv[1:]])
                raise seeds.how_to_continue(error, command, self.group) from error
            runs = trained.runs
            for run in runs:
                leave_report(run, wanted=not self.request.no_report)
            together = test_together(runs, Changes(trust_recipe=True), Silent())
        spread = seeds.spread_of(runs)
        if self.as_json:
            output.print_json(_document(self.group, trained, spread, together))
        else:
            _show(runs, spread, together)
            if self.jobs > 1:
                output.console().print(
                    f"Memory: up to {shown_bytes(trained.memory)} for {self.jobs} at once."
                )
            output.print_next(f"dlrecipes evaluate {options.typed_run(runs[0], runs[0].run)}")
        bad = [run.verdict for run in runs if run.verdict in BAD]
        wanted.enforce(spread.mean, bad[0] if bad else runs[0].verdict)

    def _trained(self, follow: Follow | None) -> "Trained":
        """Return the finished runs."""
        from dlrecipes.system.process import peak_memory
        from dlrecipes.training import jobs, seeds

        if self.jobs > 1:
            shown = JobsDisplay(self.progress, self.count, quiet=self.quiet, follow=follow)
            try:
                return jobs.Jobs(self.request, self.group, shown).train(self.count, self.jobs)
            finally:
                shown.clear()
        runs = seeds.train_seeds(
            self.request,
            self.count,
            self.group,
            lambda: Display(self.progress, quiet=self.quiet, follow=follow),
        )
        return jobs.Trained(runs, peak_memory())


def _document(
    group: str, trained: "Trained", spread: "Spread", together: "Ensemble"
) -> dict[str, Any]:
    """Return what `--json` shows of the runs, and of the spread of their metrics."""
    runs = trained.runs
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
        "memory": trained.memory,
    }


def _show(runs: Sequence[Run], spread: "Spread", together: "Ensemble") -> None:
    """Print the runs, and the spread of their metrics."""
    target = output.console()
    headline = runs[0].headline
    results = numbers([run.metrics.get(headline) for run in runs])
    target.print()
    output.print_table(
        ["run", "seed", headline, "verdict"],
        [
            [run.run, str(run.seed), result, run.verdict]
            for run, result in zip(runs, results, strict=True)
        ],
    )
    target.print()
    output.print_table(
        ["test metric", "mean (95 %)", "deviation", "lowest", "highest", "ensemble"],
        [_spread_row(name, spread, together.metrics.get(name)) for name in spread.mean],
    )
    if together.why_none:
        target.print(f"There is no ensemble: {together.why_none}.")
    else:
        target.print(f"The ensemble answers the mean of what the {len(runs)} models say.")
    diagnosed = Counter(found["what"] for run in runs for found in run.diagnosis)
    for what, count in diagnosed.most_common():
        target.print(f"Diagnosis: {what} in {count} of {len(runs)} runs.")


def _spread_row(name: str, spread: "Spread", together: float | None) -> list[str]:
    """Return the row of a metric: its mean and how far it spreads, and that of all models."""
    values = [spread.deviation[name], spread.lowest[name], spread.highest[name], together]
    shown = alike(*values)
    mean = with_margin(spread.mean[name], spread.margin[name], limits_of(name), shown)
    return [name, mean, *map(shown, values)]
