"""What the fingerprint of data is computed of: the content of its columns, never all at once."""

from typing import Any

import numpy as np

from dlrecipes.datasets.storage import (
    CHUNK,
    Array,
    Column,
    StoredColumn,
    chunks,
    rows_at_once,
)

TEXT_BYTES = 2**22
"""Of texts that are digested together, about, unless one is longer."""


def add_to_digest(digest: Any, column: Column) -> None:
    """Add the content of a column to a digest of `hashlib`."""
    if isinstance(column, StoredColumn) and column.holds_texts:
        _update_with_texts(digest, column)
        return
    # How many texts are digested together is part of the digest, how many numbers is not.
    size = CHUNK if column.dtype.kind in "OUS" else rows_at_once(column)
    for rows in chunks(column, size):
        _update(digest, rows)


def _update(digest: Any, rows: Array) -> None:
    """Add the content of an array to a digest."""
    if rows.dtype.kind in "OUS":
        content = [text if isinstance(text, bytes) else str(text).encode() for text in rows]
        digest.update(np.array([len(text) for text in content], "int64").tobytes())
        digest.update(b"".join(content))
    else:
        digest.update(np.ascontiguousarray(rows))


def _update_with_texts(digest: Any, column: StoredColumn) -> None:
    """Add a column of texts to a digest, as `_update` does, but never many long ones at once."""
    for start in range(0, len(column), CHUNK):
        begins, ends = column.places(slice(start, start + CHUNK))
        digest.update((ends - begins).tobytes())
        parts = np.flatnonzero(np.diff(np.cumsum(ends - begins) // TEXT_BYTES)) + 1
        for rows in np.split(np.arange(start, start + len(ends)), parts):
            digest.update("".join(column[rows]).encode())
