"""Say what a training will take, from a rehearsal of it: the real thing, its epochs cut short.

The rehearsal is a run in a temporary folder, with its real pipelines, callbacks, checkpoints and
files; two epochs of it, of a few seconds of steps each, or more if they are shorter. Tracing
happens once, in the first epoch, so the last stands for all the others.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from dlrecipes.datasets.examples import Data, Source
from dlrecipes.datasets.published.disk import Place, data_folder, size_of
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.datasets.published.fetch import is_prepared, missing_bytes, needed_bytes
from dlrecipes.datasets.published.names import find_data_set
from dlrecipes.datasets.published.releases import RELEASES
from dlrecipes.errors import Interrupted
from dlrecipes.runs import record
from dlrecipes.runs.checkpoints import parse_every
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import load_tensorflow, select
from dlrecipes.system.process import peak_memory, seconds_since_start
from dlrecipes.tasks.opening import full_name, is_ready, open_source
from dlrecipes.tasks.reading import PUBLISHED_TEST_FRACTION
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Request
from dlrecipes.training.session import Trial
from dlrecipes.training.trainer import train
from dlrecipes.training.work import Work

if TYPE_CHECKING:
    from dlrecipes.training.timing import EpochTiming, Execution, StepTimer

STEP_SECONDS = 2.5
"""Of steps that are timed in each of two epochs; of all epochs after the first, if short."""
TEST_BATCHES = 20
"""That are timed, where there are more: spread over the test split, which may be sorted."""
WARM_BATCHES = 2
"""Of the test, in which TensorFlow may trace: for one size of a batch, then for any."""
EXIT_SECONDS = 0.35
"""From the end of a training to that of its process, which cannot time its own end; measured."""
OTHER_ERROR = 0.1
"""How far the parts that are timed once are off, as a fraction of their time."""


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    Args:
        recipe: Name of the recipe.
        preset: Name of the preset; empty for none.
        config: Value of each setting.
        seed: Random seed.
        device: Device that holds the weights: `cpu`, `gpu:0`.
        data: `name` and `rung` of the data to train on, and `measured`, the rung of the data that
            was used for the measurement.
        rows: Examples in each split.
        parameters: Number of weights of the model.
        epochs: Epochs, at most: a recipe may stop early.
        steps_per_epoch: Steps of an epoch.
        seconds: Wall time of the whole process (`total`), its `error`, and its parts: `start`
            (imports, device), `load`, `build`, `fit`, `evaluate`, `save`.
        step_seconds: Wall time of a step.
        bytes: `download`; `prepare`, disk space of the downloaded and prepared data; and `disk`,
            disk space of the run, of which `checkpoints`.
        peak_memory_bytes: Peak memory of the measurement.
        measured_steps: Number of steps that were timed.
        notes: Remarks for the user, a sentence each.
        workers: What several processes that share every batch would save: their `count`, the
            `batch_size` of each, the `step_seconds` of each, of which the `exchange_seconds` of
            gradients are estimated, and the seconds to `fit`; empty for one process.
    """

    recipe: str
    preset: str
    config: Mapping[str, Any]
    seed: int
    device: str
    data: dict[str, str]
    rows: dict[str, int]
    parameters: int
    epochs: int
    steps_per_epoch: int
    seconds: dict[str, float]
    step_seconds: float
    bytes: dict[str, int]
    peak_memory_bytes: int
    measured_steps: int
    notes: list[str]
    workers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scale:
    """How many times as many rows the training will have as the rehearsal; 1 for the same.

    Args:
        train: Of the rows to train on.
        test: Of the test rows.
    """

    train: float = 1.0
    test: float = 1.0


@dataclass
class _Rehearsal:
    """Watches a training, as a `dlrecipes.training.session.Trial`."""

    work: Work | None = None
    timer: "StepTimer | None" = None
    age: float = 0.0
    """Seconds from the start of the process to the first epoch, about."""
    test_batches: int = 0
    """Batches of the whole test split; 0 if that is not known."""
    test_marks: list[float] = field(default_factory=list)
    """When each test batch was asked for: seconds of the test."""

    def begin(self, work: Work) -> int:
        """Note the work that begins, and let it go on to its end."""
        self.work, self.age = work, seconds_since_start()
        return 0

    def watch(self, data: Data) -> Data:
        """Return data with fewer test batches, which are noted as they are asked for."""
        test = data.test
        self.test_batches = max(int(test.cardinality()), 0)
        every = -(-self.test_batches // TEST_BATCHES)
        if every > 1:
            test = test.take(WARM_BATCHES).concatenate(test.shard(every, 0))
        tf = load_tensorflow()

        def note() -> int:
            assert self.work is not None
            self.test_marks.append(self.work.clock.seconds.get("evaluate", 0.0))
            return 0

        def mark(*batch: Any) -> Any:
            with tf.control_dependencies([tf.numpy_function(note, [], tf.int64)]):
                same = tf.nest.map_structure(tf.identity, batch)
            return same if len(same) > 1 else same[0]

        return replace(data, test=test.map(mark, num_parallel_calls=None))

    def callbacks(self) -> Sequence[Any]:
        """Return the callback that times the steps and cuts the epochs short."""
        from dlrecipes.training.timing import StepTimer

        self.timer = StepTimer(STEP_SECONDS, epochs=2)
        return [self.timer]


@dataclass(frozen=True)
class _Stage:
    """What is rehearsed for a training.

    Args:
        request: The training, on data that is here.
        data: The names of the data, as `Plan` has them; empty for those of the request.
        scale: How much more data the training has.
        bytes: What is to be downloaded and prepared before it.
        decoding: Seconds that the data took here, and will not take again.
        notes: What the user should know of it.
    """

    request: Request
    data: dict[str, str] = field(default_factory=dict)
    scale: _Scale = _Scale()
    bytes: dict[str, int] = field(default_factory=lambda: {"download": 0, "prepare": 0})
    decoding: float = 0.0
    notes: tuple[str, ...] = ()


def make_plan(request: Request, listener: Listener) -> Plan:
    """Return what a training will take. It leaves no run, and downloads nothing.

    Args:
        request: What is to be trained.
        listener: Hears what the user should know.

    Raises:
        InputError: if it cannot be trained.
        DlrecipesError: if the training fails in its first steps.
    """
    stage, rehearsal = _stage(request, listener), _Rehearsal()
    run, sizes = _rehearse(stage.request, rehearsal, listener)
    timer, scale = rehearsal.timer, stage.scale
    assert timer is not None
    steps = max(round(timer.steps * scale.train), 1)
    seconds = _seconds(rehearsal, run, stage, steps)
    kept = _kept_checkpoints(request, timer.epochs, steps, seconds["fit"])
    taken = {"checkpoints": kept * sizes["checkpoint"], "files": sizes["files"]}
    early = run.config.get("early_stopping")
    return Plan(
        recipe=request.facts.name,
        preset=request.preset,
        config=run.config,
        seed=request.seed,
        device=run.device,
        data={
            "name": run.data["name"],
            "rung": run.data["rung"],
            **stage.data,
            "measured": run.data["rung"],
        },
        rows={
            split: round(count * (scale.test if split == "test" else scale.train))
            for split, count in run.data["rows"].items()
        },
        parameters=run.parameters,
        epochs=timer.epochs,
        steps_per_epoch=steps,
        seconds=seconds,
        step_seconds=_seconds_per_step(timer.timings),
        bytes={**stage.bytes, **taken, "disk": sum(taken.values())},
        peak_memory_bytes=peak_memory(),
        measured_steps=sum(one.steps for one in _judged_by(timer.timings)),
        notes=[*stage.notes, *(["Early stopping may end it sooner."] if early else [])],
    )


def _stage(request: Request, listener: Listener) -> _Stage:
    """Return what is rehearsed: on the sample, where the full data would have to be downloaded."""
    wanted, rehearsed = request.data, replace(request, on_nan="stop")
    if wanted.is_path or wanted.data == "sample":
        return _Stage(rehearsed)
    recipe = request.recipe_data
    name = full_name(recipe, wanted)
    if is_prepared(name, wanted.data_dir) or recipe.sample is None:
        return _Stage(rehearsed, decoding=_decode(request, listener))
    folder = data_folder(wanted.data_dir)
    place = Place(folder, find_data_set(name, folder))
    download, prepare = missing_bytes(place), needed_bytes(place)
    sample = open_source(recipe, replace(wanted, data="sample"), request.seed, listener)
    scale = _scale(place.data_set.name, sample)
    scaled = (
        f", scaled to the {scale.train:.3g} times as many rows of {name}; memory is the sample's"
        if scale != _Scale()
        else f": the rows of {name} are not known"
    )
    return _Stage(
        replace(rehearsed, data=replace(wanted, data="sample"), fingerprint=""),
        {"name": name, "rung": "full"},
        scale,
        {"download": download, "prepare": prepare},
        notes=(
            f"The full data set {name} is not in {folder}: it takes a download of "
            f"{shown_bytes(download)} and {shown_bytes(prepare)} of disk, for which no time is "
            "counted.",
            f"Estimated on the sample ({sample.name}){scaled}.",
        ),
    )


def _seconds(rehearsal: _Rehearsal, run: Run, stage: _Stage, steps: int) -> dict[str, float]:
    """Return the seconds of a training, as `Plan` has them.

    Args:
        rehearsal: What was measured of the rehearsal.
        run: Its record.
        stage: What was rehearsed.
        steps: Steps of a whole epoch.
    """
    assert rehearsal.timer is not None
    measured, scale = run.seconds, stage.scale
    fit, error = _fit_seconds(rehearsal.timer, measured["fit"], steps, scale)
    parts = {
        "start": rehearsal.age - stage.decoding - measured["load"] - measured["build"],
        "load": measured["load"] * scale.train,
        "build": measured["build"],
        "fit": fit,
        "evaluate": _test_seconds(rehearsal, measured["evaluate"], scale),
        "save": measured["save"] + EXIT_SECONDS,
    }
    total = sum(parts.values())
    error += OTHER_ERROR * (total - fit)
    return {
        part: round(value, 2) for part, value in {"total": total, "error": error, **parts}.items()
    }


def _decode(request: Request, listener: Listener) -> float:
    """Have the full data set decoded, unless it was before, and return the seconds that took.

    The training that is planned finds it decoded, so that must not count as its time.
    """
    recipe = request.recipe_data
    if is_ready(recipe, request.data):
        return 0.0
    select(request.device, request.devices)  # None can be chosen once TensorFlow has decoded.
    began = time.perf_counter()
    open_source(recipe, request.data, request.seed, listener)
    return time.perf_counter() - began


def _scale(name: str, sample: Source) -> _Scale:
    """Return how many times as many rows the full data set has as its sample; 1 if unknown."""
    if name not in RELEASES:
        return _Scale()
    release = RELEASES[name]
    rows = dict(release.rows)
    if "test" not in rows:
        rows["test"] = round(rows["train"] * PUBLISHED_TEST_FRACTION)
        rows["train"] -= rows["test"]
    if release.unit == "characters":
        counts = {
            split: sum(len(text) for text in examples.columns["features"][:])
            for split, examples in sample.splits().items()
        }
    else:
        counts = {split: len(examples) for split, examples in sample.splits().items()}
    return _Scale(rows["train"] / counts["train"], rows["test"] / counts["test"])


def _rehearse(
    request: Request, rehearsal: _Rehearsal, listener: Listener
) -> tuple[Run, dict[str, int]]:
    """Train with epochs that are cut short, into a folder that is removed.

    Returns:
        The record of the run, and the bytes of a `checkpoint` and of all other `files`.
    """
    trial = Trial(rehearsal.begin, rehearsal.watch, rehearsal.callbacks)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = train(replace(request, runs_dir=Path(folder), name=""), listener, trial)
        except Interrupted:
            raise Interrupted("Interrupted. Nothing was written.") from None
        checkpoints = sorted(run.folder(record.CHECKPOINTS).iterdir())
        kept = sum(map(size_of, checkpoints))
        return run, {"checkpoint": size_of(checkpoints[-1]), "files": size_of(run.path) - kept}


def _fit_seconds(
    timer: "StepTimer", measured: float, steps: int, scale: _Scale
) -> tuple[float, float]:
    """Return the seconds that training will take, and the error of that.

    Args:
        timer: What was measured of the first epochs.
        measured: Seconds of the training that was cut short, all in all.
        steps: Steps of a whole epoch.
        scale: Of the rows.
    """
    timings = timer.timings
    rate = _seconds_per_step(timings)
    epochs = [_epoch_seconds(timing, rate, steps) for timing in timings]
    # The first validation traces, the second one does not.
    longer = (scale.train - 1) * timings[-1].validation
    others = timer.epochs - len(epochs)
    around = measured - sum(timing.seconds for timing in timings)
    fit: float = around + sum(epochs) + others * epochs[-1] + timer.epochs * longer
    return fit, _rate_error(timings, rate) * steps * timer.epochs


def _judged_by(timings: "Sequence[EpochTiming]") -> "list[Execution]":
    """Return the executions that others are judged by: neither an epoch's first nor traced."""
    later = [execution for timing in timings for execution in timing.later]
    # Where an epoch is one execution, those of the epochs after the first are not traced.
    return later or [timing.first for timing in timings[1:] or timings if timing.first]


def _seconds_per_step(timings: "Sequence[EpochTiming]") -> float:
    """Return the seconds of a step that is neither an epoch's first nor traced."""
    judged = _judged_by(timings)
    return sum(one.seconds for one in judged) / max(sum(one.steps for one in judged), 1)


def _epoch_seconds(timing: "EpochTiming", rate: float, steps: int) -> float:
    """Return the seconds of a whole epoch of which a part was timed."""
    first = timing.first.steps if timing.first else 0
    return timing.seconds - timing.stepping + rate * max(steps - first, 0)


def _rate_error(timings: "Sequence[EpochTiming]", rate: float) -> float:
    """Return how far the seconds of a step may be off.

    That is two standard errors of their mean; or, if it is more, how far the mean of either half is
    from it: steps that follow each other are alike where something else slows the machine down.
    """
    rates = [execution.seconds / execution.steps for execution in _judged_by(timings)]
    if len(rates) < 2:
        return OTHER_ERROR * rate
    middle = len(rates) // 2
    apart = [abs(fmean(half) - rate) for half in (rates[:middle], rates[middle:])]
    error: float = max(2 * stdev(rates) / len(rates) ** 0.5, *apart)
    return error


def _test_seconds(rehearsal: _Rehearsal, measured: float, scale: _Scale) -> float:
    """Return the seconds that testing will take.

    Args:
        rehearsal: What was measured.
        measured: Seconds of the test of fewer batches.
        scale: Of the rows.
    """
    marks = rehearsal.test_marks
    if len(marks) <= WARM_BATCHES or not rehearsal.test_batches:
        return measured
    warm = marks[WARM_BATCHES]
    each = (measured - warm) / (len(marks) - WARM_BATCHES)
    return warm + each * max(rehearsal.test_batches * scale.test - WARM_BATCHES, 0)


def _kept_checkpoints(request: Request, epochs: int, steps: int, fit: float) -> int:
    """Return how many checkpoints are there in the end, at most: the last ones and the best."""
    every = parse_every(request.checkpoint_every)
    written = 1  # at the end
    if every.epochs:
        written += (epochs - 1) // every.epochs
    if every.steps:
        written += epochs * steps // every.steps
    if every.seconds:
        written += int(fit / every.seconds)
    return min(written, request.keep_checkpoints + 1)
