"""Test metrics by name, from a Keras model and the batches it was not trained on."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrecipes.datasets.pipelines import row_order
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit.scores import Scores, first, in_order, of_each, root

Array = npt.NDArray[Any]
BLOCK = 500
"""Characters of a text that are compared together: near ones depend on each other."""


class Metrics(dict[str, float]):
    """Metrics by name, each one number; what is not one number is in `details`.

    Args:
        values: The numbers by name.
        details: Per-class metrics and the confusion matrix, by name.
        scores: What some of the metrics are made of, example by example, by name: with them, two
            models are compared on the same test examples.
        outputs: What the model said of each example, in the order of the scores: probabilities
            (examples, classes) or numbers (examples,); None if that was not kept.
    """

    def __init__(
        self,
        values: dict[str, float],
        details: dict[str, Any] | None = None,
        scores: dict[str, Scores] | None = None,
        outputs: Array | None = None,
    ) -> None:
        super().__init__(values)
        self.details = details or {}
        self.scores = scores or {}
        self.outputs = outputs

    def of(self, batches: Any) -> "Metrics":
        """Return the metrics with their scores in the order of the examples behind the batches."""
        order, outputs = row_order(batches), self.outputs
        if order is None or (order[1:] >= order[:-1]).all():
            return self  # Nothing need be copied.
        if outputs is not None and len(order) == len(outputs):
            outputs = outputs[np.argsort(order, kind="stable")]
        return Metrics(dict(self), self.details, in_order(self.scores, order), outputs)


def class_probabilities(outputs: Array) -> Array:
    """Return probabilities (examples, classes) from a softmax's or a single sigmoid's outputs.

    Args:
        outputs: Shape (examples, classes), or (examples, 1): the probability of the second class.
    """
    if outputs.shape[-1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs


def why_no_probabilities(outputs: Array) -> str:
    """Return why outputs are not probabilities of classes, in a clause; empty if they are.

    Args:
        outputs: Shape (…, classes), or (…, 1): the probability of the second class.
    """
    lowest, highest = float(outputs.min(initial=0)), float(outputs.max(initial=0))
    if lowest < -0.001 or highest > 1.001:
        return (
            f"the model returns numbers from {lowest:.3g} to {highest:.3g}, which are not "
            "probabilities: those are from 0 to 1"
        )
    sums = outputs.sum(axis=-1)
    if outputs.shape[-1] > 1 and np.abs(sums - 1).max(initial=0) > 0.02:
        return (
            f"the model returns numbers that add up to {float(sums.flat[0]):.3g}, which are not "
            "probabilities of classes: those add up to 1"
        )
    return ""


def predicted(model: Any, batches: Any) -> Iterator[tuple[Array, Array]]:
    """Yield what the model says of every batch, and the labels, each with one row an example.

    Raises:
        DlrecipesError: if the model says what is not a finite number.
    """
    import tensorflow as tf

    # Traced once for batches of all shapes; predict_on_batch is traced again where they differ.
    predict = tf.function(
        lambda features: model(features, training=False),
        input_signature=[batches.element_spec[0]],
        autograph=False,
    )
    for features, labels in batches:
        outputs = predict(features).numpy()
        if not np.isfinite(outputs).all():
            raise DlrecipesError(
                "The model returned NaN or infinity for some test examples.",
                "Train it with a lower --learning-rate, which keeps its weights small.",
            )
        yield outputs, labels.numpy()


def outputs_and_labels(model: Any, batches: Any) -> tuple[Array, Array]:
    """Return what the model says of all batches, and the labels."""
    outputs, labels = zip(*predicted(model, batches), strict=True)
    return np.concatenate(outputs).astype("float64"), np.concatenate(labels)


def classification_metrics(model: Any, batches: Any, classes: Sequence[str]) -> Metrics:
    """Return loss, accuracy, macro precision, recall and F1, and ROC AUC.

    Args:
        model: Gives probabilities (batch, classes), or (batch, 1): that of the second class.
        batches: A `tf.data.Dataset` of features and labels (class numbers, or one-hot rows).
        classes: Names of the classes.

    Returns:
        `loss` is the cross-entropy in nats, without penalties on the weights; `roc_auc` is
        one-against-rest, averaged over the classes, and NaN where a class is absent. The details
        hold `per_class` and `confusion_matrix` (rows: true class; columns: predicted class).
    """
    outputs, labels = outputs_and_labels(model, batches)
    true = labels.argmax(axis=-1) if labels.ndim == 2 and labels.shape[-1] > 1 else labels.ravel()
    return class_metrics(class_probabilities(outputs), true.astype("int64"), classes).of(batches)


def class_metrics(probabilities: Array, true: Array, classes: Sequence[str]) -> Metrics:
    """Return what `classification_metrics` does, of answers that there are.

    Args:
        probabilities: Of each class, (examples, classes).
        true: The number of each example's class, int64 (examples,).
        classes: Names of the classes.
    """
    called = probabilities.argmax(axis=-1)
    details = class_details(true, called, classes)
    loss = -np.log(np.clip(probabilities[np.arange(len(true)), true], 1e-7, 1))
    areas = [roc_auc(true == number, probabilities[:, number]) for number in range(len(classes))]
    values = {
        "loss": float(loss.mean()),
        "accuracy": float((called == true).mean()),
        **{
            f"{name}_macro": float(np.mean([one[name] for one in details["per_class"].values()]))
            for name in ("precision", "recall", "f1")
        },
        "roc_auc": float(np.mean(areas)),
    }
    return Metrics(values, details, class_scores(called == true, loss, true), probabilities)


def class_scores(right: Array, loss: Array, true: Array) -> dict[str, Scores]:
    """Return what accuracy and loss are made of, from those of each example, (examples,)."""
    return {
        "accuracy": of_each(first, right, truth=true),
        "loss": of_each(first, loss, truth=true),
    }


def class_details(true: Array, called: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Return precision, recall and F1 `per_class`, and the `confusion_matrix`.

    Args:
        true: The number of each example's class, int64 (examples,).
        called: The number of the class that is the answer; maybe above those of all classes.
        classes: Names of the classes.

    Returns:
        `per_class` by name, with `support`, the examples of the class; the matrix as lists (rows:
        true class; columns: predicted class). A share of nothing is 0.
    """
    count = len(classes)
    # A network may have more outputs than there are classes.
    width = max(count, int(called.max(initial=0)) + 1)
    matrix = np.bincount(true * width + called, minlength=width**2).reshape(width, width)
    support, chosen = matrix.sum(axis=1)[:count], matrix.sum(axis=0)[:count]
    matrix = matrix[:count, :count]
    right = matrix.diagonal()
    precision, recall = _share(right, chosen), _share(right, support)
    f1 = _share(2 * right, chosen + support)
    per_class = {
        name: {"precision": p, "recall": r, "f1": f, "support": n}
        for name, p, r, f, n in zip(
            classes, *(one.tolist() for one in (precision, recall, f1, support)), strict=True
        )
    }
    return {"per_class": per_class, "confusion_matrix": matrix.tolist()}


def _share(part: Array, whole: Array) -> Array:
    """Return part / whole, 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def roc_auc(positive: Array, scores: Array) -> float:
    """Return the area under the ROC curve: how often a positive example has the higher score.

    That is Mann and Whitney's statistic: pairs of equal scores count half. NaN if all examples are
    positive, or none is.

    Args:
        positive: Whether each example is positive, bool (examples,).
        scores: Higher for those that are held to be positive, (examples,).
    """
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    lowest = positives * (positives + 1) / 2
    return float((ranks[positive].sum() - lowest) / pairs) if pairs else math.nan


def regression_metrics(model: Any, batches: Any) -> Metrics:
    """Return MSE, RMSE and MAE in the target's unit, and R², which is NaN if all targets are equal.

    Args:
        model: Gives the predicted value (batch, 1).
        batches: A `tf.data.Dataset` of features and targets.
    """
    outputs, labels = outputs_and_labels(model, batches)
    return number_metrics(outputs.ravel(), labels.ravel().astype("float64")).of(batches)


def number_metrics(predicted: Array, true: Array) -> Metrics:
    """Return what `regression_metrics` does, of predictions that there are, (examples,) each."""
    squares, errors = np.square(true - predicted), np.abs(true - predicted)
    of_mean = np.square(true - true.mean()).sum()
    return Metrics(
        {
            "mse": float(squares.mean()),
            "rmse": math.sqrt(squares.mean()),
            "mae": float(errors.mean()),
            "r2": float(1 - squares.sum() / of_mean) if np.ptp(true) else math.nan,
        },
        scores={
            "mse": of_each(first, squares, truth=true),
            "rmse": of_each(root, squares, truth=true),
            "mae": of_each(first, errors, truth=true),
            "r2": of_each(determination, squares, true**2, true, truth=true),
        },
        outputs=predicted,
    )


def determination(means: Array) -> float:
    """Return R² from the means of squared errors, of squared targets and of targets."""
    squares, of_targets, mean = means
    spread = float(of_targets - mean**2)
    return 1 - float(squares) / spread if spread > 0 else math.nan


def text_generation_metrics(model: Any, batches: Any) -> Metrics:
    """Return the cross-entropy of each next character, and what follows from it.

    Args:
        model: Gives probabilities (batch, time, vocabulary) of the character that comes next.
        batches: A `tf.data.Dataset` of character numbers and next-character numbers, each
            (batch, time); positions whose next character is 0 (padding) do not count.

    Returns:
        `loss` in nats per character, `perplexity` = exp(loss), `bits_per_character` =
        loss / log 2, and `accuracy`: how often the likeliest character was the right one.
    """
    right, nats = 0, []
    for probabilities, true in predicted(model, batches):
        real = true != 0
        chosen = np.take_along_axis(probabilities, true[..., np.newaxis], axis=-1)[..., 0][real]
        nats.append(-np.log(np.clip(chosen.astype("float64"), 1e-7, 1)))
        right += int((probabilities.argmax(axis=-1) == true)[real].sum())
    every = np.concatenate(nats)
    found = character_metrics(every)
    found["accuracy"] = right / len(every)
    return found


def character_metrics(nats: Array) -> Metrics:
    """Return loss and what follows from it.

    Args:
        nats: -log p of each character but the first, in the order of the text, (characters,).
    """
    loss = float(nats.mean())
    return Metrics(
        {"loss": loss, "perplexity": math.exp(loss), "bits_per_character": loss / math.log(2)},
        scores={"loss": Scores(nats[:, np.newaxis], np.zeros(len(nats), "int8"), block=BLOCK)},
    )
