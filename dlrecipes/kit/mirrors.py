"""Tell whether images may be mirrored: not if classes differ by their sides alone."""

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array

LOOKED_AT = 5000
"""Images whose means are compared."""
MUCH_NEARER = 0.6
"""Of the distance to a class's own mean, what makes the mean of another one the nearer."""


def can_be_mirrored(images: Examples) -> bool:
    """Tell whether images are in colour, and no class looks like another one in a mirror.

    Arrows to the left and to the right do; letters and digits, which are mostly grey, do as well.
    The mean image of each class is mirrored. If it is much nearer to the mean of another class than
    to that of its own, mirrored images would teach what is wrong.

    Args:
        images: Pixels (images, height, width, channels), with class numbers.
    """
    if images.columns["features"].shape[-1] != 3:
        return False
    rows = np.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).astype("int64")
    some = images.take(np.unique(rows))
    labels, pixels = np.asarray(some.labels), np.asarray(some.arrays(), "float32")
    found = np.unique(labels)
    means: Array = np.stack([pixels[labels == one].mean(axis=0) for one in found])
    mirrored = means[:, :, ::-1]
    distances = np.array([[np.square(one - other).sum() for other in means] for one in mirrored])
    own = np.diagonal(distances).copy()
    np.fill_diagonal(distances, np.inf)
    return not (distances.min(axis=1) < MUCH_NEARER * own).any()
