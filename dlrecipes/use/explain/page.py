"""Explanations as files: one HTML page for all inputs, and a PNG image for each picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import whole_file, write_atomically
from dlrecipes.system.words import number
from dlrecipes.tasks.pictures import png_url
from dlrecipes.use.explain.attribution import Explanation
from dlrecipes.use.explain.parts import GRID, cells_of

PAGE = "explanation.html"
TEMPLATE = "explanation.html.jinja"
FOR, AGAINST = (26, 127, 55), (180, 35, 24)
"""Colours of what speaks for an answer, and against it."""
LARGER = 8
"""Pixels a side that a pixel of a small picture gets."""
SMALL = 64


def write_page(run: Run, explanations: Sequence[Explanation], folder: Path) -> Path:
    """Write the page and the images into a folder, and return the path of the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dlrecipes.use.explain", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for place, one in enumerate(explanations, start=1):
        entry: dict[str, Any] = {"one": one, "parts": _parts(one), "pictures": []}
        if one.picture is not None:
            marked = overlaid(one)
            entry["pictures"] = [png_url(one.picture), png_url(marked)]
            _write_png(marked, folder / f"explanation-{place}.png")
        shown.append(entry)
    html = environment.get_template(TEMPLATE).render(run=run, shown=shown)
    write_atomically(folder / PAGE, html.encode())
    return folder / PAGE


def _parts(one: Explanation) -> list[dict[str, Any]]:
    """Return the parts: of a row by how much they add, of a text in order; of a picture none."""
    if one.kind == "cells":
        return []
    strongest = max(map(abs, one.attributions), default=0.0) or 1.0
    values = one.values or [""] * len(one.names)
    parts: list[dict[str, Any]] = [
        {
            "name": name,
            "value": value,
            "attribution": attribution,
            "share": round(abs(attribution) / strongest, 3),
            "is_for": attribution > 0,
        }
        for name, value, attribution in zip(one.names, values, one.attributions, strict=True)
    ]
    if one.kind == "columns":
        parts.sort(key=lambda part: -part["share"])
    return parts


def overlaid(one: Explanation) -> Array:
    """Return a picture in grey with what speaks for the answer in green, against it in red.

    Returns:
        uint8 (height, width, 3).
    """
    assert one.picture is not None
    grey = one.picture.astype("float64").mean(axis=-1, keepdims=True)
    cells = cells_of(one.picture.shape[:2], GRID)
    strengths = np.array(one.attributions)[cells][..., np.newaxis]
    share = np.abs(strengths) / (np.abs(strengths).max() or 1.0)
    colour = np.where(strengths > 0, np.array(FOR), np.array(AGAINST))
    marked: Array = (0.5 * grey * (1 - share) + colour * share + 0.3 * grey * share).clip(0, 255)
    return marked.astype("uint8")


def _write_png(pixels: Array, path: Path) -> None:
    """Write a picture as a PNG file, a small one larger."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    if max(picture.size) <= SMALL:
        larger = (picture.width * LARGER, picture.height * LARGER)
        picture = picture.resize(larger, Image.Resampling.NEAREST)
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG")
