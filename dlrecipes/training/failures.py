"""What ended a training, said as what it is: no memory, no disk, NaN, a bug in the recipe."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlrecipes.catalog import mistakes
from dlrecipes.errors import DlrecipesError

EXPLODED = 100.0
"""A mean loss so many times the first one of its epoch has exploded, not met a bad number."""


PASSING = ("InternalError", "UnavailableError", "AbortedError", "UnknownError", "DataLossError")
"""Errors of TensorFlow that a machine causes, and no recipe."""


class BrokenOffError(DlrecipesError):
    """The machine ended the work: it can be resumed, once that is mended."""


class DivergedError(DlrecipesError):
    """The loss, or a weight, is not a finite number.

    Args:
        what: What is not: the name of a loss, or `weights`.
        value: It.
        place: Where in training, in words.
        losses: The first and the last finite mean loss of the epoch, as far as there are any.
    """

    def __init__(self, what: str, value: float, place: str, losses: list[float]) -> None:
        first, last = (losses[0], losses[-1]) if losses else (0.0, 0.0)
        climbed = len(losses) > 1 and abs(last) > EXPLODED * abs(first)
        how = f": the gradients exploded, from a loss of {first:.3g} to {last:.3g}" * climbed
        super().__init__(f"The {what} became {value} in {place}{how}.")


OF_LOST_WORKERS = (
    *("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError"),
    *("InternalError", "UnknownError"),
)


def advice(config: Mapping[str, Any]) -> str:
    """Return which of the settings to change after the loss was lost, in a sentence."""
    change = []
    if "learning_rate" in config:
        change.append(f"Lower --learning-rate (it was {config['learning_rate']:g})")
    if config.get("gradient_clip_norm") == 0:
        change.append("set --gradient-clip-norm 1")
    return f"{' or '.join(change)}." if change else "Change the recipe."


def callbacks_not_passed(recipe: str) -> DlrecipesError:
    """Return what a user is told of a recipe whose training nobody could watch."""
    return DlrecipesError(
        f"The recipe {recipe} trained, but its train does not pass callbacks on.",
        "In train, write model.fit(…, callbacks=[*callbacks]).",
    )


def is_of_lost_worker(error: Exception) -> bool:
    """Tell whether an error is one that TensorFlow raises where another worker is lost."""
    is_tensorflow = type(error).__module__.startswith("tensorflow.")
    return is_tensorflow and type(error).__name__ in OF_LOST_WORKERS


def explain(error: Exception, doing: str, path: Path) -> DlrecipesError:
    """Return what a user is told of an error that ended a training.

    Args:
        error: Whatever was raised.
        doing: What failed, and where in training, such as `Training failed in epoch 1, step 0`.
        path: The recipe's file.
    """
    if isinstance(error, DlrecipesError):
        return error
    text = str(error).strip()
    reason = f"{type(error).__name__}: {text}".splitlines()[0].rstrip(": ")
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return BrokenOffError(
            f"{doing}: out of memory.", "A smaller --batch-size or model takes less."
        )
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in text:
        return BrokenOffError(f"{doing}: the disk is full.", "Make room on it.")
    if code in (errno.EROFS, errno.EACCES, errno.EPERM):
        return BrokenOffError(f"{doing}: the run's folder cannot be written to: {reason}.")
    if "FileNotFoundError" in text or "Stale file handle" in text:
        return BrokenOffError(f"{doing}: the data can no longer be read: {reason}.")
    if type(error).__name__ in PASSING:
        return BrokenOffError(f"{doing}: {reason}")
    return mistakes.explain(error, path, doing, DlrecipesError)
