"""Small data sets under the names of real ones, prepared as TensorFlow Datasets prepares those.

Run as a program, it writes them into a folder. Their features, classes, splits and supervised keys
are those of the real ones; their contents are drawn and made up, and can be learned.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Rows = Iterator[dict[str, Any]]

HANDS = ("rock", "paper", "scissors")
WEEDS = (
    *("chinee apple", "lantana", "parkinsonia", "parthenium", "prickly acacia"),
    *("rubber vine", "siam weed", "snake weed", "negative"),
)
NEWS = {"World": "treaty", "Sports": "goal", "Business": "shares", "Sci/Tech": "chip"}


def drawing(kind: int, number: int, size: tuple[int, int]) -> Any:
    """Return pixels (height, width, 3), uint8: a blot, a sheet or two strokes on noise."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 60, (*size, 3), dtype="uint8")
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    if kind == 0:
        inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 4) ** 2
    elif kind == 1:
        inside = (rows > height / 8) & (columns > width / 8) & (columns < width * 7 / 8)
    else:
        inside = abs(rows - columns) < max(height // 16, 1)
    pixels[inside] = (220, 180, 150)
    return pixels


def hands(count: int, start: int = 0, size: int = 300) -> Rows:
    """Yield images of one size."""
    for number in range(start, start + count):
        yield {"image": drawing(number % 3, number, (size, size)), "label": number % 3}


def flowers(count: int, start: int = 0) -> Rows:
    """Yield images of many sizes, of three of 102 flowers."""
    for number in range(start, start + count):
        size = (30 + number % 13, 40 - number % 7)
        label, pixels = number % 3, drawing(number % 3, number, size)
        yield {"image": pixels, "label": label, "file_name": f"{number}.jpg"}


def news(count: int, start: int = 0) -> Rows:
    """Yield texts of four topics."""
    for number in range(start, start + count):
        label = number % 4
        word = list(NEWS.values())[label]
        text = f"Report {number}: a {word}, another {word}."
        yield {"title": f"On day {number}", "description": text, "label": label}


def sentences(count: int, *, labelled: bool = True) -> Rows:
    """Yield sentences, good and bad; without labels, as they are kept secret, all are -1."""
    for number in range(count):
        word = ("dull", "fine")[number % 2]
        label = number % 2 if labelled else -1
        yield {"sentence": f"a {word} film, number {number}", "label": label, "idx": number}


def wines(count: int) -> Rows:
    """Yield numbers in a nested feature, and a quality that follows from them."""
    names = ("alcohol", "chlorides", "citric acid", "pH")
    for number in range(count):
        random = np.random.default_rng(number)
        values = random.normal(0, 1, len(names)).astype("float32")
        yield {
            "features": dict(zip(names, values, strict=True)),
            "quality": round(float(5 + 2 * values[0])),
        }


def credits(count: int) -> Rows:
    """Yield vectors of numbers with a class."""
    for number in range(count):
        values = np.random.default_rng(number).normal(number % 2, 1, 24)
        yield {"features": values.round().astype("int32"), "label": number % 2}


def passengers(count: int) -> Rows:
    """Yield columns of every kind, some of them missing."""
    for number in range(count):
        yield {
            "age": np.float32(np.nan if number % 9 == 0 else 20 + number % 40),
            "name": f"Passenger {number}",
            "sex": number % 2,
            "survived": number % 2 if number % 5 else 1,
        }


def toys(count: int) -> Rows:
    """Yield pairs of images with several labels."""
    for number in range(count):
        pixels = drawing(number % 3, number, (32, 32))[..., :1]
        yield {
            "image": pixels,
            "image2": pixels,
            "label_category": number % 3,
            "label_lighting": number % 2,
        }


def write_all(folder: Path) -> None:
    """Write every data set."""
    import tensorflow_datasets as tfds

    kinds = tfds.features

    def labels(*names: str) -> Any:
        return kinds.ClassLabel(names=list(names))

    def image(*shape: int | None, form: str = "png") -> Any:
        return kinds.Image(shape=shape, encoding_format=form)

    def write(
        name: str,
        version: str,
        features: dict[str, Any],
        splits: dict[str, Callable[[], Rows]],
        supervised: tuple[str, str] | None = None,
        config: str | None = None,
    ) -> None:
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=version,
            features=kinds.FeaturesDict(features),
            split_datasets={split: list(enumerate(make())) for split, make in splits.items()},
            config=config,
            data_dir=folder,
            disable_shuffling=True,
        )
        # Where the real builder says which feature is the input, so does its record.
        home = folder / name / (config or "") / version
        record = json.loads((home / "dataset_info.json").read_text())
        if supervised:
            items = [{"featureKey": key} for key in supervised]
            record["supervisedKeys"] = {"tuple": {"items": items}}
        (home / "dataset_info.json").write_text(json.dumps(record))

    images = ("image", "label")
    write(
        "rock_paper_scissors",
        "3.0.0",
        {"image": image(300, 300, 3), "label": labels(*HANDS)},
        {"train": lambda: hands(120), "test": lambda: hands(30, 120)},
        images,
    )
    write(
        "oxford_flowers102",
        "2.1.1",
        {
            "image": image(None, None, 3, form="jpeg"),
            "label": labels(*(f"flower {number}" for number in range(102))),
            "file_name": kinds.Text(),
        },
        {
            "train": lambda: flowers(90),
            "test": lambda: flowers(30, 90),
            "validation": lambda: flowers(20, 120),
        },
        images,
    )
    write(
        "deep_weeds",
        "3.0.0",
        {"image": image(32, 32, 3), "label": labels(*WEEDS)},
        {"train": lambda: hands(100, size=32)},
        images,
    )
    write(
        "ag_news_subset",
        "1.0.0",
        {"title": kinds.Text(), "description": kinds.Text(), "label": labels(*NEWS)},
        {"train": lambda: news(400), "test": lambda: news(80, 400)},
        ("description", "label"),
    )
    write(
        "glue",
        "2.0.0",
        {"sentence": kinds.Text(), "label": labels("negative", "positive"), "idx": np.int32},
        {
            "train": lambda: sentences(200),
            "validation": lambda: sentences(40),
            "test": lambda: sentences(60, labelled=False),
        },
        config="sst2",
    )
    write(
        "wine_quality",
        "1.0.0",
        {
            "features": dict.fromkeys(
                ("alcohol", "chlorides", "citric acid", "pH"), np.dtype("float32")
            ),
            "quality": np.int32,
        },
        {"train": lambda: wines(400)},
        ("features", "quality"),
        config="white",
    )
    write(
        "german_credit_numeric",
        "1.0.0",
        {
            "features": kinds.Tensor(shape=(24,), dtype=np.int32),
            "label": labels("bad", "good"),
        },
        {"train": lambda: credits(200)},
        ("features", "label"),
    )
    write(
        "titanic",
        "4.0.0",
        {
            "age": np.float32,
            "name": kinds.Text(),
            "sex": labels("male", "female"),
            "survived": labels("died", "survived"),
        },
        {"train": lambda: passengers(300)},
    )
    write(
        "smallnorb",
        "2.0.0",
        {
            "image": image(32, 32, 1),
            "image2": image(32, 32, 1),
            "label_category": labels("animal", "human", "plane"),
            "label_lighting": labels("0", "1"),
        },
        {"train": lambda: toys(90), "test": lambda: toys(30)},
    )


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
