"""Flags that may help: after a diagnosis, or where a plain baseline does better than a network."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 3
"""Flags that are named: the likeliest to help."""
FEW_STEPS = 300
"""Of the optimizer: with fewer, most networks have not settled."""
LATE = 0.9
"""Share of the epochs after which the best one says that more of them would help."""
RISE = 1.02
"""Times the lowest validation loss from which on the network has learned training rows by heart."""
MORE_DROPOUT = 0.3


def flags_to_try(
    config: Mapping[str, Any], history: Sequence[Mapping[str, float]], steps: int
) -> list[str]:
    """Return flags of the recipe, with values, that may help.

    Args:
        config: The value of every setting that the recipe has.
        history: The metrics of each epoch.
        steps: Steps of an epoch; 0 if that is not known.
    """
    losses = [row.get("val_loss", math.nan) for row in history]
    losses = [loss if math.isfinite(loss) else math.inf for loss in losses]
    best = losses.index(min(losses)) + 1 if losses else 0
    epochs, found = config.get("epochs"), []
    has_few_steps = 0 < steps * len(history) < FEW_STEPS
    is_still_learning = bool(losses) and best > LATE * len(losses) - 1
    if isinstance(epochs, int) and epochs > 0 and (has_few_steps or is_still_learning):
        found.append(f"--epochs {epochs * 3}")
    batch_size = config.get("batch_size")
    if isinstance(batch_size, int) and has_few_steps and batch_size > 16:
        found.append(f"--batch-size {max(batch_size // 4, 16)}")
    if config.get("augmentation") is False:
        found.append("--augmentation")
    if losses and losses[-1] > RISE * min(losses):
        if config.get("early_stopping") == 0:
            found.append(_early_stopping(config))
        if 0 <= config.get("dropout", 1) < MORE_DROPOUT:
            found.append(f"--dropout {MORE_DROPOUT}")
        if config.get("l2") == 0:
            found.append("--l2 1e-4")
    if not found and "learning_rate" in config:
        found.append(f"--learning-rate {config['learning_rate'] / 3:.2g}")
    return found[:MOST]


def _early_stopping(config: Mapping[str, Any]) -> str:
    """Return the flag that keeps the best weights, patient: the loss may not fall for long."""
    epochs = config.get("epochs")
    return f"--early-stopping {max(3, math.ceil(epochs / 2)) if isinstance(epochs, int) else 3}"


def more_epochs(config: Mapping[str, Any]) -> list[str]:
    """Return the flag for three times the epochs."""
    epochs = config.get("epochs")
    return [f"--epochs {epochs * 3}"] if isinstance(epochs, int) and epochs > 0 else []


def more_regularization(config: Mapping[str, Any]) -> list[str]:
    """Return flags that keep a network from learning its rows by heart."""
    flags = []
    if 0 <= config.get("dropout", 1) < 0.3:
        flags.append("--dropout 0.3")
    if config.get("early_stopping") == 0:
        flags.append(_early_stopping(config))
    if config.get("augmentation") is False:
        flags.append("--augmentation")
    if config.get("l2") == 0:
        flags.append("--l2 1e-4")
    return flags


def less_regularization(config: Mapping[str, Any]) -> list[str]:
    """Return flags that take away what keeps a network from learning its rows."""
    values = {"dropout": 0.2, "l1": 1e-5, "l2": 1e-4}
    return [
        f"--{name} 0"
        for name, most in values.items()
        if isinstance(config.get(name), int | float) and config[name] > most
    ]


def more_units(config: Mapping[str, Any]) -> list[str]:
    """Return the flag for layers of twice the size."""
    for name in ("hidden_units", "filters", "lstm_units", "dense_units"):
        value = config.get(name)
        sizes = value if isinstance(value, list | tuple) else [value]
        doubled = [str(2 * size) for size in sizes if isinstance(size, int) and size > 0]
        if doubled and len(doubled) == len(sizes):
            return [f"--{name.replace('_', '-')} {','.join(doubled)}"]
    return []
