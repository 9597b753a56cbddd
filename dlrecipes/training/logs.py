"""What Keras tells the callbacks of a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlrecipes.errors import DlrecipesError

Logs = Mapping[str, Any] | None


def steps_done(batch: int, steps: int) -> int:
    """Return how many steps of an epoch are done when Keras says that a batch ended.

    Args:
        batch: Number of the batch, from 0; of the last of several at once, of which the epoch's
            last may be fewer.
        steps: Steps of an epoch; 0 if that is not known.
    """
    return min(batch + 1, steps or batch + 1)


def numbers(logs: Logs) -> dict[str, float]:
    """Return what Keras logs of a step or an epoch, as numbers.

    Raises:
        DlrecipesError: if a value is none, as a `train_step` may return.
    """
    found = {}
    for name, value in (logs or {}).items():
        shape = np.shape(value)
        if shape != ():
            raise DlrecipesError(
                f"The model's train_step returns {name} with the shape {shape}: each value must be "
                "one number.",
                "Return a mean, or the result() of a metric.",
            )
        found[name] = float(value)
    return found
