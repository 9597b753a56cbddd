"""What the page to try a model takes an input with: one widget for each kind of input.

A widget hands over what the user gave it as JSON, and the kind of input reads that as it reads what
`predict` is given: there is no second preprocessing.
"""

import base64
import binascii
import csv
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dlrecipes.datasets.own.files import FileOptions, printable
from dlrecipes.datasets.own.ink import DARK, LIGHT, borders_of
from dlrecipes.datasets.own.moments import shown
from dlrecipes.datasets.own.written import DATES
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.datasets.examples import Examples
    from dlrecipes.tasks.base import Input, Inputs

Posted = Mapping[str, Any]
"""What the page sends: `text`, `file`, `columns` or `seed`."""
INK = 64
"""Difference from the border, of 255, from which on a pixel is ink."""
SAME_FRAME = 0.1
"""How far the ink of training images may be from one size for a drawing to be given that size."""
HIGHEST_SEED = 999_999_999
CSV = FileOptions(separator=",", decimal=".", quoting="double", header="first")


class Widget(ABC):
    """A way to give one input.

    Class attributes:
        kind: What the page calls it: `canvas`, `textarea`, `prompt`, `form`, `file` or `button`.
    """

    kind: ClassVar[str]

    def describe(self, form: Any, golden: "Examples") -> dict[str, Any]:
        """Return what the page must know to show the widget, with its `kind`.

        Args:
            form: The form of the inputs.
            golden: A few inputs that the model can be tried with.
        """
        return {"kind": self.kind}

    def examples(self, taken: "Input", golden: "Examples", form: Any) -> list[dict[str, Any]]:
        """Return golden inputs to try: of each, what the page posts, and what it shows of it.

        Args:
            taken: The kind of input.
            golden: The inputs.
            form: The form of the inputs.
        """
        return [
            {"input": self.example(row, number), "shown": row}
            for number, row in enumerate(taken.on_page(golden, form))
        ]

    def example(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return what the page posts for a golden input, as its user would give it.

        Args:
            row: What a page shows of it (see `Input.on_page`).
            number: Its number, from 0: some kinds cannot be given otherwise.
        """
        return {"example": number}

    @abstractmethod
    def inputs(self, taken: "Input", posted: Posted, form: Any) -> "Inputs":
        """Return the input that was posted, as `predict` reads it.

        Args:
            taken: The kind of input.
            posted: What the page sends.
            form: The form of the inputs that the model was trained on.

        Raises:
            InputError: if that is missing or not what the model takes.
        """


class FileWidget(Widget):
    """A file of the user's: what any kind of input can read."""

    kind = "file"

    def describe(self, form: Any, golden: "Examples") -> dict[str, Any]:
        """Return the kind."""
        return {"kind": self.kind, "accept": ""}

    def inputs(self, taken: "Input", posted: Posted, form: Any) -> "Inputs":
        """Return the first inputs in the file."""
        name, content = _file(posted)
        with tempfile.TemporaryDirectory() as folder:
            # Only the ending tells something: a name could lead out of the folder.
            path = Path(folder) / f"file{_ending(name)}"
            path.write_bytes(content)
            read = _first(taken, str(path), form, FileOptions())
            return _renamed(read, str(path), printable(name))


class PictureWidget(FileWidget):
    """A picture: drawn, where the training images are ink on an even ground; or a file."""

    def describe(self, form: Any, golden: "Examples") -> dict[str, Any]:
        """Return the shape of the images, and how a drawing is to look."""
        height, width, channels = form.shape
        can_be_drawn = channels == 1 and bool(form.border) and _is_even(form.border)
        return {
            "kind": "canvas" if can_be_drawn else self.kind,
            "accept": "image/*",
            "height": height,
            "width": width,
            "paper": "dark" if can_be_drawn and form.border[1] <= DARK else "light",
            "frame": ink_size(np.asarray(golden.columns["features"])) if can_be_drawn else None,
        }


class TextWidget(Widget):
    """A text that is typed.

    Args:
        read: Returns a text as an input. (`Input.parse` would take a path for what lies there.)
    """

    kind = "textarea"

    def __init__(self, read: "Callable[[str], Inputs]") -> None:
        self.read = read

    def example(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return the text."""
        return {"text": row["text"]}

    def inputs(self, taken: "Input", posted: Posted, form: Any) -> "Inputs":
        """Return the text."""
        text = posted.get("text")
        if not isinstance(text, str):
            raise InputError(f"The text must be a string. Received: {type(text).__name__}")
        return self.read(text)


class PromptWidget(TextWidget):
    """The beginning of a text."""

    kind = "prompt"


class FormWidget(Widget):
    """A row of a table: a field for each column that the model uses."""

    kind = "form"

    def describe(self, form: Any, golden: "Examples") -> dict[str, Any]:
        """Return the fields, with the ranges and the choices of the training rows."""
        fields = [_field(form, short) for short in form.kinds]
        return {"kind": self.kind, "target": form.target, "fields": fields}

    def example(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return the row."""
        return {"columns": row["columns"]}

    def inputs(self, taken: "Input", posted: Posted, form: Any) -> "Inputs":
        """Return the row, written as a CSV file and read like any other."""
        columns = posted.get("columns")
        if not isinstance(columns, dict) or not columns:
            raise InputError("The columns must be an object of names and values.")
        cells = ["" if value is None else str(value) for value in columns.values()]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "row.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL).writerows([[*columns], cells])
            return _renamed(_first(taken, str(path), form, CSV), str(path), "the row")


class ButtonWidget(Widget):
    """A button that draws from noise, with the seed of the noise."""

    kind = "button"

    def describe(self, form: Any, golden: "Examples") -> dict[str, Any]:
        """Return the highest seed."""
        return {"kind": self.kind, "highest": HIGHEST_SEED}

    def examples(self, taken: "Input", golden: "Examples", form: Any) -> list[dict[str, Any]]:
        """Return seeds: there is nothing to see of noise."""
        return [{"input": {"seed": seed}, "shown": {}} for seed in range(len(golden))]

    def inputs(self, taken: "Input", posted: Posted, form: Any) -> "Inputs":
        """Return the noise of the seed."""
        seed = posted.get("seed")
        if type(seed) is not int or not 0 <= seed <= HIGHEST_SEED:
            raise InputError(
                f"The seed must be a whole number from 0 to {HIGHEST_SEED}. Received: {seed!r}"
            )
        return _first(taken, str(seed), form, FileOptions())


def ink_size(images: Array) -> float | None:
    """Return the size of the ink in images as a share of their side; None if it is not one size.

    The ink of MNIST's digits fits into a box of 20 of 28 pixels, whoever wrote them however large:
    a drawing must be given that size, too.

    Args:
        images: Training images, uint8 (images, height, width, channels).
    """
    grey = images.astype("float64").mean(axis=-1)
    ink = np.abs(grey - borders_of(images)[:, np.newaxis, np.newaxis]) > INK
    sizes = [max(map(_extent, (one.any(axis=1), one.any(axis=0)))) for one in ink if one.any()]
    if not sizes:
        return None
    shares = np.array(sizes) / max(images.shape[1:3])
    middle = float(np.median(shares))
    return middle if np.abs(shares - middle).max() <= SAME_FRAME else None


def _extent(places: Array) -> int:
    """Return the distance from the first to the last true place, both counted."""
    found = np.flatnonzero(places)
    return int(found[-1] - found[0]) + 1


def _is_even(border: tuple[float, ...]) -> bool:
    """Tell whether the borders of the training images are all dark, or all light."""
    return border[1] <= DARK or border[0] >= LIGHT


def _field(form: Any, short: str) -> dict[str, Any]:
    """Return what describes the field of a column, by the column's name in the network."""
    kind = form.kinds[short]
    field: dict[str, Any] = {"name": form.called.get(short, short), "kind": kind}
    if short in form.ranges:
        low, high, step = form.ranges[short]
        ends = [shown(int(one)) for one in (low, high)] if kind == DATES else [low, high]
        field |= {"low": ends[0], "high": ends[1], "step": step}
    if short in form.choices:
        field["choices"] = list(form.choices[short])
    return field


def _file(posted: Posted) -> tuple[str, bytes]:
    """Return the name and the content of the file that was posted."""
    file = posted.get("file")
    if not isinstance(file, dict) or not isinstance(file.get("content"), str):
        raise InputError("The file must be an object with a name and its content in base64.")
    try:
        content = base64.b64decode(file["content"], validate=True)
    except (binascii.Error, ValueError):
        raise InputError("The content of the file must be base64.") from None
    return str(file.get("name") or "file"), content


def _ending(name: str) -> str:
    """Return the ending of a file's name, if it is a plain one."""
    suffix = Path(name.replace("\\", "/")).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 12 else ""


def _first(taken: "Input", argument: str, form: Any, options: FileOptions) -> "Inputs":
    """Return the first of the inputs that an argument of `predict` stands for."""
    found = next(iter(taken.parse([argument], form, options)), None)
    if found is None or not found.names:
        raise InputError("There is no input in the file.")
    return found


def _renamed(inputs: "Inputs", path: str, name: str) -> "Inputs":
    """Return inputs that are called as the user calls the file, in messages, too."""
    return replace(
        inputs,
        names=[one.replace(path, name) for one in inputs.names],
        places=(),
        errors={
            place: InputError(error.message.replace(path, name), error.hint.replace(path, name))
            for place, error in inputs.errors.items()
        },
    )
