"""Who is told how a training goes: the display of the command line, or a test."""

from collections.abc import Mapping
from typing import Any, Protocol

from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.runs.record import Run
from dlrecipes.system.clock import PhaseListener


class WorkListener(FetchListener, PhaseListener, Protocol):
    """Hears what is being done, and how data is fetched for it."""


class Listener(WorkListener, Protocol):
    """Hears how a training goes, and what is done before and after it."""

    def fit_begins(self, run: Run, epochs: int, steps: int, samples: int) -> None:
        """Hear that training begins: of how many epochs, and steps and samples an epoch."""

    def step_ends(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        """Hear that a step ended: its epoch, how many steps of it are done, and means so far."""

    def epoch_ends(
        self, epoch: int, logs: Mapping[str, float], seconds: float, samples: int
    ) -> None:
        """Hear that an epoch ended: its metrics, its seconds, and the samples trained in them."""

    def fit_ends(self) -> None:
        """Hear that training is over, however it ended."""


class Silence:
    """A listener that says nothing of what it hears."""

    def warn(self, *heard: Any, **more: Any) -> None:
        """Say nothing."""

    columns_found = download_begins = download_moves = download_ends = preparation_begins = warn
    phase_begins = phase_ends = warn
    fit_begins = step_ends = epoch_ends = fit_ends = warn
