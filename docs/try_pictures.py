"""Train two recipes and photograph the page to try them: see docs/guides/try.md.

    python docs/try_pictures.py

Needs Debian's chromium, and playwright, which drives it.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
STROKES = DOCS.parent / "tests" / "strokes.json"
DRAWN = 3
"""The digit that is drawn."""
PICTURES = {
    "try-wide": ("mnist-cnn", 1000, 800, "light"),
    "try-phone": ("regression-mlp", 390, 800, "dark"),
}
"""Recipe, width and height in pixels, and the colour scheme, by the name of the file."""
COLOURS = 64
DLRECIPES = [sys.executable, "-m", "dlrecipes"]
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, (recipe, width, height, scheme) in PICTURES.items():
            train = [*DLRECIPES, "train", recipe, "--data", "sample"]
            subprocess.run(train, cwd=temporary, check=True, capture_output=True)
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            with served(recipe, Path(temporary)) as address:
                page.goto(address)
                show(page)
                photograph(page, DOCS / "pictures" / f"{name}.png")
        browser.close()


@contextmanager
def served(recipe: str, folder: Path) -> Iterator[str]:
    """Give the block the address of the page of the latest run of a recipe."""
    command = [*DLRECIPES, "try", recipe]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(filter(None, map(ADDRESS.search, process.stdout)))[0]
        finally:
            process.terminate()


def show(page: Any) -> None:
    """Draw a digit, if the page has a sheet; a form shows its first example by itself."""
    page.locator("#examples button").first.wait_for()
    if page.locator("canvas").count():
        drawings = json.loads(STROKES.read_text())
        drawing = next(one for one in drawings if one["digit"] == DRAWN)
        box = page.locator("canvas").bounding_box()
        for stroke in drawing["strokes"]:
            for number, (right, down) in enumerate(stroke):
                x, y = (
                    box["x"] + right * box["width"] / 100,
                    box["y"] + down * box["height"] / 100,
                )
                page.mouse.move(x, y)
                if number == 0:
                    page.mouse.down()
            page.mouse.up()
    page.locator("#label").wait_for()
    page.locator('#answer[aria-busy="false"]').wait_for()


def photograph(page: Any, path: Path) -> None:
    """Write what the window shows as a small file."""
    page.screenshot(path=path, animations="disabled")
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
