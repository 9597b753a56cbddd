"""What a test metric is made of, example by example: so that two models can be compared on them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
ROUNDING = 1e-3
"""Of the deviation of all targets: what a target may change when it is narrowed to 32 bits."""


def first(means: Array) -> float:
    """Return the mean of what each example has one of: its loss, or whether it was right."""
    return float(means[0])


def root(means: Array) -> float:
    """Return the root of the mean: of squared errors, the RMSE."""
    return math.sqrt(means[0])


def mean_iou(means: Array) -> float:
    """Return the mean intersection over union of a confusion matrix, flat, of any scale."""
    matrix = means.reshape(math.isqrt(len(means)), -1)
    both = matrix.diagonal()
    either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
    found = either > 0
    return float(np.mean(both[found] / either[found])) if found.any() else math.nan


@dataclass(frozen=True, eq=False)
class Scores:
    """Numbers of each test example; a metric is made of their means.

    Args:
        parts: Numbers of each example, (examples, numbers).
        truth: What was to be predicted, one row an example: where it is the same for two models,
            they were tested on the same examples.
        metric: From the means of the parts, (numbers,), to the metric.
        block: Examples in a row that depend on each other, as the characters of a text do.
    """

    parts: Array
    truth: Array
    metric: Callable[..., float] = first
    block: int = 1

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.truth)

    def take(self, rows: Array | slice) -> Self:
        """Return the scores of the examples at these row numbers."""
        return replace(self, parts=self.parts[rows], truth=self.truth[rows])

    def value(self, weights: Array | None = None) -> float:
        """Return the metric.

        Args:
            weights: How often each example counts, (examples,); None for once.
        """
        if weights is None:
            return self.metric(self.parts.mean(axis=0))
        return self.metric(weights @ self.parts / weights.sum())

    def fits(self, other: "Scores") -> bool:
        """Tell whether these are scores of the same examples, in the same order."""
        if self.truth.shape != other.truth.shape:
            return False
        one, two = self.truth.astype("float64"), other.truth.astype("float64")
        # Not relative to their size: targets may be dates in seconds that differ by a day.
        return bool(np.abs(one - two).max(initial=0) <= ROUNDING * two.std() + 1e-9)


class RankedScores(Scores):
    """How examples rank: what the average precision is made of.

    `parts` are the scores that rank them, (examples, classes); `truth` says whether each is of that
    class.
    """

    @cached_property
    def rankings(self) -> list[tuple[Array, Array, Array]]:
        """Return the examples of each class as `ranking` has them: they are sorted once."""
        columns = zip(self.truth.T, self.parts.T, strict=True)
        return [ranking(positive, scores) for positive, scores in columns]

    def value(self, weights: Array | None = None) -> float:
        """Return the mean of the average precision over the classes."""
        counted = np.ones(len(self)) if weights is None else weights
        return float(np.mean([_precision_of(*one, counted) for one in self.rankings]))


KINDS: dict[str, tuple[type[Scores], Callable[..., float]]] = {
    "mean": (Scores, first),
    "mean_iou": (Scores, mean_iou),
    "ranked": (RankedScores, first),
}
"""The scores that are kept in files: their class and metric, by name."""


def average_precision(positive: Array, scores: Array) -> float:
    """Return the area under the curve of precision over recall, from 0 to 1; NaN without positives.

    The sum over the scores, falling, of (recall - recall before) * precision, as scikit-learn's
    `average_precision_score`. A random order gives the share of positives.

    Args:
        positive: Whether each example is positive, bool (examples,).
        scores: Higher for likelier positives, (examples,).
    """
    return _precision_of(*ranking(positive, scores), np.ones(len(scores)))


def ranking(positive: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return examples from the highest score on, whether they are positive, and where scores end.

    Examples of one score cannot be told apart: they are counted together, up to the last of them.

    Args:
        positive: Whether each example is positive, bool (examples,).
        scores: (examples,).
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return order, positive[order], last


def _precision_of(order: Array, positive: Array, last: Array, weights: Array) -> float:
    """Return the average precision of a ranking whose examples count so often, (examples,)."""
    counted = weights[order]
    hits, called = np.cumsum(counted * positive)[last], np.cumsum(counted)[last]
    if not hits[-1]:
        return math.nan
    precision = np.divide(hits, called, out=np.zeros(len(hits)), where=called > 0)
    return float(np.sum(np.diff(hits / hits[-1], prepend=0.0) * precision))


def counts_from_above(positive: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the different scores, falling, and the true and false positives at or above each."""
    order, positive, last = ranking(positive, scores)
    hits = np.cumsum(positive)[last]
    return scores[order][last], hits, last + 1 - hits


def in_order(scores: dict[str, Scores], order: Array) -> dict[str, Scores]:
    """Return scores in the order of the examples.

    Args:
        scores: By metric, in the order in which the examples were tested.
        order: The number of each example that was tested, in that order.
    """
    places = np.argsort(order, kind="stable")
    return {
        name: one.take(places) if len(one) == len(order) else one for name, one in scores.items()
    }


def packed(scores: Scores) -> dict[str, Array] | None:
    """Return scores as arrays to be kept in a file; None if their metric has no name."""
    for name, (kind, metric) in KINDS.items():
        if type(scores) is kind and scores.metric is metric:
            parts = scores.parts.astype("float32")
            return {
                "parts": parts,
                "truth": scores.truth,
                "block": np.array(scores.block),
                "kind": np.array(name),
            }
    return None


def unpacked(arrays: Mapping[str, Array]) -> Scores:
    """Return the scores that `packed` made arrays of.

    Raises:
        KeyError: if they are of another kind.
    """
    kind, metric = KINDS[str(arrays["kind"])]
    parts = arrays["parts"].astype("float64")
    return kind(parts, arrays["truth"], metric, int(arrays["block"]))


def of_each(metric: Callable[[Array], float], *columns: Array, truth: Array) -> Scores:
    """Return scores of which each example has one number in each of these columns."""
    parts: Sequence[Array] = [np.asarray(column, "float64") for column in columns]
    return Scores(np.stack(parts, axis=-1), truth, metric)
