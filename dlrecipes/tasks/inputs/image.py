"""Images: files of any size and colour in, pixels of one shape out."""

import os
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, Features, Rows, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.archives import is_archive
from dlrecipes.datasets.own.columns import Wanted
from dlrecipes.datasets.own.files import FileOptions, Report, nearest_path, printable
from dlrecipes.datasets.own.images import IMAGE_SUFFIXES, Look, read_image, read_images, resized
from dlrecipes.datasets.own.ink import LOOKED_AT, as_trained, usual_border
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.lists import ListedFiles, placed, split_by_folder, tables_of
from dlrecipes.datasets.own.surveys import PUBLISHED, fitting_shape, survey
from dlrecipes.datasets.own.unread import Unread
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.system.progress import tracked
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.inputs.given import Given, gathered, given_files
from dlrecipes.tasks.pictures import png_url
from dlrecipes.tasks.reading import Found, Reading, SplitsWriter, read_unpacked
from dlrecipes.tasks.trying.widgets import PictureWidget

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "image", "image_path", "filepath", "filepaths"),
    *("file_path", "image_file", "image_name", "img_path", "img", "image_id", "photo", "id"),
)
IMAGES_AT_ONCE = 256
SPLITS = ("train", "validation", "test")
INVERTED = "inverted: the model was trained on images of the opposite ink (--invert no)"


@dataclass(frozen=True)
class ImageForm(Form):
    """The form of images.

    Args:
        shape: Height, width and channels: 1 for grey, 3 for red, green and blue.
        background: What transparent images are shown on; empty if there were none.
        levels: Of images of more than eight bits, the values that become 0 and 255; empty if there
            were none.
        border: Brightness of the borders of training images: from, to.
        invert: Whether images for the model are inverted: `yes`, `no`, or `auto`, those in grey
            whose border is light where that of the training images is dark, or dark where light.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    background: str = ""
    levels: tuple[float, ...] = ()
    border: tuple[float, ...] = ()
    invert: str = "auto"

    @property
    def look(self) -> Look:
        """Return how the pixels are read."""
        return Look(self.background, self.levels)


class Image(base.Input):
    """Images as uint8 pixels (height, width, channels)."""

    name = "image"
    form: ClassVar[type[Form]] = ImageForm
    suffixes = IMAGE_SUFFIXES
    plural = "images"
    predict_flags = ("invert",)
    widget = PictureWidget()

    def wanted(self, options: FileOptions) -> Wanted:
        """Return how the column of the images' paths is found in a table."""
        return Wanted("paths", PATH_COLUMNS)

    def read(self, reading: Reading, answer: base.Answer) -> Found:
        """Return images where the answer finds them, in one shape; or those of an .npz file."""
        path = reading.path
        if path.suffix.lower() == ".npz" and path.is_file():
            return _read_arrays(reading, answer)
        if is_archive(path):
            return read_unpacked(reading, lambda inside: self._read_files(inside, answer))
        return self._read_files(reading, answer)

    def _read_files(self, reading: Reading, answer: base.Answer) -> Found:
        """Return images where the answer finds them, in one shape."""
        path = reading.path
        tables = []
        if answer.needs_labels and path.is_dir():
            tables = tables_of(path, self.suffixes, reading.report)
        if len(tables) == 1:
            path, tables = tables[0][1], []
            reading = replace(reading, path=path)
        items: Sequence[Item] = [
            item
            for split, table in tables
            for item in placed(answer.items(replace(reading, path=table), self), split, table)
        ] or list(answer.items(reading, self))
        if not items:
            reading.require_usable()
        # The paths in a table begin at its folder; those of a folder's own files are whole.
        folder = None if path.is_dir() and not tables else path if tables else path.parent
        items = split_by_folder(items) if folder and not tables else items
        files = ListedFiles(folder, self.suffixes, reading.report)
        if reading.like:
            form = reading.like.input
        else:
            paths = (files.path(one.value) for one in items)
            looked = tracked(paths, f"Looking at {path.name}", len(items))
            shape, look = survey(looked, reading.report)
            form = ImageForm(shape, look.background, look.levels)
        assert isinstance(form, ImageForm)
        unread = Unread(len(items), reading.report, reading.options)
        inverted: list[int] = []

        def parts() -> Iterator[tuple[Sequence[Item], Array]]:
            count = -(-len(items) // IMAGES_AT_ONCE)
            for some in tracked(_parts(items), f"Reading {path.name}", count):
                paths = [files.path(one.value) for one in some]
                pixels, errors = read_images(paths, form.shape, form.look)
                if reading.like:
                    pixels, turned = as_trained(pixels, form.border, form.invert)
                    inverted.append(int(turned.sum()))
                errors = {**answer.unreadable(some), **errors}
                unread.add(paths, some, errors)
                good = [place for place in range(len(some)) if place not in errors]
                if good:
                    readable = [some[place] for place in good]
                    yield (
                        [replace(one, origin=reading.origin(one.origin)) for one in readable],
                        pixels[good] if errors else pixels,
                    )
            unread.settle()
            if sum(inverted):
                reading.report.note(
                    f"{sum(inverted):,} of {len(items):,} images are inverted: the model was "
                    "trained on images of the opposite ink."
                )

        return _encoded(reading, form, answer.encoder(reading, form), parts())

    def parse(
        self, arguments: Sequence[str], form: Form, options: FileOptions
    ) -> Iterator[base.Inputs]:
        """Yield the pixels of image files, and of all the images in folders."""
        assert isinstance(form, ImageForm)
        files = given_files(arguments, IMAGE_SUFFIXES, self.plural)
        given = (_with_pixels(one, form) for one in files)
        return gathered(given, np.stack, IMAGES_AT_ONCE)

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the feature of images."""
        return (one_feature(published, named, "image", ("image",), side=0, taken=taken),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the shape of the images, or the one to give to all if they vary or are large."""
        height, width, channels = (*chosen[0].shape, None, None, None)[:3]
        if height and width and channels in (1, 3):
            return ImageForm((*fitting_shape(height, width), channels))
        shape, look = survey(peek(chosen)[chosen[0].path], Report(), PUBLISHED)
        return ImageForm(shape, look.background, look.levels)

    def decoded(self, chosen: Sequence[Feature], form: Form) -> Collection[str]:
        """Return the images, if none of them is to be resized."""
        assert isinstance(form, ImageForm)
        return [one.path for one in chosen if one.shape == form.shape and one.dtype == "uint8"]

    def convert(self, chunk: base.Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the pixels of images, which are decoded unless they are to be resized."""
        assert isinstance(form, ImageForm)
        images = chunk[chosen[0].path]
        if isinstance(images, np.ndarray):
            return images
        return np.stack([read_image(content, form.shape, form.look) for content in images])

    def completed(self, source: Source, *, has_test: bool) -> Source:
        """Return a published data set, with the brightness of the borders of its images."""
        whole = super().completed(source, has_test=has_test)
        assert isinstance(whole.input, ImageForm)
        return replace(whole, input=_with_border(whole.input, whole.train))

    def on_page(self, some: Examples, form: Form) -> list[dict[str, Any]]:
        """Return the pictures, each with where it stands."""
        origins = self.shown(some, form)
        pictures = zip(np.asarray(some.columns["features"]), origins, strict=True)
        return [{"image": png_url(pixels), "name": origin} for pixels, origin in pictures]

    def files(self, features: Rows) -> Any:
        """Return images as PNG files."""
        import tensorflow as tf

        return tf.map_fn(tf.io.encode_png, tf.constant(features), fn_output_signature=tf.string)

    def from_files(self, contents: Any, form: Form) -> Any:
        """Return the pixels of PNG and JPEG files of any size."""
        from dlrecipes.tasks.inputs.image_bytes import pixels_of

        assert isinstance(form, ImageForm)
        return pixels_of(contents, form)

    def describe(self, source: Source) -> dict[str, Any]:
        """Return the shape that all images would get."""
        assert isinstance(source.input, ImageForm)
        return {"image_shape": list(source.input.shape)}


def _with_pixels(given: Given, form: ImageForm) -> Given:
    """Return an image file that `predict` was given, read."""
    if given.error is not None:
        return given
    try:
        pixels = read_image(given.value, form.shape, form.look)
    except InputError as error:
        is_gone = not os.path.lexists(given.value)
        hint = nearest_path(given.value) if is_gone else error.hint
        return replace(given, error=InputError(printable(given.said(error.message)), hint))
    (pixels,), (inverted,) = as_trained(pixels[np.newaxis], form.border, form.invert)
    return replace(given, value=pixels, note=INVERTED if inverted else "")


def _parts(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield the items, some at a time."""
    rest = iter(items)
    while some := list(islice(rest, IMAGES_AT_ONCE)):
        yield some


def _encoded(
    reading: Reading,
    form: ImageForm,
    encoder: base.Encoder,
    parts: Iterator[tuple[Sequence[Item], Array]],
) -> Found:
    """Return images with their answers, from items and their pixels, some at a time."""
    writer = SplitsWriter()
    for some, pixels in parts:
        labels = encoder.encode(some)
        writer.append([one.split for one in some], pixels, labels, [one.origin for one in some])
    answer_form, splits = encoder.finish(writer.finish())
    reading.require_usable()
    if not reading.like and "train" in splits:
        form = _with_border(form, splits["train"])
    return Found(splits, form, answer_form)


def _with_border(form: ImageForm, train: Examples) -> ImageForm:
    """Return the form with the brightness of the borders of training images."""
    rows = np.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).astype("int64")
    return replace(form, border=usual_border(np.asarray(train.take(np.unique(rows)).arrays())))


def _read_arrays(reading: Reading, answer: base.Answer) -> Found:
    """Return the images of an .npz file: arrays `x_train` and `y_train`, `x_test` and `y_test`.

    That is how `keras.datasets` has them: x (images, height, width) or (…, channels), uint8; y
    (images,) class numbers, or whatever the answer is. An array `classes` may name the classes.
    """
    path = reading.path
    arrays = _load_arrays(path)
    found = {split: arrays[f"x_{split}"] for split in SPLITS if f"x_{split}" in arrays}
    if not found:
        raise InputError(
            f"{path} has no array x_train: it has {', '.join(arrays) or 'none'}.",
            "Name the arrays x_train, y_train, x_test and y_test.",
        )
    for split, array in found.items():
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise InputError(
                f"{path}: x_{split} must be uint8 of shape (images, height, width) or (images, "
                f"height, width, channels). Received: {array.dtype} of shape {array.shape}"
            )
    own = next(iter(found.values()))
    channels = own.shape[3] if own.ndim == 4 else 1
    form = reading.like.input if reading.like else ImageForm((*own.shape[1:3], channels))
    assert isinstance(form, ImageForm)
    names = [str(name) for name in arrays.get("classes", ())]

    def parts() -> Iterator[tuple[Sequence[Item], Array]]:
        for split, array in found.items():
            labels = _labels_of(path, arrays, split, needed=answer.needs_labels)
            for start in range(0, len(array), IMAGES_AT_ONCE):
                some = range(start, min(start + IMAGES_AT_ONCE, len(array)))
                items = [
                    Item(split, None, labels[row], f"{path}, x_{split}[{row}]") for row in some
                ]
                yield items, resized(array[start : some.stop], form.shape)

    return _encoded(reading, form, answer.encoder(reading, form, names), parts())


def _load_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of an .npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not an .npz file of arrays: {error}") from None


def _labels_of(path: Path, arrays: Mapping[str, Array], split: str, *, needed: bool) -> Array:
    """Return the labels of a split; None for each image where there are none and none is needed."""
    images, labels = arrays[f"x_{split}"], arrays.get(f"y_{split}")
    if labels is None:
        if needed:
            raise InputError(f"{path} has x_{split} and no y_{split}.")
        return np.full(len(images), None)
    if len(labels) != len(images):
        raise InputError(f"{path}: x_{split} and y_{split} differ in length.")
    return labels
