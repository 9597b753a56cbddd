"""Show a search as it goes: a row for each trial, and a line for what is trained just now."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlrecipes.cli import output
from dlrecipes.cli.layout import Part, one_line, pair_lines
from dlrecipes.cli.live import LiveLine
from dlrecipes.runs.record import Run
from dlrecipes.training.listener import Silence

RESULT_WIDTH = 24
"""Columns of how a trial ended, so that what follows it stands below each other."""


class SearchDisplay:
    """Shows the trainings of a search to people.

    Args:
        screen: Where to show them.
        quiet: Whether to show nothing.
    """

    def __init__(self, screen: output.Screen, *, quiet: bool) -> None:
        self.screen, self.quiet = screen, quiet
        self.line: LiveLine | None = None
        self.doing: list[Part] = []

    def training(self, what: str) -> "Training":
        """Return who hears how a training goes, and begin to show it.

        Args:
            what: What is trained, in a word or two.
        """
        return Training(self, what)

    def now(self, parts: Sequence[Part]) -> None:
        """Show how far the training is, at the bottom of a terminal."""
        self.doing = list(parts)
        if self.line is None and self.screen.is_live and not self.quiet:
            self.line = LiveLine(self.screen, lambda width: one_line(self.doing, width))

    def trial(self, number: int, result: str, best: str, settings: Mapping[str, str]) -> None:
        """Show how a trial ended.

        Args:
            number: Its number.
            result: How it ended.
            best: The best result so far.
            settings: The values to show, in lines below: those of a trial that is the best.
        """
        row = f"trial {number:>3}  {result:<{RESULT_WIDTH}}  {best}".rstrip()
        pairs = [f"{name}={value}" for name, value in settings.items()]
        lines = pair_lines(" " * 9, pairs, self.screen.limit) if pairs else []
        for line in (row, *lines):
            self.say(line)

    def say(self, text: str) -> None:
        """Print a line, above that of what is trained if it is there."""
        if not self.quiet:
            self.screen.print(text, markup=False, highlight=False)

    def clear(self) -> None:
        """Take the line of what is trained away."""
        if self.line:
            self.line.stop()
            self.line = None


class Training(Silence):
    """Hears how a training goes, and shows it; a `dlrecipes.training.listener.Listener`.

    Args:
        display: Where to show it.
        what: What is trained.
    """

    def __init__(self, display: SearchDisplay, what: str) -> None:
        self.display, self.what, self.epochs = display, what, 0
        self._show("starting")

    def fit_begins(self, run: Run, epochs: int, *sizes: int) -> None:
        """Show that training begins."""
        self.epochs = epochs
        self._show(f"epoch 1/{epochs}")

    def epoch_ends(self, epoch: int, logs: Mapping[str, float], *more: Any) -> None:
        """Show how far it is."""
        loss = f"val_loss {output.number(logs['val_loss'])}" if "val_loss" in logs else ""
        self._show(f"epoch {min(epoch + 1, self.epochs)}/{self.epochs}", loss)

    def fit_ends(self) -> None:
        """Show that the rest is no training."""
        self._show("testing")

    def _show(self, how_far: str, more: str = "") -> None:
        """Show how far it is."""
        self.display.now([Part(f"{self.what}: {how_far}", weight=1), Part(more)])
