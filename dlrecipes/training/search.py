"""Search the settings of a recipe with Optuna. Every trial is a run, judged on validation rows.

Nothing sees the test split: the data of a trial has its validation rows in its place. Who works on
a trial holds its lock, which ends with the process: so a trial whose process was killed is taken up
by whoever works on the search next, and resumed from its checkpoint.
"""

import math
import random
import socket
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from dlrecipes.catalog.settings import show_value
from dlrecipes.catalog.space import MOST_POINTS, Dimension, grid
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import RUN_FILE, Run
from dlrecipes.system import locks
from dlrecipes.system.backend import forget
from dlrecipes.tasks import find_task
from dlrecipes.training import trainer
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.session import Trial

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("halving", "hyperband", "none")
HELD_OUT = 0.2
"""Share of the training rows that judges the trials, where the data has no validation split."""
MOST_SEEDS = 2**32
"""Of NumPy, with which Optuna draws."""
DIGITS = 4
"""Of a number that is tried."""
PLACE, RUN, REASON, PRUNED = "place", "run", "reason", "pruned"
"""What is noted of a trial: the machine and folder it is trained in, its run, why it failed, and
after how many epochs it was stopped."""
STORAGES = (
    "Give a file in a folder that there is, or the URL of a database, such as sqlite:///FILE or "
    "postgresql://USER@HOST/NAME."
)
FEWEST_EXPLAINED = 10
"""Trials trained to their end: with fewer, shares of their differences are chance."""
BEGUN = "begun"
"""What the process that began a trial knows it by."""


@dataclass(frozen=True)
class Plan:
    """A search that was asked for.

    Args:
        name: Its name, with which those of its runs begin.
        request: The training with the settings that stay.
        space: The settings that are searched.
        trials: How many trials it has in all.
        hours: After how many hours this process begins no other trial; infinite for never.
        sampler: One of `SAMPLERS`.
        pruner: One of `PRUNERS`.
        storage: URL of a database, or path of a file that all who work on the search can write.
    """

    name: str
    request: Request
    space: Sequence[Dimension]
    trials: int
    hours: float = math.inf
    sampler: str = "tpe"
    pruner: str = "halving"
    storage: str = ""

    @property
    def folder(self) -> Path:
        """Return the folder of the recipe's runs."""
        return self.request.runs_dir / self.request.facts.name

    @property
    def journal(self) -> str:
        """Return where the trials are kept."""
        return self.storage or str(self.folder / f"{self.name}.journal")

    @property
    def place(self) -> str:
        """Return where the runs of this process are, as another on this machine would name it."""
        return f"{socket.gethostname()}:{self.folder.resolve()}"

    @property
    def higher_is_better(self) -> bool:
        """Tell whether a larger value of the headline metric is a better one."""
        return find_task(self.request.facts.task).headline.higher_is_better


class SearchListener(Protocol):
    """Hears how a search goes."""

    def trial_begins(self, number: int) -> Listener:
        """Hear that a trial begins, and return who hears how its training goes."""

    def trial_ends(self, number: int) -> None:
        """Hear that a trial is over."""


def require_optuna() -> Any:
    """Return the module optuna.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "tune needs optuna, which is not installed.",
            "Install it: pip install 'dlrecipes[tune]'",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def open_study(plan: Plan) -> Any:
    """Return the Optuna study of a search, made if there is none of its name.

    Raises:
        InputError: if it cannot be written, or was made to search something else.
    """
    optuna = require_optuna()
    _check_storage(plan.storage)
    plan.folder.mkdir(parents=True, exist_ok=True)
    asked = _asked(plan)
    try:
        with _storage(optuna, plan) as storage:
            study = optuna.create_study(
                storage=storage,
                study_name=plan.name,
                direction="maximize" if plan.higher_is_better else "minimize",
                pruner=_pruner(optuna, plan),
                load_if_exists=True,
            )
    except Exception as error:
        if isinstance(error, DlrecipesError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--storage {plan.journal} cannot be used: {reason}", STORAGES) from error
    known = study.user_attrs.get("asked")
    if known is None:
        study.set_user_attr("asked", asked)
    elif differ := sorted(name for name in asked if known.get(name) != asked[name]):
        raise InputError(
            f"The search {plan.name} was begun otherwise: {', '.join(differ)}.",
            "Choose another --name.",
        )
    return study


def _check_storage(place: str) -> None:
    """Raise InputError if a file is asked for that cannot be, before anything is written."""
    path = Path(place)
    if not place or "://" in place:
        return
    if path.is_dir():
        raise InputError(f"--storage {place} is a folder.", STORAGES)
    if not path.parent.is_dir():
        raise InputError(f"--storage: there is no folder {path.parent}.", STORAGES)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise InputError(
                    f"--storage {place} is another file: no search wrote it.", STORAGES
                )


@contextmanager
def _storage(optuna: Any, plan: Plan) -> Iterator[Any]:
    """Give the block the storage of a search, whose study it alone may make.

    Two that make a study at one time would each make one, or fail.
    """
    from filelock import FileLock
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    place = plan.journal
    is_database = "://" in place
    file = plan.folder / plan.name if is_database else Path(place)
    # Optuna's own lock is FILE.lock: it would wait half a minute for a file of that name to go.
    with FileLock(file.with_name(f".{file.name}.making")):
        if is_database:
            yield optuna.storages.get_storage(place)
        else:
            backend = JournalFileBackend(place, lock_obj=JournalFileOpenLock(place))
            yield optuna.storages.JournalStorage(backend)


def _asked(plan: Plan) -> dict[str, Any]:
    """Return what must be the same for all who work on a search, as JSON."""
    request = plan.request
    return {
        "recipe": request.facts.name,
        "data": request.data.data,
        "preset": request.preset,
        "seed": request.seed,
        "settings": {name: show_value(value) for name, value in request.config.items()},
        "space": [str(dimension) for dimension in plan.space],
        "sampler": plan.sampler,
    }


def _pruner(optuna: Any, plan: Plan) -> Any:
    """Return Optuna's pruner of that name."""
    epochs = max(int(plan.request.config.get("epochs", 1)), 2)
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=epochs)
    if plan.pruner == "halving":
        # After a quarter and a half of the epochs (`Prune` asks no later): what is best after the
        # first few is often not so in the end. Of the trials so far, the better half goes on.
        first = max(epochs // 4, 1)
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    return optuna.pruners.NopPruner()


def _sampler(optuna: Any, plan: Plan, number: int) -> Any:
    """Return what chooses the values of a trial but the first.

    Each has a seed of its own, so that several processes do not repeat each other.
    """
    seed = (plan.request.seed * 100_003 + number) % MOST_SEEDS
    rest = optuna.samplers.RandomSampler(seed=seed)
    if plan.sampler == "grid":
        return optuna.samplers.PartialFixedSampler(_points(plan)[number - 1], rest)
    return rest if plan.sampler == "random" else optuna.samplers.TPESampler(seed=seed)


def _searched(plan: Plan, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values of a training's settings that are among the values searched."""
    return {
        one.name: show_value(config[one.name]) if one.choices else config[one.name]
        for one in plan.space
        if one.holds(config[one.name])
    }


def _points(plan: Plan) -> list[dict[str, Any]]:
    """Return the combinations of a grid in a random order, without that of the first trial."""
    points = []
    for number, point in enumerate(grid(plan.space)):
        if number >= MOST_POINTS:
            raise InputError(
                f"The grid has more than {MOST_POINTS:,} combinations.",
                "Search fewer settings, or fewer values of each: --space NAME=VALUE|VALUE",
            )
        points.append(point)
    first = _searched(plan, plan.request.config)
    points = [point for point in points if point != first]
    random.Random(plan.request.seed).shuffle(points)
    return points


def trials_of(plan: Plan) -> int:
    """Return how many trials a search has: a grid has no more than its combinations."""
    return min(plan.trials, len(_points(plan)) + 1) if plan.sampler == "grid" else plan.trials


def search(plan: Plan, study: Any, listener: SearchListener) -> None:
    """Work on a search until it has all its trials, or the hours are over.

    Args:
        plan: The search.
        study: What `open_study` returned for it.
        listener: Hears how it goes.

    Raises:
        InputError: if the recipe cannot be trained as asked.
        Interrupted: if the user stopped it; what was being trained can be continued.
    """
    optuna = require_optuna()
    end, wanted = time.monotonic() + plan.hours * 3600, trials_of(plan)
    for found in _unfinished(optuna, study, plan, wanted):
        _work(study, plan, optuna.trial.Trial(study, found._trial_id), listener)
    while time.monotonic() < end and len(study.get_trials(deepcopy=False)) < wanted:
        trial = _begun(optuna, study, plan)
        if trial.number >= wanted:  # Another process began the last one at this moment.
            return  # It is trained once more trials are wanted.
        _work(study, plan, trial, listener)


def _begun(optuna: Any, study: Any, plan: Plan) -> Any:
    """Begin a trial and return it: its place is known from the first moment, or it could be lost.

    `study.ask` would begin it without, and a process that is killed then could not note it.
    """
    token = uuid.uuid4().hex
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, user_attrs={PLACE: plan.place, BEGUN: token}
        )
    )
    found = study.get_trials(deepcopy=False)
    mine = next(one for one in reversed(found) if one.user_attrs.get(BEGUN) == token)
    return optuna.trial.Trial(study, mine._trial_id)


def _unfinished(optuna: Any, study: Any, plan: Plan, wanted: int) -> list[Any]:
    """Return those of the trials wanted that a process here began, and did not end."""
    running = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])
    return [
        one for one in running if one.user_attrs.get(PLACE) == plan.place and one.number < wanted
    ]


def _work(study: Any, plan: Plan, trial: Any, listener: SearchListener) -> None:
    """Train a trial, and tell the study how good it is; do nothing if another process does so."""
    number = trial.number
    name = f"{plan.name}-trial{number}"
    file = plan.folder / f".{name}.lock"
    try:
        lock = locks.take(file, f"The trial {name}")
    except InputError:
        if locks.is_held(file):  # Another process trains it.
            return
        raise
    with lock:
        if study.trials[number].state.is_finished():  # since it was found unfinished
            return
        trial.set_user_attr(RUN, name)
        request = _request(plan, trial, name)
        _tell(study, trial, _trained(plan, trial, request, listener.trial_begins(number)))
    file.unlink(missing_ok=True)
    listener.trial_ends(number)
    forget()


def _request(plan: Plan, trial: Any, name: str) -> Request:
    """Return the training of a trial, with values that a sampler chooses.

    The first has the settings that there are without a search, those that suit a user's data among
    them, so that what is found is no worse.
    """
    values = {}
    if trial.number:
        trial.study.sampler = _sampler(require_optuna(), plan, trial.number)
        values = {one.name: _typed(_suggested(one, trial)) for one in plan.space}
    return replace(
        plan.request.with_settings(values),
        name=name,
        data=replace(plan.request.data, held_out=HELD_OUT),
        no_baseline=True,
        no_report=True,
    )


def _suggested(dimension: Dimension, trial: Any) -> Any:
    """Return a value of a dimension: as it was chosen before, if the trial is resumed."""
    name, low, high = dimension.name, dimension.low, dimension.high
    if dimension.choices:
        return trial.suggest_categorical(name, dimension.choices)
    if dimension.is_whole:
        return trial.suggest_int(name, int(low), int(high), log=dimension.log)
    return trial.suggest_float(name, low, high, log=dimension.log)


def _note_first(plan: Plan, trial: Any, config: Mapping[str, Any]) -> None:
    """Note the settings that the first trial had, as far as they are among the values searched."""
    optuna = require_optuna()
    values = _searched(plan, config)
    trial.study.sampler = optuna.samplers.PartialFixedSampler(
        values, optuna.samplers.RandomSampler()
    )
    for one in plan.space:
        if one.name in values:
            _suggested(one, trial)


def _typed(value: Any) -> str:
    """Return a value as it is typed: a number with a few digits."""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class _Result:
    """How a trial ended.

    Args:
        value: The headline metric on the validation rows; None if the training failed.
        has_pruned: Whether it was stopped early.
        reason: Why it failed.
    """

    value: float | None = None
    has_pruned: bool = False
    reason: str = ""


def _trained(plan: Plan, trial: Any, request: Request, listener: Listener) -> _Result:
    """Train a trial, or go on with its run, and return how good it is.

    Raises:
        InputError: if the first trial cannot be trained as asked: then no other can.
        Interrupted: if the user stopped it.
    """

    def callbacks() -> Sequence[Any]:
        from dlrecipes.training.pruning import Prune

        return [Prune(trial, find_task(request.facts.task).headline)]

    tried = Trial(begin=lambda work: 0, watch=lambda data: data, callbacks=callbacks)
    try:
        run = _run(plan.folder / request.name, request, listener, tried)
    except Interrupted:
        raise
    except DlrecipesError as error:
        if isinstance(error, InputError) and trial.number == 0:
            raise
        return _Result(reason=error.message)
    if not trial.number:
        _note_first(plan, trial, run.config)
    has_pruned = PRUNED in trial.user_attrs
    return _Result(run.metrics.get(run.headline), has_pruned, "its test has no headline metric")


def _run(path: Path, request: Request, listener: Listener, tried: Trial) -> Run:
    """Return the finished run of a trial: trained, resumed, or as it is."""
    if not (path / RUN_FILE).is_file():
        return trainer.train(request, listener, tried)
    run = read_run(path)
    if run.status == "finished":
        return run
    return trainer.resume(
        run, Changes(device=request.device, devices=request.devices), listener, tried
    )


def _tell(study: Any, trial: Any, result: _Result) -> None:
    """Tell the study how a trial ended."""
    states = require_optuna().trial.TrialState
    if result.value is None:
        trial.set_user_attr(REASON, result.reason)
        study.tell(trial, state=states.FAIL)
    elif result.has_pruned:
        study.tell(trial, state=states.PRUNED)
    else:
        study.tell(trial, result.value)


def importance_of(study: Any) -> dict[str, float]:
    """Return the share of the differences between trials that each setting explains.

    By functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014) of the trials that were
    trained to their end; empty where there are too few of them, or all are alike.
    """
    optuna = require_optuna()
    ended = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    names = list(dict.fromkeys(name for one in ended for name in one.params))
    values = [one.value for one in ended if len(one.params) == len(names)]
    if len(values) < FEWEST_EXPLAINED or len(set(values)) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)
    except RuntimeError:  # The settings explain nothing.
        return {}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def values_of(plan: Plan, trial: Any) -> dict[str, str]:
    """Return the settings of a trial that were chosen so far, each as it is typed."""
    names = [one.name for one in plan.space if one.name in trial.params]
    return {name: _typed(trial.params[name]) for name in names}
