"""Where a data set lies in the folder of prepared data, who may write there, what is removed."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.datasets.published.names import DataSet
from dlrecipes.datasets.published.prepared import (
    Prepared,
    all_version_folders,
    find_prepared,
    is_whole,
    version_folders,
)
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.system.home import expanded, home

UNFINISHED = re.compile(r"incomplete\.\w{6}_\d+\.\d+\.\d+")
BROUGHT = ".brought"
"""The file in a data set's folder that says where a package's function has put its files."""
WAIT_SECONDS = 1.0
"""How long to wait for another process before the folder is looked for again."""


class Unavailable(DlrecipesError):
    """The full data set can be had neither from the disk nor from the Internet."""


def data_folder(data_dir: str | None = None) -> Path:
    """Return the folder of prepared data sets.

    Args:
        data_dir: The value of `--data-dir`; else `DLRECIPES_DATA`, `TFDS_DATA_DIR`, or the folder
            `tensorflow_datasets` in the home folder.
    """
    folder = data_dir or os.environ.get("DLRECIPES_DATA") or os.environ.get("TFDS_DATA_DIR")
    return expanded(folder) if folder else home() / "tensorflow_datasets"


@dataclass(frozen=True)
class Place:
    """The place of a data set in a folder of prepared data; it need not exist.

    Args:
        folder: The folder of prepared data.
        data_set: The data set.
    """

    folder: Path
    data_set: DataSet

    @property
    def home(self) -> Path:
        """Return the folder of all versions of the data set."""
        return self.folder / self.data_set.name

    @property
    def downloads(self) -> Path:
        """Return the folder of the files that it is prepared from."""
        return self.folder / "downloads" / self.data_set.name

    @property
    def unpacked(self) -> Path:
        """Return the folder of files that are unpacked while it is prepared."""
        return self.downloads / "extracted"

    @property
    def lock(self) -> Path:
        """Return the file that is locked by who writes the data set or removes it."""
        return self.folder / "downloads" / f"{self.data_set.name}.lock"

    def command(self, verb: str) -> str:
        """Return what to type to `fetch` or `clear` the data set here."""
        folder = shlex.quote(str(self.folder))
        return f"dlrecipes data {verb} {self.data_set.full_name} --data-dir {folder}"

    def prepared(self) -> Prepared | None:
        """Return the prepared data set, if it is prepared."""
        return find_prepared(self.data_set, self.folder)

    def is_prepared(self) -> bool:
        """Tell whether the data set is prepared, by the files that TensorFlow Datasets goes by.

        It writes into a folder of another name, and renames that once all is in it.
        """
        return self.prepared() is not None

    def broken(self) -> list[Path]:
        """Return the folders of versions that hold no whole data set."""
        return [
            path
            for path in version_folders(self.data_set, self.folder)
            if path.is_dir() and not is_whole(path)
        ]

    def unfinished(self) -> list[Path]:
        """Return the folders that a TensorFlow Datasets which was killed has left."""
        if self.home.is_symlink() or not self.home.is_dir():
            return []
        found = (*self.home.glob("incomplete.*"), *self.home.glob("*/incomplete.*"))
        return sorted(path for path in found if UNFINISHED.fullmatch(path.name))

    def remove_unfinished(self) -> None:
        """Remove what a preparation that did not end has left; downloaded files stay."""
        for path in (*self.unfinished(), self.unpacked):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)

    def all_paths(self) -> list[Path]:
        """Return the folders that hold the data set, its downloads, and what was left of them.

        They are those of all its configurations and versions, unless one of them is named.

        Raises:
            InputError: if a symbolic link leads to one of them.
        """
        if (self.home / BROUGHT).is_file():
            paths = [self.home, self.downloads]
        else:
            versions = all_version_folders(self.data_set, self.folder)
            paths = [*versions, *self.unfinished(), self.downloads]
        for path in paths:
            inner = path.relative_to(self.folder)
            for step in (self.folder / part for part in (inner, *inner.parents) if part.name):
                if step.is_symlink():
                    raise InputError(
                        f"{step} is a symbolic link to {step.resolve()}, which is not removed.",
                        "Remove the link yourself, or name the folder that it leads into with "
                        "--data-dir.",
                    )
        return [path for path in paths if path.exists()]

    def remove_empty(self) -> None:
        """Remove the folders of the data set that have nothing in them."""
        with suppress(OSError):  # They hold something, or are gone.
            self.downloads.rmdir()
        if self.home.is_symlink() or not self.home.is_dir():
            return
        for path in self.home.iterdir():
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    path.rmdir()
        if [path.name for path in self.home.iterdir()] == [".config"]:
            # TensorFlow Datasets writes the name of the default configuration in advance.
            shutil.rmtree(self.home / ".config", ignore_errors=True)
        with suppress(OSError):
            self.home.rmdir()


@contextmanager
def sole_writer(place: Place, on_wait: Callable[[], None]) -> Iterator[None]:
    """Let no other process write the data set or remove it; leave no empty folder behind.

    Args:
        place: Where the data set lies.
        on_wait: Called if another process writes now, before waiting for it; may raise.

    Raises:
        OSError: if the folder cannot be written to.
    """
    made: list[Path] = []
    lock = FileLock(place.lock)
    try:
        _acquire(lock, place, on_wait, made)
        yield
    finally:
        if lock.is_locked:
            # Before the lock is released: who gets it next may make these folders at once.
            place.remove_empty()
            with suppress(OSError):  # Windows removes no file that is open.
                # Who waits for it sees that the file it has locked is gone, and makes another.
                place.lock.unlink()
            lock.release()
        for path in (place.lock.parent, *made):
            with suppress(OSError):
                path.rmdir()


def _acquire(lock: FileLock, place: Place, on_wait: Callable[[], None], made: list[Path]) -> None:
    """Lock the data set, after waiting for who has locked it; add the folders made to `made`."""
    wait = 0.0
    while True:
        made += [path for path in (place.folder, *place.folder.parents) if not path.exists()]
        place.lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=wait)
            return
        except Timeout:
            if not wait:
                on_wait()
            wait = WAIT_SECONDS
        except FileNotFoundError:
            pass  # Who had it locked has left nothing behind, not even the folder.


def nearest_existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    while not path.exists():
        path = path.parent
    return path


def check_room(place: Place, needed: int) -> None:
    """Raise DlrecipesError unless there is room for so many bytes more in the data folder."""
    free = shutil.disk_usage(nearest_existing(place.folder)).free
    if free < needed:
        raise Unavailable(
            f"There is not enough room in {place.folder} for the full data set "
            f"{place.data_set.full_name}: it needs {shown_bytes(needed)}, and {shown_bytes(free)} "
            "are free.",
            "Name another folder with --data-dir.",
        )


def size_of(path: Path) -> int:
    """Return the bytes of all files below a folder; links are not followed."""
    total = 0
    for folder, _, names in os.walk(path):  # A folder that has gone meanwhile is passed over.
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(folder, name).lstat().st_size
    return total


def clear_place(place: Place) -> int:
    """Remove a prepared data set and its downloads, and nothing else.

    Returns:
        How many bytes that were.

    Raises:
        InputError: if a symbolic link leads to them.
        OSError: if they cannot be removed.
    """
    removed = 0
    for path in place.all_paths():
        removed += size_of(path)
        shutil.rmtree(path)
    return removed
