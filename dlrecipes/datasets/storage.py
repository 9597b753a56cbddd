"""Columns of examples: in memory where they fit there, else in a temporary file.

A column in a file holds rows that are read when they are asked for, so that the memory that a
training takes does not grow with its data. The file has no name: it disappears with the process,
however that ends. It lies in TMPDIR, or in /var/tmp, since /tmp is memory on many systems.

Rows of different lengths, which texts are too, stand one after the other, in memory as in a file:
50,000 reviews as Python strings would take twice the memory, and as padded rows of word numbers
nearly three times.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlrecipes.datasets.content import Array as Array
from dlrecipes.datasets.content import Memory, StoredFile, allow_many_files
from dlrecipes.errors import InputError

MEMORY_BYTES = 64 * 2**20
"""Columns that are written together are kept in memory up to this size, all in all. While they are
handed on, there are two or three copies of them: TensorFlow with a network takes 800 MiB as it is,
and data of any size should not add a third to that."""
CHUNK = 4096
"""Rows that are read, converted or digested together."""
CHUNK_BYTES = 2**22
"""That they are to take, about, where it does not matter how many rows they are."""
FEW_OF_CHUNK = 0.1
"""Different texts, of all in a chunk, up to which they are numbered."""
MOST_CODED = 2**15
"""Different texts of a column up to which they are."""


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

    @property
    def holds_texts(self) -> bool:
        """Tell whether its content are texts, one after the other."""
        return self.dtype.kind == "O" and self.ends is not None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the whole column, in memory."""
        if self.ends is not None:
            return np.asarray(self[:], dtype=dtype)
        whole = np.empty(self.shape, dtype or self.dtype)  # Nothing else of its size is needed.
        for start in range(0, len(self), CHUNK):
            whole[start : start + CHUNK] = self[start : start + CHUNK]
        return whole

    def mean(self, *, dtype: Any = None, **options: Any) -> Any:
        """Return the mean of all numbers of a column: `np.mean` asks for it."""
        total = sum(rows.sum(dtype="float64") for rows in chunks(self))
        return np.asarray(total / max(math.prod(self.shape), 1), dtype)[()]

    def std(self, *, dtype: Any = None, **options: Any) -> Any:
        """Return the standard deviation of all numbers of a column: `np.std` asks for it."""
        mean = self.mean(dtype="float64")
        square = sum(np.square(rows - mean, dtype="float64").sum() for rows in chunks(self))
        return np.asarray((square / max(math.prod(self.shape), 1)) ** 0.5, dtype)[()]

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
        """Return the numbers in the content of these rows of the column, int64."""
        if self.rows is not None:
            return self.rows[rows].astype("int64")
        return np.arange(*rows.indices(self.count)) if isinstance(rows, slice) else rows

    def _rows_of_one_shape(self, numbers: Array) -> Array:
        """Return the rows of the content with these numbers."""
        rows = np.empty((len(numbers), *self.row_shape), self.dtype)
        size = self.dtype.itemsize * math.prod(self.row_shape)
        if size == 0:
            return rows
        if isinstance(self.content, StoredFile):
            far = self.content.read_far(numbers * size, size)
            if far is not None:
                return far.view(self.dtype).reshape(rows.shape)
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


class CodedColumn(StoredColumn):
    """A column of few different values, of which the numbers are stored.

    Args:
        codes: For each row, the number of its value, or several; all rows of what was written.
        values: The values: texts, or numbers.
        rows: The rows of the codes that this column has, in order; None for all.
    """

    def __init__(self, codes: "Column", values: Array, rows: Array | None = None) -> None:
        content = codes.content if isinstance(codes, StoredColumn) else Memory(codes)
        super().__init__(content, values.dtype, codes.shape[1:], len(codes), rows=rows)
        self.codes, self.values = codes, values

    def with_rows(self, rows: Array) -> "CodedColumn":
        """Return the column of these rows of the codes, without reading them."""
        return CodedColumn(self.codes, self.values, rows)

    def _rows_of_one_shape(self, numbers: Array) -> Array:
        """Return the values of the rows with these numbers."""
        found: Array = self.values[self.codes[numbers]]
        return found


def _within(places: Array, starts: Array, ends: Array, first: int) -> Iterator[tuple[int, ...]]:
    """Return some places, and where what belongs there begins and ends, counted from `first`."""
    columns = (places, starts[places] - first, ends[places] - first)
    return zip(*(column.tolist() for column in columns), strict=True)


Column = Array | StoredColumn
"""The values of one feature, one row an example."""


def decoded(codes: Column, values: Array) -> Column:
    """Return the values that numbers stand for; at once, if they fit into memory as the numbers."""
    is_stored = isinstance(codes, StoredColumn)
    if is_stored or math.prod(codes.shape) * values.itemsize > MEMORY_BYTES:
        return CodedColumn(codes, values)
    found: Array = values[codes]
    return found


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


def rows_at_once(*columns: Column) -> int:
    """Return how many rows of columns to read together: `CHUNK`, or fewer large ones."""
    sizes = [column.dtype.itemsize * math.prod(column.shape[1:]) for column in columns]
    return max(1, min(CHUNK, CHUNK_BYTES // max(sum(sizes), 1)))


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


class TextsWriter:
    """Writes a column of texts: of few different ones, the numbers of each.

    So is the column of a table that holds categories: it takes a hundredth of the time of texts.
    """

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.writer = ColumnWriter()

    @property
    def bytes(self) -> int:
        """Return what is in memory."""
        return self.writer.bytes

    def append(self, chunk: Array) -> None:
        """Add texts (rows,)."""
        if self.writer.dtype.kind == "O":
            self.writer.append(chunk)
            return
        import pandas as pd

        codes, found = pd.factorize(chunk)
        for text in found:
            self.numbers.setdefault(text, len(self.numbers))
        if len(found) > FEW_OF_CHUNK * len(chunk) + 1 or len(self.numbers) > MOST_CODED:
            coded, self.writer, was_in_file = self.finish(), ColumnWriter(), self.writer.file
            if was_in_file:
                self.writer.spill()
            for texts in chunks(coded):
                self.writer.append(texts)
            self.writer.append(chunk)
        else:
            places = np.array([self.numbers[text] for text in found], "uint16")
            self.writer.append(places[codes])

    def spill(self) -> None:
        """Move what there is into a file, and write there from now on."""
        self.writer.spill()

    def finish(self) -> Column:
        """Return the column."""
        column = self.writer.finish()
        if column.dtype.kind == "O":
            return column
        values = np.empty(len(self.numbers), dtype=object)
        values[:] = list(self.numbers)
        return CodedColumn(column, values)


class ColumnsWriter:
    """Writes columns a chunk at a time, all in memory or all in files.

    Args:
        ragged: Whether rows of numbers have lengths of their own.
        coded: Whether texts may be few different ones.
    """

    def __init__(self, *, ragged: bool = False, coded: bool = False) -> None:
        self.ragged, self.coded = ragged, coded
        self.writers: dict[str, ColumnWriter | TextsWriter] = {}

    def append(self, chunk: Mapping[str, Array]) -> None:
        """Add rows to every column, which are the same in every chunk."""
        for name, values in chunk.items():
            if name not in self.writers:
                self.writers[name] = (
                    TextsWriter()
                    if self.coded and values.dtype.kind == "O" and values.ndim == 1
                    else ColumnWriter(ragged=self.ragged and values.ndim == 2)
                )
            self.writers[name].append(values)
        if sum(writer.bytes for writer in self.writers.values()) > MEMORY_BYTES:
            allow_many_files()
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
