"""Look at all images of a user: the one shape for a network, and how their pixels are read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from dlrecipes.datasets.own.depth import deep_values, is_deep, levels_of
from dlrecipes.datasets.own.files import Report
from dlrecipes.datasets.own.images import (
    PLAIN,
    Look,
    best_background,
    has_transparency,
    open_image,
    quiet,
    read_image,
)
from dlrecipes.datasets.own.orientation import UNREADABLE, size_as_held
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

SHORTEST_SIDE = 28
"""Smaller images are enlarged: there would be nothing left of them after a few convolutions."""
LONGEST_SIDES = ((2000, 96), (20_000, 128))
"""Larger images are made smaller, to this longest side for at most so many images."""
PUBLISHED = 20_000
"""What a published data set counts as: its images get 128 pixels."""
LONGEST_SIDE = 160
"""For more images. The time of a convolution grows with the pixels, and few images do not say
enough of so many."""
COLOUR_DIFFERENCE = 16
"""Between red, green and blue, of 255: JPEG leaves smaller ones in a grey image."""
LOOKED_AT = 200
"""Images of a kind that are looked at more closely, or up to twice as many."""
DEEP_PIXELS = 10_000
"""Of an image of more than eight bits, to tell the range of all."""
MOVING = ("GIF", "WEBP", "PNG", "TIFF")
"""Formats of which one file may hold several pictures."""


UNREADABLE_IMAGE: tuple[type[Exception], ...] = (InputError, *UNREADABLE)


@dataclass
class _Some:
    """Some of many, evenly spread: every `step`th of those that were added."""

    kept: list[Any] = field(default_factory=list)
    seen: int = 0
    step: int = 1

    def add(self, one: Any) -> None:
        """Add one."""
        if self.seen % self.step == 0:
            self.kept.append(one)
        self.seen += 1
        if len(self.kept) > 2 * LOOKED_AT:
            self.kept, self.step = self.kept[::2], 2 * self.step


@dataclass
class _Seen:
    """What was seen of all images: how many of each size, and some of each kind."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    coloured: _Some = field(default_factory=_Some)
    transparent: _Some = field(default_factory=_Some)
    deep: _Some = field(default_factory=_Some)
    moving: int = 0

    def add(self, file: Path | bytes) -> None:
        """Add an image, unless it cannot be opened: reading its pixels says why."""
        try:
            with open_image(file) as image:
                width, height = size_as_held(image)
                moving = image.format in MOVING and getattr(image, "is_animated", False)
                deep = is_deep(image)
                clear = has_transparency(image)
                grey = image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")
        except UNREADABLE_IMAGE:
            return
        self.sizes[height, width] += 1
        self.moving += moving
        for wanted, some in (
            (not grey, self.coloured),
            (clear, self.transparent),
            (deep, self.deep),
        ):
            if wanted:
                some.add(file)


def fitting_shape(height: int, width: int, images: int = PUBLISHED) -> tuple[int, int]:
    """Return the height and width that images of this size get.

    They are enlarged to a shortest side of 28 pixels, and reduced to a longest side of 96 to 160.

    Args:
        height: Of the images.
        width: Of the images.
        images: How many there are.
    """
    longest = next((side for most, side in LONGEST_SIDES if images <= most), LONGEST_SIDE)
    scale = max(1.0, SHORTEST_SIDE / min(height, width))
    scale = min(scale, longest / max(height, width))
    return (
        max(SHORTEST_SIDE, round(height * scale)),
        max(SHORTEST_SIDE, round(width * scale)),
    )


def survey(
    paths: Iterable[Path | bytes], report: Report, images: int = 0
) -> tuple[tuple[int, int, int], Look]:
    """Return the height, width and channels to give to all images, and how their pixels are read.

    The shape is the median height and width, enlarged or made smaller, and in colour if an image
    has some.

    Args:
        paths: The images.
        report: Is told what was chosen.
        images: How many there are, if these are only some.
    """
    seen = _Seen()
    with quiet():
        for path in paths:
            seen.add(path)
        if not seen.sizes:
            return (SHORTEST_SIDE, SHORTEST_SIDE, 1), PLAIN
        look = Look(_background(seen, report), _levels(seen, report))
    height, width = _shape(seen, images or seen.sizes.total(), report)
    channels = 3 if any_colour(seen.coloured.kept, look) else 1
    report.note(f"The images are read {'in colour' if channels == 3 else 'as grey'}.")
    if seen.moving:
        report.note(f"{seen.moving:,} images are animated: the first picture of each is read.")
    return (height, width, channels), look


def _shape(seen: _Seen, images: int, report: Report) -> tuple[int, int]:
    """Return the height and width that all images get."""
    sizes = seen.sizes
    heights, widths = zip(*sizes.elements(), strict=True)
    shape = fitting_shape(median_low(heights), median_low(widths), images)
    if set(sizes) != {shape}:
        smallest, largest = (
            choose(sizes, key=lambda size: size[0] * size[1]) for choose in (min, max)
        )
        found = f"{smallest[0]}x{smallest[1]}"
        if len(sizes) > 1:
            found = f"{len(sizes)} sizes from {found} to {largest[0]}x{largest[1]}"
        report.note(
            f"The images are of {found} pixels (height x width); all are made "
            f"{shape[0]}x{shape[1]}."
        )
    return shape


def _background(seen: _Seen, report: Report) -> str:
    """Return what transparent images are shown on; empty if there are none."""
    images = []
    for path in seen.transparent.kept:
        try:
            with open_image(path) as image:
                whole = image.convert("RGBA")
        except UNREADABLE_IMAGE:
            continue
        if whole.getchannel("A").getextrema() not in ((0, 0), (255, 255)):
            images.append(whole.reduce(max(1, min(whole.size) // 64)))
    if not images:
        return ""
    background = best_background(images)
    report.note(f"Transparent images are shown on {background}, which hides the least of them.")
    return background


def _levels(seen: _Seen, report: Report) -> tuple[float, ...]:
    """Return the values that become black and white; empty without images of more bits."""
    values: list[Array] = []
    for path in seen.deep.kept:
        try:
            with open_image(path) as image, open_image(path) as again:
                pixels = deep_values(image, again)
        except UNREADABLE_IMAGE:
            continue
        colours = (pixels[..., :3] if pixels.ndim == 3 else pixels).reshape(-1)
        values.append(colours[:: max(1, len(colours) // DEEP_PIXELS)])
        values.append(np.array([colours.min(), colours.max()]))
    if not values:
        return ()
    levels = levels_of(values, beside_eight_bits=seen.deep.seen < seen.sizes.total())
    report.note(
        f"{seen.deep.seen:,} images have more than 8 bits: {levels[0]:g} becomes black and "
        f"{levels[1]:g} white, for all of them."
    )
    return levels


def any_colour(paths: Iterable[Path | bytes], look: Look = PLAIN) -> bool:
    """Tell whether any image has a pixel that is not grey."""
    for path in paths:
        try:
            pixels = read_image(path, (64, 64, 3), look).astype("int16")
        except InputError:
            continue
        if np.ptp(pixels, axis=-1).max() > COLOUR_DIFFERENCE:
            return True
    return False
