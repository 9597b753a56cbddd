"""Image classification: image files in, a class and its probability out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import (
    FileOptions,
    Report,
    files_below,
    nearest_path,
    printable,
)
from dlrecipes.datasets.own.images import IMAGE_SUFFIXES, common_shape, read_images
from dlrecipes.datasets.own.labelled import LabelledWriter, labelled_files, labelled_rows
from dlrecipes.datasets.own.tables import TABLE_SUFFIXES, Wanted, is_table
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
IMAGES_AT_ONCE = 256


class ImageClassification(base.Task):
    """Tell which of a few classes an image shows."""

    name = "image-classification"
    headline = "accuracy"

    def read_path(
        self, path: Path, options: FileOptions, like: Source | None, report: Report
    ) -> Source:
        """Return images of class folders, or of a table of paths and labels, in one shape."""
        if path.is_dir():
            listed = list(labelled_files(path, IMAGE_SUFFIXES, "images", report))
        elif is_table(path):
            paths, labels = Wanted("paths", PATH_COLUMNS), base.wanted_labels(options)
            listed = list(labelled_rows(path, options.encoding, paths, labels, report))
        else:
            raise InputError(
                f"{path} must be a folder with a folder of images for each class, or a table "
                f"({', '.join(TABLE_SUFFIXES)}) of their paths and labels."
            )
        if not listed:
            report.require_usable(path)
        # The paths in a table begin at its folder; those of a folder's own files are whole.
        folder = Path() if path.is_dir() else path.parent
        if like:
            shape = like.image_shape
        else:
            shape = common_shape((folder / one.value for one in listed), report)
        writer = LabelledWriter(path, like.classes if like else (), report)
        for start in range(0, len(listed), IMAGES_AT_ONCE):
            some = listed[start : start + IMAGES_AT_ONCE]
            files = [folder / one.value for one in some]
            pixels = read_images(files, shape, report, [one.origin for one in some])
            writer.append_all(some, pixels)
        classes, splits = writer.finish()
        report.require_usable(path)
        return base.own_source(path, splits, like, classes=classes, image_shape=shape)

    def baseline(self, source: Source) -> base.Baseline:
        """Return the accuracy of always answering the commonest class."""
        return base.commonest_class(source)

    def read_inputs(
        self, arguments: Sequence[str], form: Source, options: FileOptions
    ) -> base.Inputs:
        """Return the pixels of image files, and of all the images in folders."""
        report = Report()
        paths: list[Path] = []
        for argument in arguments:
            path = Path(argument).expanduser()
            if not path.is_dir():
                paths.append(path)
                continue
            below = files_below(path, report)
            found = [file for file in below if file.suffix.lower() in IMAGE_SUFFIXES]
            if not found:
                report.problem(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)}).")
            paths += found
        pixels = read_images(paths, form.image_shape, report)
        gone = next((path for path in paths if not os.path.lexists(path)), None)
        report.require_usable("The input", nearest_path(gone) if gone else "")
        return base.Inputs([printable(str(path)) for path in paths], pixels)

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
