"""Keras callbacks of a run: its order of examples, its checkpoints, its history, and its listener.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
import time
from contextlib import suppress
from typing import Any

import keras

from dlrecipes.datasets.examples import Data
from dlrecipes.datasets.pipelines import Order
from dlrecipes.runs import checkpoints
from dlrecipes.runs import record as runs
from dlrecipes.runs.checkpoints import Array, Checkpoint, CheckpointWriter, Every
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import write_atomically
from dlrecipes.system.clock import Clock
from dlrecipes.system.signals import Stopped, StopRequest
from dlrecipes.training import state
from dlrecipes.training.failures import DivergedError
from dlrecipes.training.listener import Listener

REPORT_INTERVAL = 0.1
"""Seconds between two reports of a step: drawing the bar takes time."""

Logs = dict[str, float] | None


def steps_done(batch: int, steps: int) -> int:
    """Return how many steps of an epoch are done when Keras says that a batch ended.

    Args:
        batch: Number of the batch, from 0; of the last of several at once, of which the epoch's
            last may be fewer.
        steps: Steps of an epoch; 0 if that is not known.
    """
    return min(batch + 1, steps or batch + 1)


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
        row = {name: float(value) for name, value in (logs or {}).items()}
        rate = {"learning_rate": float(self.model.optimizer.learning_rate)}
        self.rows.append({"epoch": epoch + 1, **rate, **row})
        self._write()

    def _write(self) -> None:
        """Write the file."""
        text = checkpoints.history_text(self.rows)
        write_atomically(self.run.path / runs.HISTORY_FILE, text.encode())


class Report(keras.callbacks.Callback):
    """Tells a listener of every step and epoch."""

    def __init__(self, run: Run, data: Data, listener: Listener, start: Checkpoint | None) -> None:
        super().__init__()
        self.run, self.listener, self.start = run, listener, start
        self.steps = data.steps
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
            self.listener.step_ends(self.epoch + 1, steps_done(batch, self.steps), means)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the epoch, and how fast the part of it was that was trained just now."""
        means = {name: float(value) for name, value in (logs or {}).items()}
        samples = self.samples
        if self.start and self.start.epoch == epoch and self.steps:
            samples = round(samples * (1 - self.start.step / self.steps))
        seconds = time.perf_counter() - self.epoch_started
        self.listener.epoch_ends(epoch + 1, means, seconds, samples)


class StopAtNaN(keras.callbacks.Callback):
    """Stops training at the step whose loss is not a number, or is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.losses: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the mean loss of the epoch so far, which Keras reads for callbacks anyway."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            first = batch + 2 - self.model.steps_per_execution
            last = steps_done(batch, self.params["steps"] or 0)
            steps = f"step {last}" if first == last else f"steps {first} to {last}"
            place = f"epoch {self.epoch + 1}, {steps}"
            raise DivergedError("loss", loss, place, self.losses)
        # The first and the last tell whether it climbed.
        self.losses = [*self.losses[:1], loss]


class Resumption(keras.callbacks.Callback):
    """Puts the training examples in order, takes checkpoints, and goes on from one.

    A checkpoint is taken where an epoch or a step begins, when every callback has heard of the one
    before. To go on from it within an epoch, `fit` runs the epoch from its beginning, but passes
    over the steps that are done already.

    Args:
        every: When checkpoints are taken.
        data: What is trained on.
        order: The order of the training examples.
        history: The rows of the history, which another callback adds to.
        stop: Says whether training is to stop.
        writer: Writes the checkpoints.
        clock: Says how long training has taken.
        start: The checkpoint to go on from; None to begin.
        rate: What the learning rate of the checkpoint is multiplied with.
        learning_rate_scale: What the recipe's learning rate is multiplied with, in all.
    """

    def __init__(
        self,
        *,
        every: Every,
        data: Data,
        order: Order,
        history: list[dict[str, float]],
        stop: StopRequest,
        writer: CheckpointWriter,
        clock: Clock,
        start: Checkpoint | None,
        rate: float,
        learning_rate_scale: float,
    ) -> None:
        super().__init__()
        self.every, self.data, self.order, self.history = every, data, order, history
        self.stop, self.writer, self.clock = stop, writer, clock
        self.pending, self.rate, self.learning_rate_scale = start, rate, learning_rate_scale
        self.siblings: list[Any] = []
        """The callbacks that the recipe gave to `fit`, which only who calls it can know."""
        self.fitted: Any = None
        """The pipeline that it gave to `fit`; None if it gave something else."""
        self.epoch_steps = data.steps
        self.epoch = start.epoch if start else 0
        self.step = start.step if start else 0
        self.trained_steps = 0
        self.last = (self.epoch, 0, time.monotonic())
        """Epoch, steps trained here, and time when the last checkpoint was taken."""
        self.means: dict[str, Array] = {}
        """The running means of the epoch's steps, which testing it overwrites."""

    @property
    def place(self) -> str:
        """Return where training is, in words."""
        return f"epoch {self.epoch + 1}, step {self.step}"

    def on_train_begin(self, logs: Logs = None) -> None:
        """Have `fit` begin with the epoch to go on in, or with none if training is over."""
        # Or else TensorFlow traces a step that makes variables, and another that does not.
        if self.pending or self.fitted is not None:
            self._build()
        if self.pending:
            # As Keras's own BackupAndRestore does it.
            self.model._initial_epoch = (
                self.params["epochs"] if self.pending.trained else self.pending.epoch
            )

    def on_train_end(self, logs: Logs = None) -> None:
        """Leave no trace of that: a recipe may call `fit` again."""
        self.model._initial_epoch = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the examples into the order of the epoch, and go on from a checkpoint or take one."""
        self.epoch, self.step = epoch, 0
        self.order.epoch.assign(epoch)
        self.order.first_step.assign(0)
        if self.pending:
            state.restore(self.model, self.pending.arrays)
            if self.rate != 1.0:
                self._change_rate()
            if self.pending.step:
                self._pass_over(self.pending.step)
            else:
                self._restore_callbacks()
        elif self._is_due():
            self._take()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Take a checkpoint, if it is time."""
        self.step = batch
        if self.pending and batch >= self.pending.step:
            self._restore_callbacks()
        elif not self.pending and batch and self._is_due():
            self._take()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Count the steps that were trained: the last ones of an epoch may be fewer at once."""
        self.clock.note("first_step")
        done = steps_done(batch, self.epoch_steps)
        if not self.pending:
            self.trained_steps += done - self.step
        self.step = done

    def on_test_begin(self, logs: Logs = None) -> None:
        """Keep the means of the epoch's steps, which are over."""
        if self.pending:
            self._restore_callbacks()
        self.means = state.capture(self.model, "metrics/")

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Do not wait for the end of the epoch's test if training is to stop."""
        if self.stop.asked:
            self._take()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Forget the means: what comes next is another epoch."""
        self.means = {}

    def checkpoint(self, *, trained: bool = False) -> Checkpoint:
        """Return a checkpoint of where training is.

        Raises:
            DivergedError: if a weight is not a finite number: nobody could go on from there.
        """
        arrays = state.capture(self.model) | self.means
        if not state.is_finite(arrays):
            raise DivergedError("weights", math.nan, self.place, [])
        callbacks = [] if trained else state.capture_callbacks(self.siblings, arrays)
        ended = trained or self.step == 0
        return Checkpoint(
            epoch=self.epoch + trained,
            step=0 if trained else self.step,
            trained=trained,
            arrays=arrays,
            callbacks=callbacks,
            history=[*self.history],
            score=self._score() if ended else None,
            learning_rate_scale=self.learning_rate_scale,
            seconds=self.clock.seconds,
        )

    def _score(self) -> float | None:
        """Return the loss that the last epoch ended with, to compare epochs by."""
        row = self.history[-1] if self.history else {}
        loss = row.get("val_loss", row.get("loss", math.nan))
        return loss if math.isfinite(loss) else None

    def _is_due(self) -> bool:
        """Tell whether it is time for a checkpoint."""
        epoch, steps, seconds = self.last
        return (
            self.stop.is_due(self.trained_steps)
            or 0 < self.every.epochs <= self.epoch - epoch
            or 0 < self.every.steps <= self.trained_steps - steps
            or 0 < self.every.seconds <= time.monotonic() - seconds
        )

    def _build(self) -> None:
        """Make the variables that Keras makes no sooner than the first step."""
        state.build(self.model, self.data.train if self.fitted is None else self.fitted)

    def _take(self) -> None:
        """Write a checkpoint, and stop there if that is why."""
        if not self.model.optimizer.built:
            self._build()
        self.writer.write(self.checkpoint())
        self.last = (self.epoch, self.trained_steps, time.monotonic())
        if self.stop.is_due(self.trained_steps):
            self.writer.wait()
            raise Stopped

    def _change_rate(self) -> None:
        """Lower the learning rate of the checkpoint; a schedule was built with a lower one."""
        with suppress(TypeError):  # It follows the schedule.
            self.model.optimizer.learning_rate = self.rate * float(
                self.model.optimizer.learning_rate
            )

    def _restore_callbacks(self) -> None:
        """Let the recipe's callbacks remember what they did: from here on, this is the training."""
        assert self.pending is not None
        state.restore_callbacks(self.siblings, self.pending.callbacks, self.pending.arrays)
        self.pending = None

    def _pass_over(self, steps: int) -> None:
        """Have `fit` read the batches of the epoch's first steps, and train on none of them."""
        model, train = self.model, self.model.train_function
        if self.order.steps == {self.epoch_steps}:
            # One row of each is enough. A pipeline whose batches the recipe has cut anew is read.
            self.order.first_step.assign(steps)
        left = -(-steps // model.steps_per_execution)

        def train_or_pass(iterator: Any) -> Any:
            nonlocal left
            if left == 0:
                model.train_function = train
                return train(iterator)
            left -= 1
            for _ in range(model.steps_per_execution):
                next(iterator, None)
            return model.get_metrics_result()

        model.train_function = train_or_pass


def run_callbacks(run: Run, listener: Listener, resumption: Resumption) -> list[Any]:
    """Return the callbacks of a run.

    Args:
        run: The run.
        listener: Hears how it goes.
        resumption: The callback that takes checkpoints.
    """
    logs = str(run.folder("logs"))
    return [
        resumption,
        StopAtNaN(),
        Report(run, resumption.data, listener, resumption.pending),
        History(run, resumption.history),
        keras.callbacks.TensorBoard(logs, write_graph=False),
    ]
