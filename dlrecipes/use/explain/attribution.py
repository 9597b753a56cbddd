"""Attributions after Shapley, by shap: what each part of an input adds to the model's answer.

The parts are the columns of a row, the words of a text, the characters of a prompt or the cells of
a picture. A part is hidden by what other rows have in its column, by leaving the word or character
out, or by the picture's mean colour. The attributions of an input add up to its answer less the
expectation, the answer with all parts hidden (Lundberg and Lee 2017, arXiv:1705.07874).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_probabilities
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow, select_device
from dlrecipes.system.clock import Clock
from dlrecipes.tasks import find_task
from dlrecipes.tasks.answers.text_generator import SPECIAL_TOKENS
from dlrecipes.tasks.base import Inputs
from dlrecipes.tasks.inputs.prose import CONTEXT
from dlrecipes.tasks.inputs.table import shown_cell
from dlrecipes.tasks.inputs.text import text_array
from dlrecipes.tasks.serving import run_serving
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.explain.layers import Inside, look_inside
from dlrecipes.use.explain.parts import (
    GRID,
    cells_of,
    hidden_cells,
    joined,
    shown_character,
    words_of,
)
from dlrecipes.use.opening import data_and_device
from dlrecipes.use.predict import Asked, Unusable, given_inputs, load_serving, one_by_one

KINDS = {
    **{("table", answer): "columns" for answer in ("category", "number")},
    **{("text", answer): "words" for answer in ("category", "number")},
    **{("image", answer): "cells" for answer in ("category", "number", "mask")},
    ("prose", "continuation"): "characters",
}
"""What the parts are, by the names of a task's inputs and answers."""
BACKGROUND = 50
"""Training rows whose values take the place of a hidden column's."""
ROUNDS = 10
"""Orders, and their reverses, in which parts are shown one after another."""
MOST_ANSWERS = 4000
"""Inputs that the model answers for one explanation, about: more parts get fewer rounds."""
MOST_SLOW_ANSWERS = {"mask": 200, "continuation": 410}
"""The same where one answer takes long: a mask, or the next character after a long prompt."""
LEAST_SHARE, MOST_CLASSES = 0.01, 4
"""Of the pixels of a mask: a class with less is not explained, nor are more classes than that."""
SEED = 0


@dataclass(frozen=True)
class Explanation:
    """What each part of an input adds to the model's answer.

    Args:
        input: The input, as `predict` shows it.
        kind: What the parts are: `columns`, `words`, `characters` or `cells`.
        answer: The class, of a mask one of its classes, or the next character; empty for a number.
        value: The probability of that answer (of a mask, the mean over its pixels), or the number.
        expectation: That of an input with all parts hidden.
        names: The columns or words, in order; of a picture, `row,column` of each cell.
        values: What each part holds; empty for words and cells.
        attributions: What each part adds: they add up to `value` less `expectation`.
        picture: The pixels of a picture; None for other inputs.
        grid: Cells a side of a picture, at most.
        inside: What the layers say of it; None for other inputs than pictures.
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
    grid: int = GRID
    inside: Inside | None = None

    def document(self) -> dict[str, Any]:
        """Return what `explain --json` shows of it."""
        parts: list[dict[str, Any]] = [
            {"name": name, "value": value, "attribution": one}
            for name, value, one in zip(
                self.names, self.values or [""] * len(self.names), self.attributions, strict=True
            )
        ]
        if self.inside is not None:
            for key in ("saliency", "grad_cam"):
                for part, share in zip(parts, self._of_cells(key), strict=True):
                    part[key] = share
        return {
            "input": self.input,
            "kind": self.kind,
            "answer": self.answer,
            "value": self.value,
            "expectation": self.expectation,
            "parts": parts,
            **(
                {"layer": self.inside.layer, "left_out": self.inside.missing} if self.inside else {}
            ),
        }

    def _of_cells(self, key: str) -> list[float | None]:
        """Return the share of each cell in the saliency or Grad-CAM; None if it is unknown."""
        strengths = getattr(self.inside, key)
        if strengths is None:
            return [None] * len(self.names)
        cells = cells_of(strengths.shape, self.grid).ravel()
        sums = np.bincount(cells, strengths.ravel())
        shares: list[float | None] = (sums / (sums.sum() or 1.0)).round(5).tolist()
        return shares


def require_shap() -> Any:
    """Return the module shap.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import numba

        config: Any = numba.config
        is_off = config.DISABLE_JIT
        config.DISABLE_JIT = True  # Compiling its loops takes 6 s, running them as Python 0.01 s.
        try:
            import shap
        finally:
            config.DISABLE_JIT = is_off
    except ImportError as error:
        raise InputError(
            "explain needs shap, which is not installed.",
            "Install it: pip install 'dlrecipes[explain]'",
        ) from error
    return shap


def explain(
    run: Run, asked: Asked, changes: Changes, listener: WorkListener
) -> Iterator[Explanation | Unusable]:
    """Yield what moved the answer to each input, or why it cannot be used.

    Args:
        run: The run.
        asked: The inputs, as `predict` takes them.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if no input can be used, or the run's task cannot be explained.
    """
    task = find_task(run.task)
    kind = KINDS.get((task.input.name, task.answer.name), "")
    if not kind:
        why = ": it has no input to explain" if task.input.name == "noise" else ""
        raise InputError(
            f"explain knows classes and numbers of tables, texts and images, masks, and the next "
            f"character of a text: {run.run} does {run.task}{why}."
        )
    require_shap()
    check_device_name(changes.device or "auto")
    parts = given_inputs(run, asked)
    others: dict[str, Array] = {}
    if kind == "columns":
        source, device = data_and_device(run, changes, listener)
        others = _some_rows(source.train)
    else:
        with Clock(listener=listener).part("start"):
            device = select_device(changes.device or "auto")
    serving = load_serving(run, trust=changes.trust_recipe)
    with load_tensorflow().device(device.scope):
        explained = Explained(run, serving, others)
        for one in one_by_one(parts):
            if isinstance(one, Unusable):
                yield one
            else:
                yield from explained.one(*one, kind)


def _some_rows(train: Examples) -> dict[str, Array]:
    """Return some training rows, by column."""
    count = min(BACKGROUND, len(train))
    rows = np.random.default_rng(SEED).choice(len(train), count, replace=False)
    arrays = train.take(np.sort(rows)).arrays()
    assert isinstance(arrays, dict)
    return arrays


class Explained:
    """Explains the answers of a model.

    Args:
        run: The run.
        serving: The model as it is used.
        others: Training rows, by column; None for other inputs than rows.
    """

    def __init__(self, run: Run, serving: Any, others: Mapping[str, Array] | None = None) -> None:
        self.run, self.serving, self.others = run, serving, others or {}
        self.answer, self.form = find_task(run.task).answer, form_of(run).answer

    def one(self, inputs: Inputs, place: int, kind: str) -> Iterator[Explanation]:
        """Yield what moved the answer to one input; of a mask, each of its classes."""
        features = inputs.features
        alone: Any = (
            {name: column[place : place + 1] for name, column in features.items()}
            if isinstance(features, dict)
            else features[place : place + 1]
        )
        if kind == "characters":
            alone = text_array([str(alone[0])[-CONTEXT:]])
        outputs = run_serving(self.serving, alone)
        wanted = self._wanted(outputs)

        def answers(rows: Any) -> Array:
            return self.numbers(run_serving(self.serving, rows))[:, [one for _, one in wanted]]

        names, values, whole, hidden = self._parts(alone, kind)
        most = MOST_SLOW_ANSWERS.get(self.answer.name, MOST_ANSWERS)
        attributions, expectations = attributed(
            len(names), partial(_answered, answers, hidden), most
        )
        for column, (label, number) in enumerate(wanted):
            yield Explanation(
                input=inputs.names[place],
                kind=kind,
                answer=label,
                value=float(self.numbers(outputs)[0, number]),
                expectation=float(expectations[column]),
                names=names,
                values=values,
                attributions=attributions[:, column].tolist(),
                picture=whole,
                grid=self.grid,
                inside=None
                if whole is None
                else look_inside(self.serving, alone, partial(self._score, number)),
            )

    @property
    def grid(self) -> int:
        """Return the cells a side of a picture: fewer where an answer takes long."""
        return GRID // 2 if self.answer.name == "mask" else GRID

    def numbers(self, outputs: Array) -> Array:
        """Return the number of each answer to each input, float64 (inputs, answers)."""
        if self.answer.name == "number":
            return outputs.reshape(-1, 1).astype("float64")
        found = outputs if self.answer.name == "continuation" else class_probabilities(outputs)
        if self.answer.name == "mask":
            found = found.mean(axis=(1, 2))
        probabilities: Array = found.astype("float64")
        return probabilities

    def _wanted(self, outputs: Array) -> list[tuple[str, int]]:
        """Return what is explained of an answer: its name, and its place among the numbers."""
        if self.answer.name == "number":
            return [("", 0)]
        classes: Sequence[str] = getattr(self.form, "classes", ())
        if self.answer.name == "continuation":
            number = SPECIAL_TOKENS + int(outputs[0, SPECIAL_TOKENS:].argmax())
            return [(shown_character(classes[number]), number)]
        if self.answer.name == "mask":
            called = class_probabilities(outputs)[..., : len(classes)].argmax(axis=-1)
            shares = np.bincount(called.ravel(), minlength=len(classes)) / called.size
            order = np.argsort(-shares)[:MOST_CLASSES]
            return [(classes[one], int(one)) for one in order if shares[one] >= LEAST_SHARE]
        labels = np.zeros(len(outputs), "int64")
        name = str(self.answer.examine(outputs, labels, self.form).prediction[0])
        return [(name, list(classes).index(name))]

    def _score(self, number: int, outputs: Any) -> Any:
        """Return the number whose gradients are asked for, of outputs to one picture, a tensor.

        That is the answer before its softmax, whose gradient vanishes where a model is sure; of a
        mask, the sum over the pixels that have the class (Vinogradova and others 2020,
        arXiv:2002.11434).
        """
        import tensorflow as tf

        if self.answer.name == "number":
            return tf.reduce_sum(outputs)
        # Keras keeps them for its losses, for the same reason.
        logits = getattr(outputs, "_keras_logits", None)
        if outputs.shape[-1] == 1:
            before = (
                tf.math.log(outputs / (1 - outputs + 1e-7) + 1e-7) if logits is None else logits
            )
            before = tf.concat([-before, before], axis=-1)
        else:
            before = tf.math.log(outputs + 1e-7) if logits is None else logits
        of_class = before[..., number]
        if self.answer.name == "mask":
            has_class = tf.equal(tf.argmax(before, axis=-1), number)
            of_class = tf.where(has_class, of_class, tf.zeros_like(of_class))
        return tf.reduce_sum(of_class)

    def _parts(
        self, alone: Any, kind: str
    ) -> tuple[list[str], list[str], Array | None, Callable[[Array], Any]]:
        """Return the names and values of the parts, a picture, and what hides parts.

        The last is a function from which parts are shown, bool (variants, parts), to the inputs.
        """
        if kind == "columns":
            names = list(alone)
            called = getattr(form_of(self.run).input, "called", {})
            values = [shown_cell(alone[name][0]) for name in names]
            shown = [called.get(name, name) for name in names]
            return shown, values, None, partial(_mixed, alone, self.others)
        if kind == "words":
            words = words_of(str(alone[0]))
            return [word.strip() for word in words], [], None, partial(joined, words)
        if kind == "characters":
            characters = list(str(alone[0]))
            hidden = partial(joined, characters, nothing="\n")
            return [shown_character(one) for one in characters], [], None, hidden
        pixels = alone[0]
        cells = cells_of(pixels.shape[:2], self.grid)
        down, across = (range(min(self.grid, side)) for side in pixels.shape[:2])
        names = [f"{row},{column}" for row in down for column in across]
        return names, [], pixels, partial(hidden_cells, pixels, cells)


def _answered(
    answers: Callable[[Any], Array], hidden: Callable[[Array], Any], mask: Array
) -> Array:
    """Return the mean answers to each variant of an input, (variants, answers)."""
    rows = hidden(mask.astype(bool))
    found = answers(rows)
    mean: Array = found.reshape(len(mask), -1, found.shape[-1]).mean(axis=1)
    return mean


def attributed(count: int, function: Callable[[Array], Array], most: int) -> tuple[Array, Array]:
    """Return what each part adds, (parts, answers), and the answers with all parts hidden.

    Args:
        count: Number of parts.
        function: From which parts are shown, (variants, parts), to the answers.
        most: Variants, about.
    """
    shap = require_shap()
    rounds = max(1, min(ROUNDS, most // (2 * count + 1)))
    nothing, everything = np.zeros((1, count)), np.ones((1, count))
    explainer = shap.explainers.Permutation(
        function, shap.maskers.Independent(nothing, max_samples=1), seed=SEED
    )
    found = explainer(
        everything, max_evals=rounds * (2 * count + 1), batch_size=2 * count + 1, silent=True
    )
    return found.values[0].reshape(count, -1), np.ravel(found.base_values)


def _mixed(alone: dict[str, Array], others: Mapping[str, Array], mask: Array) -> dict[str, Array]:
    """Return each variant of a row once for each other row, whose values hidden columns get."""
    count = len(next(iter(others.values())))
    shown = np.repeat(mask, count, axis=0)
    rows = {}
    for place, (name, column) in enumerate(alone.items()):
        own = np.repeat(column, len(shown), axis=0)
        taken = np.tile(others[name], (len(mask), *[1] * (others[name].ndim - 1)))
        rows[name] = np.where(shown[:, place].reshape(-1, *[1] * (own.ndim - 1)), own, taken)
    return rows
