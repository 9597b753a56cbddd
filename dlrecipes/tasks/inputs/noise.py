"""Noise: random numbers that a generator turns into something."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, Features, Rows
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.columns import Wanted
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.own.images import IMAGE_SUFFIXES
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.inputs.given import Given, gathered
from dlrecipes.tasks.inputs.image import Image, ImageForm
from dlrecipes.tasks.reading import Found, Reading
from dlrecipes.tasks.trying.widgets import ButtonWidget

SEEDS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class NoiseForm(Form):
    """The form of noise.

    Args:
        size: Random numbers of one input.
        shape: Height, width and channels of the pictures that the training data holds.
    """

    size: int = 0
    shape: tuple[int, int, int] = (28, 28, 1)


class Noise(base.Input):
    """Numbers from a normal distribution, float32 (size,). The examples are what is imitated."""

    name = "noise"
    form: ClassVar[type[Form]] = NoiseForm
    suffixes = IMAGE_SUFFIXES
    plural = "images"
    widget = ButtonWidget()

    def wanted(self, options: FileOptions) -> Wanted:
        """Return how the column of the images' paths is found in a table."""
        return Image().wanted(options)

    def read(self, reading: Reading, answer: base.Answer) -> Found:
        """Return the pictures that are to be imitated."""
        like = reading.like
        if like is not None:
            assert isinstance(like.input, NoiseForm)
            reading = replace(reading, like=replace(like, input=ImageForm(like.input.shape)))
        found = Image().read(reading, answer)
        assert isinstance(found.input, ImageForm)
        return replace(found, input=NoiseForm(shape=found.input.shape))

    def parse(
        self, arguments: Sequence[str], form: Form, options: FileOptions
    ) -> Iterator[base.Inputs]:
        """Yield the noise of seeds: whole numbers, or ranges such as `0-15`."""
        assert isinstance(form, NoiseForm)
        size = form.size
        return gathered(_seeds(arguments), lambda seeds: noise_of(seeds, size))

    def on_page(self, some: Examples, form: Form) -> list[dict[str, Any]]:
        """Return the pictures that are imitated."""
        return Image().on_page(some, form)

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the feature of the pictures that are imitated."""
        return (one_feature(published, named, "image", ("image",), side=0, taken=taken),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the form of the noise, whose size the recipe chooses."""
        form = Image().published_form(chosen, peek)
        assert isinstance(form, ImageForm)
        return NoiseForm(shape=form.shape)

    def convert(self, chunk: base.Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the pixels of encoded pictures."""
        assert isinstance(form, NoiseForm)
        return Image().convert(chunk, chosen, ImageForm(form.shape))

    def golden(self, test: Examples, form: Form) -> Rows:
        """Return noise that travels with a run and its exports."""
        return self.raw(test, base.GOLDEN_EXAMPLES, form)

    def raw(self, test: Examples, count: int, form: Form) -> Rows:
        """Return the noise of so many seeds."""
        return noise_of(range(count), getattr(form, "size", 0))

    def describe(self, source: Any) -> dict[str, Any]:
        """Return the shape that all pictures would get."""
        return {"image_shape": list(source.input.shape)}


def _seeds(arguments: Sequence[str]) -> Iterator[Given]:
    """Yield the seeds that arguments stand for."""
    for argument in arguments:
        match = SEEDS.fullmatch(argument.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if match and 0 <= last - first < MOST_SEEDS:
            yield from (Given(f"seed {seed}", seed) for seed in range(first, last + 1))
            continue
        why = (
            f"A range of seeds must go up by at most {MOST_SEEDS:,}."
            if match
            else "An input must be a whole number, the seed of a picture, or a range of seeds such "
            "as 0-15."
        )
        yield Given(argument, error=InputError(f"{why} Received: {argument!r}"))


def noise_of(seeds: Sequence[int], size: int) -> Array:
    """Return noise, float32 (seeds, size): the same numbers for the same seed, everywhere."""
    return np.stack(
        [np.random.default_rng(seed).standard_normal(size).astype("float32") for seed in seeds]
    )
