"""Plain baselines for classes of images: logistic regression on pixels, or on simple features."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from dlrecipes.baselines.base import Fitted, PlainBaseline, Problem, Rows, class_answers, fitted
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array

GREY_SIDE, COLOUR_SIDE = 28, 16
"""Pixels a side that images are scaled down to: about 800 numbers."""
GRADIENTS_SIDE = 32
"""Pixels a side of the images whose gradients are counted."""
CELLS = 7
"""Cells a side that gradients are counted in."""
DIRECTIONS = 9
"""Directions of gradients that are told apart, up to 180 degrees."""
SHADES = 8
"""Shades of each channel that are counted."""
FEATURES = 800
AT_ONCE = 1000
"""Images whose features are made together."""
PENALTIES = (0.03, 0.3, 3.0)
"""Values of C that are tried: the larger, the less the weights are held back."""


class ImageClassifier(PlainBaseline):
    """Logistic regression on pixels, and on histograms of gradients and colours."""

    most = 7e7
    least = 1000
    unit = "images"

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return the numbers of each image, times its classes."""
        return np.full(len(examples), float(FEATURES * max(classes, 2)))

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield both, with each penalty."""
        from sklearn.linear_model import LogisticRegression

        for name, features in (
            ("pixels", pixels),
            ("histograms of gradients and colours", histograms),
        ):
            train, *others = (
                np.concatenate([features(part) for part in _parts(rows)])
                for rows in (problem.train, problem.validation, problem.test)
            )
            given = dict(zip(map(id, (problem.validation, problem.test)), others, strict=True))
            for penalty in PENALTIES:
                model = LogisticRegression(C=penalty, max_iter=100, tol=1e-3)
                model.fit(train, problem.train.targets)
                yield fitted(
                    f"logistic regression on {name}",
                    partial(class_answers, model, given, problem),
                    problem,
                    f"C={penalty:g}",
                )


def _parts(rows: Rows) -> Iterator[Array]:
    """Yield the images of a split, some at a time."""
    images = np.asarray(rows.features)
    for start in range(0, len(images), AT_ONCE):
        yield images[start : start + AT_ONCE]


def scaled_down(images: Array, side: int) -> Array:
    """Return images of at most so many pixels a side, from 0 to 1: means of areas.

    Args:
        images: uint8 (images, height, width, channels).
        side: Pixels a side, at most.

    Returns:
        float32 (images, height, width, channels).
    """
    height, width = images.shape[1:3]
    rows, columns = (
        np.arange(min(side, size)) * size // min(side, size) for size in (height, width)
    )
    sums = np.add.reduceat(images.astype("float32"), rows, axis=1)
    sums = np.add.reduceat(sums, columns, axis=2)
    areas = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    small: Array = sums / (255 * areas[:, :, np.newaxis].astype("float32"))
    return small


def pixels(images: Array) -> Array:
    """Return the pixels of images that are scaled down, (images, numbers)."""
    side = GREY_SIDE if images.shape[-1] == 1 else COLOUR_SIDE
    return scaled_down(images, side).reshape(len(images), -1)


def histograms(images: Array) -> Array:
    """Return how often directions of edges stand in each part of an image, and colours in it.

    After Dalal and Triggs 2005, "Histograms of oriented gradients for human detection".

    Args:
        images: uint8 (images, height, width, channels).

    Returns:
        float32 (images, numbers).
    """
    small = scaled_down(images, GRADIENTS_SIDE)
    count, height, width, channels = small.shape
    if min(height, width) < 2:
        return pixels(images)
    down, across = np.gradient(small.mean(axis=3), axis=(1, 2))
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS
    lower = np.floor(angle)
    # Each pixel counts for the two directions next to its own, by how near they are.
    cells = (
        np.arange(height)[:, np.newaxis] * CELLS // height * CELLS
        + np.arange(width) * CELLS // width
    )
    places = (np.arange(count)[:, np.newaxis, np.newaxis] * CELLS**2 + cells) * DIRECTIONS
    edges = np.zeros(count * CELLS**2 * DIRECTIONS)
    for step, share in ((0, 1 - (angle - lower)), (1, angle - lower)):
        bins = places + (lower.astype("int64") + step) % DIRECTIONS
        edges += np.bincount(bins.ravel(), (strength * share).ravel(), len(edges))
    edges = edges.reshape(count, -1)
    edges /= np.sqrt((edges**2).sum(axis=1, keepdims=True)) / CELLS + 1e-3
    shades = np.minimum((small * SHADES).astype("int64"), SHADES - 1)
    places = (np.arange(count)[:, np.newaxis] * channels + np.arange(channels)) * SHADES
    colours = np.bincount(
        (places[:, np.newaxis, np.newaxis] + shades).ravel(), minlength=count * channels * SHADES
    ).reshape(count, -1)
    parts = [edges, np.sqrt(colours / (height * width))]
    if channels > 1:
        parts.append(scaled_down(images, CELLS).reshape(count, -1))
    return np.concatenate(parts, axis=1).astype("float32")
