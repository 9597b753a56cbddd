"""Whether images are dark on light or light on dark, told by their borders."""

from collections.abc import Sequence

import numpy as np

from dlrecipes.datasets.storage import Array

LOOKED_AT = 1000
"""Images whose borders are looked at."""
DARK, LIGHT = 96, 160
"""Of 255: a border up to here, or from here on, is dark or light beyond doubt."""
INVERT = ("auto", "yes", "no")


def borders_of(images: Array) -> Array:
    """Return the median brightness of the border of images (images, height, width, channels)."""
    grey = np.asarray(images).mean(axis=-1)
    edges = [grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]]
    medians: Array = np.median(np.concatenate(edges, axis=1), axis=1)
    return medians


def usual_border(images: Array) -> tuple[float, ...]:
    """Return the brightness between which nine in ten borders of training images lie.

    Args:
        images: Some of them, (images, height, width, channels).
    """
    if not len(images):
        return ()
    low, high = np.quantile(borders_of(images), [0.05, 0.95])
    return round(float(low), 1), round(float(high), 1)


def is_opposite(border: float, usual: Sequence[float]) -> bool:
    """Tell whether an image is dark on light where the training images are light on dark, or so.

    Args:
        border: The brightness of its border.
        usual: That of the borders of training images, from and to.
    """
    if not usual:
        return False
    low, high = usual
    return (high <= DARK and border >= LIGHT) or (low >= LIGHT and border <= DARK)


def as_trained(pixels: Array, usual: Sequence[float], invert: str) -> tuple[Array, Array]:
    """Return images with the ink of the training images, and which of them were inverted.

    Args:
        pixels: Images, uint8 (images, height, width, channels).
        usual: Brightness of the borders of training images.
        invert: `yes`, `no`, or `auto`: grey images of the opposite ink.
    """
    if invert == "auto" and pixels.shape[-1] == 1:
        chosen = np.array([is_opposite(border, usual) for border in borders_of(pixels)], bool)
    else:
        chosen = np.full(len(pixels), invert == "yes")
    inverted: Array = np.where(chosen[:, None, None, None], 255 - pixels, pixels)
    return inverted, chosen
