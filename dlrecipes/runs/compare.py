"""How far two trainings are apart: in weights, optimizer, history and metrics."""

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.runs import record
from dlrecipes.runs.checkpoints import Array, history_rows
from dlrecipes.runs.record import Run


def largest_difference(one: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """Return the largest absolute difference of two sets of arrays; 0 if all bits are the same.

    Infinity if they have other names or shapes, or numbers that are not finite in other places.
    """
    if one.keys() != other.keys():
        return math.inf
    return max((_difference(one[name], other[name]) for name in one), default=0.0)


def _difference(one: Array, other: Array) -> float:
    """Return the largest absolute difference of two arrays; 0 if their bits are the same."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return math.inf
    if one.tobytes() == other.tobytes():
        return 0.0
    if one.dtype.kind not in "biuf":
        return math.inf
    difference = float(np.abs(one.astype("float64") - other.astype("float64")).max())
    return difference if math.isfinite(difference) else math.inf


def saved_variables(model_file: Path) -> dict[str, dict[str, Array]]:
    """Return the variables in a model's file: `weights` and `optimizer`, by their places in it.

    A model may have several optimizers, called such as `generator_optimizer`.
    """
    import h5py

    if model_file.name == record.WEIGHTS_FILE:
        content = model_file.read_bytes()
    else:
        with zipfile.ZipFile(model_file) as archive:
            content = archive.read("model.weights.h5")
    found: dict[str, dict[str, Array]] = {"weights": {}, "optimizer": {}}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            group = "optimizer" if "optimizer" in name else "weights"
            found[group][name] = item[()]

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(keep)
    return found


@dataclass(frozen=True)
class Comparison:
    """The largest absolute differences of two finished runs; 0 where all bits are the same.

    Args:
        weights: Of the networks' weights.
        optimizer: Of the optimizers' states.
        history: Of the numbers in the history.
        metrics: Of the test metrics.
    """

    weights: float
    optimizer: float
    history: float
    metrics: float

    @property
    def same(self) -> bool:
        """Tell whether there is no difference at all."""
        return self.weights == self.optimizer == self.history == self.metrics == 0.0


def compare(one: Run, other: Run) -> Comparison:
    """Return how far two finished runs are apart.

    Raises:
        InputError: if a file of theirs is not what was recorded.
    """
    first, second = (saved_variables(run.checked_file(run.model_file)) for run in (one, other))
    return Comparison(
        weights=largest_difference(first["weights"], second["weights"]),
        optimizer=largest_difference(first["optimizer"], second["optimizer"]),
        history=largest_difference(_history(one), _history(other)),
        metrics=largest_difference(_metrics(one), _metrics(other)),
    )


def _history(run: Run) -> dict[str, Array]:
    """Return the columns of a run's history."""
    rows = history_rows(run.checked_file(record.HISTORY_FILE).read_text(encoding="utf-8"))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, math.nan) for row in rows]) for name in names}


def _metrics(run: Run) -> dict[str, Array]:
    """Return a run's test metrics."""
    return {
        name: np.array(math.nan if value is None else value) for name, value in run.metrics.items()
    }
