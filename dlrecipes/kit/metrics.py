"""Test metrics by name, from a Keras model and the batches it was not trained on."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrecipes.errors import DlrecipesError

Array = npt.NDArray[Any]


class Metrics(dict[str, float]):
    """Metrics by name, each one number; what is not one number is in `details`.

    Args:
        values: The numbers by name.
        details: Per-class metrics and the confusion matrix, by name.
    """

    def __init__(self, values: dict[str, float], details: dict[str, Any] | None = None) -> None:
        super().__init__(values)
        self.details = details or {}


def class_probabilities(outputs: Array) -> Array:
    """Return probabilities (examples, classes) from a softmax's or a single sigmoid's outputs.

    Args:
        outputs: Shape (examples, classes), or (examples, 1): the probability of the second class.
    """
    if outputs.shape[-1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs


def _predicted(model: Any, batches: Any) -> Iterator[tuple[Array, Array]]:
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
                "What the network says of some test examples is no finite number.",
                "Train it with a lower --learning-rate, which keeps its weights small.",
            )
        yield outputs, labels.numpy()


def _outputs_and_labels(model: Any, batches: Any) -> tuple[Array, Array]:
    """Return what the model says of all batches, and the labels."""
    outputs, labels = zip(*_predicted(model, batches), strict=True)
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
    outputs, labels = _outputs_and_labels(model, batches)
    probabilities = class_probabilities(outputs)
    true = labels.argmax(axis=-1) if labels.ndim == 2 and labels.shape[-1] > 1 else labels.ravel()
    true = true.astype("int64")
    count = len(classes)
    width = max(count, probabilities.shape[1])  # A network may have more outputs than classes.
    matrix = np.bincount(true * width + probabilities.argmax(axis=-1), minlength=width**2)
    matrix = matrix.reshape(width, width)
    support, chosen = matrix.sum(axis=1)[:count], matrix.sum(axis=0)[:count]
    matrix = matrix[:count, :count]
    right = matrix.diagonal()
    precision, recall = _share(right, chosen), _share(right, support)
    f1 = _share(2 * right, chosen + support)
    probability_of_true = probabilities[np.arange(len(true)), true]
    areas = [roc_auc(true == number, probabilities[:, number]) for number in range(count)]
    values = {
        "loss": float(-np.log(np.clip(probability_of_true, 1e-7, 1)).mean()),
        "accuracy": float(right.sum() / len(true)),
        "precision_macro": float(precision.mean()),
        "recall_macro": float(recall.mean()),
        "f1_macro": float(f1.mean()),
        "roc_auc": float(np.mean(areas)),
    }
    per_class = {
        name: {"precision": p, "recall": r, "f1": f, "support": n}
        for name, p, r, f, n in zip(
            classes, *(one.tolist() for one in (precision, recall, f1, support)), strict=True
        )
    }
    return Metrics(values, {"per_class": per_class, "confusion_matrix": matrix.tolist()})


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
    outputs, labels = _outputs_and_labels(model, batches)
    predicted, true = outputs.ravel(), labels.ravel().astype("float64")
    squares = np.square(true - predicted)
    of_mean = np.square(true - true.mean()).sum()
    return Metrics(
        {
            "mse": float(squares.mean()),
            "rmse": math.sqrt(squares.mean()),
            "mae": float(np.abs(true - predicted).mean()),
            "r2": float(1 - squares.sum() / of_mean) if np.ptp(true) else math.nan,
        }
    )


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
    nats, right, characters = 0.0, 0, 0
    for probabilities, true in _predicted(model, batches):
        real = true != 0
        chosen = np.take_along_axis(probabilities, true[..., np.newaxis], axis=-1)[..., 0][real]
        nats -= float(np.log(np.clip(chosen.astype("float64"), 1e-7, 1)).sum())
        right += int((probabilities.argmax(axis=-1) == true)[real].sum())
        characters += int(real.sum())
    loss = nats / characters
    return Metrics(
        {
            "loss": loss,
            "perplexity": math.exp(loss),
            "bits_per_character": loss / math.log(2),
            "accuracy": right / characters,
        }
    )
