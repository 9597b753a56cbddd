"""Train a recipe twice and photograph its report and the comparison: see docs/guides/report.md.

    python docs/report_pictures.py

Needs Debian's chromium, and playwright, which drives it.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "pictures"
REPORT, COMPARISON = "report.html", "compared-with-first.html"
PICTURES = {
    "report-wide": (REPORT, 1280, 1500, "light"),
    "report-phone": (REPORT, 390, 1500, "dark"),
    "comparison": (COMPARISON, 1000, 1900, "light"),
}
"""Page, width and height in pixels, and the colour scheme, by the name of the file."""
COLOURS = 64
DLRECIPES = [sys.executable, "-m", "dlrecipes"]
TRAIN = [*DLRECIPES, "train", "mnist-cnn", "--data", "sample", "--json"]
COMMANDS = (
    [*TRAIN, "--name", "first", "--epochs", "2", "--filters", "8,16"],
    [*TRAIN, "--name", "wide"],
    [*DLRECIPES, "report", "first", "wide"],
)
"""What is photographed is in the folder of the second run."""


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        for command in COMMANDS:
            subprocess.run(command, cwd=temporary, check=True, capture_output=True)
        run = Path(temporary, "runs", "mnist-cnn", "wide")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, (file, width, height, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto((run / file).as_uri())
            path = FOLDER / f"{name}.png"
            page.screenshot(path=path)
            with Image.open(path) as picture:
                picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
