"""What a model makes after every epoch, kept in the run, where its kind of answer shows that.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from dlrecipes.runs.record import SAMPLES, Run
from dlrecipes.tasks.results import Making
from dlrecipes.training.listener import Listener
from dlrecipes.training.work import Work


class Snapshots(keras.callbacks.Callback):
    """Has an answer write what the model makes into the run's folder `samples`.

    Args:
        run: The run.
        work: What is trained.
        listener: Is warned if nothing can be made: that is no reason to stop training.
    """

    def __init__(self, run: Run, work: Work, listener: Listener) -> None:
        super().__init__()
        self.run, self.work, self.listener = run, work, listener
        self.write: Callable[[Path, int], None] | None = None
        self.has_failed = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what the model makes after the epoch."""
        if self.has_failed:
            return
        try:
            self.write = self.write or self._writer()
            self.write(self.run.folder(SAMPLES), epoch + 1)
        except Exception as error:
            self.has_failed = True
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            self.listener.warn(f"The report will lack samples of what the model makes: {why}")

    def _writer(self) -> Callable[[Path, int], None]:
        """Return what writes what the model makes."""
        work = self.work
        making = Making(
            model=self.model,
            serving=work.serving,
            inputs=lambda: work.task.input.golden(work.source.test, work.data.input),
            forms=(work.data.input, work.data.answer),
        )
        return work.task.answer.snapshots(making)
