"""Open a data set on the rung that was asked for: full, sample, or whichever there is."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from dlrecipes.backend import load_tensorflow
from dlrecipes.datasets.catalog import DataSet, Splits, find_data_set
from dlrecipes.datasets.download import FetchListener
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.fetch import Unavailable, download_sources, prepare

RUNGS = ("auto", "full", "sample")


def data_folder(data_dir: str | None = None) -> Path:
    """Return the folder of prepared data sets.

    Args:
        data_dir: The value of `--data-dir`; else `DLRECIPES_DATA`, `TFDS_DATA_DIR`, or the folder
            `tensorflow_datasets` in the home folder.
    """
    folder = data_dir or os.environ.get("DLRECIPES_DATA") or os.environ.get("TFDS_DATA_DIR")
    return Path(folder or "~/tensorflow_datasets").expanduser()


def choose_rung(name: str, rung: str, data_dir: str | None, listener: FetchListener) -> str:
    """Return the rung to open, once the full data set is here if that is to be it. No TensorFlow.

    Args:
        name: Name of the data set in the catalog.
        rung: `full`, `sample`, or `auto`.
        data_dir: The value of `--data-dir`, or None.
        listener: Hears how the full data set is downloaded, and that `auto` falls back.

    Returns:
        `sample` if that was asked for, or if `auto` cannot have the full data; else the same.

    Raises:
        Unavailable: if `full` was asked for and cannot be had.
    """
    data_set = find_data_set(name)
    if rung == "sample":
        return rung
    try:
        download_sources(data_set, data_folder(data_dir), listener)
    except Unavailable as error:
        if rung == "full":
            raise
        _warn_of_sample(data_set, error, listener)
        return "sample"
    return rung


def open_data_set(
    name: str, rung: str, data_dir: str | None, seed: int, listener: FetchListener
) -> Source:
    """Return a data set's examples from the rung that was asked for.

    Args:
        name: Name of the data set in the catalog.
        rung: `full` (downloaded and prepared if need be), `sample`, or `auto`: full, or the sample
            if the full data can be had neither from the disk nor from the network.
        data_dir: The value of `--data-dir`, or None.
        seed: Seeds the order of training examples.
        listener: Hears how the full data set is prepared, and that `auto` falls back.

    Raises:
        Unavailable: if `full` was asked for and cannot be had.
    """
    data_set = find_data_set(name)
    if rung == "sample":
        return _open_sample(data_set, seed)
    folder = data_folder(data_dir)
    try:
        prepare(data_set, folder, listener)
    except Unavailable as error:
        if rung == "full":
            raise
        _warn_of_sample(data_set, error, listener)
        return _open_sample(data_set, seed)
    return _open_full(data_set, folder, seed)


def _warn_of_sample(data_set: DataSet, error: Unavailable, listener: FetchListener) -> None:
    """Say why the sample takes the place of the full data set."""
    listener.warn(f"{error.message} Training on the bundled sample instead ({data_set.sample}).")


def _open_sample(data_set: DataSet, seed: int) -> Source:
    splits = data_set.read_sample(data_set.sample_bytes())
    origin = f"bundled sample {data_set.sample_file}"
    return _source(data_set, data_set.sample, "sample", origin, splits, seed)


def _source(
    data_set: DataSet, name: str, rung: str, origin: str, splits: Splits, seed: int
) -> Source:
    """Return the splits as a source, with a test split held out if there is none."""
    splits = {split: replace(examples, seed=seed) for split, examples in splits.items()}
    if "test" not in splits:
        splits["train"], splits["test"] = splits["train"].split(data_set.test_fraction)
    return Source(
        name=name,
        rung=rung,
        origin=origin,
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        classes=data_set.classes,
        image_shape=data_set.image_shape,
        target=data_set.target,
    )


def _open_full(data_set: DataSet, folder: Path, seed: int) -> Source:
    """Return the full data set, which is prepared."""
    load_tensorflow()
    import tensorflow_datasets as tfds

    # Its notes about folders that are not there yet say nothing to a user.
    logging.getLogger("absl").setLevel(logging.ERROR)
    builder = tfds.builder(data_set.name, data_dir=folder)
    splits = {}
    for split in builder.info.splits:
        if split not in ("train", "validation", "test"):
            continue
        columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        splits[split] = data_set.read_full(columns, builder.info)
    origin = f"TensorFlow Datasets {builder.info.full_name}"
    return _source(data_set, data_set.name, "full", origin, splits, seed)
