"""Explanations as files: one HTML page for all inputs, and PNG images for each picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import shortened
from dlrecipes.datasets.storage import Array
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import whole_file, write_atomically
from dlrecipes.system.words import decimals_for
from dlrecipes.tasks.pictures import png_url
from dlrecipes.use.explain.attribution import Explanation
from dlrecipes.use.explain.overall import Dependence, Overall
from dlrecipes.use.explain.parts import cells_of
from dlrecipes.use.explain.words import OverallWords
from dlrecipes.use.pages import rendered
from dlrecipes.use.predict import Unusable
from dlrecipes.use.report import charts
from dlrecipes.use.report.charts import Axes

PAGE = "explanation.html"
TEMPLATE = "explanation.html.jinja"
NOTHING: dict[str, Any] = {"shown": [], "unusable": [], "overall": None, "words": None}
"""What the page is filled with, where it is not about that."""
FOR, AGAINST = (26, 127, 55), (180, 35, 24)
"""Colours of what speaks for an answer, and against it."""
HEAT = (230, 60, 20)
"""Colour of what an answer is sensitive to, or of what speaks for it in Grad-CAM."""
LARGEST_GRID = 560
"""Pixels a side of a grid of kernels or feature maps."""
LARGER = 8
"""Pixels a side that a pixel of a small picture gets."""
SMALL = 64


def write_page(run: Run, found: Sequence[Explanation | Unusable], folder: Path) -> Path:
    """Write the page and the images into a folder, and return the path of the page."""
    explanations = [one for one in found if isinstance(one, Explanation)]
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for place, one in enumerate(explanations, start=1):
        is_new = place == 1 or explanations[place - 2].input != one.input
        entry: dict[str, Any] = {"one": one, "parts": _parts(one), "pictures": []}
        entry["convolutions"] = _convolutions(one) if is_new else []
        if one.picture is not None:
            entry["pictures"].append((one.input, png_url(one.picture)))
            for caption, ending, marked in _pictures(one):
                entry["pictures"].append((caption, png_url(marked)))
                _write_png(marked, folder / f"explanation-{place}{ending}.png")
        shown.append(entry)
    _write(run, folder, shown=shown, unusable=[one for one in found if isinstance(one, Unusable)])
    return folder / PAGE


def write_overall(run: Run, overall: Overall | OverallWords, folder: Path) -> Path:
    """Write the page on a whole model into a folder, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(overall, OverallWords):
        most = max((word.whole for one in overall.answers for word in one.words), default=1.0)
        _write(run, folder, words={"found": overall, "most": most})
        return folder / PAGE
    strongest = max((abs(one.mean) for one in overall.columns), default=0.0) or 1.0
    bars = [(one, round(abs(one.mean) / strongest, 3)) for one in overall.columns]
    charts = [(one.column, _dependence(overall, one)) for one in overall.dependence]
    decimals = decimals_for([one.mean for one in overall.columns])
    _write(
        run,
        folder,
        overall={"found": overall, "bars": bars, "charts": charts, "decimals": decimals},
    )
    return folder / PAGE


def _write(run: Run, folder: Path, **filled: Any) -> None:
    """Write the page."""
    html = rendered(__package__, TEMPLATE, run=run, **{**NOTHING, **filled})
    write_atomically(folder / PAGE, html.encode())


def _dependence(overall: Overall, one: Dependence) -> str:
    """Return the chart of how the mean answer depends on a column."""
    title = f"probability of {overall.answer}" if overall.answer else "mean answer"
    name, axes = f"{one.column} and the answer", Axes(one.column, title)
    if one.is_curve:
        points = [(float(value), answer) for value, answer in one.points]
        return charts.lines(name, {title: points}, axes)
    labels = [shortened(str(value)) for value, _ in one.points]
    return charts.bars(name, [answer for _, answer in one.points], labels, axes)


def _pictures(one: Explanation) -> Iterator[tuple[str, str, Array]]:
    """Yield the caption, the ending of the file's name and the pixels of each marked picture."""
    yield "Cells: green speaks for the answer, red against it", "", overlaid(one)
    if one.inside is None or one.picture is None:
        return
    if one.inside.grad_cam is not None:
        caption = f"Grad-CAM of {one.inside.layer}: what speaks for the answer"
        yield caption, "-grad-cam", heated(one.picture, one.inside.grad_cam)
    if one.inside.saliency is not None:
        caption = "Saliency: pixels that would change the answer the most"
        yield caption, "-saliency", heated(one.picture, one.inside.saliency)


def _convolutions(one: Explanation) -> list[dict[str, Any]]:
    """Return each convolution, with its kernels and feature maps as URLs of pictures."""
    found = one.inside.convolutions if one.inside is not None else ()
    return [
        {
            "name": layer.name,
            "count": layer.count,
            "kernels": None if layer.kernels is None else _grid_url(layer.kernels),
            "maps": _grid_url(layer.maps),
        }
        for layer in found
    ]


def _grid_url(pixels: Array) -> str:
    """Return pictures side by side as a data URL."""
    return png_url(pixels, is_mask=True, largest=LARGEST_GRID)


def heated(picture: Array, strengths: Array) -> Array:
    """Return a picture in grey with a colour where strengths, (height, width) from 0, are high.

    Returns:
        uint8 (height, width, 3).
    """
    grey = picture.astype("float64").mean(axis=-1, keepdims=True)
    share = (strengths / (strengths.max() or 1.0))[..., np.newaxis]
    marked: Array = (0.6 * grey * (1 - share) + np.array(HEAT) * share).clip(0, 255)
    return marked.astype("uint8")


def _parts(one: Explanation) -> list[dict[str, Any]]:
    """Return the parts: of a row by how much they add, of a text in order; of a picture none."""
    if one.kind == "cells":
        return []
    strongest = max(map(abs, one.attributions), default=0.0) or 1.0
    values, decimals = one.values or [""] * len(one.names), decimals_for(one.attributions)
    parts: list[dict[str, Any]] = [
        {
            "name": name,
            "value": value,
            "attribution": attribution,
            "adds": f"{attribution:+,.{decimals}f}",
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
    cells = cells_of(one.picture.shape[:2], one.grid)
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
