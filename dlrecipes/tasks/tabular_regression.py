"""Tabular regression: rows with named columns in, a number out."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.catalog import DataSet
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


def read_columns(path: Path) -> Any:
    """Return a table whose columns have names that a network's inputs can have.

    "od280/od315 (nm)" becomes "od280_od315__nm_": TensorFlow takes letters, digits and "_".

    Raises:
        InputError: if the table cannot be read, or two columns end up with one name.
    """
    table = base.read_table(path)
    names = {name: re.sub(r"\W", "_", name, flags=re.ASCII) for name in table}
    for name, safe in names.items():
        others = [other for other in names if names[other] == safe]
        if len(others) > 1:
            raise InputError(f"{path}: the columns {' and '.join(others)} are too alike.")
        if not safe[:1].isalpha():
            names[name] = f"column_{safe}"
    return table.rename(columns=names)


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
        found = "is empty" if pd.isna(received) else f"has {str(received)!r}"
        raise InputError(
            f"{where}: the column {name} must hold numbers. Row {bad[0] + 1} {found}"
            + (f"; {len(bad) - 1} more rows are like it." if len(bad) > 1 else "."),
            "Fill such rows in, or leave them out.",
        )
    return numbers


class TabularRegression(base.Task):
    """Predict a number from the named columns of a row."""

    name = "tabular-regression"
    headline = "mae"
    higher_is_better = False

    def read_path(self, path: Path, data_set: DataSet, like: Source | None) -> Source:
        """Return the rows of a table whose last column is the target.

        Where the data is to be like that of a finished run, its columns and its target are found
        by name.
        """
        if path.suffix not in TABLE_SUFFIXES or not path.is_file():
            raise InputError(f"{path} must be a table: {', '.join(TABLE_SUFFIXES)}.")
        table = read_columns(path)
        if like is not None:
            columns = like.train.features
            assert isinstance(columns, dict)
            numeric = {name: column.dtype.kind == "f" for name, column in columns.items()}
            target = like.target
        else:
            *names, target = table
            numeric = {name: table[name].dtype.kind in "biuf" for name in names}
            if not names:
                raise InputError(f"{path} has one column only: a target and others are needed.")
        self._check_columns(table, [*numeric, target], path)
        features = {
            name: column_values(table, name, numeric=is_number, where=path)
            for name, is_number in numeric.items()
        }
        targets = column_values(table, target, numeric=True, where=path)
        splits = {"train": Examples(features, targets)}
        return base.own_source(path, splits, like, target=target)

    @staticmethod
    def _check_columns(table: Any, names: Sequence[str], where: Path) -> None:
        missing = [name for name in names if name not in table]
        if missing:
            raise InputError(
                f"{where} has no column {', '.join(missing)}: it has {', '.join(table)}.",
                f"The columns needed are {', '.join(names)}.",
            )

    def read_inputs(self, arguments: Sequence[str], serving: Any) -> base.Inputs:
        """Return the rows of CSV, TSV or Parquet files (`-`: CSV on standard input)."""
        names: list[str] = []
        parts: dict[str, list[Array]] = {tensor.name: [] for tensor in serving.inputs}
        for argument in arguments:
            path = Path(argument).expanduser()
            table = read_columns(path)
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
