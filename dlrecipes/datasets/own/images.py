"""Image files of a user: pixels, and the one shape that a network is built for."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlrecipes.datasets.own.files import Report, printable, why_unreadable
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
MAX_PIXELS = 100_000_000
"""Of one image: a small file can hold more than memory does."""
SHORTEST_SIDE = 28
"""Smaller images are enlarged: there would be nothing left of them after a few convolutions."""
LONGEST_SIDE = 128
"""Larger images are made smaller: the time of a convolution grows with the pixels."""
COLOUR_DIFFERENCE = 16
"""Between red, green and blue, of 255: JPEG leaves smaller ones in a grey image."""
LOOKED_AT = 200
"""Images that are looked at to tell whether they have colour, or up to twice as many."""


def open_image(path: Path) -> "Image.Image":
    """Return an image file whose pixels are not read yet.

    Raises:
        InputError: if the file is missing, empty, no image, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty.")
        with warnings.catch_warnings():  # Pillow's own warning comes at fewer pixels than our limit
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image: PNG, JPEG, BMP, GIF or WebP.") from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{path} has too many pixels: {MAX_PIXELS:,} are the most that are read."
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise InputError(why_unreadable(path, error)) from None
        raise InputError(f"{path} is a damaged image: {error}.") from None
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path} is a damaged image: {error}.") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(
            f"{path} has {width:,} x {height:,} pixels: {MAX_PIXELS:,} are the most that are read."
        )
    return image


def read_image(path: Path, shape: tuple[int, ...]) -> Array:
    """Return an image file's pixels, converted and resized.

    Args:
        path: A PNG, JPEG, BMP, GIF (its first frame) or WebP file.
        shape: Height, width, and channels: 1 for grey, 3 for red, green, blue.

    Returns:
        uint8 pixels of that shape.

    Raises:
        InputError: if the file is missing, empty, or not an image that can be read whole.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with open_image(path) as file:
            image: Image.Image = ImageOps.exif_transpose(file)  # as a phone held it
            if image.mode.startswith("I"):
                # Pillow would clip 16 bits to white rather than scale them to 8.
                image = image.convert("I").point(lambda value: value / 256).convert("L")
            if "A" in image.getbands() or "transparency" in image.info:
                # Transparent pixels are shown on black, as the digits of MNIST stand on black.
                opaque = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", opaque.size, "black"), opaque)
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(image, dtype="uint8").reshape(height, width, channels)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} is a damaged image: {error}.") from None


def read_images(
    paths: Sequence[Path], shape: tuple[int, ...], report: Report, origins: Sequence[str] = ()
) -> Array:
    """Return the pixels (images, *shape) of image files.

    Args:
        paths: The files.
        shape: Height, width and channels.
        report: Is told of each file that cannot be read.
        origins: Where each file is named, if not by its own path.
    """
    pixels = np.zeros((len(paths), *shape), dtype="uint8")
    for number, path in enumerate(paths):
        try:
            pixels[number] = read_image(path, shape)
        except InputError as error:
            named = origins and origins[number] != printable(str(path))
            report.problem(f"{origins[number]}: {error.message}" if named else error.message)
    return pixels


def common_shape(paths: Iterable[Path], report: Report) -> tuple[int, int, int]:
    """Return the height, width and channels to give to all images; the report says what it does.

    It is the commonest size, enlarged or made smaller to a shortest side of 28 pixels or more and
    a longest of 128 or less; in colour if an image has some.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    coloured: list[Path] = []  # Every `step`th, so that they are some of all and not too many.
    step, seen = 1, 0
    for path in paths:
        try:
            with open_image(path) as image:
                turned = image.getexif().get(0x0112, 1) >= 5  # EXIF's orientation: on its side
                width, height = image.size
                sizes[(width, height) if turned else (height, width)] += 1
                is_grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
        except (InputError, OSError, SyntaxError, ValueError):
            continue  # Reading its pixels says what is wrong.
        if not is_grey:
            if seen % step == 0:
                coloured.append(path)
            seen += 1
            if len(coloured) > 2 * LOOKED_AT:
                coloured, step = coloured[::2], 2 * step
    if not sizes:
        return (SHORTEST_SIDE, SHORTEST_SIDE, 1)
    (height, width), _ = sizes.most_common(1)[0]
    scale = max(1.0, SHORTEST_SIDE / min(height, width))
    scale = min(scale, LONGEST_SIDE / max(height, width))
    shape = tuple(max(SHORTEST_SIDE, round(side * scale)) for side in (height, width))
    channels = 3 if any_colour(coloured) else 1
    if set(sizes) != {shape}:
        smallest, largest = min(sizes), max(sizes)
        found = f"{smallest[0]}x{smallest[1]}"
        if len(sizes) > 1:
            found = f"{len(sizes)} sizes from {found} to {largest[0]}x{largest[1]}"
        report.note(
            f"The images are of {found} pixels (height x width); all are made "
            f"{shape[0]}x{shape[1]}."
        )
    report.note(f"The images are read {'in colour' if channels == 3 else 'as grey'}.")
    return (shape[0], shape[1], channels)


def any_colour(paths: Sequence[Path]) -> bool:
    """Tell whether any image has a pixel that is not grey."""
    for path in paths:
        try:
            pixels = read_image(path, (64, 64, 3)).astype("int16")
        except InputError:
            continue
        if np.ptp(pixels, axis=-1).max() > COLOUR_DIFFERENCE:
            return True
    return False
