"""The callback that orders the examples of a run, takes its checkpoints, and continues from one.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import inspect
import math
import time
from typing import Any

import keras

from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.checkpoints import Array, Checkpoint, CheckpointWriter, parse_every
from dlrecipes.runs.record import Run
from dlrecipes.system.signals import Stopped, StopRequest
from dlrecipes.training import state
from dlrecipes.training.failures import DivergedError, callbacks_not_passed
from dlrecipes.training.logs import Logs, steps_done
from dlrecipes.training.work import Work

AGREEING_STEPS = 8
"""After which several workers agree whether to stop, or to take a checkpoint by the clock."""


class AlreadyTrained(Exception):
    """The weights are restored, and there is no step to train: `fit` is left by this."""


class Resumption(keras.callbacks.Callback):
    """Puts the training examples in order, takes checkpoints, and continues from one.

    A checkpoint is taken where an epoch or a step begins, when every callback has heard of the one
    before. To continue from it within an epoch, `fit` runs the epoch from its beginning, but passes
    over the steps that are done already. Calls of `fit` before the checkpoint's run no epoch.

    What exists before the first step is restored where the first epoch begins, so that the
    callbacks that hear of it later can change it; what the first step makes, right before it.

    Args:
        run: The run.
        work: What is trained.
        stop: Says whether training is to stop.
        writer: Writes the checkpoints.
        scale: What the recipe's learning rate is multiplied with.
    """

    def __init__(
        self, run: Run, work: Work, stop: StopRequest, writer: CheckpointWriter, scale: float
    ) -> None:
        super().__init__()
        self.run, self.work, self.stop, self.writer, self.scale = run, work, stop, writer, scale
        self.order = work.source.train.order
        self.start = work.start
        self.pending = work.start
        """The checkpoint to continue from, until that is done."""
        self.history = [*work.start.history] if work.start else []
        """The rows of the history, which another callback adds to."""
        self.own: set[int] = set()
        """The callbacks of the run by their `id`: the others are the recipe's."""
        self.siblings: list[Any] = []
        """The recipe's callbacks."""
        self.every = parse_every(run.checkpoints["every"])
        self.epoch_steps = work.data.steps
        self.fit = -1
        """Number of the call of `fit`, from 0."""
        self.epoch = work.start.epoch if work.start else 0
        self.step = work.start.step if work.start else 0
        self.trained_steps = 0
        self.last = (self.epoch, 0, time.monotonic())
        """Epoch, steps trained here, and time when the last checkpoint was taken."""
        self.means: dict[str, Array] = {}
        """The running means of the epoch's steps, which testing it overwrites."""
        self.restored: dict[str, Any] = {}
        """The variables that are restored already, by name."""
        self.train_function: Any = None
        """The function of Keras's that trains a step."""
        self.is_agreed = False
        """Whether several workers have agreed to stop."""
        self.is_ready = False
        """Whether the first step of this `fit` has made the variables that it needs."""

    @property
    def place(self) -> str:
        """Return where training is, in words."""
        return f"epoch {self.epoch + 1}, step {self.step}"

    def on_train_begin(self, logs: Logs = None) -> None:
        """Have `fit` begin with the epoch to continue in, or with none if that was in another."""
        self.fit += 1
        self.is_ready, self.siblings = False, self._find_siblings()
        self.train_function = self.model.train_function
        if not self.pending:
            if self.fit:
                self.epoch, self.last = 0, (0, self.trained_steps, time.monotonic())
            return
        # As Keras's own BackupAndRestore does it.
        first, epochs = self.pending.epoch, self.params["epochs"]
        if self.fit < self.pending.fit:
            first = epochs
        elif self.pending.trained:
            first = max(epochs - 1, 0)
        self.model._initial_epoch = first

    def on_train_end(self, logs: Logs = None) -> None:
        """Leave no trace of that: a recipe may call `fit` again."""
        self.model._initial_epoch = None

    def _find_siblings(self) -> list[Any]:
        """Return the callbacks that the recipe gave to `fit`, and the one that Keras adds.

        Their states must be saved, and a callback is told of no other. The list that calls this
        one is the only way to them that needs no change of `fit` itself.
        """
        frame = inspect.currentframe()
        while frame and not isinstance(frame.f_locals.get("self"), keras.callbacks.CallbackList):
            frame = frame.f_back
        if frame is None:
            raise DlrecipesError("The callbacks of the run are called by something else than fit.")
        callbacks: list[Any] = frame.f_locals["self"].callbacks
        return [callback for callback in callbacks if id(callback) not in self.own]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the examples into the order of the epoch, and continue from a checkpoint or take one.

        Where training is over but not tested, this epoch's first step is where `fit` is left.
        """
        trained = self.pending is not None and self.pending.trained
        if not trained:
            self.epoch, self.step = epoch, 0
        self.order.epoch.assign(epoch)
        self.order.first_step.assign(0)
        if self.pending:
            self.restored = state.restore(self.model, self.pending.arrays)
            if (rate := self.scale / self.pending.learning_rate_scale) != 1.0:
                # One that follows a schedule was built with a lower one.
                state.scale_learning_rates(self.model, rate)
            if self.pending.step:
                self._pass_over(self.pending.step)
        if not self.is_ready:
            self._before_first_step()
        if not self.pending:
            if self._is_due():
                self._take()
        elif not self.pending.step and not trained:
            self._restore_callbacks()

    def _before_first_step(self) -> None:
        """Have the first step of `fit` make its variables before it is traced, and restore them."""
        model, train, start = self.model, self.model.train_function, self.pending

        def first(iterator: Any) -> Any:
            model.train_function, self.is_ready = train, True
            # Of several devices each gets its share of such a batch.
            spec = (
                self.work.data.train.element_spec if self.work.strategy else iterator.element_spec
            )
            state.build(model, spec)
            if start:
                self._restore_rest(start, spec)
            return train(iterator)

        model.train_function = first

    def _restore_rest(self, start: Checkpoint, spec: Any) -> None:
        """Restore the variables that did not exist where the epoch began.

        Raises:
            AlreadyTrained: if training is over.
        """
        if state.is_complete(self.model, start.arrays):
            state.restore(self.model, start.arrays, self.restored)
        else:
            # The recipe's callbacks may have changed what was restored before.
            changed = state.changed(self.restored, start.arrays)
            state.probe(self.train_function, spec)
            state.require_complete(self.model, start.arrays)
            state.restore(self.model, start.arrays)
            for variable, value in changed:
                variable.assign(value)
        if start.trained:
            raise AlreadyTrained

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Take a checkpoint, if it is time."""
        self.step = batch
        if self.pending and not self.pending.trained and batch >= self.pending.step:
            self._restore_callbacks()
        elif not self.pending and batch and self._is_due():
            self._take()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Count the steps that were trained: the last ones of an epoch may be fewer at once."""
        self.work.clock.note("first_step")
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
        if self.stop.asked and not self.work.meeting:
            self._take()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Forget the means: what comes next is another epoch."""
        self.means = {}

    def checkpoint(self, *, trained: bool = False) -> Checkpoint:
        """Return a checkpoint of where training is.

        Raises:
            DivergedError: if a weight is not a finite number: nobody could continue from there.
        """
        arrays = state.capture(self.model) | self.means
        if not state.is_finite(arrays):
            raise DivergedError("weights", math.nan, self.place, [])
        callbacks = [] if trained else state.capture_callbacks(self.siblings, arrays)
        ended = trained or self.step == 0
        return Checkpoint(
            epoch=self.epoch + trained,
            step=0 if trained else self.step,
            fit=self.fit,
            trained=trained,
            arrays=arrays,
            callbacks=callbacks,
            history=[*self.history],
            score=self._score() if ended else None,
            learning_rate_scale=self.scale,
            seconds=self.work.clock.seconds,
        )

    def require_trained(self) -> None:
        """Raise DlrecipesError unless `fit` has called this, and came to where it continues."""
        if self.fit < 0:
            raise callbacks_not_passed(self.run.recipe)
        if self.pending:
            raise DlrecipesError(
                f"The recipe's train no longer reaches {self.pending.place}, where the run "
                "continues."
            )

    def _score(self) -> float | None:
        """Return the loss that the last epoch ended with, to compare epochs by."""
        row = self.history[-1] if self.history else {}
        loss = row.get("val_loss", row.get("loss", math.nan))
        return loss if math.isfinite(loss) else None

    def _is_due(self) -> bool:
        """Tell whether it is time for a checkpoint."""
        epoch, steps, seconds = self.last
        is_time = 0 < self.every.seconds <= time.monotonic() - seconds
        if self.work.meeting:
            is_time = self._agreed(is_time)
        return (
            self._stops()
            or 0 < self.every.epochs <= self.epoch - epoch
            or 0 < self.every.steps <= self.trained_steps - steps
            or is_time
        )

    def _agreed(self, is_time: bool) -> bool:
        """Tell whether some worker's clock says that it is time; learn whether one is to stop."""
        if self.trained_steps % AGREEING_STEPS:
            return False
        with self.work.strategy.scope():
            self.is_agreed, is_time = self.work.strategy.any_of([self.stop.asked, is_time])
        return is_time

    def _stops(self) -> bool:
        """Tell whether to stop now: of several workers, all at the same step."""
        return self.is_agreed if self.work.meeting else self.stop.is_due(self.trained_steps)

    def _take(self) -> None:
        """Write a checkpoint, and stop there if that is why."""
        # Some variables do not exist before the first step: who wants to stop waits for it.
        if not self.is_ready:
            return
        self.writer.write(self.checkpoint())
        self.last = (self.epoch, self.trained_steps, time.monotonic())
        if self._stops():
            self.writer.wait()
            raise Stopped

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
