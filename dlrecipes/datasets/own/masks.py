"""Masks of a user: where they lie, and the classes that their pixel values stand for."""

import re
import unicodedata
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import Report, folder_entries
from dlrecipes.datasets.own.folders import split_folders
from dlrecipes.datasets.own.images import ImageError
from dlrecipes.datasets.own.orientation import UNREADABLE
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of files that keep every pixel as it was: JPEG does not."""
IMAGE_WORDS = ("images", "image", "imgs", "img", "photos", "inputs", "jpegimages")
MASK_WORDS = (
    *("masks", "mask", "annotations", "annotation", "labels", "gt", "groundtruth", "targets"),
    *("segmentations", "segmentation", "segmentationclass", "trimaps"),
)
"""Words in the names of folders of images and of masks, in lower case."""
MASK_ENDING = re.compile(r"[ _.-](masks?|seg|segmentation|labels?|gt|annotation)$", re.IGNORECASE)
"""What the name of a mask may have behind that of its image."""
DAMAGED_MASK = "damaged masks"
DEEPEST = 4
VOID = 255
"""The class number, and usually the pixel, of what belongs to no class and does not count."""
MOST_NUMBERED = 100
"""Pixel values below this are the numbers of classes; higher ones may be shades of grey."""


def folders_of_masks(path: Path, report: Report) -> list[tuple[str, Path, Path]]:
    """Return split, images and masks of each pair of folders; nothing without any.

    They are `images` and `masks` in the folder or in one of each split; each of the two may hold
    the splits; or the names say both: `train_images`, `train_masks`. All may lie deeper.

    Args:
        path: The folder.
        report: Is told of folders that cannot be read.
    """
    for _ in range(DEEPEST):
        folders, _ = folder_entries(path, report)
        splits = split_folders(folders)
        if pairs := _paired([folder for folder in folders if folder not in splits]):
            images, masks = pairs
            inside = [split_folders(folder_entries(one, report)[0]) for one in (images, masks)]
            of_masks = {split: folder for folder, split in inside[1].items()}
            found = [(split, one, of_masks.get(split)) for one, split in inside[0].items()]
            return [(split, one, mask) for split, one, mask in found if mask] or [
                ("train", images, masks)
            ]
        found_all = []
        for split in dict.fromkeys(splits.values()):
            alike = [folder for folder, one in splits.items() if one == split]
            inner = [one for folder in alike for one in folder_entries(folder, report)[0]]
            if both := _paired(alike) or _paired(inner):
                found_all.append((split, *both))
        if found_all or len(folders) != 1:
            return found_all
        path = folders[0]
    return []


def _paired(folders: Sequence[Path]) -> tuple[Path, Path] | None:
    """Return the folder of images and that of masks among some; None without both."""
    words = {
        folder: set(re.findall(r"[a-z]+", folder.name.lower())) | {folder.name.lower()}
        for folder in folders
    }
    masks = [one for one in folders if words[one] & set(MASK_WORDS)]
    images = [one for one in folders if words[one] & set(IMAGE_WORDS) and one not in masks]
    return (images[0], masks[0]) if images and masks else None


def name_of(file: Path) -> str:
    """Return what an image and its mask have in common: the name without ending."""
    return unicodedata.normalize("NFC", str(file.with_suffix("")))


def name_of_mask(file: Path) -> str:
    """Return the name of the image that a mask is of: `a_mask.png` is of `a.jpg`."""
    return MASK_ENDING.sub("", name_of(file))


def open_mask(mask: Any) -> Any:
    """Return a mask as a Pillow image.

    Args:
        mask: A file, the content of one, or an array of whole numbers (height, width), or
            (height, width, 1).

    Raises:
        ImageError: if it cannot be read.
        InputError: if it is not of that form.
    """
    from PIL import Image

    if isinstance(mask, np.ndarray):
        if mask.ndim == 3 and mask.shape[-1] == 1:
            mask = mask[..., 0]
        if mask.ndim != 2 or mask.dtype.kind not in "iub":
            raise InputError(
                "A mask must be whole numbers of shape (height, width). Received: "
                f"{mask.dtype} of shape {mask.shape}"
            )
        return Image.fromarray(mask.astype("int32"))
    is_file = isinstance(mask, str | Path)
    try:
        with Image.open(mask if is_file else BytesIO(mask)) as image:
            image.load()
    except UNREADABLE as error:
        name = mask if is_file else "A mask"
        kind = "" if getattr(error, "errno", None) else DAMAGED_MASK
        raise ImageError(f"{name} cannot be read as a mask: {error}.", kind) from None
    return image


def mask_pixels(mask: Any, size: Sequence[int] | None) -> Array:
    """Return the pixels of a mask, int32 (height, width): grey, index, or a colour as one number.

    Args:
        mask: As `open_mask` takes it, or returns it.
        size: Height and width to give it; None to keep its own.

    Raises:
        InputError: if it cannot be read.
    """
    from PIL import Image

    image = mask if isinstance(mask, Image.Image) else open_mask(mask)
    if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
        image = image.convert("RGB")
    if size and image.size != (size[1], size[0]):
        # No pixel between two classes is a third one.
        image = image.resize((size[1], size[0]), Image.Resampling.NEAREST)
    pixels: Array = np.asarray(image).astype("int32")
    if pixels.ndim == 3:
        pixels = pixels @ np.array([65536, 256, 1], "int32")
    return pixels


def classes_of(values: Sequence[int], names: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """Return the names of the classes that pixel values stand for, and the value of each.

    Where the other values are small numbers, 255 is not a class but what belongs to none, as in
    PASCAL VOC; in masks of 0 and 255 alone, it is one of two classes.

    Args:
        values: The values found, in order.
        names: Names of the classes; empty to name them by their values.
    """
    others = [value for value in values if value != VOID]
    highest = max(others, default=VOID)
    if names:
        is_void = len(values) != len(names) and highest < len(names) <= VOID
    else:
        is_void = len(others) > 1 and highest < MOST_NUMBERED
    classes = others if is_void else list(values)
    if names and max(classes, default=0) < len(names):
        return tuple(names), np.arange(len(names))
    if len(names) != len(classes):
        names = [str(value) for value in classes]
    return tuple(names), np.array(classes)


def class_numbers(pixels: Array, values: Array) -> Array:
    """Return the class number of each pixel, uint8; 255 where its value belongs to no class.

    Raises:
        InputError: if there are other values than those of the classes and 255.
    """
    places = np.minimum(np.searchsorted(values, pixels), len(values) - 1)
    known = values[places] == pixels
    unknown = pixels[~known & (pixels != VOID)]
    if unknown.size:
        raise InputError(
            f"A mask has the pixel value {unknown[0]}, which stands for no class: the classes have "
            f"{', '.join(map(str, values))}."
        )
    return np.where(known, places, VOID).astype("uint8")
