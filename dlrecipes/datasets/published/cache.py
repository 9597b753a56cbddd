"""Decoded examples of full data sets, kept so that only the first training decodes them.

Decoding 70,000 PNG images takes seconds; reading them as an array takes a tenth of one. The files
lie in the user's cache folder: deleting them costs nothing but that time. A split of more than
`MEMORY_BYTES` is not read into memory, but by the rows that are asked for.
"""

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.content import Memory, StoredFile, allow_many_files
from dlrecipes.datasets.examples import Examples, Splits
from dlrecipes.datasets.storage import (
    MEMORY_BYTES,
    Array,
    Column,
    StoredColumn,
    chunks,
)
from dlrecipes.system.atomic import remove_abandoned, whole_folder
from dlrecipes.system.home import expanded, home

ABANDONED = 86_400.0
"""Seconds after which a folder that is not done was left by a process that was killed."""
PIECE_BYTES = 2**22
FREE_TIMES = 2
"""How many times its own size must be free on the disk before something is kept there."""
RECORD = "columns.json"
UNREADABLE = (OSError, ValueError, KeyError, TypeError)
"""What reading raises where nothing is kept, or where it is damaged."""


def cache_folder(name: str) -> Path:
    """Return the folder of a data set: in `dlrecipes` in XDG_CACHE_HOME, or in ~/.cache."""
    folder = expanded(os.environ.get("XDG_CACHE_HOME") or home() / ".cache")
    return folder / "dlrecipes" / name


def cached(name: str, key: str, state: str, make: Callable[[], Splits]) -> Splits:
    """Return the examples of every split from the cache, or else make them and put them there.

    Args:
        name: Name of the data set.
        key: Which form of it is wanted, and how it was converted.
        state: What the examples are made from: if that has changed, they are made again.
        make: Makes them.
    """
    path = _path(name, key)
    with suppress(*UNREADABLE):
        return _read(path, state)
    splits = make()
    with suppress(*UNREADABLE):  # A full disk, or a folder that may not be written to.
        _write(path, state, splits)
        return _read(path, state)
    return splits


def is_cached(name: str, key: str, state: str) -> bool:
    """Tell whether the cache holds examples that were made from this state."""
    with suppress(*UNREADABLE):
        return bool(_record(_path(name, key))["state"] == state)
    return False


def _path(name: str, key: str) -> Path:
    """Return the folder of the examples that a data set was converted to."""
    return cache_folder(name) / sha256(key.encode()).hexdigest()[:16]


def _record(path: Path) -> Mapping[str, Any]:
    """Return what stands in a folder of the cache."""
    record: Mapping[str, Any] = json.loads((path / RECORD).read_text("utf-8"))
    return record


def _write(path: Path, state: str, splits: Splits) -> None:
    """Write the examples of every split; raise OSError if the disk has no room to spare."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [column for examples in splits.values() for column in _columns(examples).values()]
    if shutil.disk_usage(path.parent).free < FREE_TIMES * sum(map(_size, columns)):
        raise OSError("too little room")
    with whole_folder(path, replace=True) as folder:
        record = {
            split: {
                name: _write_column(folder / f"{split}-{number}", column)
                for number, (name, column) in enumerate(_columns(examples).items())
            }
            for split, examples in splits.items()
        }
        (folder / RECORD).write_text(json.dumps({"state": state, "splits": record}), "utf-8")
    remove_abandoned(path.parent, ABANDONED)


def _columns(examples: Examples) -> dict[str, Column]:
    """Return the columns of examples; the names of features stand behind a slash."""
    single = not isinstance(examples.features, Mapping)
    columns = {"" if single else f"/{name}": column for name, column in examples.columns.items()}
    return columns if examples.labels is None else columns | {"labels": examples.labels}


def _examples(columns: dict[str, Column]) -> Examples:
    """Return the examples that have these columns."""
    labels = columns.pop("labels", None)
    if "" in columns:
        return Examples(columns[""], labels)
    return Examples({name[1:]: column for name, column in columns.items()}, labels)


def _size(column: Column) -> int:
    """Return the bytes of a column's content."""
    if not isinstance(column, StoredColumn):
        return int(column.nbytes)
    if column.ends is None:
        return int(np.prod(column.shape)) * column.dtype.itemsize
    return int(column.ends[-1]) * _item_bytes(column.dtype) + 8 * len(column)


def _item_bytes(dtype: np.dtype[Any]) -> int:
    """Return the bytes of an item of flat content; that of texts is counted in bytes."""
    return 1 if dtype.kind == "O" else dtype.itemsize


def _write_column(file: Path, column: Column) -> dict[str, Any]:
    """Write a column, and return how it is to be read."""
    checksum = size = 0
    with file.open("wb") as target:
        for piece in _content(column):
            checksum = zlib.crc32(piece, checksum)
            size += target.write(piece)
    record: dict[str, Any] = {
        "file": file.name,
        "bytes": size,
        "crc32": checksum,
        "dtype": column.dtype.str,
        "shape": list(column.shape),
    }
    ends = column.ends if isinstance(column, StoredColumn) else None
    if ends is not None:
        record["ends"] = _write_column(file.with_name(f"{file.name}-ends"), ends)
    return record


def _content(column: Column) -> Iterator[memoryview]:
    """Yield the bytes of a column as it is stored, a piece at a time."""
    if isinstance(column, StoredColumn) and column.ends is not None:
        end = int(column.ends[-1]) * _item_bytes(column.dtype)
        for start in range(0, end, PIECE_BYTES):
            stop = np.array([min(start + PIECE_BYTES, end)])
            for _, first, content in column.content.read_pieces(np.array([start]), stop):
                yield content[start - first : stop[0] - first].data
    else:
        for rows in chunks(column):
            yield np.ascontiguousarray(rows).reshape(-1).view("uint8").data


def _read(path: Path, state: str) -> Splits:
    """Return the examples in a folder of the cache.

    Raises:
        ValueError: if they were made from something else, or are damaged.
    """
    record = _record(path)
    if record["state"] != state:
        raise ValueError(state)
    splits = {}
    for split, columns in record["splits"].items():
        size = sum(_recorded_bytes(column) for column in columns.values())
        in_memory = size <= MEMORY_BYTES
        if not in_memory:
            allow_many_files()
        splits[split] = _examples(
            {name: _read_column(path, column, in_memory) for name, column in columns.items()}
        )
    return splits


def _recorded_bytes(record: Mapping[str, Any]) -> int:
    """Return the bytes of a column, with those of where its rows end."""
    return int(record["bytes"]) + (_recorded_bytes(record["ends"]) if "ends" in record else 0)


def _read_column(folder: Path, record: Mapping[str, Any], in_memory: bool) -> Column:
    """Return a column, in memory or to be read from its file.

    Raises:
        ValueError: if the file is not as it was written.
    """
    path = folder / record["file"]
    if path.stat().st_size != record["bytes"]:
        raise ValueError(path)
    dtype, shape = np.dtype(record["dtype"]), tuple(record["shape"])
    ends = _read_column(folder, record["ends"], in_memory) if "ends" in record else None
    if in_memory:
        found = np.fromfile(path, "uint8")
        if zlib.crc32(found.data) != record["crc32"]:
            raise ValueError(path)
        if ends is None:
            whole: Array = found.view(dtype).reshape(shape)
            return whole
        return StoredColumn(Memory(found), dtype, shape[1:], shape[0], ends)
    return StoredColumn(StoredFile(path), dtype, shape[1:], shape[0], ends)
