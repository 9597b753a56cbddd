"""What a test finds: a metric, the result without a model, and each example beside the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.forms import Form


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


@dataclass(frozen=True)
class Making:
    """A model that is being trained, and what it needs to make something after an epoch.

    Args:
        model: The model.
        serving: Returns it as it is used: from raw inputs to the answer.
        inputs: Returns raw inputs of the test split, the same ones each time.
        forms: The form of the inputs, and that of the answers.
    """

    model: Any
    serving: Callable[[], Any]
    inputs: Callable[[], Rows]
    forms: tuple[Form, Form]
