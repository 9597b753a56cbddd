"""Parquet and Arrow (Feather) files, whose columns have types."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import Report
from dlrecipes.datasets.own.tables.base import Chunk, Table

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
        for name, kind in zip(schema.names, schema.types, strict=True):
            if types.is_nested(kind):
                self.unusable[name] = "lists or objects"
            elif types.is_binary(kind) or types.is_large_binary(kind):
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

    def _batches(self) -> Iterator[Any]:
        import pyarrow
        from pyarrow import parquet

        if self.is_parquet:
            with parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(ROWS, columns=self.own_names)
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
            for batch in self._batches():
                if batch.num_rows:
                    lines = np.arange(row + 1, row + 1 + batch.num_rows)
                    columns = map(batch.column, self.own_names)
                    yield Chunk(lines, dict(zip(self.names, columns, strict=True)))
                row += batch.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            report.problem(f"{self.path} is damaged behind row {row:,}: {reason}")


def _reader(file: Any) -> Any:
    """Return what reads an Arrow file, or an Arrow stream."""
    import pyarrow

    try:
        return pyarrow.ipc.open_file(file)
    except pyarrow.ArrowInvalid:
        file.seek(0)
        return pyarrow.ipc.open_stream(file)
