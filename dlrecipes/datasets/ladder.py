"""Open a data set on the rung that was asked for: full, sample, or whichever there is."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from dlrecipes.datasets.cache import cached, is_cached
from dlrecipes.datasets.examples import Examples, Source, Splits
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.published.catalog import DataSet, find_data_set
from dlrecipes.datasets.published.disk import Place
from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.datasets.published.fetch import Unavailable, download_sources, prepare
from dlrecipes.system.backend import hide_gpus

RUNGS = ("auto", "full", "sample")


@dataclass(frozen=True)
class DataRequest:
    """The data that was asked for.

    Args:
        data: `auto`, `full`, `sample`, or the path of the user's own data.
        data_dir: The folder of prepared data sets, or None for the default.
        files: How the user's own files are to be read.
    """

    data: str = "auto"
    data_dir: str | None = None
    files: FileOptions = field(default_factory=FileOptions)

    @property
    def is_path(self) -> bool:
        """Tell whether it is the user's own data."""
        return self.data not in RUNGS


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


def open_data_set(name: str, rung: str, data_dir: str | None, listener: FetchListener) -> Source:
    """Return a data set's examples from the rung that was asked for.

    Args:
        name: Name of the data set in the catalog.
        rung: `full` (downloaded and prepared if need be), `sample`, or `auto`: full, or the sample
            if the full data can be had neither from the disk nor from the network.
        data_dir: The value of `--data-dir`, or None.
        listener: Hears how the full data set is prepared, and that `auto` falls back.

    Raises:
        Unavailable: if `full` was asked for and cannot be had.
    """
    data_set = find_data_set(name)
    if rung == "sample":
        return _open_sample(data_set)
    folder = data_folder(data_dir)
    try:
        prepare(data_set, folder, listener)
    except Unavailable as error:
        if rung == "full":
            raise
        _warn_of_sample(data_set, error, listener)
        return _open_sample(data_set)
    return _open_full(data_set, folder)


def is_decoded(name: str, data_dir: str | None) -> bool:
    """Tell whether a full data set that is prepared was decoded before, and kept.

    Args:
        name: Name of the data set in the catalog.
        data_dir: The value of `--data-dir`, or None.
    """
    return is_cached(name, Place(data_folder(data_dir), find_data_set(name)).state())


def _warn_of_sample(data_set: DataSet, error: Unavailable, listener: FetchListener) -> None:
    """Say why the sample takes the place of the full data set."""
    listener.warn(f"{error.message} Training on the bundled sample instead ({data_set.sample}).")


def _open_sample(data_set: DataSet) -> Source:
    splits = data_set.read_sample(data_set.sample_bytes())
    origin = f"bundled sample {data_set.sample_file}"
    return _source(data_set, data_set.sample, "sample", origin, splits)


def _source(data_set: DataSet, name: str, rung: str, origin: str, splits: Splits) -> Source:
    """Return the splits as a source, with a test split held out if there is none."""
    splits = dict(splits)
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


def _open_full(data_set: DataSet, folder: Path) -> Source:
    """Return the full data set, which is prepared."""
    place = Place(folder, data_set)
    splits = cached(data_set.name, place.state(), lambda: _decode(place))
    origin = f"TensorFlow Datasets {place.prepared.relative_to(folder).as_posix()}"
    return _source(data_set, data_set.name, "full", origin, splits)


def _decode(place: Place) -> Splits:
    """Return the examples of a prepared data set, decoded by TensorFlow Datasets."""
    hide_gpus()
    import tensorflow_datasets as tfds

    # Its notes about folders that are not there yet say nothing to a user.
    logging.getLogger("absl").setLevel(logging.ERROR)
    builder = tfds.builder_from_directory(place.prepared)

    def decode(split: str) -> Examples:
        columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return place.data_set.read_full(columns, builder.info)

    splits = [name for name in ("train", "validation", "test") if name in builder.info.splits]
    with ThreadPoolExecutor() as pool:  # side by side: TensorFlow decodes a split on one core
        return dict(zip(splits, pool.map(decode, splits), strict=True))
