"""Image files of a user: how they are opened and read as pixels of one shape."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlrecipes.datasets.own.depth import deep_values, eight_bits, is_deep
from dlrecipes.datasets.own.files import why_unreadable
from dlrecipes.datasets.own.orientation import ON_ITS_SIDE, UNREADABLE, orientation, turned
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".heif"),
    *(".avif", ".jpe", ".jfif", ".pgm", ".ppm", ".pbm", ".pnm", ".jp2"),
)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF", "PPM", "JPEG2000")
NAMES = "PNG, JPEG, BMP, GIF, WebP, TIFF, AVIF, PPM or JPEG 2000"
JPEGS = ("JPEG", "MPO")
"""Formats that can be decoded at a smaller size: some phones put several JPEGs into one file."""
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
HEIC = "HEIC photo"
DAMAGED = "damaged or no image"
MISSING = "missing"
HEIC_HINT = "Install what reads them: pip install 'dlrecipes[heic]'"
MAX_PIXELS = 100_000_000
"""Of one image: a small file can hold more than memory does."""
REDUCED_BY = 8
"""The most that a JPEG can be reduced by while it is decoded."""
BACKGROUNDS = {"white": 255, "black": 0, "grey": 128}
"""What transparent images may be shown on."""
READERS = max(1, min(8, os.cpu_count() or 1))


class ImageError(InputError):
    """An image cannot be read.

    Args:
        message: What is wrong.
        kind: What it is instead, to count such files; empty if it must not be left out.
        hint: What to do about it.
    """

    def __init__(self, message: str, kind: str = "", hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


@dataclass(frozen=True)
class Look:
    """How the pixels of all images of a data set are read.

    Args:
        background: What transparent images are shown on: a name of `BACKGROUNDS`; empty for the one
            that each is seen best on.
        levels: Of images of more than eight bits, the values that become 0 and 255; empty for the
            range of the fewest bits that hold them.
    """

    background: str = ""
    levels: tuple[float, ...] = ()


PLAIN = Look()


def _name(image: Path | bytes) -> object:
    """Return what an image is called in messages."""
    return image if isinstance(image, Path) else "An image"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings: of tags that nobody reads, and of sizes below our own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_image(file: Path | bytes) -> "Image.Image":
    """Return an image, from a file or its content, whose pixels are not read yet.

    Raises:
        ImageError: if the file is missing, empty, no image, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    path = _name(file)
    try:
        if (file.stat().st_size if isinstance(file, Path) else len(file)) == 0:
            raise ImageError(f"{path} is empty.", DAMAGED)
        formats = (*FORMATS, "HEIF") if _is_heic(file) else FORMATS
        Image.MAX_IMAGE_PIXELS = None  # Ours are counted below: a JPEG need not be decoded whole.
        with quiet():
            image = Image.open(file if isinstance(file, Path) else BytesIO(file), formats=formats)
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not an image: {NAMES}.", DAMAGED) from None
    except OSError as error:
        if error.errno is not None and isinstance(file, Path):
            kind = MISSING if isinstance(error, FileNotFoundError) else ""
            raise ImageError(why_unreadable(file, error), kind) from None
        raise ImageError(f"{path} is a damaged image: {error}.", DAMAGED) from None
    except UNREADABLE as error:
        raise ImageError(f"{path} is a damaged image: {error}.", DAMAGED) from None
    width, height = image.size
    if width * height > MAX_PIXELS * (REDUCED_BY**2 if image.format in JPEGS else 1):
        image.close()
        raise ImageError(
            f"{path} has {height:,} x {width:,} pixels (height x width): {MAX_PIXELS:,} are the "
            "most that are read.",
            DAMAGED,
        )
    return image


def _is_heic(file: Path | bytes) -> bool:
    """Tell whether a file is a HEIC photo, whatever it is called, and have Pillow read such files.

    Raises:
        ImageError: if what reads them is not installed.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(12)
    else:
        head = file[:12]
    if head[4:8] != b"ftyp" or head[8:12] not in HEIC_BRANDS:
        return False
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(f"{_name(file)} is a {HEIC}.", HEIC, HEIC_HINT) from None
    pillow_heif.register_heif_opener()
    return True


def has_transparency(image: "Image.Image") -> bool:
    """Tell whether an image has pixels that may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def read_image(file: Path | bytes, shape: tuple[int, ...], look: Look = PLAIN) -> Array:
    """Return an image's pixels, converted and resized.

    Args:
        file: An image file (of several pictures, the first), or the content of one.
        shape: Height, width, and channels: 1 for grey, 3 for red, green, blue.
        look: How its pixels are read.

    Returns:
        uint8 pixels of that shape.

    Raises:
        ImageError: if the file is missing, empty, or not an image that can be read whole.
    """
    with quiet():
        return _read_image(file, shape, look)


def _read_image(file: Path | bytes, shape: tuple[int, ...], look: Look) -> Array:
    """Return an image's pixels, as `read_image`, with Pillow's warnings."""
    from PIL import Image

    height, width, channels = shape
    try:
        with open_image(file) as opened:
            how = orientation(opened)
            size = (height, width) if how >= ON_ITS_SIDE else (width, height)
            image = _as_eight_bits(file, opened, look) or _reduced(opened, size, channels)
            if has_transparency(image):
                image = on_background(image, look.background)
            mode = "L" if channels == 1 else "RGB"
            if image.mode != mode:
                image = image.convert(mode)
            if image.size != size:
                image = image.resize(size, Image.Resampling.BILINEAR)
            pixels = np.asarray(turned(image, how), dtype="uint8")
            return pixels.reshape(height, width, channels)
    except InputError:
        raise
    except UNREADABLE as error:
        raise ImageError(f"{_name(file)} is a damaged image: {error}.", DAMAGED) from None


def _as_eight_bits(file: Path | bytes, image: "Image.Image", look: Look) -> "Image.Image | None":
    """Return an image of more than eight bits in eight; None of any other."""
    from PIL import Image

    if not is_deep(image):
        return None
    with open_image(file) as again:
        values = deep_values(image, again)
    pixels = eight_bits(values[..., :3] if values.ndim == 3 else values, look.levels)
    made = Image.fromarray(pixels)
    if values.ndim == 3 and values.shape[2] == 4:
        made.putalpha(Image.fromarray((values[..., 3] // 256).astype("uint8")))
    return made


def _reduced(image: "Image.Image", size: tuple[int, int], channels: int) -> "Image.Image":
    """Return an image that, if it is a large JPEG, is decoded at a size nearer to that wanted.

    Raises:
        ImageError: if it is still too large.
    """
    # Twice the size is left for the filter that resizes, which then loses nothing to be seen.
    draft = getattr(image, "draft", None)
    if draft and image.format in JPEGS:
        draft("L" if channels == 1 else "RGB", (2 * size[0], 2 * size[1]))
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"The image has {image.height:,} x {image.width:,} pixels (height x width): "
            f"{MAX_PIXELS:,} are the most that are read.",
            DAMAGED,
        )
    return image


def on_background(image: "Image.Image", background: str) -> "Image.Image":
    """Return an image without transparency.

    Args:
        image: The image. One that is transparent everywhere is shown as if it were not.
        background: What it is shown on; empty for what it is seen best on.
    """
    from PIL import Image

    whole = image.convert("RGBA")
    alpha = whole.getchannel("A")
    if alpha.getextrema() == (0, 0):
        return whole.convert("RGB")
    background = background or best_background([whole])
    below = Image.new("RGBA", whole.size, (BACKGROUNDS[background],) * 3 + (255,))
    return Image.alpha_composite(below, whole).convert("RGB")


def best_background(images: Sequence["Image.Image"]) -> str:
    """Return the background that what is not transparent is seen best on: of the worst images.

    Args:
        images: Some images, RGBA.
    """
    contrasts: dict[str, list[float]] = {name: [] for name in BACKGROUNDS}
    for image in images:
        pixels = np.asarray(image.reduce(max(1, min(image.size) // 64)), "float64")
        alpha = pixels[..., 3:]
        if not 0 < alpha.mean() < 255:
            continue
        for name, level in BACKGROUNDS.items():
            seen = (alpha * (pixels[..., :3] - level) ** 2).mean() / alpha.mean()
            contrasts[name].append(float(seen) ** 0.5)
    worst = {name: np.quantile(some, 0.1) if some else 0 for name, some in contrasts.items()}
    return max(worst, key=lambda name: worst[name])


def read_images(
    paths: Sequence[Path], shape: tuple[int, ...], look: Look
) -> tuple[Array, Mapping[int, ImageError]]:
    """Return the pixels (images, *shape) of image files, and why some cannot be read, by place.

    Args:
        paths: The files.
        shape: Height, width and channels.
        look: How their pixels are read.
    """
    pixels = np.zeros((len(paths), *shape), dtype="uint8")
    errors: dict[int, ImageError] = {}

    def read(place: int) -> None:
        try:
            pixels[place] = _read_image(paths[place], shape, look)
        except ImageError as error:
            errors[place] = error

    # Pillow decodes without Python's lock; whether warnings are shown is the same for all threads.
    with quiet(), ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, range(len(paths))))
    return pixels, dict(sorted(errors.items()))


def resized(pixels: Array, shape: tuple[int, ...]) -> Array:
    """Return images (images, height, width) or (…, channels), uint8, in another shape.

    Args:
        pixels: The images.
        shape: Height, width and channels.
    """
    from PIL import Image

    height, width, channels = shape
    if pixels.ndim == 3:
        pixels = pixels[..., np.newaxis]
    if pixels.shape[1:] == (height, width, channels):
        return pixels
    mode, size = "L" if channels == 1 else "RGB", (width, height)
    images = [Image.fromarray(one.squeeze()).convert(mode) for one in pixels]
    found = [np.asarray(one.resize(size, Image.Resampling.BILINEAR), "uint8") for one in images]
    return np.stack([one.reshape(shape) for one in found])


def write_images(
    images: Sequence[Array], folder: Path, names: Sequence[str], seen: Counter[str]
) -> list[Path]:
    """Write images as PNG files into a folder, and return their paths.

    Args:
        images: uint8 pixels (height, width) or (height, width, 3).
        folder: The folder; it need not exist.
        names: A name for each, without the ending; a name that occurs again gets a number.
        seen: How often each name has occurred so far.

    Raises:
        InputError: if a file of that name exists: nothing is overwritten, and nothing written.
    """
    from PIL import Image

    paths = []
    for name in names:
        seen[name] += 1
        paths.append(folder / (f"{name}-{seen[name]}.png" if seen[name] > 1 else f"{name}.png"))
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise InputError(f"{taken} exists already.", "Name another folder with --output.")
    folder.mkdir(parents=True, exist_ok=True)
    for pixels, path in zip(images, paths, strict=True):
        Image.fromarray(pixels).save(path)
    return paths
