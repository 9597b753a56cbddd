"""Where each file of a full data set is had from, and what it must be once it is here.

Size and SHA-256 are those that TensorFlow Datasets records in its own package, or that an installed
package has beside its builder: they are read without importing either. TFDS records none of
diamonds: those are in `checksums/diamonds.txt`, in the same form. They are the checksum of the file
written anew from the prepared data set, whose size is the one that TFDS noted when it prepared it.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from dlrecipes.datasets.published.builder_source import read_text
from dlrecipes.datasets.published.download import RemoteFile, first_answer, host_of
from dlrecipes.datasets.published.names import DataSet, tfds_folder
from dlrecipes.errors import DlrecipesError, InputError

MIRROR_VARIABLE = "DLRECIPES_MIRROR"
OWN_CHECKSUMS = Path(__file__).with_name("checksums")
CATALOGUE = "https://www.tensorflow.org/datasets/catalog/overview"
MOST_ASKED = 8
"""How many addresses are asked whether there is a way to the Internet at all."""


class Recorded(NamedTuple):
    """What is recorded of a file: its size, its SHA-256, and the name that it is downloaded as."""

    size: int | None
    sha256: str
    name: str


def known_files(data_set: DataSet) -> tuple[RemoteFile, ...]:
    """Return the files that a data set is prepared from; empty if only its builder knows them.

    Raises:
        InputError: if `DLRECIPES_MIRROR` is not the address of a server.
        DlrecipesError: if the installed TensorFlow Datasets prepares it from other files.
    """
    own_mirror()
    if data_set.release is None:
        return ()
    files, recorded = data_set.release.files, recorded_files(data_set)
    for source in files:
        if source.url not in recorded:
            raise DlrecipesError(
                f"The installed tensorflow-datasets has no checksum of {source.url}.",
                "Install the version that dlrecipes names: python -m pip install "
                "'tensorflow-datasets==4.9.10'",
            )
    return tuple(remote_file(data_set, source.url, recorded[source.url]) for source in files)


def all_files(data_set: DataSet) -> tuple[RemoteFile, ...]:
    """Return the files that are recorded for a data set: those of all its configurations."""
    known = known_files(data_set)
    recorded = recorded_files(data_set)
    return known or tuple(remote_file(data_set, url, one) for url, one in recorded.items())


def remote_file(data_set: DataSet, url: str, recorded: Recorded | None) -> RemoteFile:
    """Return the file at an address; the user's own mirror comes first.

    Args:
        data_set: The data set that is prepared from it.
        url: Where its authors have it.
        recorded: What it must be; None if nobody has recorded that.

    Raises:
        InputError: if `DLRECIPES_MIRROR` is not the address of a server.
    """
    # Without a checksum, the name alone tells files of two addresses apart.
    unknown = Recorded(None, "", f"{sha256(url.encode()).hexdigest()[:8]}-{file_name(url)}")
    found = recorded or unknown
    mirror = own_mirror()
    own = (f"{mirror}/{found.name}",) if mirror else ()
    files = data_set.release.files if data_set.release else ()
    others = next((source.mirrors for source in files if source.url == url), ())
    return RemoteFile(found.name, (*own, *_addresses(url), *others), found.size, found.sha256)


def why_offline(data_set: DataSet, downloads: Path, patience: float) -> str:
    """Return why a data set cannot be downloaded, in a sentence; empty if it may be.

    Hosts of the files that are missing are asked for them. Where nobody has recorded the files,
    the addresses in the builder's source only tell whether there is a way to the Internet.

    Args:
        data_set: The data set.
        downloads: The folder of its downloads.
        patience: How long to wait for a first answer, seconds.
    """
    files = all_files(data_set)
    if not files:
        mirror, source = own_mirror(), data_set.source
        if source and source.makes_its_data():
            return ""
        urls = [mirror] if mirror else (source.addresses() if source else [])
        return first_answer(_some(urls or [CATALOGUE]), patience, any_answer=True)
    missing = [file for file in files if not file.is_in(downloads)]
    if not missing:
        return ""
    if data_set.release:
        return first_answer(missing[0].urls, patience)
    return first_answer(_some([url for file in missing for url in file.urls]), patience)


def _some(urls: Sequence[str]) -> list[str]:
    """Return some addresses: one of every host, and others from the whole list."""
    hosts = {host_of(url): url for url in reversed(urls)}
    step = max(len(urls) // MOST_ASKED, 1)
    return list(dict.fromkeys([*reversed(hosts.values()), *urls[::step]]))[:MOST_ASKED]


def file_name(url: str) -> str:
    """Return the name of the file at an address."""
    return PurePosixPath(unquote(urlsplit(url).path)).name or "download"


def own_mirror() -> str:
    """Return the address in `DLRECIPES_MIRROR`, without a slash at its end; empty for none.

    Raises:
        InputError: if it is not the address of a server.
    """
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    address = urlsplit(mirror)
    if mirror and (address.scheme not in ("http", "https") or not address.hostname):
        raise InputError(
            f"{MIRROR_VARIABLE} must be an address such as https://HOST/FOLDER. "
            f"Received: {mirror!r}"
        )
    return mirror


def _addresses(url: str) -> tuple[str, ...]:
    """Return where the file at an address can be had by HTTP."""
    address = urlsplit(url)
    if address.scheme == "gs":
        return (f"https://storage.googleapis.com/{address.netloc}{address.path}",)
    if address.scheme == "ftp":
        rest = f"{address.netloc}{address.path}"
        return (f"https://{rest}", f"http://{rest}")
    number = parse_qs(address.query).get("id")
    if address.hostname == "drive.google.com" and number:
        # Google Drive asks whether to download a large file unless the address says yes.
        host = "https://drive.usercontent.google.com"
        return (f"{host}/download?id={number[0]}&export=download&confirm=t", url)
    return (url,)


@cache
def recorded_files(data_set: DataSet) -> Mapping[str, Recorded]:
    """Return what is recorded of the files of a data set, by address."""
    found: dict[str, Recorded] = {}
    for path in _records(data_set):
        for line in read_text(path).splitlines():
            parts = line.split("\t") if "\t" in line else line.rsplit(" ", 2)
            if len(parts) >= 3 and not line.startswith("#"):
                url, size, checksum, *name = parts
                found[url] = Recorded(int(size), checksum, name[0] if name else "")
    return with_own_names(found)


def with_own_names(recorded: Mapping[str, Recorded]) -> Mapping[str, Recorded]:
    """Return records in which no two files of different content have the same name.

    Before such a name stand the first digits of the file's SHA-256.

    Args:
        recorded: Records by address; a name may be empty, or stand twice.
    """
    named = {url: one._replace(name=one.name or file_name(url)) for url, one in recorded.items()}
    counts = Counter(name for name, _ in {(one.name, one.sha256) for one in named.values()})
    return {
        url: one if counts[one.name] == 1 else one._replace(name=f"{one.sha256[:8]}-{one.name}")
        for url, one in named.items()
    }


def _records(data_set: DataSet) -> list[Path]:
    """Return the files that may list the sizes and checksums of a data set."""
    source, package = data_set.source, tfds_folder()
    paths = [OWN_CHECKSUMS / f"{data_set.name}.txt"] if not data_set.entry_point else []
    if package and not data_set.entry_point:
        paths.append(package / "url_checksums" / f"{data_set.name}.txt")
    if source and (source.own_folder or data_set.entry_point):
        paths.append(source.file.parent / "checksums.tsv")
    return paths
