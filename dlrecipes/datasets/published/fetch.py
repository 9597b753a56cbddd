"""Have a full data set: find out whether it can be had, download its files, and prepare it.

Whoever is offline hears of it within seconds: hosts are asked before TensorFlow is imported, which
takes as long as all the rest. Where the files are known beforehand, they are downloaded first, too;
else the builder says which it needs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlrecipes.datasets.published import brought, builder
from dlrecipes.datasets.published.disk import (
    Place,
    Unavailable,
    check_room,
    data_folder,
    size_of,
    sole_writer,
)
from dlrecipes.datasets.published.download import (
    DownloadError,
    FetchListener,
    download,
    shown_bytes,
)
from dlrecipes.datasets.published.features import Description
from dlrecipes.datasets.published.names import find_data_set
from dlrecipes.datasets.published.prepared import Prepared
from dlrecipes.datasets.published.sources import MIRROR_VARIABLE, known_files, why_offline
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.system.process import seconds_since_start

ANSWER_BY = 4.0
"""How long after the start of the process a training must say at the latest that it is offline:
within 5 s, all in all."""
OFFLINE_SECONDS = (2.0, 3.5)
"""How long a training waits for a first answer, at least and at most."""

PATIENT_SECONDS = 10.0
"""How long who asks for nothing but the data waits for a first answer: some links are slow."""


def is_prepared(name: str, data_dir: str | None) -> bool:
    """Tell whether a data set is in the data folder, ready to be read. Imports nothing.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
    """
    place = _place(name, data_dir)
    return place.is_prepared() or brought.known_path(place) is not None


def describe(name: str, data_dir: str | None) -> Description:
    """Return what a data set holds; downloads nothing.

    That of a prepared one is read from its files; else its builder is asked, which imports
    TensorFlow Datasets, and does not know all: neither rows nor, often, the names of classes.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.

    Raises:
        InputError: if it has no such configuration or version, or is no data set of TensorFlow
            Datasets but the files that a package brings.
        DlrecipesError: if its builder cannot be imported.
    """
    place = _place(name, data_dir)
    prepared = place.prepared()
    if prepared:
        return prepared.description
    if builder.brings_files(place.data_set):
        raise InputError(f"{name} is brought as files, which are read as your own are.")
    return builder.describe_builder(place.data_set, place.folder)


def brings_files(name: str, data_dir: str | None) -> bool:
    """Tell whether an installed package brings a data set as files, which are read as a user's own.

    Imports the package, if it is one that brings the data set.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
    """
    return builder.brings_files(_place(name, data_dir).data_set)


def download_sources(
    name: str,
    data_dir: str | None,
    listener: FetchListener,
    patience: float | None = None,
) -> None:
    """Find out whether a data set can be had, unless it is prepared. Imports no TensorFlow.

    If its files are known beforehand, they are downloaded; else some of their hosts are asked.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
        listener: Hears how it goes.
        patience: How long to wait for a first answer, seconds; None for as long as a process may
            that has just started.

    Raises:
        InputError: if there is no such data set, or the user's own mirror is no address.
        Unavailable: if it cannot be had, or cannot be written.
        Interrupted: if the user stopped it.
    """
    place = _place(name, data_dir)
    if is_prepared(name, data_dir) or place.data_set.is_opaque:
        return
    with _explained(place):
        _check_needs(place)
        check_room(place, needed_bytes(place))
        # Asked before anything is written, or waited for: who is offline hears of it at once.
        failure = why_offline(
            place.data_set, place.downloads, _patience() if patience is None else patience
        )
        if failure:
            raise DownloadError(failure)
        if known_files(place.data_set):
            with _sole_writer(place, listener):
                if not place.is_prepared():
                    _download(place, listener)


def fetch(
    name: str,
    data_dir: str | None,
    listener: FetchListener,
    patience: float = PATIENT_SECONDS,
) -> Path:
    """Prepare a data set, unless it is; download what it needs. Imports TensorFlow to prepare it.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
        listener: Hears how it goes.
        patience: How long to wait for a first answer, seconds.

    Returns:
        The folder of the prepared data set; or, if a package brings files, where they are.

    Raises:
        InputError: if there is no such data set, or the user's own mirror is no address.
        Unavailable: if it cannot be had, or cannot be written.
        Interrupted: if the user stopped it.
    """
    place = _place(name, data_dir)
    prepared = place.prepared()
    if prepared:
        return prepared.folder
    if known := brought.known_path(place):
        return known
    download_sources(name, data_dir, listener, patience)
    with _explained(place), _sole_writer(place, listener):
        if builder.brings_files(place.data_set):
            return brought.bring(place, builder.entry_object(place.data_set))
        prepared = place.prepared()
        if prepared is None:  # else by the process that we waited for
            prepared = _prepare(place, listener)
        return prepared.folder


def _patience() -> float:
    """Return how long to wait for a first answer, seconds."""
    least, most = OFFLINE_SECONDS
    rest = ANSWER_BY - seconds_since_start()
    return most if rest < 0 else round(min(max(rest, least), most), 1)


def _place(name: str, data_dir: str | None) -> Place:
    """Return the place of the data set of that name."""
    folder = data_folder(data_dir)
    return Place(folder, find_data_set(name, folder))


def _prepare(place: Place, listener: FetchListener) -> Prepared:
    """Download what is missing, have the builder prepare the data set, and return it."""
    place.remove_unfinished()
    _download(place, listener)
    listener.preparation_begins(place.data_set.full_name)
    try:
        builder.build(place, listener)
    except (DownloadError, Unavailable, InputError, OSError):
        raise
    except DlrecipesError as error:
        raise Unavailable(error.message, error.hint) from error
    finally:
        place.remove_unfinished()
    prepared = place.prepared()
    assert prepared is not None
    return prepared


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Turn what goes wrong into what a user is told, in a sentence with what to do."""
    name = place.data_set.full_name
    try:
        yield
    except DownloadError as error:
        raise Unavailable(
            f"The full data set {name} is not in {place.folder} and cannot be downloaded: {error}"
            f"{_kept(place)}",
            "Name the folder that holds the prepared data with --data-dir, or a mirror of your own "
            f"in {MIRROR_VARIABLE}.",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"The full data set {name} is not in {place.folder} and cannot be written there: "
            f"{error.strerror or error}.",
            "Name another folder with --data-dir.",
        ) from error
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted.{_kept(place)}", f"Resume: {place.command('fetch')}"
        ) from None


def _kept(place: Place) -> str:
    """Return a sentence on what is kept of the downloads; empty if nothing is."""
    files = known_files(place.data_set)
    received = sum(file.received(place.downloads) for file in files)
    if not files and place.downloads.is_dir():
        received = size_of(place.downloads)
    whole = sum(file.size or 0 for file in files)
    if received == 0:
        return ""
    if received >= whole > 0:
        return f" The downloads, {shown_bytes(whole)}, are kept."
    of_all = f" of {shown_bytes(whole)}" if whole else ""
    return f" {shown_bytes(received)}{of_all} are kept: the next download resumes from there."


@contextmanager
def _sole_writer(place: Place, listener: FetchListener) -> Iterator[None]:
    """Wait until no other process writes the data set, and let none write it meanwhile."""

    def say() -> None:
        listener.warn(
            f"Another process is fetching {place.data_set.name} into {place.folder}: waiting."
        )

    with sole_writer(place, on_wait=say):
        yield


def _download(place: Place, listener: FetchListener) -> None:
    """Download the files that are missing, as far as they are known beforehand."""
    for file in known_files(place.data_set):
        download(file, place.downloads, listener)


def _check_needs(place: Place) -> None:
    """Raise Unavailable if something is missing that a download does not bring, or in the way."""
    data_set, source = place.data_set, place.data_set.source
    for broken in place.broken():
        raise Unavailable(
            f"{broken} exists, but holds no whole data set: dataset_info.json or features.json "
            "is missing.",
            f"Remove it with: {place.command('clear')}",
        )
    missing = source.missing_distributions() if source else []
    if missing:
        packages = f"the package {missing[0]}" if len(missing) == 1 else ", ".join(missing)
        raise Unavailable(
            f"To prepare the data set {data_set.full_name}, TensorFlow Datasets needs {packages}, "
            f"which {'is' if len(missing) == 1 else 'are'} not installed.",
            f"Install it: python -m pip install {' '.join(missing)}",
        )
    instructions = source.manual_instructions() if source else ""
    there = place.downloads.is_dir() and any(place.downloads.iterdir())
    if instructions and not there:
        raise Unavailable(
            f"The files of the data set {data_set.full_name} must be downloaded by hand, into "
            f"{place.downloads}. {instructions}",
            f"Then type: {place.command('fetch')}",
        )


def missing_bytes(place: Place) -> int:
    """Return how much of the files of a data set that is not prepared is not here yet, bytes."""
    files = known_files(place.data_set)
    return sum(max((file.size or 0) - file.received(place.downloads), 0) for file in files)


def needed_bytes(place: Place) -> int:
    """Return the room that a data set takes while it is prepared, bytes, as far as it is known."""
    release = place.data_set.release
    extra = release.prepared_bytes + release.unpacked_bytes if release else 0
    return missing_bytes(place) + extra
