"""Test a finished run again, or on other data."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import ModuleType
from typing import Any

from dlrecipes.catalog.contract import import_recipe
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.groups import by_group
from dlrecipes.runs.record import Run
from dlrecipes.runs.verdict import judge
from dlrecipes.system.backend import (
    Device,
    check_device_name,
    load_tensorflow,
    select_device,
    set_seed,
)
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.opening import DataRequest, open_source, settle, warn_of_leaks
from dlrecipes.training.calls import (
    build_model,
    called,
    details_of,
    evaluate_model,
    load_data,
    load_weights,
    serving_model,
)
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.rival import Rival
from dlrecipes.training.trainer import require_same_data
from dlrecipes.use.groups import groups_in
from dlrecipes.use.rows import Look, Row, examined, looked_through

NOTHING_MORE = Look()


@dataclass(frozen=True)
class Evaluation:
    """What a test of a finished run found.

    Args:
        metrics: The test metrics by name.
        data: The stamp of the data tested on: its rung, name, fingerprint, rows and classes.
        baseline: As a run's, for that data.
        plain_baseline: As a run's, for that data.
        verdict: As a run's: the run's own for its own test split, else against the baseline.
        mistakes: The worst mistakes, if they were asked for: see `dlrecipes.use.rows`.
        groups: The metrics of groups of rows, if they were: see `dlrecipes.runs.groups`.
        details: As a run's, for that data.
    """

    metrics: Mapping[str, float]
    data: dict[str, Any]
    baseline: Mapping[str, Any]
    plain_baseline: Mapping[str, Any]
    verdict: str
    mistakes: list[Row] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


def evaluate(
    run: Run,
    changes: Changes,
    other: DataRequest | None,
    listener: WorkListener,
    look: Look = NOTHING_MORE,
) -> Evaluation:
    """Return the test metrics of a finished run, and what they were measured on.

    As for training, a user's own files are read before TensorFlow is imported.

    Args:
        run: The run.
        changes: Where its data is now, the device to test on, and whether to trust its recipe.
        other: Other data to test on; None for the run's own test split.
        listener: Hears what is being done, and how data is fetched that is not here any more.
        look: What else is asked of the test rows.

    Raises:
        InputError: if the run's files or its data are not what they were, or its recipe may not
            be run.
    """
    request = Request.from_run(run, changes)
    model_file = run.checked_file(run.model_file)
    check_device_name(changes.device or "auto")
    task, clock = request.recipe_data.task, Clock(listener=listener)
    look.require_possible(task)
    own_data = settle(request.recipe_data, request.data, listener)
    other = other and settle(request.recipe_data, other, listener)
    start = partial(_start, request, changes.device or "auto")
    own, tested, begun = _opened(run, request, (own_data, other), start, clock, listener)
    asked = other or own_data
    files = asked.files if asked.is_path else FileOptions()
    groups = groups_in(tested, look.by, files) if look.by else []
    with clock.part("load"):
        # What the model knows of its data, such as its vocabulary, comes from its own.
        prepared = load_data(begun.recipe, begun.config, replace(own, test=tested.test))
    with clock.part("build"):  # again, so that classes of the recipe's own need not be stored
        model = build_model(begun.recipe, begun.config, prepared, run.seed, begun.device)
    testing = called(begun.recipe, "The model cannot be tested", "evaluate")
    with clock.part("evaluate"), testing, load_tensorflow().device(begun.device.scope):
        load_weights(model, model_file, prepared)
        metrics = evaluate_model(begun.recipe, model, prepared, begun.config)

        def serving() -> Any:
            raw = task.input.raw(tested.test, 1, prepared.input)
            return serving_model(begun.recipe, model, prepared, raw)

        details = details_of(metrics, prepared, tested)
        seen = _looked(look, run, _Tested(task, tested, metrics, serving, groups))
    if other is None:
        found = Evaluation(metrics, _stamp(own), run.baseline, run.plain_baseline, run.verdict)
    else:
        rival = None if run.no_baseline else Rival(task, tested, begun.config)
        plain = _compared(rival, metrics, clock, listener)
        found = _evaluation(task, metrics, tested, plain)
    return replace(found, details=details, **seen)


@dataclass(frozen=True)
class _Begun:
    """What TensorFlow's start brings: the device, and the recipe with its settings."""

    device: Device
    recipe: ModuleType
    config: Any


def _start(request: Request, device: str) -> _Begun:
    """Start TensorFlow, and return the device and the recipe."""
    chosen = select_device(device)
    set_seed(request.seed)
    recipe = import_recipe(request.facts.path)
    return _Begun(chosen, recipe, recipe.Config(**request.config))


def _opened(
    run: Run,
    request: Request,
    data: tuple[DataRequest, DataRequest | None],
    start: Callable[[], _Begun],
    clock: Clock,
    listener: WorkListener,
) -> tuple[Source, Source, _Begun]:
    """Return the data that a run was trained on and the data to test on.

    Args:
        run: The run.
        request: The training that it was.
        data: What was settled of the run's own data, and of other data to test on.
        start: Starts TensorFlow: after a user's own files were read, and before other data is.
        clock: Measures it.
        listener: Hears what was guessed.
    """
    own_data, other = data

    def opened(data: DataRequest, like: Source | None = None) -> Source:
        return open_source(request.recipe_data, data, run.seed, listener, like)

    with clock.part("load") if own_data.is_path else nullcontext():
        if other is not None and other.is_path:
            tested = opened(other, form_of(run))
        if own_data.is_path:
            own = opened(own_data)
    with clock.part("start"):
        begun = start()
    with clock.part("load"):
        own = own if own_data.is_path else opened(own_data)
        require_same_data(run, own)
        if other is None:
            return own, own, begun
        tested = tested if other.is_path else opened(other, form_of(run))
        tested = replace(tested, train=own.train, validation=own.validation)
        warn_of_leaks(request.recipe_data.task, tested, other, listener)
        return own, tested, begun


@dataclass(frozen=True)
class _Tested:
    """A test: of which task, on which examples, with which metrics.

    Args:
        task: The task.
        source: The examples, whose test split was tested on.
        metrics: The test metrics.
        serving: Returns the model, from raw inputs to the answer.
        groups: The group of each test row, if they are to be compared.
    """

    task: Task
    source: Source
    metrics: Mapping[str, float]
    serving: Callable[[], Any]
    groups: Sequence[str]


def _looked(look: Look, run: Run, tested: _Tested) -> dict[str, Any]:
    """Return what else was asked of the test rows."""
    found: dict[str, Any] = {}
    if tested.groups:
        scores = getattr(tested.metrics, "scores", {})
        found["groups"] = by_group(scores, tested.groups, tested.task.headline)
    if look.mistakes or look.predictions:
        rows = examined(tested.task, tested.serving(), tested.source, form_of(run).answer)
        found["mistakes"] = looked_through(rows, look)
    return found


def _compared(
    rival: Rival | None, metrics: Mapping[str, float], clock: Clock, listener: WorkListener
) -> Mapping[str, Any]:
    """Return how the test metrics compare with the plain baseline; nothing without one."""
    if rival is None:
        return {}
    with clock.part("baseline"):
        plain = rival.compared(metrics, clock.seconds["evaluate"])
    if rival.has_failed:
        listener.warn(f"There is no plain baseline to compare with: {rival.why_none}.")
    return plain


def _stamp(tested: Source) -> dict[str, Any]:
    """Return what is said of data that was tested on."""
    stamp = tested.stamp()
    for name in ("rows", "rows_per_class"):
        stamp[name] = {"test": stamp[name]["test"]} if stamp[name] else {}
    return stamp


def _evaluation(
    task: Task, metrics: Mapping[str, float], tested: Source, plain: Mapping[str, Any]
) -> Evaluation:
    """Return what a test on other data found, with what it is compared with."""
    found = task.answer.baseline(tested)
    baseline = asdict(found) if found else {}
    verdict = judge(
        metrics.get(task.headline.name),
        (),
        baseline.get("metrics", {}).get(task.headline.name),
        higher_is_better=task.headline.higher_is_better,
        plain=plain.get("comparison", {}).get("verdict", ""),
    )
    return Evaluation(metrics, _stamp(tested), baseline, plain, verdict)
