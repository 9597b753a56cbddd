"""Train the same with several seeds: how much of a result is luck."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs.lookup import check_name, read_run
from dlrecipes.runs.record import RUN_FILE, Run, finite
from dlrecipes.runs.seed_groups import margin_of_mean
from dlrecipes.system.backend import forget
from dlrecipes.system.words import counted
from dlrecipes.training import trainer
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import MAX_SEED, Changes, Request

FEWEST, MOST = 2, 100


@dataclass(frozen=True)
class Spread:
    """How the test metrics of runs with several seeds differ, each by name.

    Args:
        mean: Their means.
        margin: Half of the 95 % interval of each mean.
        deviation: Their standard deviations, of a sample.
        lowest: The lowest values.
        highest: The highest values.
    """

    mean: dict[str, float]
    margin: dict[str, float]
    deviation: dict[str, float]
    lowest: dict[str, float]
    highest: dict[str, float]


def spread_of(runs: Sequence[Run]) -> Spread:
    """Return how the test metrics of runs differ; a metric that one lacks is left out."""
    names = [name for name in runs[0].metrics if all(_is_there(run, name) for run in runs)]
    values = {name: np.array([run.metrics[name] for run in runs], "float64") for name in names}
    return Spread(
        mean={name: float(found.mean()) for name, found in values.items()},
        margin={name: margin_of_mean(found.tolist()) for name, found in values.items()},
        deviation={name: float(found.std(ddof=1)) for name, found in values.items()},
        lowest={name: float(found.min()) for name, found in values.items()},
        highest={name: float(found.max()) for name, found in values.items()},
    )


def _is_there(run: Run, name: str) -> bool:
    """Tell whether a run has a metric that is a number."""
    return run.metrics.get(name) is not None


def group_name(request: Request) -> str:
    """Return what the names of the runs begin with: the name that was asked for, or the time."""
    return request.name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}"


def check_seeds(request: Request, count: int) -> None:
    """Raise InputError unless so many seeds can be trained."""
    if not FEWEST <= count <= MOST:
        raise InputError(f"--seeds must be from {FEWEST} to {MOST}. Received: {count}")
    if request.seed + count - 1 > MAX_SEED:
        raise InputError(f"--seed must be at most {MAX_SEED - count + 1} with --seeds {count}.")
    if request.name:
        check_name(f"{request.name}-seed{request.seed + count - 1}", [])


def train_seeds(
    request: Request, count: int, group: str, listener: Callable[[], Listener]
) -> list[Run]:
    """Train with seeds one after another, and return the runs.

    Where one fails, the others are trained all the same.

    Args:
        request: What is to be trained, with the first seed.
        count: Number of seeds.
        group: What the names of the runs begin with.
        listener: Returns what hears how a training goes.

    Raises:
        InputError: if a run of that name was trained otherwise.
        Interrupted: if the user or the system stopped it.
        DlrecipesError: if one or more failed, once the others are trained.
    """
    runs, failed = [], {}
    for seed in range(request.seed, request.seed + count):
        try:
            runs.append(train_seed(request, seed, group, listener()))
        except (InputError, Interrupted):
            raise
        except DlrecipesError as error:
            failed[seed] = error.message
            listener().warn(f"Seed {seed} failed: {error.message}")
        forget()
    require_all(failed, count)
    return runs


def train_seed(request: Request, seed: int, group: str, listener: Listener) -> Run:
    """Train with one seed of several, and return the finished run.

    A run of the group that is there already is taken if it is finished, and resumed if it is not:
    so a group that was interrupted is continued.

    Raises:
        InputError: if a run of that name was trained otherwise, or is being trained.
        DlrecipesError: as `trainer.train` raises it.
    """
    one = replace(request, seed=seed, name=f"{group}-seed{seed}")
    path = request.runs_dir / request.facts.name / one.name
    if not (path / RUN_FILE).is_file():
        return trainer.train(one, listener)
    run = read_run(path)
    _require_same(run, one)
    if run.status == "running":
        raise InputError(f"The run {path} is being trained.", "Wait until it is finished.")
    if run.status == "finished":
        listener.warn(f"The run {path} is already finished.")
        return run
    return trainer.resume(run, Changes(device=request.device, devices=request.devices), listener)


def require_all(failed: Mapping[int, str], count: int) -> None:
    """Raise DlrecipesError if a training failed.

    Args:
        failed: Why, of each seed that failed.
        count: Number of seeds.
    """
    if failed:
        reasons = " ".join(f"Seed {seed}: {failed[seed]}" for seed in sorted(failed))
        raise DlrecipesError(f"{len(failed)} of {counted(count, 'seed')} failed. {reasons}")


def _require_same(run: Run, request: Request) -> None:
    """Raise InputError unless a run is what a request asks for."""
    data = str(run.data["requested"])
    wanted = request.data
    path = str(Path(wanted.data).resolve()) if wanted.is_path else wanted.data
    chosen = run.chosen.get("settings", {}).keys() - request.given  # to suit the data
    differ = [
        name
        for name, value in finite(dict(request.config)).items()
        if name not in chosen and run.config.get(name) != value
    ]
    if run.seed != request.seed or run.preset != request.preset:
        differ.append("preset or seed")
    if data != path:
        differ.append("data")
    if differ:
        raise InputError(
            f"The run {run.path} was trained otherwise: {', '.join(differ)}.",
            "Choose another --name.",
        )


def how_to_continue(error: DlrecipesError, command: str, group: str) -> DlrecipesError:
    """Return an error that ended one of the trainings, with what continues all of them."""
    is_named = f"--name {group}" in command or f"--name={group}" in command
    name = "" if is_named else f" --name {group}"
    error.hint = f"Continue all seeds: {command}{name}"
    return error
