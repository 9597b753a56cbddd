"""Show trainings that run side by side: a line for each that is over, and one for those at work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.text import Text

from dlrecipes.cli import output
from dlrecipes.cli.layout import Part, one_line
from dlrecipes.cli.live import LiveLine
from dlrecipes.runs.record import Run


@dataclass
class AtWork:
    """How far the training of a seed is.

    Args:
        epochs: How many epochs it has; 0 until that is known.
        epoch: The last epoch that ended.
        logs: The metrics of that.
    """

    epochs: int = 0
    epoch: int = 0
    logs: Mapping[str, float] = field(default_factory=dict)


class JobsDisplay:
    """Shows trainings side by side to people; a `dlrecipes.training.jobs.JobsListener`.

    Args:
        screen: Where to show them.
        count: How many there are.
        quiet: Whether to show warnings alone.
        follow: Is told of each run that begins; None for nobody.
    """

    def __init__(
        self,
        screen: output.Screen,
        count: int,
        *,
        quiet: bool,
        follow: Callable[[Run], None] | None = None,
    ) -> None:
        self.screen, self.count, self.quiet, self.follow = screen, count, quiet, follow
        self.at_work: dict[int, AtWork] = {}
        self.over = 0
        self.warned: set[str] = set()
        self.line: LiveLine | None = None

    def seed_begins(self, seed: int) -> None:
        """Show that the process of a seed is started."""
        self.at_work[seed] = AtWork()
        if self.screen.is_live and not self.quiet:
            self.line = self.line or LiveLine(self.screen, self._draw)
        else:
            self._print([Part(f"seed {seed}"), Part("started")])

    def fit_begins(self, seed: int, run: Run, epochs: int) -> None:
        """Show how many epochs there are."""
        self.at_work[seed].epochs = epochs
        if self.follow:
            self.follow(run)

    def epoch_ends(self, seed: int, epoch: int, logs: Mapping[str, float]) -> None:
        """Show how far the training is."""
        now = self.at_work[seed]
        now.epoch, now.logs = epoch, logs

    def warning(self, seed: int, message: str) -> None:
        """Show what the user should know, once: most of it is true of every seed."""
        if message not in self.warned:
            self.warned.add(message)
            output.print_warning(message)

    def seed_ends(self, seed: int, run: Run | None, why: str) -> None:
        """Show the result of a seed, or that there is none, which is then a warning."""
        del self.at_work[seed]
        self.over += 1
        if run is None:
            output.print_warning(f"Seed {seed}: {why}")
            return
        shown = [
            Part(
                f"{name} {output.number(run.metrics[name])}",
                weight=2 if name == run.headline else 0,
            )
            for name in sorted(run.metrics, key=lambda name: name != run.headline)
        ]
        took = Part(output.duration(run.seconds.get("total", 0.0)), weight=1)
        self._print([Part(f"seed {seed}", weight=4), Part("finished", weight=3), *shown, took])

    def clear(self) -> None:
        """Take the line of those at work away."""
        if self.line:
            self.line.stop()
            self.line = None

    def _print(self, parts: list[Part]) -> None:
        """Print a line, above that of those at work if it is there."""
        if not self.quiet:
            self.screen.print(one_line(parts, self.screen.limit), soft_wrap=True)

    def _draw(self, width: int) -> Text:
        """Return the line of those at work."""
        parts = [
            Part(f"{self.over} of {self.count} finished", f"{self.over}/{self.count}", weight=2)
        ]
        return one_line([*parts, *(self._part(*one) for one in self.at_work.items())], width)

    def _part(self, seed: int, now: AtWork) -> Part:
        """Return how far the training of a seed is."""
        if not now.epochs:
            return Part(f"seed {seed}: starting", f"{seed}: -", weight=1)
        if now.epoch == now.epochs:
            return Part(f"seed {seed}: testing", f"{seed}: test", weight=1)
        name = "val_loss" if "val_loss" in now.logs else "loss"
        loss = f", {name} {output.number(now.logs[name])}" if name in now.logs else ""
        done = f"{now.epoch}/{now.epochs}"
        return Part(f"seed {seed}: epoch {done}{loss}", f"{seed}: {done}", weight=1)
