"""Columns of examples: in memory where they fit there, else in a temporary file.

A column in a file holds rows that are read when they are asked for, so that the memory that a
training takes does not grow with its data. The file has no name: it disappears with the process,
however that ends. It lies in TMPDIR, or in /var/tmp, since /tmp is memory on many systems.

Rows of different lengths, which texts are too, stand one after the other, in memory as in a file:
50,000 reviews as Python strings would take twice the memory, and as padded rows of word numbers
nearly three times.
"""

import errno
import math
import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import FileIO
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrecipes.errors import DlrecipesError, InputError

Array = npt.NDArray[Any]

MEMORY_BYTES = 64 * 2**20
"""Columns that are written together are kept in memory up to this size, all in all. While they are
handed on, there are two or three copies of them: TensorFlow with a network takes 800 MiB as it is,
and data of any size should not add a third to that."""
CHUNK = 4096
"""Rows that are read, converted or digested together."""
NEAR_BYTES = 16 * 2**10
"""Rows with no more than this between them are read at once: it takes as long as another read."""


class StoredFile:
    """A temporary file without a name, which several threads may read.

    It is read rather than mapped into memory: a page that is touched brings fifteen others with
    it, so that a batch of scattered rows would count for a hundred times its size.
    """

    def __init__(self) -> None:
        self.file = _temporary_file()
        self.lock = Lock()
        weakref.finalize(self, self.file.close)

    def write(self, content: bytes) -> None:
        """Add content at the end.

        Raises:
            DlrecipesError: if there is no room for it.
        """
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DlrecipesError(
                "The data fits neither into memory nor into the folder for temporary files.",
                "Name a folder with more room in the environment variable TMPDIR.",
            ) from None

    def read(self, start: int, end: int) -> Array:
        """Return the bytes from one place to before another, uint8 (bytes,)."""
        content = np.empty(end - start, "uint8")
        rest = content.data
        with self.lock:
            self.file.seek(start)
            while rest:
                rest = rest[self.file.readinto(rest) :]
        return content

    def read_pieces(self, starts: Array, ends: Array) -> Iterator[tuple[Array, int, Array]]:
        """Yield which pieces were read, the place that they were read from, and what stands there.

        Args:
            starts: Where each piece begins, int64 (pieces,), in any order.
            ends: Where each ends.
        """
        order = np.argsort(starts, kind="stable")
        far = starts[order[1:]] - ends[order[:-1]] > NEAR_BYTES
        for pieces in np.split(order, np.flatnonzero(far) + 1):
            if len(pieces):
                start = int(starts[pieces[0]])
                yield pieces, start, self.read(start, int(ends[pieces].max()))


class Memory:
    """Content in memory, which is read as a `StoredFile` is.

    Args:
        content: Any array, without gaps.
    """

    def __init__(self, content: Array) -> None:
        self.bytes = content.reshape(-1).view("uint8")

    def read_pieces(self, starts: Array, ends: Array) -> Iterator[tuple[Array, int, Array]]:
        """Yield all pieces, the place that they are read from, and what stands there."""
        yield np.arange(len(starts)), 0, self.bytes


class StoredColumn:
    """A column in one piece: rows of numbers, of one shape or of lengths of their own, or texts.

    It is read like an array: `column[rows]`, where rows are a number, a slice or row numbers.

    Args:
        content: The rows, one after the other.
        dtype: Of the numbers; `object` for texts, whose content is UTF-8.
        row_shape: Shape of a row; of the longest, if they have lengths of their own.
        count: Rows in the content.
        ends: Where each row of numbers or each text ends, as an index into the flat content
            (a column too, since it is as long); None if all rows have `row_shape`.
        rows: The rows of the content that this column has, in order; None for all.
    """

    def __init__(
        self,
        content: StoredFile | Memory,
        dtype: np.dtype[Any],
        row_shape: tuple[int, ...],
        count: int,
        ends: "Column | None" = None,
        rows: Array | None = None,
    ) -> None:
        self.content, self.dtype, self.row_shape = content, dtype, row_shape
        self.count, self.ends, self.rows = count, ends, rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.count if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape that the whole column would have as an array."""
        return (len(self), *self.row_shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the whole column, in memory."""
        return np.asarray(self[:], dtype=dtype)

    def with_rows(self, rows: Array) -> "StoredColumn":
        """Return the column of these rows of the content, without reading them."""
        return StoredColumn(self.content, self.dtype, self.row_shape, self.count, self.ends, rows)

    def places(self, rows: slice | Array) -> tuple[Array, Array]:
        """Return where these rows, of lengths of their own, begin in the flat content, and end."""
        assert self.ends is not None
        numbers = self._numbers(rows)
        ends = self.ends[numbers]
        return np.where(numbers > 0, self.ends[np.maximum(numbers - 1, 0)], 0), ends

    def __getitem__(self, rows: int | slice | Array) -> Array:
        """Return these rows in memory, or one; shorter rows of numbers are padded with zeros."""
        if isinstance(rows, int | np.integer):
            row: Array = self[slice(rows, rows + 1 or None)][0]
            return row
        if self.ends is None:
            return self._rows_of_one_shape(self._numbers(rows))
        starts, ends = self.places(rows)
        if self.dtype.kind == "O":
            return self._texts(starts, ends)
        padded = np.zeros((len(starts), int((ends - starts).max(initial=0))), self.dtype)
        size = self.dtype.itemsize
        for places, first, content in self.content.read_pieces(starts * size, ends * size):
            values = content.view(self.dtype)
            for place, start, end in _within(places, starts, ends, first // size):
                padded[place, : end - start] = values[start:end]
        return padded

    def _numbers(self, rows: slice | Array) -> Array:
        """Return the numbers in the content of these rows of the column."""
        if self.rows is not None:
            return self.rows[rows]
        return np.arange(self.count)[rows] if isinstance(rows, slice) else rows

    def _rows_of_one_shape(self, numbers: Array) -> Array:
        """Return the rows of the content with these numbers."""
        rows = np.empty((len(numbers), *self.row_shape), self.dtype)
        size = self.dtype.itemsize * math.prod(self.row_shape)
        if size == 0:
            return rows
        for places, first, content in self.content.read_pieces(
            numbers * size, (numbers + 1) * size
        ):
            found = content.view(self.dtype).reshape(-1, *self.row_shape)
            rows[places] = found[numbers[places] - first // size]
        return rows

    def _texts(self, starts: Array, ends: Array) -> Array:
        """Return the texts that stand at these places."""
        texts = np.empty(len(starts), dtype=object)
        for places, first, content in self.content.read_pieces(starts, ends):
            view = content.data
            for place, start, end in _within(places, starts, ends, first):
                texts[place] = str(view[start:end], "utf-8")
        return texts


def _within(places: Array, starts: Array, ends: Array, first: int) -> Iterator[tuple[int, ...]]:
    """Return some places, and where what belongs there begins and ends, counted from `first`."""
    columns = (places, starts[places] - first, ends[places] - first)
    return zip(*(column.tolist() for column in columns), strict=True)


Column = Array | StoredColumn
"""The values of one feature, one row an example."""


def take(columns: Mapping[str, Column], rows: Array) -> dict[str, Column]:
    """Return the columns of these rows.

    Args:
        columns: Columns that have the same rows.
        rows: Row numbers.
    """
    chosen: dict[int, Array] = {}  # One array of row numbers serves all columns of the same rows.
    taken: dict[str, Column] = {}
    for name, column in columns.items():
        if isinstance(column, StoredColumn):
            key = id(column.rows)
            if key not in chosen:
                chosen[key] = rows if column.rows is None else column.rows[rows]
            taken[name] = column.with_rows(chosen[key])
        else:
            taken[name] = column[rows]
    return taken


def chunks(column: Column, size: int = CHUNK) -> Iterator[Array]:
    """Yield the rows of a column in order, `size` at a time, in memory."""
    for start in range(0, len(column), size):
        yield column[start : start + size]


class ColumnWriter:
    """Writes a column a chunk at a time.

    Args:
        ragged: Whether rows of numbers have lengths of their own, with zeros behind their end.
    """

    def __init__(self, *, ragged: bool = False) -> None:
        self.ragged = ragged
        self.chunks: list[Array] = []
        self.bytes = 0
        self.file: StoredFile | None = None
        self.ends: ColumnWriter | None = None
        self.count = self.end = 0
        self.row_shape: tuple[int, ...] = ()
        self.dtype = np.dtype("int64")

    def append(self, chunk: Array) -> None:
        """Add rows: numbers (rows, …) of one type, or texts (rows,).

        Raises:
            InputError: if each row is several texts.
        """
        if chunk.dtype.kind == "O" and chunk.ndim > 1:
            raise InputError(
                f"A row may be one text, not texts of the shape {chunk.shape[1:]}.",
                "Turn them into numbers at once, or into a column each.",
            )
        self.dtype = chunk.dtype
        self.row_shape = max(self.row_shape, chunk.shape[1:]) if self.ragged else chunk.shape[1:]
        self.count += len(chunk)
        if self.ragged or chunk.dtype.kind == "O":
            chunk = self._in_one_piece(chunk)
        if self.file is not None:
            self.file.write(chunk.tobytes())
        else:
            self.chunks.append(chunk)
            self.bytes += chunk.nbytes

    def _in_one_piece(self, rows: Array) -> Array:
        """Return the flat content of rows of different lengths, and note where each ends."""
        if rows.dtype.kind == "O":
            texts = [text if isinstance(text, bytes) else text.encode() for text in rows]
            lengths = np.array([len(text) for text in texts], dtype="int64")
            content = np.frombuffer(b"".join(texts), "uint8")
        else:
            if not rows.shape[1]:  # Every row has one number at least, as `row_lengths` says.
                rows = np.zeros((len(rows), 1), rows.dtype)
            lengths = row_lengths(rows)
            content = rows[np.arange(rows.shape[1]) < lengths[:, np.newaxis]]
        if self.ends is None:
            self.ends = ColumnWriter()
        ends = self.end + np.cumsum(lengths, dtype="int64")
        self.end += int(lengths.sum())
        self.ends.append(ends)
        if self.file is None:
            self.bytes += ends.nbytes
        return content

    def spill(self) -> None:
        """Move what there is into a file, and write there from now on."""
        if self.file is not None:
            return
        self.file = StoredFile()
        for chunk in self.chunks:
            self.file.write(chunk.tobytes())
        self.chunks, self.bytes = [], 0
        if self.ends is not None:
            self.ends.spill()

    def finish(self) -> Column:
        """Return the column."""
        ends = self.ends.finish() if self.ends else None
        if self.file is not None:
            return StoredColumn(self.file, self.dtype, self.row_shape, self.count, ends)
        content = np.concatenate(self.chunks) if self.chunks else np.empty(0, self.dtype)
        self.chunks = []
        if ends is None:
            return content
        return StoredColumn(Memory(content), self.dtype, self.row_shape, self.count, ends)


class ColumnsWriter:
    """Writes columns a chunk at a time, all in memory or all in files.

    Args:
        ragged: Whether rows of numbers have lengths of their own.
    """

    def __init__(self, *, ragged: bool = False) -> None:
        self.ragged = ragged
        self.writers: dict[str, ColumnWriter] = {}

    def append(self, chunk: Mapping[str, Array]) -> None:
        """Add rows to every column, which are the same in every chunk."""
        for name, values in chunk.items():
            if name not in self.writers:
                self.writers[name] = ColumnWriter(ragged=self.ragged and values.ndim == 2)
            self.writers[name].append(values)
        if sum(writer.bytes for writer in self.writers.values()) > MEMORY_BYTES:
            _allow_many_files()
            for writer in self.writers.values():
                writer.spill()

    def finish(self) -> dict[str, Column]:
        """Return the columns by name."""
        return {name: writer.finish() for name, writer in self.writers.items()}


def row_lengths(rows: Array) -> Array:
    """Return the length of each row of numbers without the zeros behind its end; 1 at least."""
    behind = (rows[:, ::-1] != 0).argmax(axis=1)
    return np.where(rows.any(axis=1), rows.shape[1] - behind, 1)


def in_one_piece(texts: Array) -> StoredColumn:
    """Return texts (rows,) as a column in memory that takes half of theirs."""
    writer = ColumnWriter()
    writer.append(texts)
    column = writer.finish()
    assert isinstance(column, StoredColumn)
    return column


def column_lengths(column: Column) -> Array:
    """Return the length of every row of token numbers (rows, time), of which 0 is padding."""
    if not isinstance(column, StoredColumn):
        return row_lengths(column)
    starts, ends = column.places(slice(None))
    lengths: Array = ends - starts
    return lengths


def _temporary_file() -> FileIO:
    """Return a file without a name, which disappears with the process."""
    folder = os.environ.get("TMPDIR") or ("/var/tmp" if os.path.isdir("/var/tmp") else None)
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise DlrecipesError(
            f"There can be no temporary file in {folder}: {error.strerror}.",
            "Name another folder in the environment variable TMPDIR.",
        ) from None


def _allow_many_files() -> None:
    """Let the process open as many files as the system allows it: one or two for each column."""
    # Windows has no such limit, and macOS does not raise it as far as it says.
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
