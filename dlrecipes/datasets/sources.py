"""Where each file of a full data set is had from, and what it must be once it is here.

Size and SHA-256 are those that TensorFlow Datasets records in its own package, read from there
without importing it. It has none of diamonds: those are in `checksums/diamonds.txt`, in the same
form. They are the checksum of the file written anew from the prepared data set, whose size is the
one that TFDS noted when it prepared it.
"""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from dlrecipes.datasets.published.catalog import DataSet
from dlrecipes.datasets.published.download import RemoteFile
from dlrecipes.errors import DlrecipesError, InputError

MIRROR_VARIABLE = "DLRECIPES_MIRROR"
OWN_CHECKSUMS = Path(__file__).with_name("checksums")


def remote_files(data_set: DataSet) -> tuple[RemoteFile, ...]:
    """Return the files that a data set is prepared from; the user's own mirror comes first.

    Raises:
        InputError: if `DLRECIPES_MIRROR` is not the address of a server.
        DlrecipesError: if the installed TensorFlow Datasets prepares it from other files.
    """
    mirror = _own_mirror()
    recorded = _recorded(data_set.name)
    files = []
    for source in data_set.release.files:
        if source.url not in recorded:
            raise DlrecipesError(
                f"The installed tensorflow-datasets has no checksum of {source.url}.",
                "Install the version that dlrecipes names: python -m pip install "
                "'tensorflow-datasets==4.9.10'",
            )
        size, sha256 = recorded[source.url]
        own = (f"{mirror}/{source.name}",) if mirror else ()
        files.append(RemoteFile(source.name, (*own, source.url, *source.mirrors), size, sha256))
    return tuple(files)


def _own_mirror() -> str:
    """Return the address in `DLRECIPES_MIRROR`, without a slash at its end; empty for none."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    address = urlsplit(mirror)
    if mirror and (address.scheme not in ("http", "https") or not address.hostname):
        raise InputError(
            f"{MIRROR_VARIABLE} must be an address such as https://HOST/FOLDER. "
            f"Received: {mirror!r}"
        )
    return mirror


@cache
def _recorded(name: str) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of the files of a data set, by the address that TFDS has for them."""
    spec = find_spec("tensorflow_datasets")
    installed = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    candidates = [OWN_CHECKSUMS / f"{name}.txt"]
    for package in installed:
        candidates += [
            package / "url_checksums" / f"{name}.txt",
            package / "datasets" / name / "checksums.tsv",
        ]
    recorded = {}
    for path in candidates:
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                url, size, sha256, *_ = line.split("\t")
                recorded[url] = (int(size), sha256)
    return recorded
