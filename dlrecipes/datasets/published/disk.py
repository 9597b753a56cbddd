"""Where a data set lies in the folder of prepared data, who may write there, what is removed."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dlrecipes.datasets.published.catalog import DataSet
from dlrecipes.errors import InputError

WAIT_SECONDS = 1.0
"""How long to wait for another process before the folder is looked for again."""


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
    def prepared(self) -> Path:
        """Return the folder of the prepared data set, where TensorFlow Datasets has it."""
        release = self.data_set.release
        return self.folder / self.data_set.name / release.config / release.version

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
        return (
            f"dlrecipes data {verb} {self.data_set.name} --data-dir {shlex.quote(str(self.folder))}"
        )

    def is_prepared(self) -> bool:
        """Tell whether the data set is prepared, by the files that TensorFlow Datasets goes by.

        It writes into a folder of another name, and renames that once all is in it.
        """
        return all(
            (self.prepared / name).is_file() for name in ("dataset_info.json", "features.json")
        )

    def state(self) -> str:
        """Return a text that is another one if a file of the prepared data set is another one."""
        files = sorted(path for path in self.prepared.iterdir() if path.is_file())
        stats = [(path.name, path.stat()) for path in files]
        described = [f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in stats]
        return "\n".join([str(self.prepared.resolve()), *described])

    def unfinished(self) -> list[Path]:
        """Return the folders that a TensorFlow Datasets which was killed has left."""
        name = re.compile(rf"incomplete\.\w{{6}}_{re.escape(self.prepared.name)}")
        siblings = self.prepared.parent.iterdir() if self.prepared.parent.is_dir() else ()
        return sorted(path for path in siblings if name.fullmatch(path.name))

    def remove_unfinished(self) -> None:
        """Remove what a preparation that did not end has left; downloaded files stay."""
        for path in (*self.unfinished(), self.unpacked):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)

    def all_paths(self) -> list[Path]:
        """Return the folders that hold the data set, its downloads, and what was left of them.

        Raises:
            InputError: if a symbolic link leads to one of them.
        """
        paths = [self.prepared, *self.unfinished(), self.downloads]
        for path in paths:
            inner = path.relative_to(self.folder)
            for step in (self.folder / part for part in (inner, *inner.parents) if part.name):
                if step.is_symlink():
                    raise InputError(
                        f"{step} is a symbolic link, to {step.resolve()}: what it leads to is not "
                        "removed.",
                        "Remove the link yourself, or name the folder that it leads into with "
                        "--data-dir.",
                    )
        return [path for path in paths if path.exists()]

    def remove_empty(self) -> None:
        """Remove the folders of the data set that have nothing in them."""
        name = self.folder / self.data_set.name
        with suppress(OSError):
            if [path.name for path in name.iterdir()] == [".config"]:
                # TensorFlow Datasets writes the name of the default configuration in advance.
                shutil.rmtree(name / ".config")
        for path in (self.downloads, self.downloads.parent, self.prepared.parent, name):
            with suppress(OSError):  # It holds something, or is not there.
                path.rmdir()


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
            with suppress(OSError):  # Windows removes no file that is open.
                # Who waits for it sees that the file it has locked is gone, and makes another.
                place.lock.unlink()
            lock.release()
        place.remove_empty()
        for path in made:
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


def size_of(path: Path) -> int:
    """Return the bytes of all files below a folder; links are not followed."""
    return sum(
        file.lstat().st_size for file in path.rglob("*") if file.is_file() or file.is_symlink()
    )


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
