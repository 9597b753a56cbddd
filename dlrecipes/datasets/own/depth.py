"""Images of more than eight bits a channel: their values, and the range that becomes 0 to 255."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array

GREY_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes of grey images with more than eight bits."""
NATIVE = "L" if sys.byteorder == "little" else "B"
OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if NATIVE == "L" else "L"}
"""Pillow reads one of the two bytes of a channel: which mode reads the other one."""
WHITE_IS_ZERO, PHOTOMETRIC = 0, 262
"""A TIFF that is black where it is high, and the tag that says so."""
BITS = (8, 10, 12, 14, 16, 24, 32)
"""Of a channel, as cameras and microscopes have them."""
RARE = 0.0005
"""The share of pixels, on either side, that may lie far outside: dead and hot pixels."""


def is_deep(image: Any) -> bool:
    """Tell whether a channel of an image has more than eight bits."""
    return image.mode in GREY_MODES or bool(_raw_mode(image))


def deep_values(image: Any, again: Any) -> Array:
    """Return the values of an image, float64 (height, width) or (height, width, channels).

    Args:
        image: The image, whose pixels are not read yet.
        again: The same image, opened once more.
    """
    raw = _raw_mode(image)
    if not raw:
        values: Array = np.array(image, "float64")
        tags = getattr(image, "tag_v2", {})
        if image.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            values = 65535 - values
        finite = np.isfinite(values)
        values[~finite] = _lowest(values[finite])
        return values
    again.tile = [_with_raw_mode(tile, f"{raw[:-1]}{OTHER_BYTE[raw[-1]]}") for tile in again.tile]
    high: Array = np.array(image, "float64") * 256
    high += np.asarray(again)
    return high


def eight_bits(values: Array, levels: Sequence[float]) -> Array:
    """Return values as uint8.

    Args:
        values: Of one image.
        levels: The values that become 0 and 255; empty for those of the fewest bits that hold them.
    """
    low, high = levels or _nominal(_lowest(values), float(values.max(initial=0)))
    scaled = (np.clip(values, low, high) - low) * (255 / (high - low))
    return np.rint(scaled).astype("uint8")


def levels_of(samples: Sequence[Array], *, beside_eight_bits: bool) -> tuple[float, ...]:
    """Return the lowest and the highest value of images, without a few that lie far outside.

    Args:
        samples: Values of some images.
        beside_eight_bits: Whether other images of the same data have eight bits: then it is the
            range of as many bits as there are.
    """
    some = np.concatenate([one.reshape(-1) for one in samples])
    lowest, highest = float(some.min()), float(some.max())
    if beside_eight_bits:
        return _nominal(lowest, highest)
    low, high = np.quantile(some, [RARE, 1 - RARE])
    span = high - low
    low = lowest if low - lowest <= span else float(low)
    high = highest if highest - high <= span else float(high)
    return (low, high) if high > low else _nominal(lowest, highest)


def _nominal(lowest: float, highest: float) -> tuple[float, float]:
    """Return the range of the fewest bits that hold values; of 0 to 1 for fractions."""
    if lowest >= 0 and highest <= 1:
        return 0.0, 1.0
    top = next((2.0**bits - 1 for bits in BITS if highest < 2**bits), highest)
    return min(lowest, 0.0), max(top, min(lowest, 0.0) + 1)


def _lowest(values: Array) -> float:
    """Return the lowest value; 0 of none."""
    return float(values.min()) if values.size else 0.0


def _raw_mode(image: Any) -> str:
    """Return how the 16 bits of each channel of a colour image lie in its file; empty if not so."""
    tiles = getattr(image, "tile", ())
    if not tiles or image.mode not in ("RGB", "RGBA"):
        return ""
    args = tiles[0].args
    raw = args if isinstance(args, str) else args[0] if args else ""
    is_deep = isinstance(raw, str) and raw[:-1] in ("RGB;16", "RGBA;16")
    return raw if is_deep and raw[-1] in OTHER_BYTE else ""


def _with_raw_mode(tile: Any, raw: str) -> Any:
    """Return a piece of an image's file that is read in another raw mode."""
    args = raw if isinstance(tile.args, str) else (raw, *tile.args[1:])
    return tile._replace(args=args)
