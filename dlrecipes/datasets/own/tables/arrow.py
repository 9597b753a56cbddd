"""Parquet and Arrow (Feather) files, whose columns have types."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import Report
from dlrecipes.datasets.own.tables.base import DEEPEST, Chunk, Table

_NO_NAME = re.compile(r"__index_level_\d+__")
"""An index that has no name."""
ROWS = 2**16
"""That are read together."""


class ArrowTable(Table):
    """A Parquet or an Arrow file."""

    unit = "row"

    def __init__(self, path: Path, report: Report) -> None:
        super().__init__(path)
        import pyarrow
        from pyarrow import types

        with path.open("rb") as file:
            self.is_parquet = file.read(4) == b"PAR1" or path.suffix.lower() == ".parquet"
        try:
            schema = self._schema()
        except (pyarrow.ArrowException, OSError) as error:
            kind = "a Parquet" if self.is_parquet else "an Arrow"
            report.problem(f"{path} is not {kind} file: {str(error).splitlines()[0]}")
            return
        indices = _indices_of_pandas(schema)
        schema = _flat(pyarrow.Table.from_batches([], schema)).schema
        for name, kind in zip(schema.names, schema.types, strict=True):
            if types.is_nested(kind):
                self.unusable[name] = "lists or objects"
            elif name in indices:
                self.unusable[name] = "the index of pandas"
            elif (types.is_binary(kind) or types.is_large_binary(kind)) and self._are_bytes(name):
                self.unusable[name] = "bytes"
            elif types.is_fixed_size_binary(kind) or types.is_interval(kind):
                self.unusable[name] = str(kind)
        self.set_names([name for name in schema.names if name not in self.unusable], 1, report)

    def _schema(self) -> Any:
        import pyarrow
        from pyarrow import parquet

        if self.is_parquet:
            return parquet.read_schema(self.path)
        with pyarrow.memory_map(str(self.path)) as file:
            return _reader(file).schema

    def _are_bytes(self, name: str) -> bool:
        """Tell whether the bytes of a column are no texts, which some programs write so."""
        import pyarrow

        try:
            first = next(self._batches([name]), None)
            return first is not None and _as_text(first.column(name)) is None
        except (pyarrow.ArrowException, OSError):
            return True

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield some rows of columns at a time, those of objects within each other by its path."""
        for batch in self._whole_batches(names):
            yield from _flat(_table_of(batch)).to_batches()

    def _whole_batches(self, names: Sequence[str]) -> Iterator[Any]:
        import pyarrow
        from pyarrow import parquet

        if self.is_parquet:
            with parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(ROWS, columns=list(names))
            return
        with pyarrow.memory_map(str(self.path)) as file:
            reader = _reader(file)
            if hasattr(reader, "get_batch"):
                yield from map(reader.get_batch, range(reader.num_record_batches))
            else:
                yield from reader

    def rows(self, report: Report) -> Iterator[Chunk]:
        """Yield some rows at a time."""
        import pyarrow

        row = 0
        try:
            for batch in self._batches(self.own_names):
                if batch.num_rows:
                    lines = np.arange(row + 1, row + 1 + batch.num_rows)
                    columns = (_as_text(batch.column(name)) for name in self.own_names)
                    yield Chunk(lines, dict(zip(self.names, columns, strict=True)))
                row += batch.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            report.problem(f"{self.path} is damaged behind row {row:,}: {reason}")


def _table_of(batch: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches([batch])


def _flat(table: Any) -> Any:
    """Return a table whose objects are columns of their own: `house.size`."""
    from pyarrow import types

    for _ in range(DEEPEST):
        if any(map(types.is_struct, table.schema.types)):
            table = table.flatten()
    return table


def _as_text(column: Any) -> Any:
    """Return a column, of texts where it has them as bytes; None if its bytes are no texts."""
    import pyarrow
    from pyarrow import types

    if not types.is_binary(column.type) and not types.is_large_binary(column.type):
        return column
    try:
        return column.cast(pyarrow.large_string())
    except pyarrow.ArrowInvalid:
        return None


def _indices_of_pandas(schema: Any) -> set[str]:
    """Return the columns that are no more than the index of a table of pandas."""
    known = (schema.pandas_metadata or {}).get("index_columns", [])
    return {name for name in known if isinstance(name, str) and _NO_NAME.fullmatch(name)}


def _reader(file: Any) -> Any:
    """Return what reads an Arrow file, or an Arrow stream."""
    import pyarrow

    try:
        return pyarrow.ipc.open_file(file)
    except pyarrow.ArrowInvalid:
        file.seek(0)
        return pyarrow.ipc.open_stream(file)
