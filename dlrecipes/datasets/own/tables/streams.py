"""The text of a file, whether it is packed or not, with every line ended in one way."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import IO, TextIO, cast

from dlrecipes.datasets.own.files import encoding_of
from dlrecipes.errors import InputError

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst", ".lz4")
"""Endings of packed files, behind their own: `rows.csv.gz`."""
ARROWS = {"zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}
"""How files begin that Arrow unpacks."""
HIDDEN = ("__MACOSX/", ".")


def kind_of(path: Path) -> str:
    """Return the ending of a file in lower case, without that of what packs it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
        if not suffixes:
            return ".csv" if path.suffix.lower() in PACKED else ""
    return suffixes[-1] if suffixes else ""


def open_bytes(path: Path) -> IO[bytes]:
    """Return a file from its beginning, unpacked if its first bytes say that it is packed.

    Raises:
        InputError: if it is a zip archive with none or several files.
    """
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if magic.startswith(b"BZh"):
        return bz2.open(path)
    if magic.startswith(b"\xfd7zXZ"):
        return lzma.open(path)
    if codec := next((name for name, begin in ARROWS.items() if magic.startswith(begin)), ""):
        import pyarrow

        return cast(IO[bytes], pyarrow.CompressedInputStream(str(path), codec))
    if magic.startswith(b"PK\x03\x04"):
        return _only_member(path)
    return path.open("rb")


def _only_member(path: Path) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is damaged: {error}.") from None
    names = [
        one.filename
        for one in archive.infolist()
        if not one.is_dir() and not one.filename.startswith(HIDDEN)
    ]
    if len(names) != 1:
        shown = f": {', '.join(names[:3])}" if names else ""
        raise InputError(
            f"{path} holds {len(names)} files{shown}: one table is needed.", "Unpack the one."
        )
    if archive.getinfo(names[0]).flag_bits & 1:
        raise InputError(f"{path} needs a password.", "Unpack it first.")
    return archive.open(names[0])


def open_text(path: Path, encoding: str) -> TextIO:
    r"""Return the text of a file from its beginning, with `\n` at the end of every line."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding_of(encoding))
