"""Keras callbacks of a run: its history, its listener, and the watch for NaN.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
import time
from typing import Any

import keras
import numpy as np

from dlrecipes.datasets.examples import Data
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.checkpoints import Checkpoint
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import write_atomically
from dlrecipes.training import state
from dlrecipes.training.failures import DivergedError
from dlrecipes.training.listener import Listener
from dlrecipes.training.logs import Logs, numbers, steps_done
from dlrecipes.training.resumption import Resumption
from dlrecipes.training.snapshots import Snapshots

REPORT_INTERVAL = 0.1
"""Seconds between two reports of a step: drawing the bar takes time."""


class History(keras.callbacks.Callback):
    """Writes every epoch's metrics to `history.csv`.

    Args:
        run: The run.
        rows: The epochs that are done already.
    """

    def __init__(self, run: Run, rows: list[dict[str, float]]) -> None:
        super().__init__()
        self.run, self.rows = run, rows
        if rows:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add a row."""
        rates = state.learning_rates(self.model)
        # A recipe may call fit more than once: its epochs are counted through.
        self.rows.append({"epoch": len(self.rows) + 1, **rates, **numbers(logs)})
        self._write()

    def _write(self) -> None:
        """Write the file."""
        text = checkpoints.history_text(self.rows)
        write_atomically(self.run.path / record.HISTORY_FILE, text.encode())


class Report(keras.callbacks.Callback):
    """Tells a listener of every step and epoch."""

    def __init__(self, run: Run, data: Data, listener: Listener, start: Checkpoint | None) -> None:
        super().__init__()
        self.run, self.listener, self.start = run, listener, start
        self.steps = data.steps
        self.samples = data.rows["train"]
        self.epoch = 0
        self.epoch_started = self.reported = time.perf_counter()
        self.traced = False

    def on_train_begin(self, logs: Logs = None) -> None:
        """Say how much there is to do."""
        self.listener.fit_begins(self.run, self.params["epochs"], self.steps, self.samples)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the epoch's clock."""
        if not self.traced:
            self.listener.phase_begins("trace")
        self.epoch = epoch
        self.epoch_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Report the step, unless one was reported just now."""
        now = time.perf_counter()
        if not self.traced:
            self.traced = True
            self.listener.phase_ends("trace", now - self.epoch_started)
        if now - self.reported >= REPORT_INTERVAL:
            self.reported = now
            self.listener.step_ends(self.epoch + 1, steps_done(batch, self.steps), numbers(logs))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the epoch, and how fast the part of it was that was trained just now."""
        samples = self.samples
        if self.start and self.start.epoch == epoch and self.steps:
            samples = round(samples * (1 - self.start.step / self.steps))
        seconds = time.perf_counter() - self.epoch_started
        self.listener.epoch_ends(epoch + 1, numbers(logs), seconds, samples)


class StopAtNaN(keras.callbacks.Callback):
    """Stops training at the step at which a loss is NaN or infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.losses: dict[str, list[float]] = {}
        """The first and the last mean of each loss: they tell whether it climbed."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the mean losses of the epoch so far, which Keras reads for callbacks anyway."""
        for name, value in (logs or {}).items():
            if "loss" not in name:
                continue
            loss = float(np.sum(value))  # A train_step may return what is not one number.
            seen = self.losses.get(name, [])
            if not math.isfinite(loss):
                first = batch + 2 - self.model.steps_per_execution
                last = steps_done(batch, self.params["steps"] or 0)
                steps = f"step {last}" if first == last else f"steps {first} to {last}"
                raise DivergedError(name, loss, f"epoch {self.epoch + 1}, {steps}", seen)
            self.losses[name] = [*seen[:1], loss]


def run_callbacks(run: Run, listener: Listener, resumption: Resumption) -> list[Any]:
    """Return the callbacks of a run.

    Args:
        run: The run.
        listener: Hears how it goes.
        resumption: The callback that takes checkpoints.
    """
    logs, work = str(run.folder("logs")), resumption.work
    has_snapshots = work.task.answer.has_snapshots and not run.no_report
    return [
        resumption,
        *([Snapshots(run, work, listener)] if has_snapshots else []),
        StopAtNaN(),
        Report(run, resumption.work.data, listener, resumption.start),
        History(run, resumption.history),
        keras.callbacks.TensorBoard(logs, write_graph=False),
    ]
