"""The Optuna study of a search: what is asked for, where it is kept, and what it chooses."""

import math
import random
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrecipes.catalog.settings import show_value
from dlrecipes.catalog.space import MOST_POINTS, Dimension, grid
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.tasks import find_task
from dlrecipes.training.request import Request

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("halving", "hyperband", "none")
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


@dataclass(frozen=True)
class Plan:
    """A search that was asked for.

    Args:
        name: Its name, with which those of its runs begin.
        request: The training with the settings that stay.
        space: The settings that are searched.
        trials: How many trials it has in all.
        epochs: Epochs of a trial, unless they are searched.
        hours: After how many hours this process begins no other trial; infinite for never.
        sampler: One of `SAMPLERS`.
        pruner: One of `PRUNERS`.
        storage: URL of a database, or path of a file that all who work on the search can write.
    """

    name: str
    request: Request
    space: Sequence[Dimension]
    trials: int
    epochs: int = 1
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
            f"The search {plan.name} exists with other values of {', '.join(differ)}.",
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
    epochs = max(plan.epochs, 2)
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=epochs)
    if plan.pruner == "halving":
        # After a quarter and a half of the epochs (`Prune` asks no later): what is best after the
        # first few is often not so in the end. Of the trials so far, the better half goes on.
        first = max(epochs // 4, 1)
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    return optuna.pruners.NopPruner()


def sampler(optuna: Any, plan: Plan, number: int) -> Any:
    """Return what chooses the values of a trial but the first.

    Each has a seed of its own, so that several processes do not repeat each other.
    """
    seed = (plan.request.seed * 100_003 + number) % MOST_SEEDS
    rest = optuna.samplers.RandomSampler(seed=seed)
    if plan.sampler == "grid":
        return optuna.samplers.PartialFixedSampler(_points(plan)[number - 1], rest)
    return rest if plan.sampler == "random" else optuna.samplers.TPESampler(seed=seed)


def values_among(plan: Plan, config: Mapping[str, Any]) -> dict[str, Any]:
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
    first = values_among(plan, plan.request.config)
    points = [point for point in points if point != first]
    random.Random(plan.request.seed).shuffle(points)
    return points


def trials_of(plan: Plan) -> int:
    """Return how many trials a search has: a grid has no more than its combinations."""
    return min(plan.trials, len(_points(plan)) + 1) if plan.sampler == "grid" else plan.trials


def typed(value: Any) -> str:
    """Return a value as it is typed: a number with a few digits."""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


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
    return {name: typed(trial.params[name]) for name in names}
