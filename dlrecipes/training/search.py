"""Search the settings of a recipe with Optuna. Every trial is a run, judged on validation rows.

Nothing sees the test split: the data of a trial has its validation rows in its place. Who works on
a trial holds its lock, which ends with the process: so a trial whose process was killed is taken up
by whoever works on the search next, and resumed from its checkpoint.
"""

import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from dlrecipes.catalog.space import Dimension
from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import RUN_FILE, Run
from dlrecipes.system import locks
from dlrecipes.system.backend import forget
from dlrecipes.tasks import find_task
from dlrecipes.tasks.opening import open_source, settle
from dlrecipes.training import trainer
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.session import Trial
from dlrecipes.training.study import (
    PLACE,
    PRUNED,
    REASON,
    RUN,
    Plan,
    require_optuna,
    sampler,
    trials_of,
    typed,
    values_among,
)
from dlrecipes.training.suited import suited

HELD_OUT = 0.2
"""Share of the training rows that judges the trials, where the data has no validation split."""
BEGUN = "begun"
"""What the process that began a trial knows it by: its host, its number and the time."""


class SearchListener(Protocol):
    """Hears how a search goes."""

    def trial_begins(self, number: int) -> Listener:
        """Hear that a trial begins, and return who hears how its training goes."""

    def trial_ends(self, number: int) -> None:
        """Hear that a trial is over."""


def settled(request: Request, listener: FetchListener) -> tuple[Request, Mapping[str, Any]]:
    """Return a request for data that is there, and the settings that suit it without a search.

    So who searches hears of the data once, before anything is written.

    Raises:
        InputError: if the data cannot be used.
    """
    found = settle(request.recipe_data, request.data, listener)
    request = replace(request, data=found)
    if not found.is_path:  # The recipe's own, which its defaults suit; or TensorFlow reads it.
        return request, request.config
    of_trials = replace(found, held_out=HELD_OUT)
    source = open_source(request.recipe_data, of_trials, request.seed, listener)
    return request, suited(request, source).config


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
    token = f"{socket.gethostname()} {os.getpid()} {time.time_ns()}"
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
        trial.study.sampler = sampler(require_optuna(), plan, trial.number)
        values = {one.name: typed(_suggested(one, trial)) for one in plan.space}
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
    values = values_among(plan, config)
    trial.study.sampler = optuna.samplers.PartialFixedSampler(
        values, optuna.samplers.RandomSampler()
    )
    for one in plan.space:
        if one.name in values:
            _suggested(one, trial)


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
    if result.value is None or not math.isfinite(result.value):
        trial.set_user_attr(REASON, result.reason)
        study.tell(trial, state=states.FAIL)
    elif result.has_pruned:
        study.tell(trial, state=states.PRUNED)
    else:
        study.tell(trial, result.value)
