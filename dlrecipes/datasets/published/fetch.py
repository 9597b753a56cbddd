"""Have a full data set: download its files without TensorFlow, then have TFDS prepare them.

TensorFlow Datasets downloads by itself, too; but it retries for minutes, knows no time-out, no
mirror and no resuming, and begins with the import of TensorFlow. So its files are laid where it
looks for files that were downloaded by hand, and it checks their size and SHA-256 once more.
"""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from dlrecipes.datasets.published.catalog import DataSet
from dlrecipes.datasets.published.disk import Place, nearest_existing, sole_writer
from dlrecipes.datasets.published.download import (
    DownloadError,
    FetchListener,
    download,
    first_answer,
    shown_bytes,
)
from dlrecipes.datasets.sources import MIRROR_VARIABLE, OWN_CHECKSUMS, remote_files
from dlrecipes.errors import DlrecipesError, Interrupted
from dlrecipes.system.backend import hide_gpus

OFFLINE_SECONDS = 3.5
"""How long a training waits for a first answer before it counts as offline.

Of the 5 s in which it has to say so, starting Python and reading the recipe take about half a
second, on a busy machine one.
"""

PATIENT_SECONDS = 10.0
"""How long who asks for nothing but the data waits for a first answer: some links are slow."""


class Unavailable(DlrecipesError):
    """The full data set can be had neither from the disk nor from the network."""


def download_sources(
    data_set: DataSet,
    folder: Path,
    listener: FetchListener,
    patience: float = OFFLINE_SECONDS,
) -> None:
    """Download the files that a data set is prepared from, unless it is prepared. No TensorFlow.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.
        listener: Hears how it goes.
        patience: How long to wait for a first answer, seconds.

    Raises:
        InputError: if the user's own mirror is no address.
        Unavailable: if the files cannot be had, or cannot be written.
        Interrupted: if the user stopped it.
    """
    place = Place(folder, data_set)
    if place.is_prepared():
        return
    with _explained(place):
        _check_disk(place)
        missing = [file for file in remote_files(data_set) if not file.is_in(place.downloads)]
        # Asked before anything is written, or waited for: who is offline hears of it at once.
        failure = first_answer(missing[0].urls, patience) if missing else ""
        if failure:
            raise DownloadError(failure)
        with _sole_writer(place, listener):
            if not place.is_prepared():
                _download(place, listener)


def prepare(data_set: DataSet, folder: Path, listener: FetchListener) -> None:
    """Prepare a data set, unless it is; download its files if need be. Imports TensorFlow.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.
        listener: Hears how it goes.

    Raises:
        InputError: if the user's own mirror is no address.
        Unavailable: if it cannot be had, or cannot be written.
        Interrupted: if the user stopped it.
    """
    place = Place(folder, data_set)
    if place.is_prepared():
        return
    download_sources(data_set, folder, listener, PATIENT_SECONDS)
    with _explained(place), _sole_writer(place, listener):
        if place.is_prepared():  # by the process that we waited for
            return
        place.remove_unfinished()
        _download(place, listener)
        listener.preparation_begins(data_set.name)
        try:
            _build(place)
        finally:
            place.remove_unfinished()


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Turn what goes wrong into what a user is told, in a sentence with what to do."""
    name = place.data_set.name
    hint = (
        "Train on the bundled sample with --data sample, name the folder that holds the prepared "
        f"data with --data-dir, or a mirror of your own in {MIRROR_VARIABLE}."
    )
    try:
        yield
    except DownloadError as error:
        raise Unavailable(
            f"The full data set {name} is not in {place.folder} and cannot be downloaded: {error}"
            f"{_kept(place)}",
            hint,
        ) from error
    except OSError as error:
        raise Unavailable(
            f"The full data set {name} is not in {place.folder} and cannot be written there: "
            f"{error.strerror or error}.",
            "Train on the bundled sample with --data sample, or name another folder with "
            "--data-dir.",
        ) from error
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted.{_kept(place)}", f"Go on: {place.command('fetch')}"
        ) from None


def _kept(place: Place) -> str:
    """Return a sentence on what is kept of the downloads; empty if nothing is."""
    files = remote_files(place.data_set)
    received = sum(file.received(place.downloads) for file in files)
    whole = sum(file.size for file in files)
    if received == 0:
        return ""
    if received >= whole:
        return f" The downloads, {shown_bytes(whole)}, are kept."
    return (
        f" {shown_bytes(received)} of {shown_bytes(whole)} are kept: a second try goes on from "
        "there."
    )


@contextmanager
def _sole_writer(place: Place, listener: FetchListener) -> Iterator[None]:
    """Wait until no other process writes the data set, and let none write it meanwhile."""

    def say() -> None:
        listener.warn(
            f"Another process fetches {place.data_set.name} into {place.folder}: waiting for it."
        )

    with sole_writer(place, on_wait=say):
        yield


def _download(place: Place, listener: FetchListener) -> None:
    """Download the files that are missing."""
    for file in remote_files(place.data_set):
        download(file, place.downloads, listener)


def _check_disk(place: Place) -> None:
    """Raise Unavailable unless there is room for what is missing, and nothing in its place."""
    data_set, needed = place.data_set, needed_bytes(place)
    if place.prepared.exists():
        raise Unavailable(
            f"{place.prepared} is there, but holds no whole data set: dataset_info.json or "
            "features.json is missing.",
            f"Remove it with: {place.command('clear')}",
        )
    free = shutil.disk_usage(nearest_existing(place.folder)).free
    if free < needed:
        raise Unavailable(
            f"There is not enough room in {place.folder} for the full data set {data_set.name}: "
            f"it needs {shown_bytes(needed)}, and {shown_bytes(free)} are free.",
            "Name another folder with --data-dir, or train on the bundled sample with --data "
            "sample.",
        )


def missing_bytes(place: Place) -> int:
    """Return how much of the files of a data set that is not prepared is not here yet, bytes."""
    files = remote_files(place.data_set)
    return sum(max(file.size - file.received(place.downloads), 0) for file in files)


def needed_bytes(place: Place) -> int:
    """Return the room that a data set takes which is not prepared, while it is, bytes."""
    release = place.data_set.release
    return missing_bytes(place) + release.prepared_bytes + release.unpacked_bytes


def _build(place: Place) -> None:
    """Have TensorFlow Datasets prepare a data set from its downloaded files, without a network.

    Raises:
        Unavailable: if it cannot.
    """
    hide_gpus()
    import tensorflow_datasets as tfds

    # It warns that this way to name checksums is old; a data set of TFDS's own has no newer one.
    logging.getLogger("absl").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    tfds.download.add_checksums_dir(str(OWN_CHECKSUMS))
    release = place.data_set.release
    name = "/".join(part for part in (place.data_set.name, release.config) if part)
    config = tfds.download.DownloadConfig(
        manual_dir=place.downloads,
        extract_dir=place.unpacked,
        try_download_gcs=False,
        force_checksums_validation=True,
    )
    try:
        # It announces itself on standard output, which is ours; its progress bar is on the other.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            builder = tfds.builder(f"{name}:{release.version}", data_dir=place.folder)
            builder.download_and_prepare(download_config=config)
    except OSError:
        raise
    except Exception as error:  # whatever stops TFDS: its builders raise what they like
        raise Unavailable(
            f"The full data set {place.data_set.name} cannot be prepared: {type(error).__name__}: "
            f"{str(error).strip().partition(chr(10))[0]}",
            f"See the traceback with --debug. To begin anew: {place.command('clear')}",
        ) from error
