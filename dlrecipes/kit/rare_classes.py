"""Test metrics where classes are of unequal sizes, and rows drawn so that they are equal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.kit.metrics import (
    Array,
    Metrics,
    class_details,
    class_probabilities,
    class_scores,
    outputs_and_labels,
    roc_auc,
)
from dlrecipes.kit.scores import RankedScores, average_precision, counts_from_above


def resampled(examples: Examples, how: str) -> Examples:
    """Return as many examples of each class as the largest class has, or the smallest.

    Args:
        examples: Examples with class numbers as labels.
        how: `oversample`, repeat examples of the smaller classes; `undersample`, leave out examples
            of the larger ones; anything else returns the examples as they are.
    """
    if how not in ("oversample", "undersample"):
        return examples
    labels = np.asarray(examples.labels)
    rows = [np.flatnonzero(labels == number) for number in np.unique(labels)]
    size = (max if how == "oversample" else min)(len(of_class) for of_class in rows)
    # Evenly spaced: each row about equally often, or every n-th.
    chosen = [of_class[np.arange(size) * len(of_class) // size] for of_class in rows]
    return examples.take(np.concatenate(chosen))


def best_threshold(positive: Array, scores: Array) -> float:
    """Return the score from which to call an example positive for the highest F1.

    F1 = 2 * true positives / (examples called positive + positive examples). The threshold lies
    halfway to the next lower score, so that rounding moves no example across it.

    Args:
        positive: Whether each example is positive, bool (examples,).
        scores: Higher for likelier positives, (examples,).

    Returns:
        The threshold; 0.5 without positives.
    """
    thresholds, hits, misses = counts_from_above(positive, scores)
    if not hits[-1]:
        return 0.5
    best = int(np.argmax(2 * hits / (hits + misses + hits[-1])))
    below = thresholds[min(best + 1, len(thresholds) - 1)]
    return float((thresholds[best] + below) / 2)


def rare_class_metrics(model: Any, test: Any, validation: Any, classes: Sequence[str]) -> Metrics:
    """Return test metrics that a common class cannot carry alone.

    Of two classes, the one that is rarer in the validation data is called positive, from the
    probability on that gives the highest F1 there: the test data has no say in it. Of more than
    two classes, the likeliest is the answer.

    Args:
        model: Gives probabilities (batch, classes), or (batch, 1): that of the second class.
        test: Batches of features and class numbers, a `tf.data.Dataset`.
        validation: Other batches of the same form.
        classes: Names of the classes.

    Returns:
        `accuracy`, `balanced_accuracy` (the mean recall of the classes), `precision`, `recall` and
        `f1` of the positive class, `roc_auc`, `average_precision`, `loss` and the `threshold`; of
        more than two classes, means over the classes instead: `precision_macro` and so on. The
        details hold `per_class`, `confusion_matrix`, and which class is `positive`.
    """
    known, tested = (
        (class_probabilities(outputs), labels.ravel().astype("int64"))
        for outputs, labels in (outputs_and_labels(model, one) for one in (validation, test))
    )
    return rare_metrics(known, tested, classes).of(test)


def rare_metrics(
    validation: tuple[Array, Array], test: tuple[Array, Array], classes: Sequence[str]
) -> Metrics:
    """Return what `rare_class_metrics` does, of answers that there are.

    Args:
        validation: Probabilities (examples, classes), and class numbers int64 (examples,), that
            the threshold is chosen on.
        test: Those that are tested.
        classes: Names of the classes.
    """
    probabilities, true = validation
    counts = np.bincount(true, minlength=len(classes))
    positive = int(counts[: len(classes)].argmin())
    threshold = best_threshold(true == positive, probabilities[:, positive])
    probabilities, true = test
    if len(classes) == 2:
        called = np.where(probabilities[:, positive] >= threshold, positive, 1 - positive)
    else:
        called = probabilities.argmax(axis=-1)
    details = class_details(true, called, classes)
    return _metrics(probabilities, true, called, details, (positive, threshold))


def _metrics(
    probabilities: Array,
    true: Array,
    called: Array,
    details: dict[str, Any],
    chosen: tuple[int, float],
) -> Metrics:
    """Return the metrics of answers.

    Args:
        probabilities: Of each class, (examples, classes).
        true: Class numbers, (examples,).
        called: The classes that are the answers, (examples,).
        details: Metrics of each class, and the confusion matrix.
        chosen: Number of the positive class of two, and its threshold.
    """
    per_class = details["per_class"]
    names = list(per_class)
    present = [number for number in range(len(names)) if (true == number).any()]
    positive, threshold = chosen
    looked_for = [positive] if len(names) == 2 else present
    ranks = [
        (
            roc_auc(true == number, probabilities[:, number]),
            average_precision(true == number, probabilities[:, number]),
        )
        for number in looked_for
    ]
    area, precision = (float(value) for value in np.mean(ranks, axis=0))
    suffix = "" if len(names) == 2 else "_macro"
    of_classes = {
        f"{name}{suffix}": float(np.mean([per_class[names[n]][name] for n in looked_for]))
        for name in ("precision", "recall", "f1")
    }
    loss = -np.log(np.clip(probabilities[np.arange(len(true)), true], 1e-7, 1))
    values = {
        "average_precision": precision,
        "accuracy": float((called == true).mean()),
        "balanced_accuracy": float(np.mean([per_class[names[n]]["recall"] for n in present])),
        **of_classes,
        "roc_auc": area,
        "loss": float(loss.mean()),
    }
    if len(names) == 2:
        values["threshold"] = threshold
    called_positive = {"positive": names[positive]} if len(names) == 2 else {}
    is_each = true[:, np.newaxis] == np.array(looked_for)
    ranked = RankedScores(probabilities[:, looked_for], is_each)
    scores = {"average_precision": ranked, **class_scores(called == true, loss, true)}
    return Metrics(values, {**details, **called_positive}, scores, probabilities)
