"""Test metrics by name, from a Keras model and the batches it was not trained on."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

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
    """Yield what the model says of every batch, and the labels, each with one row an example."""
    import tensorflow as tf

    # Traced once for batches of all shapes; predict_on_batch is traced again where they differ.
    predict = tf.function(
        lambda features: model(features, training=False),
        input_signature=[batches.element_spec[0]],
        autograph=False,
    )
    for features, labels in batches:
        yield predict(features).numpy(), labels.numpy()


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
    from sklearn import metrics

    outputs, labels = _outputs_and_labels(model, batches)
    probabilities = class_probabilities(outputs)
    true = labels.argmax(axis=-1) if labels.ndim == 2 and labels.shape[-1] > 1 else labels.ravel()
    predicted = probabilities.argmax(axis=-1)
    numbers = list(range(len(classes)))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, labels=numbers, zero_division=0.0
    )
    probability_of_true = probabilities[np.arange(len(true)), true]
    values = {
        "loss": float(-np.log(np.clip(probability_of_true, 1e-7, 1)).mean()),
        "accuracy": float(metrics.accuracy_score(true, predicted)),
        "precision_macro": float(precision.mean()),
        "recall_macro": float(recall.mean()),
        "f1_macro": float(f1.mean()),
        "roc_auc": _roc_auc(true, probabilities),
    }
    per_class = {
        name: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for name, p, r, f, n in zip(
            classes, precision.tolist(), recall.tolist(), f1.tolist(), support, strict=True
        )
    }
    matrix = metrics.confusion_matrix(true, predicted, labels=numbers).tolist()
    return Metrics(values, {"per_class": per_class, "confusion_matrix": matrix})


def _roc_auc(true: Array, probabilities: Array) -> float:
    """Return the area under the ROC curve, one class against the rest, averaged; or NaN."""
    from sklearn.metrics import roc_auc_score

    classes = probabilities.shape[1]
    if len(np.unique(true)) < classes:
        return math.nan
    if classes == 2:
        return float(roc_auc_score(true, probabilities[:, 1]))
    # bfloat16 or rounding can leave rows that miss 1 by more than scikit-learn allows.
    rows = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(roc_auc_score(true, rows, multi_class="ovr", average="macro"))


def regression_metrics(model: Any, batches: Any) -> Metrics:
    """Return MSE, RMSE and MAE in the target's unit, and R², which is NaN for one example.

    Args:
        model: Gives the predicted value (batch, 1).
        batches: A `tf.data.Dataset` of features and targets.
    """
    from sklearn import metrics

    outputs, labels = _outputs_and_labels(model, batches)
    predicted, true = outputs.ravel(), labels.ravel().astype("float64")
    mse = float(metrics.mean_squared_error(true, predicted))
    return Metrics(
        {
            "mse": mse,
            "rmse": math.sqrt(mse),
            "mae": float(metrics.mean_absolute_error(true, predicted)),
            "r2": float(metrics.r2_score(true, predicted)) if len(true) > 1 else math.nan,
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
