"""The settings that recipes share, and the numbers that they accept.

The catalog reads this file's text, as it reads a recipe's: see `dlrecipes.catalog.facts`.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True)
class Interval:
    """The numbers that a setting accepts.

    Args:
        minimum: Smallest number.
        maximum: Largest number.
        open_minimum: Whether `minimum` itself is left out.
        open_maximum: Whether `maximum` itself is left out.
    """

    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False
    open_maximum: bool = False

    def __contains__(self, number: float) -> bool:
        """Tell whether the number lies in the interval."""
        above = number > self.minimum if self.open_minimum else number >= self.minimum
        below = number < self.maximum if self.open_maximum else number <= self.maximum
        return above and below

    def __str__(self) -> str:
        """Return the interval in words, for messages and help; empty if it holds every number."""
        bounds = []
        if self.minimum > -math.inf:
            bounds.append(f"{'above' if self.open_minimum else 'at least'} {self.minimum:g}")
        if self.maximum < math.inf:
            bounds.append(f"{'below' if self.open_maximum else 'at most'} {self.maximum:g}")
        return " and ".join(bounds)


@dataclass(frozen=True)
class TrainingConfig:
    """The settings that recipes share: a recipe's `Config` inherits them.

    A recipe writes the defaults that it changes and the settings of its own. The flags of `train`
    are those settings that a line of the recipe reads, so an inherited one that it does not use
    is no flag.

    Args:
        epochs: Passes over the training data.
        batch_size: Examples in a step.
        learning_rate: Step size of the optimizer; the peak of a cosine schedule. Unless you give
            one, another optimizer than the default brings a rate that suits it.
        schedule: cosine: up over the first tenth, then down to 0; or constant.
        optimizer: Rule that turns gradients into steps.
        momentum: Share of the last step that the next one keeps: Nesterov's for sgd, beta_1 of
            the others; rmsprop has none.
        gradient_clip_norm: Longest gradient allowed, over all weights; 0 for no limit. Unless you
            give one, sgd brings 1.
        activation: Function between the layers, by its name in Keras.
        batch_normalization: Whether a layer's outputs are normalised before the activation.
        augmentation: Whether training images are shifted and turned a little, at random.
        adversarial: Largest change of a grey value, of 255, in training images that are changed to
            mislead the network, so that it learns to resist attacks; 0 for none.
        dropout: Fraction of units set to 0 while training.
        l1: Penalty on the sum of absolute weights.
        l2: Penalty on the sum of squared weights.
        balance_classes: Whether rare classes weigh more in the loss.
        early_stopping: Epochs without a lower validation loss before training stops; 0: never.
        validation_fraction: Share of the training data held out to watch training.
        precision: Of the arithmetic; mixed_bfloat16 multiplies in 16 bits and keeps weights in 32.
        steps_per_execution: Steps that TensorFlow makes without Python in between.
    """

    epochs: Annotated[int, Interval(minimum=1)] = 10
    batch_size: Annotated[int, Interval(minimum=1)] = 64
    learning_rate: Annotated[float, Interval(minimum=0, open_minimum=True)] = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    optimizer: Literal["adam", "adamw", "lion", "nadam", "rmsprop", "sgd"] = "adam"
    momentum: Annotated[float, Interval(minimum=0, maximum=1, open_maximum=True)] = 0.9
    gradient_clip_norm: Annotated[float, Interval(minimum=0)] = 0.0
    activation: Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"] = (
        "relu"
    )
    batch_normalization: bool = True
    augmentation: bool = False
    adversarial: Annotated[int, Interval(minimum=0, maximum=255)] = 0
    dropout: Annotated[float, Interval(minimum=0, maximum=1, open_maximum=True)] = 0.0
    l1: Annotated[float, Interval(minimum=0)] = 0.0
    l2: Annotated[float, Interval(minimum=0)] = 0.0
    balance_classes: bool = False
    early_stopping: Annotated[int, Interval(minimum=0)] = 0
    validation_fraction: Annotated[float, Interval(minimum=0, maximum=1, open_maximum=True)] = 0.05
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    steps_per_execution: Annotated[int, Interval(minimum=1)] = 20
