"""Tabular regression: rows with named columns in, a number out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Array, Examples, Source
from dlrecipes.errors import InputError
from dlrecipes.tasks import base


def column_values(table: Any, name: str, *, numeric: bool, where: Path) -> Array:
    """Return a column as float32 or as Python strings.

    Raises:
        InputError: if a number cannot be read or is missing; the message names the first rows.
    """
    import pandas as pd

    column = table[name]
    if not numeric:
        return np.array(column.fillna("").astype(str), dtype=object)
    numbers: Array = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float32")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        received = column.iloc[bad[0]]
        raise InputError(
            f"{where}: the column {name} must hold numbers. Row {bad[0] + 1} has {received!r}"
            + (f"; {len(bad) - 1} more rows are like it." if len(bad) > 1 else ".")
        )
    return numbers


class TabularRegression(base.Task):
    """Predict a number from the named columns of a row."""

    name = "tabular-regression"
    headline = "mae"
    higher_is_better = False
    monitored = "mae"

    def read_path(self, path: Path, like: Source | None, seed: int) -> Source:
        """Return the rows of a table in the columns of `like`, with the target in the last one."""
        if path.is_dir() or not path.exists():
            raise InputError(f"{path} must be a table: a .csv, .tsv or .parquet file.")
        table = base.read_table(path)
        if like is not None:
            names = list(like.train.features)
            target = next((str(name) for name in table if name not in names), "")
            numeric = {name: column.dtype.kind == "f" for name, column in _columns(like).items()}
        else:
            *names, target = (str(name) for name in table)
            numeric = {name: table[name].dtype.kind in "biuf" for name in names}
        self._check_columns(table, [*names, target], path)
        features = {
            name: column_values(table, name, numeric=numeric[name], where=path) for name in names
        }
        targets = column_values(table, target, numeric=True, where=path)
        return base.own_source(path, {"train": Examples(features, targets, seed)}, like)

    @staticmethod
    def _check_columns(table: Any, names: Sequence[str], where: Path) -> None:
        missing = [name for name in names if name not in table]
        if missing:
            raise InputError(
                f"{where} has no column {', '.join(missing) or 'for the target'}: it has "
                f"{', '.join(map(str, table))}.",
                f"The columns needed are {', '.join(name for name in names if name)}.",
            )

    def read_inputs(self, arguments: Sequence[str], serving: Any) -> base.Inputs:
        """Return the rows of CSV, TSV or Parquet files (`-`: CSV on standard input)."""
        names: list[str] = []
        parts: dict[str, list[Array]] = {tensor.name: [] for tensor in serving.inputs}
        for argument in arguments:
            path = Path(argument).expanduser()
            table = base.read_table(path)
            self._check_columns(table, list(parts), path)
            for tensor in serving.inputs:
                numeric = str(tensor.dtype) != "string"
                parts[tensor.name].append(
                    column_values(table, tensor.name, numeric=numeric, where=path)
                )
            names += [f"{argument}:{row + 1}" for row in range(len(table))]
        return base.Inputs(names, {name: np.concatenate(part) for name, part in parts.items()})

    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return `value`."""
        import tensorflow as tf

        return {"value": tf.squeeze(outputs, axis=-1)}

    def predict(
        self,
        serving: Any,
        inputs: base.Inputs,
        classes: Sequence[str],
        options: base.GenerationOptions,
    ) -> list[dict[str, Any]]:
        """Return the predicted value of each row."""
        values = base.run_serving(serving, inputs.features).ravel()
        return [
            {"input": name, "value": float(value)}
            for name, value in zip(inputs.names, values, strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each row and its predicted value."""
        rows = [[prediction["input"], f"{prediction['value']:,.2f}"] for prediction in predictions]
        return ["row", "value"], rows


def _columns(source: Source) -> dict[str, Array]:
    """Return the columns of a source's training examples."""
    assert isinstance(source.train.features, dict)
    return source.train.features
