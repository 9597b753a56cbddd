"""Test metrics of masks, over all pixels of all images together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlrecipes.kit.metrics import Array, Metrics, predicted
from dlrecipes.kit.scores import Scores, mean_iou


def segmentation_metrics(model: Any, batches: Any, classes: Sequence[str]) -> Metrics:
    """Return the mean intersection over union (IoU), that of each class, and the accuracy.

    Args:
        model: Gives probabilities (batch, height, width, classes), or (…, 1): those of the second
            class.
        batches: A `tf.data.Dataset` of images and masks (batch, height, width) of class numbers. A
            number beyond the classes, such as 255, marks a pixel that does not count.
        classes: Names of the classes.

    Returns:
        `mean_iou`, over the classes that are in the masks or in the answers; `accuracy`, the share
        of pixels that are right; `iou_NAME` of each of those classes: from 0 to 1. (Everingham et
        al. 2010, "The PASCAL Visual Object Classes Challenge", section 4.) The details hold the
        `confusion_matrix` of pixels (rows: true class; columns: predicted class).
    """
    count, matrices = len(classes), []
    for outputs, masks in predicted(model, batches):
        if outputs.shape[-1] == 1:
            outputs = np.concatenate([1 - outputs, outputs], axis=-1)
        matrices.append(confusion(outputs[..., :count].argmax(axis=-1), masks, count))
    return mask_metrics(np.concatenate(matrices), classes).of(batches)


def confusion(called: Array, true: Array, count: int) -> Array:
    """Return the confusion matrix of the pixels of each image, int64 (images, classes, classes).

    Args:
        called: Class numbers that are the answers, (images, height, width).
        true: Class numbers; one beyond the classes does not count.
        count: Number of classes.
    """
    images, true = len(true), true.astype("int64")
    places = np.arange(images)[:, np.newaxis, np.newaxis] * count**2 + true * count + called
    found = np.bincount(places[true < count], minlength=images * count**2)
    return found.reshape(images, count, count)


def mask_metrics(matrices: Array, classes: Sequence[str]) -> Metrics:
    """Return what `segmentation_metrics` does, of the confusion matrix of each image."""
    matrix = matrices.sum(axis=0)
    both = matrix.diagonal()
    either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
    iou = {
        name: float(both[number] / either[number])
        for number, name in enumerate(classes)
        if either[number]
    }
    values = {
        "mean_iou": float(np.mean(list(iou.values()))),
        "accuracy": float(both.sum() / matrix.sum()),
        **{f"iou_{name}": value for name, value in iou.items()},
    }
    parts = matrices.reshape(len(matrices), -1).astype("float64")
    scores = Scores(parts, matrices.sum(axis=2), mean_iou)
    return Metrics(values, {"confusion_matrix": matrix.tolist()}, {"mean_iou": scores})
