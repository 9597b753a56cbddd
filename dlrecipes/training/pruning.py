"""Stop a trial of a search that validation says is no good.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
from typing import Any

import keras

from dlrecipes.training.logs import Logs


class Prune(keras.callbacks.Callback):
    """Tells Optuna of the validation loss of each epoch, and stops training if that is too high.

    Args:
        trial: The `optuna.Trial`.
        reported: Numbers of the epochs, from 1, that it knows of from before it was resumed.
        higher_is_better: Whether the search looks for the highest value: Optuna compares what is
            reported in the same direction, and a lower loss is better.
    """

    def __init__(self, trial: Any, reported: set[int], *, higher_is_better: bool) -> None:
        super().__init__()
        self.trial, self.reported = trial, reported
        self.sign = -1.0 if higher_is_better else 1.0
        self.has_pruned = False

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the loss; stop if the trial is worse than others were then."""
        loss = (logs or {}).get("val_loss")
        if loss is None or not math.isfinite(loss):
            return
        if epoch + 1 not in self.reported:
            self.trial.report(self.sign * float(loss), epoch + 1)
        if self.trial.should_prune():
            self.has_pruned = True
            self.model.stop_training = True
