"""Image classification: image files in, a class and its probability out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.catalog import DataSet
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


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
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width, channels = shape
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty.")
        with Image.open(path) as file:
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
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image: PNG, JPEG, BMP, GIF or WebP.") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to be read safely.") from None
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} is a damaged image: {error}.") from None


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, in order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
    )


def read_images(paths: Sequence[Path], shape: tuple[int, ...]) -> Array:
    """Return the pixels (images, *shape) of image files; list every one that cannot be read."""
    problems = []
    pixels = np.empty((len(paths), *shape), dtype="uint8")
    for number, path in enumerate(paths):
        try:
            pixels[number] = read_image(path, shape)
        except InputError as error:
            problems.append(error.message)
    base.raise_problems(problems, "Images cannot be read")
    return pixels


class ImageClassification(base.Task):
    """Tell which of a few classes an image shows."""

    name = "image-classification"
    headline = "accuracy"

    def read_path(self, path: Path, data_set: DataSet, like: Source | None) -> Source:
        """Return the images of a folder with a folder for each class, resized to one shape."""
        if not path.is_dir():
            raise InputError(f"{path} must be a folder with a folder of images for each class.")
        shape = like.image_shape if like else data_set.image_shape
        folders = base.split_folders(path)
        classes: tuple[str, ...] = ()
        splits = {}
        for split, folder in folders.items():
            files, labels = self._labelled_files(folder)
            found, numbers = base.examples_by_class(labels, like, folder)
            if classes and found != classes:
                raise InputError(f"{folder} has other classes than {path / 'train'}.")
            classes = found
            splits[split] = Examples(read_images(files, shape), numbers)
        return base.own_source(path, splits, like, classes=classes, image_shape=shape)

    @staticmethod
    def _labelled_files(folder: Path) -> tuple[list[Path], list[str]]:
        """Return the image files of a folder of class folders, and the class of each."""
        class_folders = base.class_folders(folder)
        if not class_folders:
            raise InputError(f"{folder} has no folder for each class.")
        files, labels, problems = [], [], []
        for class_folder in class_folders:
            found = image_files(class_folder)
            if not found:
                problems.append(f"{class_folder} has no images.")
            files += found
            labels += [class_folder.name] * len(found)
        base.raise_problems(problems, str(folder))
        return files, labels

    def read_inputs(self, arguments: Sequence[str], serving: Any) -> base.Inputs:
        """Return the pixels of image files, and of all the images in folders."""
        paths: list[Path] = []
        problems = []
        for argument in arguments:
            path = Path(argument).expanduser()
            found = image_files(path) if path.is_dir() else [path]
            if not found:
                problems.append(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)}).")
            paths += found
        base.raise_problems(problems, "Inputs cannot be read")
        shape = tuple(serving.inputs[0].shape[1:])
        return base.Inputs([str(path) for path in paths], read_images(paths, shape))

    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return `probabilities` and `label`."""
        return base.classification_answer(outputs, classes)

    def predict(
        self,
        serving: Any,
        inputs: base.Inputs,
        classes: Sequence[str],
        options: base.GenerationOptions,
    ) -> list[dict[str, Any]]:
        """Return the label and every class's probability for each image."""
        return base.classify(serving, inputs, classes)

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the label, its probability and the next likeliest classes."""
        return base.classification_table(predictions)
