"""A picture that nobody has taken: there is no truth, so no baseline."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.files import files_below, folder_entries
from dlrecipes.datasets.own.images import write_images
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.system.atomic import whole_file
from dlrecipes.tasks import base
from dlrecipes.tasks.answers.category import Category, CategoryForm
from dlrecipes.tasks.choosing import Named
from dlrecipes.tasks.inputs.noise import NoiseForm, noise_of
from dlrecipes.tasks.reading import Reading
from dlrecipes.tasks.results import Making
from dlrecipes.tasks.serving import run_serving
from dlrecipes.tasks.trying.displays import PictureDisplay

GRID = 8
"""Pictures a side of what is kept after every epoch."""
SHADES = " .:-=+*#%@"
"""Characters for the pixels of a picture in a terminal, from dark to bright."""


@dataclass(frozen=True)
class PictureForm(Form):
    """The form of pictures.

    Args:
        classes: Names of the classes of the pictures that are imitated; empty if they have none.
    """

    classes: tuple[str, ...] = ()


class Picture(base.Answer):
    """Pixels from 0 to 255, (height, width, channels)."""

    name = "picture"
    display = PictureDisplay()
    form: ClassVar[type[Form]] = PictureForm
    predict_flags = ("output",)
    needs_labels = False
    has_snapshots = True
    can_be_averaged = False

    def items(self, reading: Reading, inputs: base.Input) -> Iterator[Item]:
        """Yield the images of a folder, or of folders of their class, or of a table."""
        path = reading.path
        if path.is_dir() and not folder_entries(path, reading.report)[0]:
            return (
                Item("train", str(file), None, str(file))
                for file in files_below(path, reading.report)
                if file.suffix.lower() in inputs.suffixes
            )
        return Category().items(reading, inputs)

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> base.Encoder:
        """Return what turns the names of classes, if there are any, into their numbers."""
        return _MaybeClasses(reading, form, names)

    def baseline(self, source: Source) -> None:
        """Return None: there is no picture that would be right."""

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the feature of class labels, if there is one: quality is judged by classes."""
        if "label" in named or any(one.kind == "category" for one in published.features):
            return Category().choose(published, named)
        return ()

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the names of the classes of the pictures, if they have any."""
        return PictureForm(chosen[0].classes if chosen else ())

    def convert(
        self, chunk: base.Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]
    ) -> Any:
        """Return the numbers of the classes, if there are any."""
        return Category().convert(chunk, chosen, forms) if chosen else None

    def snapshots(self, making: Making) -> Callable[[Path, int], None]:
        """Return what writes a grid of 8 by 8 pictures, of the same noise after every epoch."""
        from PIL import Image

        form = making.forms[0]
        assert isinstance(form, NoiseForm)
        noise = noise_of(range(GRID**2), form.size)

        def write(folder: Path, epoch: int) -> None:
            pictures = as_pixels(making.model(noise, training=False).numpy())
            rows = np.concatenate(np.split(pictures, GRID), axis=1)  # each picture below the other
            grid = np.concatenate(list(rows), axis=1)
            folder.mkdir(exist_ok=True)
            with whole_file(folder / f"epoch-{epoch:03}.png") as temporary:
                Image.fromarray(grid.squeeze()).save(temporary, format="PNG")

        return write

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return `picture` (batch, height, width, channels), as the generator makes it."""
        import tensorflow as tf

        return {"picture": tf.identity(outputs)}

    def predict(
        self, serving: Any, inputs: base.Inputs, form: Form, options: base.PredictOptions
    ) -> list[dict[str, Any]]:
        """Return the pixels of each picture, from 0 to 255; write them as PNG, if asked to."""
        pictures = as_pixels(run_serving(serving, inputs.features))
        predictions: list[dict[str, Any]] = [
            {"input": name, "picture": picture.tolist()}
            for name, picture in zip(inputs.names, pictures, strict=True)
        ]
        if options.output is not None:
            names = [name.replace(" ", "-") for name in inputs.names]
            images = [picture.squeeze() for picture in pictures]
            for prediction, path in zip(
                predictions,
                write_images(images, options.output, names, options.written),
                strict=True,
            ):
                prediction["path"] = str(path)
        return predictions

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each picture in characters, or where it was written."""
        if predictions and "path" in predictions[0]:
            rows = [[prediction["input"], prediction["path"]] for prediction in predictions]
            return ["input", "picture"], rows
        return ["text"], [
            [f"{prediction['input']}\n{_shaded(np.array(prediction['picture'], 'uint8'))}"]
            for prediction in predictions
        ]


class _MaybeClasses:
    """Turns the names of classes into numbers, where there are any.

    Args:
        reading: As for a `Category`.
        form: The form of the inputs.
        names: As for a `Category`.
    """

    def __init__(self, reading: Reading, form: Form, names: Sequence[str]) -> None:
        self.numbers = Category().encoder(reading, form, names)
        self.has_classes = False

    def encode(self, items: Sequence[Item]) -> Array | None:
        """Return the numbers of the classes; None without classes."""
        self.has_classes = all(item.label is not None for item in items)
        return self.numbers.encode(items) if self.has_classes else None

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the names of the classes, and the splits with their final numbers."""
        if not self.has_classes:
            return PictureForm(), splits
        form, splits = self.numbers.finish(splits)
        assert isinstance(form, CategoryForm)
        return PictureForm(form.classes), splits


def as_pixels(pictures: Array) -> Array:
    """Return pictures of numbers from 0 to 255 as uint8 pixels."""
    return np.clip(pictures, 0, 255).round().astype("uint8")


def _shaded(picture: Array) -> str:
    """Return a picture in characters, two pixels high each."""
    grey = picture.mean(-1)[::2] / 255
    places = np.minimum((grey * len(SHADES)).astype(int), len(SHADES) - 1)
    return "\n".join("".join(SHADES[place] for place in row) for row in places)
