"""Full data sets as arrays, kept so that only the first training decodes them.

Decoding 70,000 PNG images takes four seconds; reading them as an array takes a tenth of one. The
files lie in the user's cache folder: deleting them costs nothing but that time.
"""

import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from dlrecipes.datasets.examples import Examples, Splits
from dlrecipes.datasets.storage import Array, Column, Memory, StoredColumn
from dlrecipes.system.atomic import remove_abandoned, whole_file

ABANDONED = 86_400.0
"""Seconds after which a file that is not done was left by a process that was killed."""


def cache_file(name: str) -> Path:
    """Return the file of a data set: in `dlrecipes` in XDG_CACHE_HOME, or in ~/.cache."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return folder / "dlrecipes" / f"{name}.npz"


UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a file raises that is not there, or is damaged."""


def cached(name: str, state: str, make: Callable[[], Splits]) -> Splits:
    """Return the examples of every split from the cache, or else make them and put them there.

    Args:
        name: Name of the data set.
        state: What the examples are made from: if it is another, they are made again.
        make: Makes them.
    """
    path = cache_file(name)
    with suppress(*UNREADABLE):
        return _read(path, state)
    splits = {split: examples.in_one_piece() for split, examples in make().items()}
    with suppress(OSError):  # A full disk or a folder that may not be written: it is only a cache.
        _write(path, state, splits)
    return splits


def is_cached(name: str, state: str) -> bool:
    """Tell whether the cache holds a data set that was made from this state."""
    try:
        with np.load(cache_file(name), allow_pickle=False) as arrays:
            return str(arrays["state"]) == state
    except UNREADABLE:
        return False


def _write(path: Path, state: str, splits: Splits) -> None:
    """Write the examples."""
    arrays: dict[str, Array] = {"state": np.array(state)}
    for split, examples in splits.items():
        columns: dict[str, Column] = {f"features/{name}": c for name, c in examples.columns.items()}
        if examples.labels is not None:
            columns["labels"] = examples.labels
        for name, column in columns.items():
            arrays |= _plain(f"{split}/{name}", column)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    remove_abandoned(path.parent, ABANDONED)


def _plain(name: str, column: Column) -> dict[str, Array]:
    """Return a column as arrays that need no pickle: texts as their UTF-8 and where each ends."""
    if not isinstance(column, StoredColumn):
        return {name: column}
    assert isinstance(column.content, Memory)
    return {f"{name}:text": column.content.bytes, f"{name}:ends": np.asarray(column.ends)}


def _read(path: Path, state: str) -> Splits:
    """Return the examples in a file of the cache; the archive's own checksums are checked.

    Raises:
        ValueError: if they were made from something else.
    """
    found: dict[str, dict[str, Column]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        if str(arrays["state"]) != state:
            raise ValueError(state)
        for key in arrays:
            split, _, name = key.partition("/")
            if name.endswith(":text"):
                ends = arrays[f"{key.removesuffix(':text')}:ends"]
                found.setdefault(split, {})[name.removesuffix(":text")] = StoredColumn(
                    Memory(arrays[key]), np.dtype(object), (), len(ends), ends
                )
            elif name and not name.endswith(":ends"):
                found.setdefault(split, {})[name] = arrays[key]
    return {split: _examples(columns) for split, columns in found.items()}


def _examples(columns: dict[str, Column]) -> Examples:
    """Return the examples that columns by name make."""
    labels = columns.pop("labels", None)
    features = {name.removeprefix("features/"): column for name, column in columns.items()}
    single = features.get("features")
    return Examples(features if single is None or len(features) > 1 else single, labels)
