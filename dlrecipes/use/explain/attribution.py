"""Attributions after Shapley, by shap: what each part of an input adds to the model's answer.

The parts are the columns of a row, the words of a text or the cells of a picture. A part is hidden
by what other rows have in its column, by leaving the word out, or by the picture's mean colour. The
attributions of an input add up to its answer less the expectation, the answer with all parts hidden
(Lundberg and Lee 2017, arXiv:1705.07874).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_probabilities
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow, select_device
from dlrecipes.system.clock import Clock
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Inputs
from dlrecipes.tasks.inputs.table import cell_text
from dlrecipes.tasks.opening import open_source, settle
from dlrecipes.tasks.serving import run_serving
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes, Request
from dlrecipes.use.explain.parts import GRID, cells_of, hidden_cells, joined, words_of
from dlrecipes.use.predict import load_serving

ANSWERS = ("category", "number")
BACKGROUND = 50
"""Training rows whose values take the place of a hidden column's."""
ROUNDS = 10
"""Orders, and their reverses, in which parts are shown one after another."""
MOST_ANSWERS = 4000
"""Inputs that the model answers for one explanation, about: more parts get fewer rounds."""
SEED = 0


@dataclass(frozen=True)
class Explanation:
    """What each part of an input adds to the model's answer.

    Args:
        input: The input, as `predict` shows it.
        kind: What the parts are: `columns`, `words` or `cells`.
        answer: The class; empty for a number.
        value: The probability of that class, or the number.
        expectation: That of an input with all parts hidden.
        names: The columns or words, in order; of a picture, `row,column` of each cell.
        values: What each part holds; empty for words and cells.
        attributions: What each part adds: they add up to `value` less `expectation`.
        picture: The pixels of a picture; None for other inputs.
    """

    input: str
    kind: str
    answer: str
    value: float
    expectation: float
    names: list[str]
    values: list[str]
    attributions: list[float]
    picture: Array | None = None

    def document(self) -> dict[str, Any]:
        """Return what `explain --json` shows of it."""
        parts = [
            {"name": name, "value": value, "attribution": one}
            for name, value, one in zip(
                self.names, self.values or [""] * len(self.names), self.attributions, strict=True
            )
        ]
        return {
            "input": self.input,
            "kind": self.kind,
            "answer": self.answer,
            "value": self.value,
            "expectation": self.expectation,
            "parts": parts,
        }


def require_shap() -> Any:
    """Return the module shap.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import shap
    except ImportError as error:
        raise InputError(
            "explain needs shap, which is not installed.",
            "Install it: pip install 'dlrecipes[explain]'",
        ) from error
    return shap


def explain(
    run: Run, arguments: Sequence[str], changes: Changes, listener: WorkListener
) -> Iterator[Explanation]:
    """Yield what moved the answer to each input.

    Args:
        run: The run.
        arguments: The inputs, as `predict` takes them.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if an input cannot be used, or the run's task cannot be explained.
    """
    task, forms = find_task(run.task), form_of(run)
    kind = {"table": "columns", "text": "words", "image": "cells"}.get(task.input.name, "")
    if not kind or task.answer.name not in ANSWERS:
        raise InputError(
            f"explain knows classes and numbers of tables, texts and images: {run.run} does "
            f"{run.task}."
        )
    require_shap()
    check_device_name(changes.device or "auto")
    parts = list(task.input.parse(arguments, forms.input, FileOptions(**run.data["files"])))
    for part in parts:
        for error in part.errors.values():
            raise error
    others = _background(run, changes, listener) if kind == "columns" else {}
    with Clock(listener=listener).part("start"):
        device = select_device(changes.device or "auto")
        serving = load_serving(run, trust=changes.trust_recipe)
    with load_tensorflow().device(device.scope):
        explained = _Explained(run, serving, others)
        for part in parts:
            for place in range(len(part.names)):
                yield explained.one(part, place, kind)


def _background(run: Run, changes: Changes, listener: WorkListener) -> dict[str, Array]:
    """Return some training rows, by column."""
    request = Request.from_run(run, changes)
    found = settle(request.recipe_data, request.data, listener)
    with Clock(listener=listener).part("load"):
        train = open_source(request.recipe_data, found, run.seed, listener).train
    count = min(BACKGROUND, len(train))
    rows = np.random.default_rng(SEED).choice(len(train), count, replace=False)
    arrays = train.take(np.sort(rows)).arrays()
    assert isinstance(arrays, dict)
    return arrays


class _Explained:
    """Explains the answers of a model.

    Args:
        run: The run.
        serving: The model as it is used.
        others: Training rows, by column; empty for other inputs than rows.
    """

    def __init__(self, run: Run, serving: Any, others: dict[str, Array]) -> None:
        self.run, self.serving, self.others = run, serving, others
        self.answer, self.form = find_task(run.task).answer, form_of(run).answer

    def one(self, inputs: Inputs, place: int, kind: str) -> Explanation:
        """Return what moved the answer to one input."""
        features = inputs.features
        alone: Any = (
            {name: column[place : place + 1] for name, column in features.items()}
            if isinstance(features, dict)
            else features[place : place + 1]
        )
        outputs = run_serving(self.serving, alone)
        label, number = self._label(outputs)

        def answers(rows: Any) -> Array:
            found = run_serving(self.serving, rows)
            if number < 0:
                return found.reshape(-1).astype("float64")
            probabilities: Array = class_probabilities(found)[:, number].astype("float64")
            return probabilities

        names, values, whole, hidden = self._parts(alone, kind)
        attributions, expectation = _attributed(len(names), partial(_answered, answers, hidden))
        return Explanation(
            input=inputs.names[place],
            kind=kind,
            answer=label,
            value=float(answers(alone)[0]),
            expectation=expectation,
            names=names,
            values=values,
            attributions=attributions.tolist(),
            picture=whole,
        )

    def _label(self, outputs: Array) -> tuple[str, int]:
        """Return the class that is answered and its number; nothing and -1 for a number."""
        if self.answer.name == "number":
            return "", -1
        labels = np.zeros(len(outputs), "int64")
        name = str(self.answer.examine(outputs, labels, self.form).prediction[0])
        classes: Sequence[str] = getattr(self.form, "classes", ())
        return name, list(classes).index(name)

    def _parts(
        self, alone: Any, kind: str
    ) -> tuple[list[str], list[str], Array | None, Callable[[Array], Any]]:
        """Return the names and values of the parts, a picture, and what hides parts.

        The last is a function from which parts are shown, bool (variants, parts), to the inputs.
        """
        if kind == "columns":
            names = list(alone)
            called = getattr(form_of(self.run).input, "called", {})
            values = [cell_text(alone[name][0]) for name in names]
            shown = [called.get(name, name) for name in names]
            return shown, values, None, partial(_mixed, alone, self.others)
        if kind == "words":
            words = words_of(str(alone[0]))
            return [word.strip() for word in words], [], None, partial(joined, words)
        pixels = alone[0]
        cells = cells_of(pixels.shape[:2], GRID)
        down, across = (range(min(GRID, side)) for side in pixels.shape[:2])
        names = [f"{row},{column}" for row in down for column in across]
        return names, [], pixels, partial(hidden_cells, pixels, cells)


def _answered(
    answers: Callable[[Any], Array], hidden: Callable[[Array], Any], mask: Array
) -> Array:
    """Return the mean answer to each variant of an input, (variants,)."""
    rows = hidden(mask.astype(bool))
    found = answers(rows)
    mean: Array = found.reshape(len(mask), -1).mean(axis=1)
    return mean


def _attributed(count: int, function: Callable[[Array], Array]) -> tuple[Array, float]:
    """Return what each part adds, (parts,), and the answer with all parts hidden."""
    shap = require_shap()
    rounds = max(1, min(ROUNDS, MOST_ANSWERS // (2 * count + 1)))
    nothing, everything = np.zeros((1, count)), np.ones((1, count))
    explainer = shap.explainers.Permutation(
        function, shap.maskers.Independent(nothing, max_samples=1), seed=SEED
    )
    found = explainer(everything, max_evals=rounds * (2 * count + 1), silent=True)
    return found.values[0], float(np.ravel(found.base_values)[0])


def _mixed(alone: dict[str, Array], others: dict[str, Array], mask: Array) -> dict[str, Array]:
    """Return each variant of a row once for each other row, whose values hidden columns get."""
    count = len(next(iter(others.values())))
    shown = np.repeat(mask, count, axis=0)
    rows = {}
    for place, (name, column) in enumerate(alone.items()):
        own = np.repeat(column, len(shown), axis=0)
        taken = np.tile(others[name], (len(mask), *[1] * (others[name].ndim - 1)))
        rows[name] = np.where(shown[:, place].reshape(-1, *[1] * (own.ndim - 1)), own, taken)
    return rows
