"""Train a recipe and photograph its report in a browser: the pictures in docs/guides/report.md.

    python docs/report_pictures.py

Needs Debian's chromium, and playwright, which drives it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PICTURES = {"report-wide": (1280, 1500, "light"), "report-phone": (390, 1500, "dark")}
"""Width and height in pixels, and the colour scheme, by the name of the file."""
COLOURS = 64
COMMAND = [sys.executable, "-m", "dlrecipes", "train", "mnist-cnn", "--data", "sample", "--json"]


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        printed = subprocess.run(COMMAND, cwd=temporary, check=True, capture_output=True).stdout
        page_file = Path(temporary, json.loads(printed)["path"], "report.html")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, (width, height, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto(page_file.as_uri())
            path = FOLDER / f"{name}.png"
            page.screenshot(path=path)
            with Image.open(path) as picture:
                picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
