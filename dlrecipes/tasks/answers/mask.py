"""A class for every pixel: a mask beside the image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.files import (
    Report,
    files_below,
    read_text,
)
from dlrecipes.datasets.own.images import ImageError, open_image, write_images
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.masks import (
    MASK_SUFFIXES,
    VOID,
    class_numbers,
    classes_of,
    folders_of_masks,
    mask_pixels,
    name_of,
    name_of_mask,
    open_mask,
)
from dlrecipes.datasets.own.orientation import size_as_held
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array, Column, ColumnWriter, chunks
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_probabilities, why_no_probabilities
from dlrecipes.kit.segmentation import confusion, mask_metrics
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.pictures import mask_url
from dlrecipes.tasks.reading import Reading
from dlrecipes.tasks.results import Baseline, Examined
from dlrecipes.tasks.serving import run_serving
from dlrecipes.tasks.trying.displays import MaskDisplay

MOST_CLASSES = 256
MASKS_AT_ONCE = 64
"""That are counted or numbered together: it takes eight bytes a pixel."""


@dataclass(frozen=True)
class MaskForm(Form):
    """The form of masks.

    Args:
        classes: Names of the classes, in the order of their numbers.
        values: The pixel of each class in the files: grey, index, or red * 65536 + green * 256 +
            blue.
    """

    classes: tuple[str, ...] = ()
    values: tuple[int, ...] = ()


class Mask(base.Answer):
    """The number of a class for every pixel, uint8 (height, width)."""

    name = "mask"
    display = MaskDisplay()
    has_truth = True
    form: ClassVar[type[Form]] = MaskForm
    predict_flags = ("output",)

    def items(self, reading: Reading, inputs: base.Input) -> Iterator[Item]:
        """Yield each image of a folder `images`, with the mask of its name in a folder `masks`."""
        path, report = reading.path, reading.report
        if not path.is_dir():
            raise InputError(
                f"{path} must be a folder that holds the folders images and masks, or an .npz file."
            )
        found = folders_of_masks(path, report)
        for split, images, masks in found:
            yield from _pairs(split, images, masks, reading, inputs)
        if not found and not report.count:
            report.problem(f"{path} must hold the folders images and masks.")

    def unreadable(self, items: Sequence[Item]) -> Mapping[int, ImageError]:
        """Return why some masks cannot be read, by the place of their item."""
        errors: dict[int, ImageError] = {}
        for place, item in enumerate(items):
            try:
                open_mask(item.label)
            except ImageError as error:
                errors[place] = error
        return errors

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> base.Encoder:
        """Return what reads mask files and turns their pixels into class numbers."""
        return _Masks(reading, form, names)

    def baseline(self, source: Source) -> Baseline:
        """Return the metrics of giving every pixel the class that is commonest in training."""
        classes = len(source.classes)
        train, test = (_pixels_of_classes(one, classes) for one in (source.train, source.test))
        commonest = int(np.argmax(train))
        share = float(test[commonest] / test.sum())
        met = int(np.count_nonzero(test)) + (not test[commonest])
        return Baseline(
            f"{source.classes[commonest]!r} for every pixel",
            {"mean_iou": share / met, "accuracy": share},
        )

    def truths(self, labels: Array, form: Form) -> list[dict[str, Any]]:
        """Return the masks, in colours."""
        assert isinstance(form, MaskForm)
        return [{"image": mask_url(mask, len(form.classes))} for mask in labels]

    def answers(self, outputs: Array, form: Form) -> list[dict[str, Any]]:
        """Return the masks that the model found, in colours."""
        assert isinstance(form, MaskForm)
        classes = class_probabilities(outputs)[..., : len(form.classes)].argmax(axis=-1)
        return self.truths(classes, form)

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the image feature that is the mask."""
        return (one_feature(published, named, "mask", ("image",), side=1),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the pixel values that are found in some masks, and the names of the classes."""
        seen = [np.unique(mask_pixels(content, None)) for content in peek(chosen)[chosen[0].path]]
        names, values = classes_of(np.unique(np.concatenate(seen)).tolist(), chosen[0].classes)
        return MaskForm(names, tuple(values.tolist()))

    def adapted(self, form: Form, known: Form) -> Form:
        """Return the form of the masks that a model was trained on.

        Raises:
            InputError: if these masks have other classes.
        """
        assert isinstance(form, MaskForm)
        assert isinstance(known, MaskForm)
        if form.classes != known.classes:
            raise InputError(
                f"The masks have the classes {', '.join(form.classes)}, and the model was trained "
                f"on {', '.join(known.classes)}."
            )
        return known

    def convert(
        self, chunk: base.Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]
    ) -> Array:
        """Return the class numbers of encoded masks."""
        shape, form = getattr(forms[0], "shape", ()), forms[1]
        assert isinstance(form, MaskForm)
        pixels = [mask_pixels(content, shape[:2]) for content in chunk[chosen[0].path]]
        return class_numbers(np.stack(pixels), np.array(form.values))

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return `probabilities` (batch, height, width, classes) and `mask` (batch, height, width).

        Args:
            outputs: Probabilities of that shape, or (…, 1): those of the second class.
            form: Names the classes.
        """
        import tensorflow as tf

        if outputs.shape[-1] == 1:
            outputs = tf.concat([1 - outputs, outputs], axis=-1)
        return {
            "probabilities": tf.identity(outputs),
            "mask": tf.argmax(outputs, axis=-1, output_type=tf.int32),
        }

    def output_problem(self, outputs: Array) -> str:
        """Return why the outputs are no probabilities; empty if they are."""
        return why_no_probabilities(outputs)

    def examine(self, outputs: Array, labels: Array, form: Form) -> Examined:
        """Return the shares of the classes in each mask and its answer; the loss is wrong pixels.

        Pixels that belong to no class do not count.
        """
        assert isinstance(form, MaskForm)
        called = (
            outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs[..., 0] > 0.5).astype(int)
        )
        known = labels < len(form.classes)
        wrong = ((called != labels) & known).sum(axis=(1, 2)) / known.sum(axis=(1, 2)).clip(1)
        return Examined(
            truth=[_shares(mask[at], form) for mask, at in zip(labels, known, strict=True)],
            prediction=[_shares(mask[at], form) for mask, at in zip(called, known, strict=True)],
            loss=wrong.tolist(),
        )

    def measured(self, outputs: Array, labels: Array, form: Form) -> Mapping[str, float]:
        """Return the metrics of the likeliest class of each pixel."""
        assert isinstance(form, MaskForm)
        count = len(form.classes)
        called = class_probabilities(outputs)[..., :count].argmax(axis=-1)
        return mask_metrics(confusion(called, labels, count), form.classes)

    def predict(
        self, serving: Any, inputs: base.Inputs, form: Form, options: base.PredictOptions
    ) -> list[dict[str, Any]]:
        """Return the share of each class in each image, and the class number of every pixel.

        With an `output` folder, each mask is written there, a PNG with the pixels of its files.
        """
        assert isinstance(form, MaskForm)
        outputs = run_serving(serving, inputs.features)
        masks = outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs[..., 0] > 0.5).astype(int)
        predictions: list[dict[str, Any]] = []
        for name, mask in zip(inputs.names, masks, strict=True):
            shares = {
                label: float((mask == number).mean()) for number, label in enumerate(form.classes)
            }
            predictions.append({"input": name, "shares": shares, "mask": mask.tolist()})
        if options.output is not None:
            images = [_as_image(mask, form) for mask in masks]
            names = [f"{Path(name).stem}-mask" for name in inputs.names]
            for prediction, path in zip(
                predictions,
                write_images(images, options.output, names, options.written),
                strict=True,
            ):
                prediction["path"] = str(path)
        return predictions

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the share of each class in each image."""
        rows = []
        for prediction in predictions:
            ranked = sorted(prediction["shares"].items(), key=lambda item: -item[1])
            shares = ", ".join(f"{label} {share:.1%}" for label, share in ranked[:5])
            rows.append([prediction["input"], shares])
        return ["input", "share of the pixels"], rows


def _shares(pixels: Array, form: MaskForm) -> str:
    """Return the shares of the classes among pixels, in words: those that there are."""
    found = {name: float((pixels == number).mean()) for number, name in enumerate(form.classes)}
    return ", ".join(f"{name} {share:.1%}" for name, share in found.items() if share)


def _as_image(mask: Array, form: MaskForm) -> Array:
    """Return the pixels of a mask, as the training masks have them: grey, or red, green, blue."""
    pixels = np.array(form.values, "int32")[mask]
    if max(form.values) <= 255:
        return pixels.astype("uint8")
    return np.stack([pixels >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype("uint8")


def _pixels_of_classes(examples: Examples, classes: int) -> Array:
    """Return how many pixels of the masks each class has."""
    counts = np.zeros(classes, "int64")
    for part in chunks(_labels(examples.labels), MASKS_AT_ONCE):
        counts += np.bincount(part[part < classes].reshape(-1), minlength=classes)
    return counts


def _labels(labels: Column | None) -> Column:
    """Return the labels, of which there are some."""
    assert labels is not None
    return labels


def _pairs(
    split: str, images: Path, masks: Path, reading: Reading, inputs: base.Input
) -> Iterator[Item]:
    """Yield each image with its mask, which has the same name but for the ending."""
    report = reading.report
    by_name: dict[str, Path] = {}
    for file in files_below(masks, report):
        if file.suffix.lower() in MASK_SUFFIXES:
            by_name[name_of_mask(file.relative_to(masks))] = file
        else:
            report.leave_out(file.suffix.lower() or "without an ending", file)
    for file in files_below(images, report):
        if file.suffix.lower() not in inputs.suffixes:
            report.leave_out(file.suffix.lower() or "without an ending", file)
            continue
        inside = file.relative_to(images)
        mask = by_name.get(name_of(inside)) or by_name.get(name_of_mask(inside))
        if mask is None:
            report.problem(
                f"{file} has no mask {masks / inside.with_suffix(MASK_SUFFIXES[0])}.",
                f"A mask has the name of its image, and ends in {', '.join(MASK_SUFFIXES)}.",
            )
        else:
            yield Item(split, str(file), mask, str(file))


class _Masks:
    """Reads masks, and turns their pixels into class numbers.

    Args:
        reading: Knows which classes there must be, if the data is to be like that of a run.
        form: Of the images, whose height and width the masks get.
        names: Names of the classes, if the pixels are their numbers.
    """

    def __init__(self, reading: Reading, form: Form, names: Sequence[str]) -> None:
        self.path, self.report, self.names = reading.path, reading.report, tuple(names)
        self.like = reading.like.answer if reading.like else None
        self.size: tuple[int, ...] = tuple(getattr(form, "shape", ()))[:2]
        self.values: set[int] = set()

    def encode(self, items: Sequence[Item]) -> Array:
        """Return the pixels of masks, int32 (masks, height, width)."""
        masks = []
        for item in items:
            try:
                pixels = mask_pixels(_of_its_size(item), self.size)
            except InputError as error:
                named = str(item.origin) in error.message or isinstance(item.label, Path)
                self.report.problem(error.message if named else f"{item.origin}: {error.message}")
                pixels = np.zeros(self.size, "int32")
            if len(self.values) <= MOST_CLASSES:
                self.values.update(np.unique(pixels).tolist())
            masks.append(pixels)
        return np.stack(masks)

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the classes, and the splits with class numbers for pixels."""
        form = self._form()
        if len(self.values) > MOST_CLASSES:
            self.report.problem(
                f"{self.path}: the masks have more than {MOST_CLASSES} different pixels.",
                "A mask has one pixel value or colour for each class, and is not a JPEG.",
            )
        elif unknown := sorted(self.values - {*form.values, VOID}):
            self.report.problem(
                f"{self.path}: the masks have the pixel value {unknown[0]}, which stands for no "
                "class that the model was trained on."
            )
        elif len(form.classes) < 2:
            self.report.problem(f"{self.path}: the masks have one class only: two are needed.")
        if self.report.count:
            return form, splits
        values, numbered = np.array(form.values), {}
        for split, examples in splits.items():
            writer = ColumnWriter()
            for part in chunks(_labels(examples.labels), MASKS_AT_ONCE):
                writer.append(class_numbers(part, values))
            numbered[split] = replace(examples, labels=writer.finish())
        return form, numbered

    def _form(self) -> MaskForm:
        """Return the form that a run has, or else that of what was found."""
        if isinstance(self.like, MaskForm):
            return self.like
        names = self.names or _listed_classes(self.path, self.report)
        classes, values = classes_of(sorted(self.values), names)
        if VOID in self.values and VOID not in values:
            self.report.note(f"Pixels of {VOID} in the masks belong to no class and do not count.")
        return MaskForm(classes, tuple(values.tolist()))


def _listed_classes(path: Path, report: Report) -> tuple[str, ...]:
    """Return the names in `classes.txt`, a line each, beside the folders of images and masks."""
    if not path.is_dir():
        return ()
    folders = [path, *(masks.parent for _, _, masks in folders_of_masks(path, report))]
    listed = next((file for folder in folders if (file := folder / "classes.txt").is_file()), None)
    if listed is None:
        return ()
    names = tuple(line.strip() for line in read_text(listed).splitlines() if line.strip())
    if len(set(names)) < len(names):
        report.problem(f"{listed} names a class twice.")
    return names


def _of_its_size(item: Item) -> Any:
    """Return a mask, opened; it must have the size of its image, which may lie on its side.

    Raises:
        InputError: if it has another one.
    """
    mask = open_mask(item.label)
    if not isinstance(item.value, str):
        return mask
    try:
        with open_image(Path(item.value)) as image:
            size = size_as_held(image)
    except InputError:
        return mask  # Reading its pixels says what is wrong.
    if mask.size != size:
        raise InputError(
            f"{item.label} has {mask.height}x{mask.width} pixels, and its image {item.value} has "
            f"{size[1]}x{size[0]} (height x width)."
        )
    return mask
