"""Show a download or a training as it goes: a live line on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from rich.markup import escape
from rich.text import Text

from dlrecipes.cli import output
from dlrecipes.cli.layout import Part, one_line
from dlrecipes.cli.live import LiveLine, own_screen
from dlrecipes.cli.moving import BAR_WIDTH, Moving, bar, time_left
from dlrecipes.cli.sparkline import LONG, SHORT, Losses
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.runs.record import Run, shown_data
from dlrecipes.system.progress import watch
from dlrecipes.system.words import alike

PHASES = {
    "load": ("Loading the data", "Loaded the data"),
    "start": ("Starting TensorFlow", "Started TensorFlow"),
    "members": ("Loading the members", "Loaded the members"),
    "build": ("Building the model", "Built the model"),
    "trace": ("Tracing the first step", "Traced the first step"),
    "time training": ("Timing the training", ""),
    "time serving": ("Timing predictions", ""),
    "evaluate": ("Testing the model", ""),
    "attack": ("Attacking the model", ""),
    "save": ("Saving the run", ""),
    "baseline": ("Comparing with a plain baseline", ""),
    "report": ("Gathering the report", ""),
    "export": ("Writing the export", ""),
    "prove": ("Checking the export in a fresh process", ""),
}
"""What is said while a part of the work is done and when it is done; of some, nothing is left."""
PREPARING = ("Preparing the data", "Prepared the data")
"""What is said of `load` the second time: a user's files are read before TensorFlow is started."""
SHORT_NAMES = {"accuracy": "acc", "perplexity": "ppl", "bits_per_character": "bpc"}


def shown_metrics(logs: Mapping[str, float], *, validation: bool) -> list[Part]:
    """Return the losses and metrics of a step or an epoch as parts of a line.

    Of a line that is too long, what was measured while training goes before what was measured on
    the validation data, and the loss goes last of each.
    """
    parts = []
    for name, value in logs.items():
        held_out = name.startswith("val_")
        if name == "learning_rate" or (held_out and not validation):
            continue
        metric = name.removeprefix("val_")
        prefix = "val_" if held_out else ""
        shown = alike(logs.get(metric), logs.get(f"val_{metric}"))(value)
        parts.append(
            Part(
                f"{name} {shown}",
                f"{prefix}{SHORT_NAMES.get(metric, metric)} {shown}",
                weight=2 + 2 * held_out + (metric == "loss"),
            )
        )
    return parts


class FetchDisplay:
    """Shows how data is fetched and what is being done, on standard error; a `FetchListener`.

    Args:
        quiet: Whether to show warnings alone.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.line: LiveLine | None = None
        """What is shown just now at the bottom of the terminal, if it is one."""
        self.received = 0
        self.loaded = False

    def warn(self, message: str) -> None:
        """Show something that the user should know."""
        output.print_warning(message)

    def columns_found(self, columns: Sequence[tuple[str, str, str]]) -> None:
        """Show how the columns of a user's table are understood."""
        if not self.quiet:
            output.print_columns(columns)

    def clear(self) -> None:
        """Take away the line at the bottom of the terminal."""
        if self.line:
            self.line.stop()
            self.line = None

    def _words(self, name: str) -> tuple[str, str]:
        """Return what is said of a part of the work."""
        return PREPARING if name == "load" and self.loaded else PHASES[name]

    def phase_begins(self, name: str) -> None:
        """Say what is being done."""
        if self.quiet or name not in PHASES:
            return
        doing, done = self._words(name)
        screen, started = own_screen(), time.perf_counter()
        self.clear()
        moving = Moving(screen)
        watch(moving)
        if screen.is_live:

            def draw(width: int) -> Text:
                seconds = int(time.perf_counter() - started)
                parts = [Part(f"{doing} …", weight=1), Part(f"{seconds} s" if seconds else "")]
                return one_line(moving.parts() or parts, width)

            self.line = LiveLine(screen, draw)
        elif done:
            screen.print(f"{doing} …")

    def phase_ends(self, name: str, seconds: float | None) -> None:
        """Say how long it took."""
        watch(None)
        if self.quiet or name not in PHASES:
            return
        self.clear()
        _, done = self._words(name)
        self.loaded = self.loaded or name == "load"
        if done and seconds is not None:
            own_screen().print(f"[dim]{done} in {output.duration(seconds)}[/]")

    def download_begins(self, name: str, host: str, size: int, kept: int) -> None:
        """Start the bar of a file on a terminal, or print its line."""
        if self.quiet:
            return
        self.clear()
        screen = own_screen()
        if not screen.is_live:
            rest = f"; resuming after {shown_bytes(kept)}" if kept else ""
            screen.print(
                f"Downloading {name} from {host} ({shown_bytes(size)}{rest})", markup=False
            )
            return
        self.received, started = kept, time.perf_counter()

        def draw(width: int) -> Text:
            seconds = time.perf_counter() - started
            rate = (self.received - kept) / seconds if seconds > 1 else 0.0
            left = (size - self.received) / rate if rate else 0.0
            parts = [
                Part(f"Downloading {name}", name, weight=2),
                Part(bar(self.received, size, screen), weight=1),
                Part(f"{shown_bytes(self.received)} of {shown_bytes(size)}", weight=4),
                Part(f"{shown_bytes(round(rate))}/s" if rate else ""),
                Part(time_left(left) if rate else "", weight=3),
            ]
            return one_line(parts, width)

        self.line = LiveLine(screen, draw)

    def download_moves(self, received: int) -> None:
        """Move the bar."""
        self.received = received

    def download_ends(self) -> None:
        """Take the bar away."""
        self.clear()

    def preparation_begins(self, name: str) -> None:
        """Say what the next minutes are for."""
        if not self.quiet:
            output.console(stderr=True).print(
                f"Preparing {name}. This is done once and can take minutes.", markup=False
            )


class StartDisplay(FetchDisplay):
    """Shows what is done before a training that is only tried, and nothing of its epochs."""

    def fit_begins(self, run: Run, epochs: int, steps: int, samples: int) -> None:
        """Show nothing."""

    def step_ends(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """Show nothing."""

    def epoch_ends(
        self, epoch: int, logs: Mapping[str, float], seconds: float, samples: int
    ) -> None:
        """Show nothing."""

    def fit_ends(self) -> None:
        """Show nothing."""


class Display(FetchDisplay):
    """Shows a training to people; a `dlrecipes.training.listener.Listener`.

    Args:
        console: Where to show it.
        quiet: Whether to show warnings alone.
        follow: Is told of the run when it begins; None for nobody.
    """

    def __init__(
        self, console: output.Screen, *, quiet: bool, follow: Callable[[Run], None] | None = None
    ) -> None:
        super().__init__(quiet=quiet)
        self.console, self.follow = console, follow
        self.losses = Losses()
        self.epochs = self.steps = self.samples = 0
        self.epoch = self.step = self.step_before = self.steps_before = 0
        self.logs: Mapping[str, float] = {}
        self.started = self.epoch_started = 0.0

    def fit_begins(self, run: Run, epochs: int, steps: int, samples: int) -> None:
        """Show what is trained."""
        self.epochs, self.steps, self.samples = epochs, steps, samples
        self.epoch = self.step = self.steps_before = 0
        if self.follow:
            self.follow(run)
        if self.quiet:
            return
        rows = ", ".join(f"{count:,} {split}" for split, count in run.data["rows"].items())
        self.console.print(
            f"[bold]{escape(run.recipe)}[/] on {escape(shown_data(run.data))}: {rows}; "
            f"{run.parameters:,} parameters, on {run.device}, seed {run.seed}"
        )

    def step_ends(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """Move the bar of the epoch."""
        if self.quiet or not self.console.is_live:
            return
        now = time.perf_counter()
        if epoch != self.epoch:
            if not self.epoch:
                self.started, self.steps_before = now, self._trained(epoch, step)
            self.epoch, self.epoch_started, self.step_before = epoch, now, step
        self.step, self.logs = step, logs
        self.losses.add(logs.get("loss", math.nan))
        if self.line is None:
            self.line = LiveLine(self.console, self._draw)

    def epoch_ends(
        self, epoch: int, logs: Mapping[str, float], seconds: float, samples: int
    ) -> None:
        """Print the epoch's line, above the bar if it is there."""
        if self.quiet:
            return
        self.step_ends(epoch, self.steps or self.step, logs)
        parts = [
            Part(f"epoch {epoch}/{self.epochs}", weight=9),
            *shown_metrics(logs, validation=True),
            Part(f"{samples / seconds:,.0f} samples/s"),
            Part(output.duration(seconds), weight=1),
        ]
        self.console.print(one_line(parts, self.console.limit), soft_wrap=True)

    def fit_ends(self) -> None:
        """Take the bar away."""
        self.clear()

    def _trained(self, epoch: int, step: int) -> int:
        """Return how many steps are done in all."""
        return (epoch - 1) * self.steps + step

    def _draw(self, width: int) -> Text:
        """Return the bar as it is now."""
        now = time.perf_counter()
        of_all = f"/{self.steps:,}" if self.steps else ""
        done = self.step - self.step_before
        rate = done / (now - self.epoch_started) if done and now > self.epoch_started else 0.0
        per_step = self.samples / self.steps if self.steps else 0.0
        left = ""
        if self.steps and (trained := self._trained(self.epoch, self.step) - self.steps_before):
            rest = self.epochs * self.steps - self._trained(self.epoch, self.step)
            left = time_left((now - self.started) * rest / trained)
        parts = [
            Part(f"epoch {self.epoch}/{self.epochs}", weight=9),
            Part(f"step {self.step:,}{of_all}", weight=8),
            self._bar(),
            self._curve(),
            *shown_metrics(self.logs, validation=False),
            Part(f"{rate * per_step:,.0f} samples/s" if rate and per_step else "", weight=1),
            Part(left, weight=7),
        ]
        return one_line(parts, width)

    def _bar(self) -> Part:
        """Return how much of the epoch is done: as a bar, half as long on a narrow terminal."""
        full, half = (
            bar(self.step, self.steps, self.console, width) for width in (BAR_WIDTH, BAR_WIDTH // 2)
        )
        return Part(full, half, weight=6, style="green")

    def _curve(self) -> Part:
        """Return how the loss has gone so far; nothing where it cannot be shown."""
        if self.console.no_color or not self.console.encoding.startswith("utf"):
            return Part("")
        return Part(self.losses.sparkline(LONG), self.losses.sparkline(SHORT), weight=1)
