"""A Keras callback that times the steps of a training, and ends it once enough are timed.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import keras

from dlrecipes.training.logs import steps_done


@dataclass
class Execution:
    """Steps that TensorFlow took in one go.

    Args:
        steps: How many.
        seconds: Wall time, with the callbacks after them.
    """

    steps: int
    seconds: float


@dataclass
class EpochTiming:
    """What was measured of an epoch, which may have been cut short.

    Args:
        began: When the one before ended, or training began, by `time.perf_counter`.
        ended: When it ended, all callbacks included.
        first: Its first execution, with all that comes before: in the first epoch, tracing.
        later: The others.
        validation: Seconds of its validation; in the first epoch, with tracing.
    """

    began: float
    ended: float = 0.0
    first: Execution | None = None
    later: list[Execution] = field(default_factory=list)
    validation: float = 0.0

    @property
    def seconds(self) -> float:
        """Return the wall time of all of it."""
        return self.ended - self.began

    @property
    def stepping(self) -> float:
        """Return the seconds of the executions after the first."""
        return sum(execution.seconds for execution in self.later)

    @property
    def all_stepping(self) -> float:
        """Return the seconds of all executions."""
        return self.stepping + (self.first.seconds if self.first else 0.0)


class StepTimer(keras.callbacks.Callback):
    """Times every execution; must come after the callbacks whose time is to count.

    Args:
        seconds: Ends each epoch once its executions after the first have taken so long.
        epochs: Ends training after so many epochs, or more if those after the first are so short
            that they have not taken those seconds; 0 to end it as soon as all its executions after
            the first, over all epochs, have.
    """

    def __init__(self, seconds: float, epochs: int) -> None:
        super().__init__()
        self.wanted, self.epochs_wanted = seconds, epochs
        self.timings: list[EpochTiming] = []
        self.counted = 0.0
        """Seconds of the executions that count, of this epoch or of all."""
        self.epochs = self.steps = self.step = 0
        """Epochs that the recipe trains, steps of each (0 if that is not known), steps done."""
        self.last = self.validation_began = 0.0

    @property
    def executions(self) -> list[Execution]:
        """Return all executions, of whichever epoch; tracing is in the first."""
        return [
            execution
            for timing in self.timings
            for execution in (timing.first, *timing.later)
            if execution
        ]

    def on_train_begin(self, logs: Any = None) -> None:
        """Note how much the recipe would train."""
        self.epochs, self.steps = self.params["epochs"], self.params["steps"] or 0
        self.last = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a timing: where the last ended, so that a checkpoint in between is in it."""
        self.step = 0
        if self.epochs_wanted:
            self.counted = 0.0
        self.timings.append(EpochTiming(began=self.last))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Time the execution that ended, and end the epoch if enough were timed."""
        now, timing = time.perf_counter(), self.timings[-1]
        done = steps_done(batch, self.steps)
        execution = Execution(done - self.step, now - self.last)
        if timing.first is not None:
            timing.later.append(execution)
        if timing.first is not None or (len(self.timings) > 1 and not self.epochs_wanted):
            self.counted += execution.seconds
        timing.first = timing.first or execution
        self.step, self.last = done, now
        # An epoch of unknown length is not cut short: it tells its length.
        if self.steps and self.counted >= self.wanted:
            self.model.stop_training = True

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin to time the epoch's validation."""
        self.validation_began = time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:
        """Time the epoch's validation."""
        self.timings[-1].validation = time.perf_counter() - self.validation_began

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End the timing, and begin the next epoch or end training."""
        self.steps = self.steps or self.step
        self.last = self.timings[-1].ended = time.perf_counter()
        if self.epochs_wanted:
            stepping = sum(timing.all_stepping for timing in self.timings[1:])
            enough = len(self.timings) >= self.epochs_wanted and stepping >= self.wanted
            self.model.stop_training = enough
