"""Plain baseline for masks: gradient boosting of each pixel's colours and those around it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.baselines.base import SEED, Fitted, PlainBaseline, Problem, Rows, fitted
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.kit.metrics import Metrics
from dlrecipes.kit.segmentation import confusion, mask_metrics

AROUND = (1, 4)
"""Pixels to each side of a pixel whose mean colours are looked at."""
FITTED_PIXELS = 40_000
"""Pixels of the training images that the trees are grown on."""


class PixelClassifier(PlainBaseline):
    """Logistic regression and histogram gradient boosting of single pixels."""

    most = 1.6e6
    least = 10
    unit = "images"

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return the pixels of each image, times the classes that trees are grown for."""
        height, width = examples.columns["features"].shape[1:3]
        return np.full(len(examples), float(height * width * (classes if classes > 2 else 1)))

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield each of the two."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features, truth = self._drawn(problem.train, len(problem.classes))
        for name, model in (
            ("logistic regression", make_pipeline(StandardScaler(), LogisticRegression())),
            ("histogram gradient boosting", HistGradientBoostingClassifier(random_state=SEED)),
        ):
            model.fit(features, truth)
            yield fitted(
                f"{name} of a pixel and its surroundings",
                partial(_tested, model, problem.classes),
                problem,
            )

    def _drawn(self, rows: Rows, classes: int) -> tuple[Array, Array]:
        """Return features and classes of some pixels of all images, drawn at random."""
        truth = rows.targets
        each = max(FITTED_PIXELS // len(truth), 1)
        random = np.random.default_rng(SEED)
        features, called = [], []
        for image, mask in zip(np.asarray(rows.features), truth, strict=True):
            known = np.flatnonzero(mask.ravel() < classes)
            chosen = random.permutation(known)[:each]
            features.append(surroundings(image)[chosen])
            called.append(mask.ravel()[chosen])
        return np.concatenate(features), np.concatenate(called)


def _tested(model: Any, classes: tuple[str, ...], rows: Rows) -> Metrics:
    """Return the metrics of a model on the images of a split."""
    matrices = []
    for image, mask in zip(np.asarray(rows.features), rows.targets, strict=True):
        called = model.predict(surroundings(image)).reshape(1, *mask.shape)
        matrices.append(confusion(called.astype("int64"), mask[np.newaxis], len(classes)))
    return mask_metrics(np.concatenate(matrices), classes)


def surroundings(image: Array) -> Array:
    """Return what each pixel is judged by, (pixels, numbers).

    Its colours and their differences, the mean and the deviation of the colours around it, and
    where it is.

    Args:
        image: uint8 (height, width, channels).
    """
    colours = image.astype("float32") / 255
    height, width = colours.shape[:2]
    planes = [colours, colours[..., 1:] - colours[..., :-1]]
    for far in AROUND:
        mean = _mean_around(colours, far)
        square = _mean_around(colours**2, far)
        planes += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes += [np.stack([rows, columns], axis=-1).astype("float32")]
    return np.concatenate(planes, axis=-1).reshape(height * width, -1)


def _mean_around(values: Array, far: int) -> Array:
    """Return the mean over the square around each pixel, the edge continued."""
    padded = np.pad(values, [(far + 1, far), (far + 1, far), (0, 0)], mode="edge")
    sums = padded.cumsum(axis=0, dtype="float64").cumsum(axis=1)
    side = 2 * far + 1
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    mean: Array = (total / side**2).astype("float32")
    return mean
