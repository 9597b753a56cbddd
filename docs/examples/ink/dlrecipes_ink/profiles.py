"""The data set `ink_profiles`: how much ink each column and each row of a handwritten digit has."""

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np


def make_profiles(folder: Path) -> Path:
    """Write the data set into the folder, and return the file.

    A data set of your own would be downloaded here. This one is made of the digits that come with
    dlrecipes: 28 sums of columns and 28 sums of rows, from 0 to 28.
    """
    path = folder / "ink_profiles.csv"
    with files("dlrecipes.data").joinpath("mnist.npz").open("rb") as file:
        arrays = dict(np.load(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "label", *(f"ink_{place}" for place in range(56))])
        for split in ("train", "test"):
            pixels = arrays[f"x_{split}"] / 255
            profiles = np.concatenate([pixels.sum(axis=1), pixels.sum(axis=2)], axis=1)
            for label, profile in zip(arrays[f"y_{split}"], profiles, strict=True):
                writer.writerow([split, label, *(f"{value:.1f}" for value in profile)])
    return path
