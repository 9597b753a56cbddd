"""What a plain baseline is: the rows that it is given, and what it returns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.kit.metrics import Metrics, class_metrics

SEED = 0
"""Of the rows that are chosen where there are too many, and of what draws at random."""
MOST_ROWS = 200_000
"""Rows of a split that are looked at, whatever they cost."""
SHARES = {"train": 1.0, "validation": 0.25, "test": 0.5}
"""What each split may cost, as a share of what training rows may cost."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a split, in memory.

    Args:
        features: One column, or one for each name.
        labels: What is to be predicted; None if the inputs are all there is.
        numbers: The number of each row in its split.
        total: Rows of the split.
    """

    features: Any
    labels: Any
    numbers: Array
    total: int

    @property
    def targets(self) -> Array:
        """Return the labels, of which there must be some."""
        return np.asarray(self.labels)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class Problem:
    """What a plain baseline is fitted on, chosen on and tested on.

    Args:
        train: The rows that the network is trained on, or some of them.
        validation: Those that the baseline's settings are chosen on.
        test: Those that the network is tested on, or some of them.
        classes: Names of the classes, in the order of their numbers; empty without classes.
        metric: Name of the metric that it is judged by.
    """

    train: Rows
    validation: Rows
    test: Rows
    classes: tuple[str, ...]
    metric: str


@dataclass(frozen=True, eq=False)
class Fitted:
    """A baseline that was fitted, with one choice of its settings.

    Args:
        name: What it is, in words: `tf-idf of words, logistic regression`.
        validation: Its metrics on the validation rows, which it is chosen by.
        test: Its metrics on the test rows: `dlrecipes.Metrics` with the scores of each example, so
            that it can be told whether a difference is more than noise; or any numbers by name.
        setting: What is tried out, such as `C=10`; empty for nothing.
        seconds: Processor time since the process began.
    """

    name: str
    validation: Mapping[str, float]
    test: Mapping[str, float]
    setting: str = ""
    seconds: float = 0.0


def fitted(
    name: str, measure: Callable[[Rows], Mapping[str, float]], problem: Problem, setting: str = ""
) -> Fitted:
    """Return a baseline that was fitted, tested on the validation rows and on the test rows.

    Args:
        name: As `Fitted` has it.
        measure: Returns its metrics on some rows.
        problem: Has the rows.
        setting: As `Fitted` has it.
    """
    return Fitted(name, measure(problem.validation), measure(problem.test), setting)


class PlainBaseline(ABC):
    """A plain way to solve a task, without a network.

    Class attributes:
        most: What the training rows may cost, in the unit of `cost`: a few seconds of one core.
        least: Rows of a split that are taken whatever they cost.
        unit: What rows are called in messages.
    """

    most: ClassVar[float]
    least: ClassVar[int] = 200
    unit: ClassVar[str] = "rows"

    @abstractmethod
    def cost(self, examples: Examples, classes: int) -> Array:
        """Return what each row costs, (examples,).

        Args:
            examples: At most 200,000 of the rows.
            classes: Number of classes; 0 without classes.
        """

    @abstractmethod
    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield baselines, the cheapest first: the best on the validation rows is taken.

        Runs in a process of its own, which may be ended at any time; imports what it needs inside.
        """

    def choose(self, examples: Examples, classes: int, split: str) -> Rows:
        """Return the rows of a split: all, or as many as they may cost, drawn at random.

        Args:
            examples: The split.
            classes: Number of classes; 0 without classes.
            split: Its name.
        """
        count = len(examples)
        rows = np.arange(count)
        if count > MOST_ROWS:
            rows = np.random.default_rng(SEED).choice(count, MOST_ROWS, replace=False)
            examples = examples.take(rows)
        cost = self.cost(examples, classes)
        if cost.sum() > self.most * SHARES[split]:
            order = np.random.default_rng(SEED).permutation(len(cost))
            within = int((np.cumsum(cost[order]) <= self.most * SHARES[split]).sum())
            chosen = np.sort(order[: max(within, min(len(order), self.least))])
            rows, examples = rows[chosen], examples.take(chosen)
        labels = None if examples.labels is None else np.asarray(examples.labels)
        return Rows(examples.arrays(), labels, rows, count)


def probabilities_of(model: Any, features: Any, problem: Problem) -> Array:
    """Return the probabilities of all classes, (examples, classes); 0 for one not in training."""
    whole = np.zeros((features.shape[0], len(problem.classes)))
    whole[:, model.classes_] = model.predict_proba(features)
    return whole


def class_answers(model: Any, features: Mapping[int, Any], problem: Problem, rows: Rows) -> Metrics:
    """Return the metrics of a classifier on some rows.

    Args:
        model: scikit-learn's.
        features: What it reads of the rows of each split, by their `id`.
        problem: Has the classes.
        rows: The rows.
    """
    probabilities = probabilities_of(model, features[id(rows)], problem)
    return class_metrics(probabilities, rows.targets.astype("int64"), problem.classes)
