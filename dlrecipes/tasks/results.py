"""What a test finds: a metric, the result without a model, and each example beside the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A test metric.

    Args:
        name: As `evaluate` of a recipe returns it.
        higher_is_better: Whether a larger value is a better one.
    """

    name: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class Baseline:
    """The result of answering without looking at the input: what a model has to beat.

    Args:
        name: What is answered, in words.
        metrics: Test metrics of that answer, by name.
    """

    name: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Examined:
    """How a model did on some examples.

    Args:
        truth: What was to be answered.
        prediction: What was answered.
        loss: How wrong each answer is; 0 if it is not.
        probability: Of each answer; empty where answers have none.
    """

    truth: Sequence[Any]
    prediction: Sequence[Any]
    loss: Sequence[float]
    probability: Sequence[float] = ()
