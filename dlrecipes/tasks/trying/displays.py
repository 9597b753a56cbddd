"""How the page to try a model shows an answer: one display for each kind of answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dlrecipes.system.words import number
from dlrecipes.tasks.pictures import colour_of, mask_url, png_url

if TYPE_CHECKING:
    from dlrecipes.tasks.base import Answer

Entry = Mapping[str, Any]
"""What `predict --json` prints of an input."""
SEEN = 0.0005
"""Share of the pixels of a mask from which on a class is in its legend."""


class Display(ABC):
    """A way to show an answer.

    Class attributes:
        kind: What the page calls it.
    """

    kind: ClassVar[str]

    @abstractmethod
    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return what the page shows of an answer, as JSON types.

        Args:
            answer: The kind of answer.
            entry: The answer, as `predict --json` prints it.
            form: The form of the answers.
        """


class TableDisplay(Display):
    """The titles and the cells that `predict` prints: what any kind of answer has."""

    kind = "table"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return `titles` and `cells`."""
        titles, rows = answer.table([dict(entry)])
        return {"titles": titles, "cells": rows[0]}


class ClassesDisplay(Display):
    """The probability of each class, as a bar."""

    kind = "classes"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return the `label`, the `rule`, and the `probabilities` in the order of the classes."""
        probabilities = [[name, share] for name, share in entry["probabilities"].items()]
        return {"label": entry["label"], "rule": form.rule, "probabilities": probabilities}


class NumberDisplay(Display):
    """A number, large."""

    kind = "number"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return the number as text."""
        return {"number": number(entry["value"])}


class TextDisplay(Display):
    """A text that goes on from a prompt, as it is written."""

    kind = "text"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return the `prompt` and what was `added`."""
        return {"prompt": entry["prompt"], "added": entry["text"].removeprefix(entry["prompt"])}


class MaskDisplay(Display):
    """A mask over the picture, and what its colours stand for."""

    kind = "mask"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return the `image` of the mask as a data URL, and its `legend`."""
        legend = [
            {"name": name, "colour": _hex(place), "share": share}
            for place, (name, share) in enumerate(entry["shares"].items())
            if share >= SEEN
        ]
        mask = np.array(entry["mask"], "int64")
        return {"image": mask_url(mask, len(form.classes)), "legend": legend}


class PictureDisplay(Display):
    """A picture."""

    kind = "picture"

    def show(self, answer: "Answer", entry: Entry, form: Any) -> dict[str, Any]:
        """Return the `image` as a data URL."""
        return {"image": png_url(np.array(entry["picture"], "uint8"))}


def _hex(place: int) -> str:
    """Return the colour of a class of a mask as CSS has it."""
    return "#" + bytes(colour_of(place)).hex()
