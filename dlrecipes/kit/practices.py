"""The practices that every recipe's `Config` offers, each as Keras has it."""

from typing import Any

import numpy as np
import numpy.typing as npt


def make_optimizer(config: Any, steps_per_epoch: int) -> Any:
    """Return the Keras optimizer that a recipe's settings ask for.

    With `schedule="cosine"` the rate climbs from a tenth of its peak over the first
    tenth of training and then falls along a half cosine to zero (Loshchilov and Hutter 2017,
    arXiv:1608.03983), so that few epochs suffice. SGD has Nesterov momentum 0.9.

    Args:
        config: Has `optimizer` (`adam`, `rmsprop`, `sgd`), `learning_rate`,
            `schedule` (`constant`, `cosine`) and `epochs`; may have `gradient_clip_norm` (0 for
            none).
        steps_per_epoch: Batches in an epoch.
    """
    import keras

    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        steps = steps_per_epoch * config.epochs
        warmup = max(1, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=config.learning_rate / 10,
            decay_steps=max(1, steps - warmup),
            warmup_target=config.learning_rate,
            warmup_steps=warmup,
        )
    clip_norm = getattr(config, "gradient_clip_norm", 0) or None
    options = {"momentum": 0.9, "nesterov": True} if config.optimizer == "sgd" else {}
    optimizers = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return optimizers[config.optimizer](rate, global_clipnorm=clip_norm, **options)


def early_stopping(patience: int) -> list[Any]:
    """Return callbacks that end training once validation stops improving.

    Args:
        patience: Epochs without a lower validation loss before training stops and the best
            weights are taken back; 0 for no early stopping.
    """
    import keras

    if patience == 0:
        return []
    return [keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)]


def class_weights(labels: npt.NDArray[Any] | None, *, balance: bool) -> dict[int, float] | None:
    """Return the weight of each class in the loss, so that rare classes count as much in all.

    Args:
        labels: Class number of each training example.
        balance: Whether to weight at all.

    Returns:
        examples / (classes * examples of the class), by class number; None without `balance`.
    """
    if not balance or labels is None:
        return None
    numbers, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(numbers) * counts)
    return {int(number): float(weight) for number, weight in zip(numbers, weights, strict=True)}
