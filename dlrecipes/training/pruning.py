"""Stop a trial of a search that validation says is no good.

Import after `dlrecipes.system.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import math
from typing import Any

import keras

from dlrecipes.tasks.results import Metric
from dlrecipes.training.logs import Logs
from dlrecipes.training.study import PRUNED

LAST_SHARE = 0.5
"""No trial stops later than after this share of its epochs: that would save little time, and lose
a result."""


class Prune(keras.callbacks.Callback):
    """Tells Optuna how good each epoch is on validation data; stops training if others were better.

    The headline metric says so where the recipe compiles its network with it. Its loss says so
    elsewhere, although that differs in meaning where the loss or a penalty is searched.

    Args:
        trial: The `optuna.Trial`.
        headline: The metric that the search is judged by.
    """

    def __init__(self, trial: Any, headline: Metric) -> None:
        super().__init__()
        self.trial, self.headline = trial, headline
        self.reported = set(trial.study.trials[trial.number].intermediate_values)
        """Numbers of the epochs, from 1, that Optuna knows of from before it was resumed."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the epoch; stop if the trial is worse than others were then."""
        value = self._value(logs or {})
        if not math.isfinite(value):
            return
        if epoch + 1 not in self.reported:
            self.trial.report(value, epoch + 1)
        if PRUNED in self.trial.user_attrs or self._is_hopeless(epoch + 1):
            self.trial.set_user_attr(PRUNED, epoch + 1)
            self.model.stop_training = True

    def _value(self, logs: Any) -> float:
        """Return how good an epoch is, in the direction of the search; NaN if that is unknown."""
        headline, loss = logs.get(f"val_{self.headline.name}"), logs.get("val_loss", math.nan)
        if headline is not None:
            return float(headline)
        return -float(loss) if self.headline.higher_is_better else float(loss)

    def _is_hopeless(self, epochs: int) -> bool:
        """Tell whether others were better after so many epochs.

        The first trial has the settings without a search: to be compared, it is always trained to
        its end.
        """
        if epochs > LAST_SHARE * self.params["epochs"]:
            return False
        return bool(self.trial.should_prune()) and self.trial.number > 0
