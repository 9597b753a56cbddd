"""Files and folders that are there whole or not at all, whatever kills the one who writes them.

What is written begins beside its place, under a name of its own, and is renamed into it.
"""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = re.compile(r"\.[0-9a-f]{8}-")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_name(path: Path) -> Path:
    """Return a path beside another that nobody can foresee, so nobody can have put a link there."""
    return path.with_name(f".{secrets.token_hex(4)}-{path.name}")


def sync(path: Path) -> None:
    """Have the system write a file or a folder to the disk: a power cut then leaves it whole."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows has no such thing.
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the block a path to write to; its file then appears at `path`, whole or not at all.

    A reader, or a crash, finds the old content or the new, never half.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that appears whole."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give the block a folder to fill; it then appears at `path`, whole or not at all.

    Args:
        path: The folder.
        replace: Whether it takes the place of one that is there.

    Raises:
        OSError: if it cannot be made, or there is one with content and it is not to be replaced.
    """
    temporary, old = temporary_name(path), temporary_name(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            sync(file)
        sync(temporary)
        if replace and path.exists():
            path.rename(old)  # A kill just here leaves none at all.
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    sync(path.parent)


def remove_abandoned(folder: Path, seconds: float = 0.0) -> None:
    """Remove what killed processes began to write in a folder.

    Args:
        folder: The folder.
        seconds: For how long nothing has changed in it, where others may be at work.
    """
    for path in folder.glob(".*"):
        if TEMPORARY.match(path.name) and time.time() - path.lstat().st_mtime > seconds:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
