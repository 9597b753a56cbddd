"""Open a data set on the rung that was asked for: full, sample, or whichever there is."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlrecipes.backend import load_tensorflow
from dlrecipes.datasets.catalog import DataSet, Splits, find_data_set
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.files import FileOptions
from dlrecipes.errors import DlrecipesError

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


def open_data_set(
    name: str, rung: str, data_dir: str | None, warn: Callable[[str], None]
) -> Source:
    """Return a data set's examples from the rung that was asked for.

    Args:
        name: Name of the data set in the catalog.
        rung: `full` (downloaded and prepared if need be), `sample`, or `auto`: full, or the sample
            if the full data can be had neither from the disk nor from the network.
        data_dir: The value of `--data-dir`, or None.
        warn: Is told, in a sentence, when `auto` falls back to the sample.

    Raises:
        DlrecipesError: if `full` was asked for and cannot be had.
    """
    data_set = find_data_set(name)
    if rung == "sample":
        return _open_sample(data_set)
    try:
        return _open_full(data_set, data_folder(data_dir))
    except DlrecipesError as error:
        if rung == "full":
            raise
        warn(f"{error.message} Training on the bundled sample instead ({data_set.sample}).")
        return _open_sample(data_set)


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
    """Return the full data set, downloading and preparing it first if it is not there."""
    load_tensorflow()
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    # Its notes about folders that are not there yet say nothing to a user.
    logging.getLogger("absl").setLevel(logging.ERROR)
    builder = tfds.builder(data_set.name, data_dir=folder)
    if not builder.is_prepared():
        _prepare(builder, folder)
    splits = {}
    for split in builder.info.splits:
        if split not in ("train", "validation", "test"):
            continue
        columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        splits[split] = data_set.read_full(columns, builder.info)
    origin = f"TensorFlow Datasets {builder.info.full_name}"
    return _source(data_set, data_set.name, "full", origin, splits)


def _prepare(builder: Any, folder: Path) -> None:
    """Download and prepare a data set, leaving nothing behind if that fails.

    Raises:
        DlrecipesError: if it cannot be downloaded or written.
    """
    from tensorflow_datasets.core.download import downloader

    # TFDS retries for minutes before it says that there is no network.
    downloader.MAX_RETRIES = 0
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        # It announces itself on standard output, which is ours; its progress bar is on the other.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            builder.download_and_prepare()
    except Exception as error:  # Whatever stops TFDS: no network, a refused write, a changed file.
        raise DlrecipesError(
            f"The full data set {builder.name} is not in {folder} and cannot be downloaded "
            f"({type(error).__name__}).",
            "Train on the bundled sample with --data sample, or name the folder that holds the "
            "prepared data with --data-dir.",
        ) from error
    finally:
        _remove_empty(folder, builder.info.full_name, missing)


def _remove_empty(folder: Path, name: str, made: list[Path]) -> None:
    """Remove the folders that TFDS makes before it has anything to put there, if still empty.

    Args:
        folder: The folder of prepared data sets.
        name: The data set and its version, as TFDS has them.
        made: The folder and its parents that were not there before, from the inside out.
    """
    data_set, downloads = folder / name, folder / "downloads"
    inner = sorted((downloads / Path(name).parts[0]).rglob("*"), reverse=True)
    outer = [downloads / Path(name).parts[0], downloads / "extracted", downloads]
    versions = [data_set, *data_set.parents[: len(Path(name).parts) - 1]]
    for path in (*inner, *outer, *versions, *made):
        with suppress(OSError):  # It is a file, holds one, or is not there.
            path.rmdir()
