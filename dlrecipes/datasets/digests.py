"""Digests of examples, by which equal ones are found, a part of them at a time."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import CHUNK, Array, ColumnsWriter, chunks, rows_at_once
from dlrecipes.system.progress import tracked

PRIME = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits are spread: so the digests of columns are joined in their order."""
AT_ONCE = 2**20
"""Digests that are compared with each other at a time, at most about so many."""
SCANNED = 2**16
"""Digests that are read together."""


def example_digests(examples: Examples, *, with_labels: bool) -> Array:
    """Return a 64-bit digest of each example, uint64 (examples,).

    Args:
        examples: The examples.
        with_labels: Whether examples with other labels are others. Two images of one content and
            two labels are a mistake; two rows of one content and two prices are not.
    """
    return np.concatenate([np.empty(0, "uint64"), *_parts(examples, with_labels=with_labels)])


def _parts(examples: Examples, *, with_labels: bool) -> Iterator[Array]:
    """Yield the digests of some examples at a time."""
    import pandas as pd

    size = rows_at_once(*examples.columns.values())
    parts = -(-len(examples) // size)
    for chunk in tracked(examples.chunks(size), "Looking for repeated examples", parts):
        digests = np.zeros(len(chunk), "uint64")
        columns = list(chunk.columns.values())
        if with_labels and chunk.labels is not None:
            columns.append(chunk.labels)
        for column in columns:
            values = np.asarray(column)
            if values.ndim == 1:
                found: Array = pd.util.hash_array(values)
            else:
                found = np.array(
                    [
                        int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "little")
                        for row in values
                    ],
                    "uint64",
                )
            with np.errstate(over="ignore"):
                digests = digests * PRIME + found
        yield digests


def equal_digests(
    splits: Iterable[Examples], *, with_labels: bool
) -> Iterator[tuple[Array, Array]]:
    """Yield the digests of examples and their row numbers, all that are equal together.

    What is yielded together begins with the same bits; the next has higher ones.

    Args:
        splits: The examples, which are numbered one after the other.
        with_labels: As for `example_digests`.
    """
    writer = ColumnsWriter()
    for examples in splits:
        for part in _parts(examples, with_labels=with_labels):
            writer.append({"digests": part})
    column = writer.finish().get("digests", np.empty(0, "uint64"))
    bits = (max(len(column) - 1, 0) // AT_ONCE).bit_length()
    for first in tracked(range(2**bits), "Comparing examples", 2**bits):
        digests, rows = [np.empty(0, "uint64")], [np.empty(0, "int64")]
        for number, some in enumerate(chunks(column, SCANNED)):
            here = np.flatnonzero(some >> np.uint64(64 - bits) == first) if bits else slice(None)
            digests.append(some[here])
            rows.append((number * SCANNED + np.arange(len(some)))[here])
        yield np.concatenate(digests), np.concatenate(rows)


def column_digests(examples: Examples, name: str) -> Array:
    """Return a digest of each value of a column of numbers or texts; "" is that of the labels."""
    import pandas as pd

    column = examples.columns[name] if name else examples.labels
    if column is None:
        return np.zeros(len(examples), "uint64")
    parts = [
        pd.util.hash_array(np.asarray(column[start : start + CHUNK]))
        for start in range(0, len(column), CHUNK)
    ]
    return np.concatenate([np.empty(0, "uint64"), *parts])


def joined(columns: Sequence[Array]) -> Array:
    """Return a digest of each row of columns of digests."""
    digests = np.zeros(len(columns[0]), "uint64")
    with np.errstate(over="ignore"):
        for column in columns:
            digests = digests * PRIME + column
    return digests
