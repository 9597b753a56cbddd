"""Optimizers, schedules and early stopping as every recipe offers them, each as Keras has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defaults:
    """What an optimizer trains well with, where a recipe's defaults are for another one.

    Args:
        rate: Its learning rate where that of Adam is 1.
        clip_norm: Its longest gradient, over all weights; 0 for the recipe's own.
    """

    rate: float
    clip_norm: float = 0.0


OPTIMIZERS = {
    "adam": Defaults(1.0),
    "adamw": Defaults(1.0),
    "lion": Defaults(0.3),
    "nadam": Defaults(1.0),
    "rmsprop": Defaults(1.0),
    "sgd": Defaults(20.0, clip_norm=1.0),
}
"""By the name of the setting `optimizer`. A step of Adam and its kin is about as long as the
learning rate in every weight. Lion's is exactly that long, so it needs a lower rate; SGD's is as
long as the gradient, so it needs a higher one, and a limit on the gradient. How high depends on
the network: a recipe can name a rate of its own in `RATES`."""


MOMENTUM = 0.9
"""Of a `Config` that has no such setting."""
ADAMW_DECAY = 0.004
"""How far a step of AdamW pulls each weight to 0, times the learning rate: Keras's own default."""


def relative_rates(optimizer: str, rate: float, rates: Mapping[str, float]) -> dict[str, float]:
    """Return the learning rate of each optimizer, where that of the recipe's own one is 1.

    Args:
        optimizer: The recipe's default optimizer.
        rate: Its default learning rate.
        rates: The recipe's `RATES`: learning rates that suit other optimizers.
    """
    of_own = OPTIMIZERS[optimizer].rate
    suited = {name: defaults.rate / of_own for name, defaults in OPTIMIZERS.items()}
    return suited | {name: other / rate for name, other in rates.items()}


def with_optimizer_defaults(
    before: Mapping[str, Any], changes: Mapping[str, Any], relative: Mapping[str, float]
) -> dict[str, Any]:
    """Return settings with changes to them, and with a rate that suits a changed optimizer.

    Args:
        before: The value of each setting so far.
        changes: Settings that are given other values. An optimizer without a learning rate, or
            without a `gradient_clip_norm`, brings its own, from those that suited the one before.
        relative: What `relative_rates` returns; empty for a recipe without such settings.
    """
    after = {**before, **changes}
    old, new = before.get("optimizer", ""), after.get("optimizer", "")
    if old == new or not {old, new} <= relative.keys():
        return after
    if "learning_rate" not in changes:
        after["learning_rate"] = float(
            f"{before['learning_rate'] * relative[new] / relative[old]:.3g}"
        )
    if "gradient_clip_norm" in before and "gradient_clip_norm" not in changes:
        after["gradient_clip_norm"] = before["gradient_clip_norm"] or OPTIMIZERS[new].clip_norm
    return after


def make_optimizer(config: Any, steps_per_epoch: int) -> Any:
    """Return the Keras optimizer that a recipe's settings ask for.

    With `schedule="cosine"` the rate climbs from a tenth of its peak over the first
    tenth of training and then falls along a half cosine to zero (Loshchilov and Hutter 2017,
    arXiv:1608.03983), so that few epochs suffice.

    Args:
        config: Has `optimizer`, `learning_rate`, `schedule` and `epochs`, and may have `momentum`
            and `gradient_clip_norm`, as `TrainingConfig` has them. `weight_decay`, if there is one,
            is that of AdamW: each step pulls each weight to 0 by this times the learning rate.
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
    momentum = getattr(config, "momentum", MOMENTUM)
    options: dict[str, Any] = {"beta_1": momentum}
    if config.optimizer == "sgd":
        options = {"momentum": momentum, "nesterov": momentum > 0}
    elif config.optimizer == "rmsprop":
        options = {}
    elif config.optimizer == "adamw":
        options["weight_decay"] = getattr(config, "weight_decay", ADAMW_DECAY)
        if options["weight_decay"] < 0:  # Keras would let the weights grow.
            raise ValueError(
                f"weight_decay must be at least 0. Received: {options['weight_decay']}"
            )
    optimizers = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "lion": keras.optimizers.Lion,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return optimizers[config.optimizer](rate, global_clipnorm=clip_norm, **options)


def early_stopping(config: Any) -> list[Any]:
    """Return callbacks that end training once validation stops improving.

    Args:
        config: Has `early_stopping`: epochs without a lower validation loss before training stops
            and the best weights are taken back; 0 for no early stopping.
    """
    import keras

    if config.early_stopping == 0:
        return []
    return [
        keras.callbacks.EarlyStopping(
            "val_loss", patience=config.early_stopping, restore_best_weights=True
        )
    ]


SETTLED_STEPS = 50
"""Steps of training from which on batch normalisation averages over about ten batches."""


def normalization(config: Any, data: Any) -> Any:
    """Return a layer of batch normalisation whose averages settle while the network is trained.

    It begins with a mean of 0 and a variance of 1, and tests with the averages of its last batches.
    They forget the beginning after some steps: in short training, they must do so sooner, or a
    network that has learned everything answers at random.

    Args:
        config: Has `epochs`.
        data: Has the batches of an epoch, `train`.

    Returns:
        `keras.layers.BatchNormalization` with a momentum of 0.9 from 50 steps on, with which about
        the last ten batches count; with less for fewer steps. Batches that cannot be counted are
        taken to be many.
    """
    import keras

    try:
        steps = max(config.epochs * len(data.train), 1)
    except TypeError:
        steps = SETTLED_STEPS
    return keras.layers.BatchNormalization(momentum=min(0.9, max(0.0, 1 - 5 / steps)))
