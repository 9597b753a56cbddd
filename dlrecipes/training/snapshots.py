"""What a model makes after every epoch, kept in the run, where its kind of answer shows that.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

from typing import Any

import keras

from dlrecipes.datasets.forms import Form
from dlrecipes.runs.record import SAMPLES, Run
from dlrecipes.tasks.base import Answer


class Snapshots(keras.callbacks.Callback):
    """Has an answer write what the model makes into the run's folder `samples`.

    Args:
        run: The run.
        answer: The kind of answer.
        form: The form of the inputs.
    """

    def __init__(self, run: Run, answer: Answer, form: Form) -> None:
        super().__init__()
        self.run, self.answer, self.form = run, answer, form

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what the model makes after the epoch."""
        self.answer.snapshot(self.model, self.form, self.run.folder(SAMPLES), epoch + 1)
