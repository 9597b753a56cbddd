"""Folders that are packed into one file: zip and tar."""

import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlrecipes.datasets.own.tables import is_table
from dlrecipes.errors import InputError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


UNSEEN = ("__MACOSX", ".")
"""How the names begin of what systems put into archives beside the files."""


def is_archive(path: Path) -> bool:
    """Tell whether a path is a file that a folder may be packed into, by its ending."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file()


def is_packed_folder(path: Path) -> bool:
    """Tell whether a path is an archive, but for a zip of one table, which is read as it is."""
    if not is_archive(path) or not path.name.lower().endswith(".zip"):
        return is_archive(path)
    try:
        with zipfile.ZipFile(path) as packed:
            found = [one.filename for one in packed.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError):
        return True
    seen = [Path(name) for name in found if not _is_unseen(name)]
    if len(seen) != 1 or not is_table(seen[0]):
        return True
    return seen[0].name.lower().endswith(ARCHIVE_SUFFIXES)


def only_file(folder: Path) -> Path:
    """Return the only file below a folder that was packed; the folder, if it holds more or none."""
    found = [one for one in folder.rglob("*") if one.is_file()]
    seen = [one for one in found if not _is_unseen(str(one.relative_to(folder)))]
    return seen[0] if len(seen) == 1 else folder


def _is_unseen(name: str) -> bool:
    """Tell whether a file of an archive is hidden, or one that a system put there."""
    return any(part.startswith(UNSEEN) for part in Path(name).parts)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive into a temporary folder for the block, and return that.

    It lies in TMPDIR, or in /var/tmp. Nothing is written outside of it, whatever the archive says.

    Raises:
        InputError: if the archive cannot be unpacked.
    """
    place = os.environ.get("TMPDIR") or ("/var/tmp" if os.path.isdir("/var/tmp") else None)
    with tempfile.TemporaryDirectory(prefix="dlrecipes-", dir=place) as name:
        folder = Path(name)
        try:
            if path.name.lower().endswith(".zip"):
                with zipfile.ZipFile(path) as packed:
                    packed.extractall(folder)
            else:
                with tarfile.open(path) as archive:
                    archive.extractall(folder, filter="data")
        except OSError as error:
            what = "is no archive" if isinstance(error, tarfile.TarError) else "cannot be unpacked"
            raise InputError(
                f"{path} {what}: {error}.", "Is there room in TMPDIR? Or unpack it yourself."
            ) from None
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is a damaged archive: {error}.") from None
        except (RuntimeError, NotImplementedError) as error:  # a password, a rare compression
            raise InputError(f"{path} cannot be unpacked: {error}.", "Unpack it first.") from None
        yield folder
