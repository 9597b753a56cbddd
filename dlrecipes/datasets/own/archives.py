"""Folders that are packed into one file: zip and tar."""

import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlrecipes.errors import InputError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """Tell whether a path is a file that a folder may be packed into, by its ending."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file()


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
