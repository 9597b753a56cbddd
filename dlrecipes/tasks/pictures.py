"""Pictures on a page: pixels as the URL of a small image that needs no file."""

import base64
import colorsys
from io import BytesIO

import numpy as np

from dlrecipes.datasets.storage import Array

LARGEST_SIDE = 128
"""Pixels; a larger picture is made smaller."""
SMALL = 64
"""Pixels a side up to which each one counts."""
# Apart in brightness, too, for whoever sees no colours: the first twelve classes of a mask.
COLOURS = (
    *((33, 62, 120), (240, 205, 90), (60, 150, 90), (200, 80, 60), (140, 100, 180), (90, 180, 200)),
    *((230, 140, 170), (120, 90, 60), (160, 200, 120), (250, 250, 250), (90, 90, 90), (20, 20, 20)),
)
NO_CLASS = (128, 128, 128)
"""The colour of a pixel that belongs to no class."""


def colour_of(number: int) -> tuple[int, ...]:
    """Return the colour of a class, red, green and blue from 0 to 255."""
    if number < len(COLOURS):
        return COLOURS[number]
    shares = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.65, (0.55, 0.9)[number % 2])
    return tuple(round(255 * share) for share in shares)


def png_url(pixels: Array, *, is_mask: bool = False, largest: int = LARGEST_SIDE) -> str:
    """Return a picture as a data URL.

    Args:
        pixels: uint8 (height, width), or (height, width, channels) of 1 or 3 channels.
        is_mask: Whether its colours stand for classes, so that none may be in between.
        largest: Pixels a side; a larger picture is made smaller.
    """
    from PIL import Image

    picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[2:] == (1,) else pixels)
    how = Image.Resampling.NEAREST if is_mask else Image.Resampling.BICUBIC
    picture.thumbnail((largest, largest), how)
    content = BytesIO()
    # A photo is a tenth of the size with losses that nobody sees.
    kind = "JPEG" if picture.mode == "RGB" and not is_mask and max(picture.size) > SMALL else "PNG"
    picture.save(content, format=kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def mask_url(classes: Array, count: int) -> str:
    """Return a mask as a picture in which each class has a colour, as a data URL.

    Args:
        classes: Class numbers (height, width); one beyond the classes belongs to none.
        count: Number of classes.
    """
    palette = np.array([*map(colour_of, range(count)), NO_CLASS], "uint8")
    return png_url(palette[np.minimum(classes.astype("int64"), count)], is_mask=True)
