"""Pictures on a page: pixels as the URL of a small PNG image that needs no file."""

import base64
from io import BytesIO

import numpy as np

from dlrecipes.datasets.storage import Array

LARGEST_SIDE = 128
"""Pixels; a larger picture is made smaller."""
# From dark to bright for whoever sees no colours, too: the first twelve classes of a mask.
COLOURS = (
    *((33, 62, 120), (240, 205, 90), (60, 150, 90), (200, 80, 60), (140, 100, 180), (90, 180, 200)),
    *((230, 140, 170), (120, 90, 60), (160, 200, 120), (250, 250, 250), (90, 90, 90), (20, 20, 20)),
)
NO_CLASS = (128, 128, 128)
"""The colour of a pixel that belongs to no class."""


def png_url(pixels: Array) -> str:
    """Return a picture as a data URL.

    Args:
        pixels: uint8 (height, width), or (height, width, channels) of 1 or 3 channels.
    """
    from PIL import Image

    picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[2:] == (1,) else pixels)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    content = BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def mask_url(classes: Array, count: int) -> str:
    """Return a mask as a picture in which each class has a colour, as a data URL.

    Args:
        classes: Class numbers (height, width); one beyond the classes belongs to none.
        count: Number of classes.
    """
    palette = np.array([*(COLOURS[n % len(COLOURS)] for n in range(count)), NO_CLASS], "uint8")
    return png_url(palette[np.minimum(classes.astype("int64"), count)])
