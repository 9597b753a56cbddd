"""Show a download or a training as it goes: a live bar on a terminal, single lines elsewhere."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from dlrecipes.cli import output
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.runs.record import Run


class SamplesPerSecond(ProgressColumn):
    """Shows how many samples go through the network in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate, once there is one."""
        rate = (task.speed or 0.0) * float(task.fields["samples_per_step"])
        return Text(f"{rate:,.0f} samples/s" if rate else "")


def shown_metrics(logs: Mapping[str, float], *, validation: bool) -> str:
    """Return the losses and metrics of a step or an epoch, for people."""
    return "  ".join(
        f"{name} {output.number(value)}"
        for name, value in logs.items()
        if name != "learning_rate" and (validation or not name.startswith("val_"))
    )


class FetchDisplay:
    """Shows on standard error how data is fetched: a `FetchListener` of `published.download`.

    Args:
        quiet: Whether to show warnings alone.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.transfer: Progress | None = None

    def warn(self, message: str) -> None:
        """Show something that the user should know."""
        output.print_warning(message)

    def download_begins(self, name: str, host: str, size: int, kept: int) -> None:
        """Start the bar of a file on a terminal, or print its line."""
        target = output.console(stderr=True)
        if self.quiet:
            return
        if not target.is_terminal:
            rest = f", {shown_bytes(kept)} of which are here" if kept else ""
            target.print(f"Downloading {name} from {host} ({shown_bytes(size)}{rest})")
            return
        self.transfer = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=target,
        )
        self.transfer.add_task(name, total=size, completed=kept)
        self.transfer.start()

    def download_moves(self, received: int) -> None:
        """Move the bar."""
        if self.transfer:
            self.transfer.update(self.transfer.task_ids[0], completed=received)

    def download_ends(self) -> None:
        """Let the bar stand as it is."""
        if self.transfer:
            self.transfer.stop()
            self.transfer = None

    def preparation_begins(self, name: str) -> None:
        """Say what the next minutes are for."""
        if not self.quiet:
            output.console(stderr=True).print(
                f"Preparing {name}, which is done once and may take minutes."
            )


class Display(FetchDisplay):
    """Shows a training to people; a `dlrecipes.training.listener.Listener`.

    Args:
        console: Where to show it.
        quiet: Whether to show warnings alone.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.console = console
        self.epochs = self.steps = self.samples = 0
        self.progress: Progress | None = None

    def fit_begins(self, run: Run, epochs: int, steps: int, samples: int) -> None:
        """Show what is trained, and start the bar on a terminal."""
        self.epochs, self.steps, self.samples = epochs, max(steps, 1), samples
        if self.quiet:
            return
        rows = ", ".join(f"{count:,} {split}" for split, count in run.data["rows"].items())
        self.console.print(
            f"[bold]{run.recipe}[/] on {escape(run.data['name'])} ({run.data['rung']}: {rows}), "
            f"{run.parameters:,} parameters, on {run.device}, seed {run.seed}"
        )
        if self.console.is_terminal:
            self.progress = Progress(
                TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=16),
                TextColumn("{task.fields[metrics]}"),
                SamplesPerSecond(),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=self.console,
                transient=True,
            )
            self.progress.add_task(
                "fit",
                total=self.epochs * self.steps,
                epoch=1,
                epochs=epochs,
                metrics="",
                samples_per_step=samples / self.steps,
            )
            self.progress.start()

    def step_ends(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """Move the bar."""
        if self.progress:
            self.progress.update(
                self.progress.task_ids[0],
                completed=(epoch - 1) * self.steps + step,
                epoch=epoch,
                metrics=shown_metrics(logs, validation=False),
            )

    def epoch_ends(
        self, epoch: int, logs: Mapping[str, float], seconds: float, samples: int
    ) -> None:
        """Print the epoch's line, above the bar if there is one."""
        if self.quiet:
            return
        self.step_ends(epoch, self.steps, logs)
        self.console.print(
            f"epoch {epoch}/{self.epochs}  {shown_metrics(logs, validation=True)}  "
            f"{samples / seconds:,.0f} samples/s  {output.duration(seconds)}"
        )

    def fit_ends(self) -> None:
        """Take the bar away."""
        if self.progress:
            self.progress.stop()
            self.progress = None
