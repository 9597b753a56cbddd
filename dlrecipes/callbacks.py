"""Keras callbacks of a run: its order of examples, its checkpoints, its history, and its listener.

Import after `dlrecipes.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras

from dlrecipes import checkpoints, runs, state
from dlrecipes.checkpoints import Array, Checkpoint, Every
from dlrecipes.datasets.examples import Data
from dlrecipes.datasets.pipelines import Order
from dlrecipes.failures import DivergedError
from dlrecipes.listener import Listener
from dlrecipes.runs import Run
from dlrecipes.signals import StopRequest

REPORT_INTERVAL = 0.1
"""Seconds between two reports of a step: drawing the bar takes time."""

Logs = dict[str, float] | None


class History(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
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
        row = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **row})
        self._write()

    def _write(self) -> None:
        """Write the file."""
        text = checkpoints.history_text(self.rows)
        runs.write_atomically(self.run.path / runs.HISTORY_FILE, text.encode())


class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Tells a listener of every step and epoch."""

    def __init__(self, run: Run, data: Data, listener: Listener, start: Checkpoint | None) -> None:
        super().__init__()
        self.run, self.listener, self.start = run, listener, start
        self.steps = max(int(data.train.cardinality()), 0)
        self.samples = data.rows["train"]
        self.epoch = 0
        self.epoch_started = self.reported = time.perf_counter()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Say how much there is to do."""
        self.listener.fit_begins(self.run, self.params["epochs"], self.steps, self.samples)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the epoch's clock."""
        self.epoch = epoch
        self.epoch_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Report the step, unless one was reported just now."""
        now = time.perf_counter()
        if now - self.reported >= REPORT_INTERVAL:
            self.reported = now
            means = {name: float(value) for name, value in (logs or {}).items()}
            self.listener.step_ends(self.epoch + 1, batch + 1, means)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the epoch, and how fast the part of it was that was trained just now."""
        means = {name: float(value) for name, value in (logs or {}).items()}
        samples = self.samples
        if self.start and self.start.epoch == epoch and self.steps:
            samples = round(samples * (1 - self.start.step / self.steps))
        seconds = time.perf_counter() - self.epoch_started
        self.listener.epoch_ends(epoch + 1, means, seconds, samples)


class StopAtNaN(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Stops training at the step whose loss is not a number, or is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.losses: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the mean loss of the epoch so far, which Keras has just read anyway."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            steps = self.model.steps_per_execution
            raise DivergedError(loss, self.losses, self.epoch + 1, batch + 2 - steps, batch + 1)
        # The first and the last tell whether it climbed.
        self.losses = [*self.losses[:1], loss]


class Resumption(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Puts the training examples in order, writes checkpoints, and goes on from one.

    A checkpoint is taken where an epoch or a step begins, when every callback has heard of the one
    before. To go on from it within an epoch, `fit` runs the epoch from its beginning, but the steps
    that are done already are passed over.

    Args:
        run: The run.
        data: What it is trained on.
        order: The order of its training examples.
        start: The checkpoint to go on from; None to begin.
        stop: Says whether training is to stop.
        write: Writes a checkpoint, given where training is.
    """

    def __init__(
        self,
        run: Run,
        data: Data,
        order: Order,
        start: Checkpoint | None,
        stop: StopRequest,
        write: Callable[[Checkpoint], None],
    ) -> None:
        super().__init__()
        self.every: Every = checkpoints.parse_every(run.checkpoints["every"])
        self.data, self.order, self.stop, self.write = data, order, stop, write
        self.siblings: list[Any] = []
        """The callbacks that the recipe gave to `fit`: the session knows them, Keras tells none."""
        self.start = self.pending = start
        self.trained_steps = 0
        self.last = (start.epoch if start else 0, 0, time.monotonic())
        """Epoch, steps trained here, and time when the last checkpoint was taken."""
        self.epoch = 0
        self.metrics: dict[str, Array] = {}
        """The running means at the end of the epoch's steps; testing it overwrites them."""
        self.score: float | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Have `fit` begin with the epoch to go on in."""
        if self.pending:
            self.model._initial_epoch = self.pending.epoch  # as Keras's BackupAndRestore does

    def on_train_end(self, logs: Logs = None) -> None:
        """Leave no trace of that: a recipe may call `fit` again."""
        self.model._initial_epoch = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the examples into the order of the epoch, and go on from a checkpoint or take one."""
        self.epoch = epoch
        self.order.epoch.assign(epoch)
        self.order.first_step.assign(0)
        if self.pending and self.pending.epoch == epoch:
            state.build(self.model, self.data.train)
            state.restore(self.model, self.pending.arrays)
            if self.pending.step:
                self._pass_over(self.pending.step)
            else:
                self._restore_callbacks()
        elif self._is_due(epoch):
            self._take(epoch, 0, score=self.score)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Take a checkpoint, if it is time."""
        if self.pending and batch >= self.pending.step:
            self._restore_callbacks()
        elif not self.pending and batch and self._is_due(self.epoch):
            self._take(self.epoch, batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Count the steps trained."""
        if not self.pending:
            self.trained_steps += self.model.steps_per_execution

    def on_test_begin(self, logs: Logs = None) -> None:
        """Keep the means of the epoch's steps, which are over."""
        if self.pending:
            self._restore_callbacks()
        self.metrics = {
            name: array for name, array in state.capture(self.model).items()
            if name.startswith("metrics/")
        } if self.model.metrics_variables else {}

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Do not wait for the end of the test of an epoch when training is to stop."""
        if self.stop.requested:
            self._take(self.epoch, int(self.data.train.cardinality()), metrics=self.metrics)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Note the loss that epochs are compared by."""
        loss = (logs or {}).get("val_loss", (logs or {}).get("loss"))
        self.score = loss if loss is not None and math.isfinite(loss) else None
