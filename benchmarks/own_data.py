"""Make files as a user may have them, from pinned packages: data that dlrecipes does not ship.

    python benchmarks/own_data.py FOLDER

Writes into the folder

- `digits/`: scikit-learn's handwritten digits, 1,797 images of 8x8 pixels, a folder a class;
- `amazon_reviews.csv`: vaderSentiment's sentences of product reviews, with the sign of the mean of
  their raters' opinions; those whose mean is 0 are left out;
- `txhousing.csv`: plotnine's table of house sales in Texas, as it is but for the rows that lack
  the median price, which is what is to be predicted;
- `plotnine/`: plotnine's own source code, as text files.
"""

import csv
import io
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

sys.path.append(str(Path(__file__).resolve().parent.parent / "data"))

from make_samples import DIAMONDS_SOURCE, REVIEWS_SOURCE, download_archive, read_source

AMAZON_SOURCE = replace(
    REVIEWS_SOURCE,
    member=(REVIEWS_SOURCE.member[0], "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"),
    member_sha256="11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
)
HOUSING_SOURCE = replace(
    DIAMONDS_SOURCE,
    member=("plotnine/data/txhousing.csv",),
    member_sha256="45d1e81f95bd6ee77f0f3b1e7c873cc8d3856b1325e880c328c88febc6a82286",
)


def write_digits(folder: Path) -> None:
    """Write scikit-learn's digits as PNG files; its pixels go from 0 to 16."""
    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(digit) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype("uint8")).save(path)


def write_reviews(path: Path, content: str) -> None:
    """Write a table of sentences and their sentiment from lines of number, mean and sentence."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for line in content.splitlines():
            _, mean, text = line.split("\t")
            if float(mean):
                writer.writerow([text, "positive" if float(mean) > 0 else "negative"])


def write_housing(path: Path, content: str) -> None:
    """Write the rows that have a median price."""
    lines = content.splitlines(keepends=True)
    column = next(csv.reader([lines[0]])).index("median")
    kept = [line for line in lines[1:] if next(csv.reader([line]))[column] not in ("", "NA")]
    path.write_text("".join([lines[0], *kept]), encoding="utf-8")


def write_source_code(folder: Path, wheel: bytes) -> None:
    """Write the Python files of a wheel as text files."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                path = (folder / name).with_suffix(".txt")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def make(folder: Path) -> None:
    """Write all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_digits(folder / "digits")
    for source, name, write in (
        (AMAZON_SOURCE, "amazon_reviews.csv", write_reviews),
        (HOUSING_SOURCE, "txhousing.csv", write_housing),
    ):
        with tempfile.TemporaryDirectory() as scratch:
            write(folder / name, read_source(source, Path(scratch)).decode("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download_archive(DIAMONDS_SOURCE, Path(scratch))
        write_source_code(folder / "plotnine", wheel.read_bytes())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
