"""Attacks as files: an HTML page of pictures side by side, or of accuracy by strength; and PNGs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import whole_file, write_atomically
from dlrecipes.tasks.pictures import png_url
from dlrecipes.use.explain.attack import WHITE, Flip
from dlrecipes.use.explain.robustness import Attacked, Robustness
from dlrecipes.use.pages import rendered
from dlrecipes.use.predict import Unusable
from dlrecipes.use.report.charts import Axes, lines

PAGE = "attack.html"
TEMPLATE = "attack.html.jinja"
GREY = 128
"""Of a pixel that is not changed, where a change is shown."""
LARGER, SMALL = 8, 64
"""How much larger a picture is shown whose sides have up to so many pixels."""
GAP = 1
"""Pixels between pictures that stand side by side, before they are made larger."""


def write_attacks(
    run: Run, attacked: Sequence[Attacked | Unusable], folder: Path
) -> list[dict[str, Any]]:
    """Write the page and the images into a folder.

    Returns:
        What `explain --attack --json` shows of each input.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents, shown, unusable = [], [], []
    for place, one in enumerate(attacked, start=1):
        if isinstance(one, Unusable):
            documents.append(one.document())
            unusable.append(one)
            continue
        flips = []
        for method, flip in one.flips.items():
            entry: dict[str, Any] = {"method": method, "epsilon": None}
            if flip:
                paths = _write_images(one, flip, folder, f"{place}-{method.lower()}")
                entry |= {"epsilon": flip.epsilon, "answer": flip.answer}
                entry |= {"probability": flip.probability, **paths}
            flips.append(entry)
        documents.append(
            {
                "input": one.input,
                "answer": one.answer,
                "probability": one.probability,
                "attacks": flips,
            }
        )
        shown.append({"one": one, "picture": png_url(one.picture), "rows": _rows(one)})
    _write_page(folder, run=run, shown=shown, unusable=unusable, robustness=None, chart="")
    return documents


def write_robustness(run: Run, found: Robustness, folder: Path) -> None:
    """Write the page of accuracy by strength into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    series = {
        method: list(zip(found.strengths, values, strict=True))
        for method, values in found.accuracy.items()
    }
    axes = Axes("Strength of the attack, grey values of 255", "Accuracy", (0, 1), found.strengths)
    chart = lines("Accuracy by the strength of the attack", series, axes)
    _write_page(folder, run=run, shown=[], unusable=[], robustness=found, chart=chart)


def _write_page(folder: Path, **shown: Any) -> None:
    """Write the page."""
    html = rendered(__package__, TEMPLATE, **shown)
    write_atomically(folder / PAGE, html.encode())


def _rows(one: Attacked) -> list[dict[str, Any]]:
    """Return what the page shows of the changes: each with its pictures, if there is one."""
    return [
        {
            "method": method,
            "flip": flip,
            "change": png_url(magnified(one.picture, flip)) if flip else "",
            "picture": png_url(flip.picture) if flip else "",
        }
        for method, flip in one.flips.items()
    ]


def magnified(picture: Array, flip: Flip) -> Array:
    """Return a change so that it can be seen: grey where there is none, else up to black and white.

    Args:
        picture: The picture before: uint8 (height, width, channels).
        flip: The change.
    """
    apart = flip.picture.astype("float64") - picture
    shown: Array = (GREY + apart * (WHITE - GREY) / flip.epsilon).round().astype("uint8")
    return shown


def _write_images(one: Attacked, flip: Flip, folder: Path, name: str) -> dict[str, str]:
    """Write the changed picture as the model reads it, and the three side by side.

    Returns:
        Their paths: `picture` and `side_by_side`.
    """
    picture, beside = folder / f"attacked-{name}.png", folder / f"attack-{name}.png"
    _write_png(flip.picture, picture)
    panels = [one.picture, magnified(one.picture, flip), flip.picture]
    gap = np.full_like(one.picture[:, :GAP], WHITE)
    joined = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)
    larger = LARGER if max(one.picture.shape[:2]) <= SMALL else 1
    _write_png(joined.repeat(larger, axis=0).repeat(larger, axis=1), beside)
    return {"picture": str(picture), "side_by_side": str(beside)}


def _write_png(pixels: Array, path: Path) -> None:
    """Write pixels as a PNG file, (height, width, channels) of 1 or 3 channels."""
    from PIL import Image

    with whole_file(path) as temporary:
        Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(
            temporary, format="PNG"
        )
