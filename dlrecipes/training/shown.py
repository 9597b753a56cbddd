"""What a report shows of a training, gathered while its network and data are in memory.

The run keeps it in `shown.json`, so that a report needs neither TensorFlow nor the data. Nothing
here is needed to train: a part that cannot be gathered is left out, and `missing` says why.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit.metrics import class_probabilities
from dlrecipes.kit.scores import RankedScores, Scores, counts_from_above, mean_iou, packed
from dlrecipes.runs.groups import worst_groups
from dlrecipes.runs.noise import interval_of
from dlrecipes.runs.pairs import Tested
from dlrecipes.runs.record import SCORES_FILE, SHOWN_FILE, Run, finite
from dlrecipes.system.atomic import whole_file, write_atomically
from dlrecipes.tasks.answers.category import CategoryForm, answered
from dlrecipes.tasks.serving import call_serving, named_features
from dlrecipes.training.rival import scores_of
from dlrecipes.training.work import Work

EXAMPLES = 8
"""Training examples that are shown."""
MISTAKES = 24
WORST_ROWS = 5000
"""Wrong answers that are looked through for those of each cell of the confusion matrix."""
IN_A_CELL, RIGHT_IN_A_CELL = 6, 4
MOST_IN_CELLS = 400
"""Test examples behind all the cells together."""
MASKS = 8
MOST_CHARACTERS = 1_500_000
"""Of all the examples behind the cells: a page stays below 3 MB."""
CURVES = 10
"""Classes whose curves are drawn, the commonest ones."""
POINTS = 100
"""Of a curve."""
BINS = 10
"""Of the calibration and of the residuals."""
WIDEST_MATRIX = 40
"""Classes of a confusion matrix that is shown."""
MOST_RESAMPLED = 1_000_000
"""Numbers that are ranked again for each resample."""
MOST_CELLS = 300_000
"""Of a table's test rows that are looked at to find groups."""
GROUPED_ROWS = 10_000
"""Rows that are looked at in each column at least, if there are as many. A table may have too many
columns for that: then the first ones are looked at."""
SCATTERED = 400
"""Test rows that are drawn as points."""


def write_shown(run: Run, work: Work, tested: Mapping[str, Any], serving: Any) -> None:
    """Write what a report shows of a training into its run.

    Args:
        run: The record, with the test metrics.
        work: The trained network and its data.
        tested: The test metrics as the recipe's `evaluate` returned them.
        serving: The model as it is used.
    """
    gathered: dict[str, Any] = {}
    missing: dict[str, str] = {}
    test = _Test(work, tested, serving)
    for name, part in PARTS.items():
        try:
            found = part(run, test)
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            if found:
                gathered[name] = found
    document = finite({**gathered, "missing": missing})
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, default=_plain)
    write_atomically(run.path / SHOWN_FILE, text.encode())
    run.add_file(SHOWN_FILE)
    if test.headline_scores is not None and (arrays := packed(test.headline_scores)):
        if each := test.each():
            arrays |= each.arrays()
        with whole_file(run.path / SCORES_FILE) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        run.add_file(SCORES_FILE)


def _plain(value: Any) -> Any:
    """Return a value of NumPy's as one of Python's."""
    return finite(value.tolist())


class _Test:
    """A test: what the model said of each test row, as far as the recipe's `evaluate` kept it.

    Args:
        work: The trained network and its data.
        tested: The test metrics.
        serving: The model as it is used.
    """

    def __init__(self, work: Work, tested: Mapping[str, Any], serving: Any) -> None:
        self.work, self.serving = work, serving
        self.task, self.examples = work.task, work.source.test
        self.answer_form = work.task.answer.learned(
            work.data.answer, tested, getattr(tested, "details", {})
        )
        rows = len(self.examples)
        scores: Mapping[str, Scores] = getattr(tested, "scores", {})
        self.scores = {name: one for name, one in scores.items() if len(one) == rows}
        outputs = getattr(tested, "outputs", None)
        self.outputs = outputs if outputs is not None and len(outputs) == rows else None
        labels = self.examples.labels
        self.labels = None if labels is None else np.asarray(labels)
        if not self._is_in_order():
            self.scores, self.outputs = {}, None
        headline = work.task.headline.name
        self.headline_scores = scores_of(tested, headline) if headline in tested else None

    def _is_in_order(self) -> bool:
        """Tell whether the rows were tested in the order of the examples: the labels are those."""
        labels = self.labels
        return labels is not None and all(
            one.truth.shape != labels.shape or one.fits(replace(one, truth=labels))
            for one in self.scores.values()
        )

    @property
    def losses(self) -> Array | None:
        """Return how wrong the answer to each test row is, (rows,); None if that is not known."""
        for name in ("loss", "mae"):
            if name in self.scores:
                return self.scores[name].parts[:, 0]
        if "mean_iou" in self.scores:
            return 1 - np.array([mean_iou(part) for part in self.scores["mean_iou"].parts])
        return None

    @property
    def probabilities(self) -> Array | None:
        """Return the probability of each class, (rows, classes); None where there are none."""
        if self.outputs is None or self.outputs.ndim != 2 or not self.work.data.classes:
            return None
        return class_probabilities(self.outputs)

    def each(self) -> Tested | None:
        """Return how the model did on each test row, so that runs can be compared row by row."""
        losses, probabilities = self.losses, self.probabilities
        if losses is None or self.labels is None or not self.task.answer.has_truth:
            return None
        loss = losses.astype("float32")
        if probabilities is not None and isinstance(self.answer_form, CategoryForm):
            called = answered(probabilities, self.answer_form)
            of_called = probabilities[np.arange(len(called)), called]
            return Tested(
                loss=loss,
                answer=called.astype(np.min_scalar_type(probabilities.shape[1])),
                right=called == self.labels,
                probability=of_called.astype("float32"),
            )
        is_number = self.outputs is not None and self.outputs.ndim == 1
        return Tested(loss, self.outputs if is_number else None)

    def rows(self, numbers: Array) -> list[dict[str, Any]]:
        """Return test rows for a page: `input`, `truth`, `prediction`, `probability` and `loss`."""
        if not len(numbers):
            return []
        some = self.examples.take(numbers)
        outputs = self.outputs[numbers] if self.outputs is not None else self._answered(some)
        labels = np.asarray(some.labels)
        answer, form = self.task.answer, self.answer_form
        inputs = self.task.input.on_page(some, self.work.data.input)
        losses = self.losses
        if shown := answer.answers(outputs, form):
            assert losses is not None
            whole = zip(inputs, answer.truths(labels, form), shown, losses[numbers], strict=True)
            return [
                {
                    "input": given,
                    "truth": truth,
                    "prediction": found,
                    "loss": float(loss),
                    "example": int(number) + 1,
                }
                for (given, truth, found, loss), number in zip(whole, numbers, strict=True)
            ]
        found = answer.examine(outputs, labels, form)
        return [
            {
                "input": inputs[place],
                "truth": found.truth[place],
                "prediction": found.prediction[place],
                "probability": found.probability[place] if found.probability else None,
                "loss": found.loss[place],
                "example": int(number) + 1,
            }
            for place, number in enumerate(numbers)
        ]

    def _answered(self, some: Examples) -> Array:
        """Return what the model says of some test rows."""
        answered = call_serving(self.serving, named_features(some.arrays(), self.serving))
        outputs: Array = answered.numpy()
        return outputs


def _layers(run: Run, test: _Test) -> list[dict[str, Any]]:
    """Return the layers, each with its shape and parameters, those inside others behind them."""
    found: list[dict[str, Any]] = []

    def walk(layers: Sequence[Any], depth: int) -> None:
        for layer in layers:
            kind = type(layer).__name__
            if kind == "InputLayer":
                continue
            try:
                shape = [size or None for size in layer.output.shape[1:]]
            except (AttributeError, ValueError):  # A layer that is called twice, or in a subclass.
                shape = []
            entry = {"name": layer.name, "kind": kind, "depth": depth, "output": shape}
            found.append({**entry, "parameters": int(layer.count_params())})
            walk(getattr(layer, "layers", ()), depth + 1)

    walk(test.work.model.layers, 0)
    return found


def _examples(run: Run, test: _Test) -> list[dict[str, Any]]:
    """Return some training examples and their answers."""
    train = test.work.source.train
    numbers = np.unique(np.linspace(0, len(train) - 1, EXAMPLES).astype("int64"))
    some = train.take(numbers)
    inputs = test.task.input.on_page(some, test.work.data.input)
    truths: list[Any] = [None] * len(inputs)
    if some.labels is not None:
        truths = test.task.answer.truths(np.asarray(some.labels), test.answer_form) or truths
    return [{"input": one, "truth": truth} for one, truth in zip(inputs, truths, strict=True)]


def _interval(run: Run, test: _Test) -> dict[str, Any]:
    """Return the 95 % interval of the headline metric."""
    if test.headline_scores is None:
        return {}
    scores = test.headline_scores
    if isinstance(scores, RankedScores) and scores.parts.size > MOST_RESAMPLED:
        raise DlrecipesError("the test rows are too many to draw them again")
    lowest, highest = interval_of(scores)
    return {"metric": run.headline, "lowest": lowest, "highest": highest}


def _mistakes(run: Run, test: _Test) -> list[dict[str, Any]]:
    """Return the worst mistakes, the worst first."""
    losses = test.losses
    if losses is None or not test.task.answer.has_truth:
        return []
    if "accuracy" in test.scores:
        wrong = np.flatnonzero(test.scores["accuracy"].parts[:, 0] == 0)
    else:
        wrong = np.flatnonzero(losses > 0)
    count = MISTAKES if test.outputs is not None else MASKS
    return test.rows(wrong[np.argsort(-losses[wrong], kind="stable")][:count])


def _cells(run: Run, test: _Test) -> dict[str, list[dict[str, Any]]]:
    """Return test rows behind the cells of the confusion matrix, by `true,predicted` class."""
    losses, probabilities = test.losses, test.probabilities
    if losses is None or probabilities is None or "accuracy" not in test.scores:
        return {}
    if len(test.work.data.classes) > WIDEST_MATRIX:
        return {}
    is_right = test.scores["accuracy"].parts[:, 0] > 0
    wrong, right = np.flatnonzero(~is_right), np.flatnonzero(is_right)
    wrong = wrong[np.argsort(-losses[wrong], kind="stable")][:WORST_ROWS]
    assert test.labels is not None
    form, classes = test.answer_form, list(test.work.data.classes)
    called = test.task.answer.examine(probabilities[wrong], test.labels[wrong], form).prediction
    numbers = {name: number for number, name in enumerate(classes)}
    chosen: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, name in zip(wrong.tolist(), called, strict=True):
        cell = chosen[int(test.labels[row]), numbers[name]]
        if len(cell) < IN_A_CELL:
            cell.append(row)
    for number in np.unique(test.labels[right]).tolist():
        of_class = right[test.labels[right] == number][:RIGHT_IN_A_CELL]
        chosen[number, number] = of_class.tolist()
    kept, rows = [], list[int]()
    for key, behind in sorted(chosen.items(), key=lambda item: item[0][0] == item[0][1]):
        if len(rows) + len(behind) <= MOST_IN_CELLS:
            kept.append((key, len(behind)))
            rows += behind
    shown = iter(test.rows(np.array(rows, "int64")))
    found, size = {}, 0
    for (true, found_class), count in kept:
        behind_cell = [next(shown) for _ in range(count)]
        size += sum(len(str(row["input"])) for row in behind_cell)
        if size <= MOST_CHARACTERS:
            found[f"{true},{found_class}"] = behind_cell
    return found


def _curves(run: Run, test: _Test) -> dict[str, Any]:
    """Return ROC and precision-recall curves of classes, and the calibration."""
    probabilities = test.probabilities
    if probabilities is None:
        return {}
    assert test.labels is not None
    classes = list(test.work.data.classes)
    counts = np.bincount(test.labels, minlength=len(classes))
    if len(classes) == 2:
        drawn = [int(getattr(test.answer_form, "positive", 1))]
    else:
        drawn = sorted(np.argsort(-counts, kind="stable")[:CURVES].tolist())
    roc, precision_recall = {}, {}
    for number in drawn:
        positive = test.labels == number
        if not 0 < positive.sum() < len(positive):
            continue
        _, hits, misses = counts_from_above(positive, probabilities[:, number])
        places = _places(hits, misses)
        recall = hits[places] / hits[-1]
        roc[classes[number]] = _points(misses[places] / misses[-1], recall, first=(0.0, 0.0))
        precision_recall[classes[number]] = _points(recall, hits[places] / (hits + misses)[places])
    return {
        "roc": roc,
        "precision_recall": precision_recall,
        "calibration": _calibration(probabilities, test.labels),
    }


def _places(hits: Array, misses: Array) -> Array:
    """Return the places of points that are even along both axes of a curve.

    Args:
        hits: True positives at or above each score, falling.
        misses: False positives.
    """
    along = [
        np.searchsorted(counts, np.linspace(counts[0], counts[-1], POINTS // 2))
        for counts in (hits, misses)
    ]
    return np.unique(np.concatenate([[0, len(hits) - 1], *along]))


def _points(x: Array, y: Array, first: tuple[float, float] | None = None) -> list[list[float]]:
    """Return the points of a curve, with a first one before them if one is given."""
    points = np.stack([x, y], axis=-1).round(4).tolist()
    return [list(first), *points] if first else points


def _calibration(probabilities: Array, labels: Array) -> list[dict[str, float]]:
    """Return how often answers are right, by how sure they are: of each bin that has any."""
    sure = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    bins = np.minimum((sure * BINS).astype("int64"), BINS - 1)
    found = []
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            means = {"sure": float(sure[inside].mean()), "right": float(right[inside].mean())}
            found.append({**means, "rows": int(inside.sum())})
    return found


def _numbers(run: Run, test: _Test) -> dict[str, Any]:
    """Return predicted over true numbers of some test rows, and how the residuals spread."""
    if test.outputs is None or test.outputs.ndim != 1:
        return {}
    assert test.labels is not None
    true = test.labels.astype("float64")
    residuals = test.outputs - true
    places = np.unique(np.linspace(0, len(true) - 1, SCATTERED).astype("int64"))
    lowest, highest = np.quantile(residuals, (0.005, 0.995))
    counts, ends = np.histogram(residuals, bins=2 * BINS, range=(lowest, highest))
    return {
        "points": np.stack([true[places], test.outputs[places]], axis=-1).tolist(),
        "residuals": {"counts": counts.tolist(), "ends": ends.tolist()},
    }


def _groups(run: Run, test: _Test) -> dict[str, Any]:
    """Return the groups of rows, by the values of a table's columns, on which a model does worse.

    Classes are compared by how often the answer is right: how precise a ranking is depends on how
    common its class is in a group.
    """
    columns = test.examples.columns
    name = "accuracy" if "accuracy" in test.scores else run.headline
    if test.task.input.name != "table" or name not in test.scores:
        return {}
    called = getattr(test.work.data.input, "called", {})
    most = MOST_CELLS // max(min(len(test.examples), GROUPED_ROWS), 1)
    looked_at = list(columns.items())[:most]
    rows = _evenly_spaced(len(test.examples), MOST_CELLS // max(len(looked_at), 1))
    cells = {called.get(column, column): values[rows].tolist() for column, values in looked_at}
    higher = name == "accuracy" or run.higher_is_better
    found = worst_groups(test.scores[name].take(rows), cells, higher_is_better=higher)
    return {"metric": name, "columns": len(cells), "rows": len(rows), **found}


def _evenly_spaced(count: int, most: int) -> Array:
    """Return row numbers: all, or so many of them, evenly spaced."""
    return np.linspace(0, count - 1, min(count, most)).astype("int64")


PARTS = {
    "layers": _layers,
    "examples": _examples,
    "interval": _interval,
    "mistakes": _mistakes,
    "cells": _cells,
    "curves": _curves,
    "numbers": _numbers,
    "groups": _groups,
}
"""What is gathered, by its name in the file."""
