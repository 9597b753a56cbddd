"""What a model relies on over test rows: importance of each column, and partial dependence."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import listed
from dlrecipes.datasets.own.moments import NO_MOMENT
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_metrics, class_probabilities, number_metrics
from dlrecipes.kit.scores import average_precision
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow
from dlrecipes.tasks import find_task
from dlrecipes.tasks.inputs.table import shown_cell
from dlrecipes.tasks.serving import BATCH_SIZE, call_serving, named_features
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.explain.attribution import KINDS
from dlrecipes.use.explain.words import OverallWords, explain_words
from dlrecipes.use.opening import data_and_device
from dlrecipes.use.predict import load_serving

MOST_ROWS = 1000
"""Test rows that columns are shuffled in."""
DEPENDENCE_ROWS = 200
SHUFFLES = 5
MOST_DEPENDENT = 4
"""Columns whose partial dependence is shown."""
POINTS, MOST_VALUES = 20, 12
"""Points of a curve, and bars of a column of categories."""
EDGES = (0.05, 0.95)
"""Quantiles that a curve goes from and to: beyond them are few rows to learn from."""
SEED = 0


@dataclass(frozen=True)
class Importance:
    """How much worse the headline metric becomes when a column is shuffled.

    Args:
        name: The column.
        mean: Over the shuffles; exactly 0 for a column that the model does not get.
        deviation: Standard deviation over the shuffles.
        used: Whether the model gets the column.
    """

    name: str
    mean: float
    deviation: float
    used: bool = True


@dataclass(frozen=True)
class Dependence:
    """The mean answer if all rows had one value in a column, and their own in the others.

    Args:
        column: The column.
        is_curve: Whether its values are numbers.
        points: Values with the mean answers.
    """

    column: str
    is_curve: bool
    points: list[tuple[Any, float]]


@dataclass(frozen=True)
class Overall:
    """What a model relies on.

    Args:
        metric: Name of the metric that is to become worse.
        value: Of the rows as they are.
        rows: Test rows.
        shuffles: Of each column.
        answer: The class whose probability depends on columns; empty for numbers.
        columns: The importance of each column, the largest first.
        dependence: Of the most important columns.
    """

    metric: str
    value: float
    rows: int
    shuffles: int
    answer: str
    columns: list[Importance]
    dependence: list[Dependence] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return what `explain --global --json` shows of it."""
        document = asdict(self)
        for one in document["dependence"]:
            one["points"] = [{"value": value, "answer": answer} for value, answer in one["points"]]
        return document


def explain_overall(run: Run, changes: Changes, listener: WorkListener) -> Overall | OverallWords:
    """Return what a model of tables or texts relies on over its test rows.

    Args:
        run: The run.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if the run is not one of tables or texts, or its data is not what it was.
    """
    task = find_task(run.task)
    kind = KINDS.get((task.input.name, task.answer.name), "")
    if kind == "words":
        return explain_words(run, changes, listener)
    if kind != "columns":
        raise InputError(
            f"explain --global is for tables, and for texts with a class or a number: {run.run} "
            f"does {run.task}.",
            "Name inputs to explain the answers to them.",
        )
    check_device_name(changes.device or "auto")
    source, device = data_and_device(run, changes, listener)
    serving = load_serving(run, trust=changes.trust_recipe)
    with load_tensorflow().device(device.scope):
        return _Model(run, serving).overall(source)


class _Model:
    """A model of tables.

    Args:
        run: The run.
        serving: The model as it is used.
    """

    def __init__(self, run: Run, serving: Any) -> None:
        import tensorflow as tf

        self.run, self.serving, self.forms = run, serving, form_of(run)
        self.called = getattr(self.forms.input, "called", {})
        self.kinds = getattr(self.forms.input, "kinds", {})
        self.positive = int(getattr(self.forms.answer, "positive", 1))
        self.is_number = find_task(run.task).answer.name == "number"
        self.call = tf.function(
            partial(call_serving, serving), reduce_retracing=True, autograph=False
        )

    def overall(self, source: Source) -> Overall:
        """Return what it relies on over the test rows of its data."""
        random = np.random.default_rng(SEED)
        count = min(MOST_ROWS, len(source.test))
        test = source.test.take(np.sort(random.choice(len(source.test), count, replace=False)))
        rows, labels = test.arrays(), np.asarray(test.labels)
        assert isinstance(rows, dict)
        outputs = self.answers(rows)
        metric, of = self._metric(outputs, labels)
        higher = self.run.higher_is_better if metric == self.run.headline else False
        columns = self._importances(rows, labels, lambda *one: of(*one) if higher else -of(*one))
        number = self._explained(outputs)
        some = {name: column[:DEPENDENCE_ROWS] for name, column in rows.items()}
        own = {self.called.get(name, name): name for name in rows}
        dependence = [
            self._dependence(own[one.name], rows, some, number)
            for one in columns[:MOST_DEPENDENT]
            if one.used and one.mean > 0
        ]
        classes = getattr(self.forms.answer, "classes", ())
        return Overall(
            metric=metric,
            value=of(outputs, labels),
            rows=count,
            shuffles=SHUFFLES,
            answer="" if self.is_number else str(classes[number]),
            columns=columns,
            dependence=dependence,
        )

    def answers(self, rows: Mapping[str, Array]) -> Array:
        """Return the numbers, (rows, 1), or the probabilities of the classes, (rows, classes)."""
        count = len(next(iter(rows.values())))
        found = []
        for start in range(0, count, BATCH_SIZE):
            part = {name: column[start : start + BATCH_SIZE] for name, column in rows.items()}
            found.append(self.call(named_features(part, self.serving)).numpy())
        outputs: Array = np.concatenate(found).astype("float64")
        return outputs.reshape(-1, 1) if self.is_number else class_probabilities(outputs)

    def _metric(self, outputs: Array, labels: Array) -> tuple[str, Callable[..., float]]:
        """Return the headline metric, or the loss where it cannot be computed from answers."""
        classes = getattr(self.forms.answer, "classes", ())

        def all_of(outputs: Array, labels: Array) -> Mapping[str, float]:
            if self.is_number:
                return number_metrics(outputs.ravel(), labels.ravel().astype("float64"))
            true = labels.ravel().astype("int64")
            found = dict(class_metrics(outputs, true, classes))
            if len(classes) == 2:
                rare = self.positive
                found["average_precision"] = average_precision(true == rare, outputs[:, rare])
            return found

        known = all_of(outputs, labels)
        other = "mae" if self.is_number else "loss"
        name = self.run.headline if self.run.headline in known else other
        return name, lambda outputs, labels: float(all_of(outputs, labels)[name])

    def _importances(
        self, rows: Mapping[str, Array], labels: Array, goodness: Callable[..., float]
    ) -> list[Importance]:
        """Return the importance of each column, and of those that training was told to ignore."""
        from sklearn.dummy import DummyRegressor
        from sklearn.inspection import permutation_importance

        def score(_: Any, places: Array, labels: Array) -> float:
            mixed = {name: rows[name][places[:, at]] for at, name in enumerate(rows)}
            return goodness(self.answers(mixed), labels)

        # What is shuffled are row numbers, so that a column may hold texts and lack values.
        places = np.repeat(np.arange(len(labels))[:, np.newaxis], len(rows), axis=1)
        found = permutation_importance(
            DummyRegressor(), places, labels, scoring=score, n_repeats=SHUFFLES, random_state=SEED
        )
        columns = [
            Importance(self.called.get(name, name), float(mean), float(deviation))
            for name, mean, deviation in zip(
                rows, found.importances_mean, found.importances_std, strict=True
            )
        ]
        ignored = listed(self.run.data["files"].get("ignore", ""))
        columns += [Importance(name, 0.0, 0.0, used=False) for name in ignored]
        return sorted(columns, key=lambda one: -one.mean)

    def _explained(self, outputs: Array) -> int:
        """Return the answer whose dependence is shown: of two the positive class, else the most."""
        if outputs.shape[1] <= 2:
            return self.positive if outputs.shape[1] == 2 else 0
        return int(np.bincount(outputs.argmax(axis=1)).argmax())

    def _dependence(
        self, name: str, rows: Mapping[str, Array], some: Mapping[str, Array], number: int
    ) -> Dependence:
        """Return the partial dependence of an answer on a column (Friedman 2001).

        scikit-learn's takes no missing values among numbers, nor texts beside them.
        """
        column = rows[name]
        is_curve = column.dtype.kind in "fiu" and self.kinds.get(name) != "dates"
        if column.dtype.kind in "fiu":
            given = column[np.isfinite(column) & (column != NO_MOMENT)]
            ends = np.quantile(given, np.linspace(*EDGES, POINTS), method="nearest")
            values = np.unique(ends).tolist()
        else:
            values = [value for value, _ in Counter(column.tolist()).most_common(MOST_VALUES)]
        points = []
        for value in values:
            same = np.full_like(some[name], value)
            mean = float(self.answers({**some, name: same})[:, number].mean())
            points.append((value if is_curve else shown_cell(value), mean))
        return Dependence(self.called.get(name, name), is_curve, points)
