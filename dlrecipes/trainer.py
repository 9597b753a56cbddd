"""One training session, from a request to a finished run; and the test of a run afterwards."""

import math
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from dlrecipes import runs
from dlrecipes.backend import load_tensorflow, placement, select_device, set_seed
from dlrecipes.catalog import Facts, read_facts
from dlrecipes.config import ConfigFile, resolve_settings
from dlrecipes.contract import import_recipe, require_contract
from dlrecipes.datasets.examples import Data, Source
from dlrecipes.datasets.ladder import RUNGS, open_data_set
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.golden import write_golden
from dlrecipes.listener import Listener
from dlrecipes.runs import Run
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Task

LIBRARIES = ("dlrecipes", "tensorflow", "keras", "numpy", "tensorflow-datasets", "scikit-learn")


@dataclass(frozen=True)
class Request:
    """What `train` was asked to do.

    Args:
        facts: The recipe.
        config: A checked value for every setting.
        preset: Name of the preset that `config` began with; empty for none.
        data: `auto`, `full`, `sample`, or the path of the user's own data.
        data_dir: The folder of prepared data sets, or None for the default.
        seed: From 0 to 2**32 - 1.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        runs_dir: The folder of all runs.
        name: Name of the run; empty for the time.
    """

    facts: Facts
    config: Mapping[str, Any]
    preset: str = ""
    data: str = "auto"
    data_dir: str | None = None
    seed: int = 0
    device: str = "auto"
    runs_dir: Path = Path("runs")
    name: str = ""


@dataclass
class Clock:
    """Measures the parts of a session in seconds of wall time."""

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what happens in the block, under this name."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 3)
            self.seconds["total"] = round(time.perf_counter() - self.started, 3)


def open_source(
    task: Task,
    dataset: str,
    requested: str,
    data_dir: str | None,
    seed: int,
    warn: Callable[[str], None],
    like: Source | None = None,
) -> Source:
    """Return the data that was asked for.

    Args:
        task: How a user's own files are read.
        dataset: Name of the recipe's data set.
        requested: `auto`, `full`, `sample`, or a path.
        data_dir: The folder of prepared data sets, or None for the default.
        seed: Seeds the order of training examples.
        warn: Is told when `auto` falls back to the sample.
        like: The data that a network was trained on, where a path is to be tested in its form.
    """
    if requested in RUNGS:
        return open_data_set(dataset, requested, data_dir, seed, warn)
    path = Path(requested).expanduser()
    if not path.exists():
        raise InputError(
            f"--data must be {', '.join(RUNGS)} or a path that exists. Received: {requested!r}"
        )
    return task.read_path(path, like, seed)


def library_versions() -> dict[str, str]:
    """Return the version of Python and of each library that bears on the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def describe_machine() -> dict[str, Any]:
    """Return the operating system, the processor's name and its cores."""
    processor = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "cores": os.cpu_count() or 1,
    }


def _git_commit(folder: Path) -> str:
    """Return the commit of a folder in a git checkout; empty elsewhere."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, which a cloud machine gets before it is taken away, end work like Ctrl-C."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def expected_band(facts: Facts, preset: str, data_name: str, headline: str) -> list[float]:
    """Return the band of the headline metric for a data set and preset; empty if none is known."""
    key = f"{data_name}:{preset}" if preset else data_name
    return list(facts.expected.get(key, {}).get(headline, ()))


def judge(value: float | None, band: list[float], *, higher_is_better: bool) -> str:
    """Return the verdict on a test metric.

    Args:
        value: The metric.
        band: Lowest and highest value expected; empty if none is known.
        higher_is_better: Whether a larger value is a better one.

    Returns:
        `normal`, `low` (worse than expected), `suspiciously high` (better than expected: look for
        test examples among those trained on) or `unknown`.
    """
    if not band or value is None:
        return "unknown"
    lowest, highest = band
    if lowest <= value <= highest:
        return "normal"
    return "suspiciously high" if (value > highest) == higher_is_better else "low"


def train(request: Request, listener: Listener) -> Run:
    """Train a recipe and return the finished run.

    Raises:
        InputError: if the request cannot be trained; nothing was written.
        Interrupted: if the user stopped it; the run says so.
        DlrecipesError: if training failed; the run says why.
    """
    clock = Clock()
    require_contract(request.facts)
    task = find_task(request.facts.task)
    with clock.part("start"):
        device = select_device(request.device)
        set_seed(request.seed)
        recipe = import_recipe(request.facts.path)
    config = recipe.Config(**request.config)
    with clock.part("load"):
        source = open_source(
            task,
            request.facts.dataset,
            request.data,
            request.data_dir,
            request.seed,
            listener.warn,
        )
        data = load_data(recipe, config, source)
    with clock.part("build"):
        model = _build(recipe, config, data, request.seed, device.scope)
    run = _begin_run(request, source, data, model, task)
    try:
        with _termination_as_interrupt(), load_tensorflow().device(device.scope):
            _fit_and_test(run, recipe, config, source, data, model, task, listener, clock)
    except KeyboardInterrupt:
        _end_badly(run, clock, "interrupted", "stopped by the user")
        raise Interrupted(
            f"Interrupted. The run {run.path} is kept, but not finished.",
            f"Train again: dlrecipes train {run.recipe}",
        ) from None
    except Exception as error:
        _end_badly(run, clock, "failed", f"{type(error).__name__}: {error}".splitlines()[0])
        if isinstance(error, DlrecipesError):
            raise
        raise DlrecipesError(
            f"Training failed: {run.error}", "See the traceback with --debug."
        ) from error
    return run


def load_data(recipe: ModuleType, config: Any, source: Source) -> Data:
    """Return the recipe's pipelines, made on the CPU: that is where `tf.data` runs."""
    tf = load_tensorflow()
    with tf.device("/CPU:0"):
        data = recipe.load(config, source)
    if not isinstance(data, Data):
        raise InputError(
            f"{recipe.__file__}: load must return dlrecipes.Data, not {type(data).__name__}."
        )
    return data


def _build(recipe: ModuleType, config: Any, data: Data, seed: int, scope: str) -> Any:
    """Return the compiled network, its weights drawn from the seed, on the chosen device."""
    tf = load_tensorflow()
    set_seed(seed)
    try:
        with tf.device(scope):
            return recipe.build(config, data)
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The network cannot be built with these settings: {reason}",
            "See the settings: dlrecipes describe " + Path(recipe.__file__ or "").stem,
        ) from error


def _begin_run(request: Request, source: Source, data: Data, model: Any, task: Task) -> Run:
    """Return a new run, its folder made and its record written."""
    facts = request.facts
    started = runs.now()
    path = runs.create_folder(request.runs_dir, facts.name, request.name)
    requested = request.data if request.data in RUNGS else str(Path(request.data).resolve())
    run = Run(
        run=path.name,
        recipe=facts.name,
        task=facts.task,
        status="running",
        started=started,
        preset=request.preset,
        config=dict(request.config),
        seed=request.seed,
        device=placement(model).lower().replace("cpu:0", "cpu"),
        data={
            **source.stamp(),
            "requested": requested,
            "data_dir": str(Path(request.data_dir).resolve()) if request.data_dir else "",
            "rows": dict(data.rows),
            "classes": list(data.classes),
        },
        versions=library_versions(),
        machine=describe_machine(),
        git_commit=_git_commit(facts.path.parent),
        parameters=model.count_params(),
        expected=_named_band(
            task, expected_band(facts, request.preset, source.name, task.headline)
        ),
        path=path,
    )
    runs.write_atomically(path / runs.RECIPE_FILE, facts.path.read_bytes())
    run.add_file(runs.RECIPE_FILE)
    run.save()
    return run


def _named_band(task: Task, band: list[float]) -> dict[str, list[float]]:
    return {task.headline: band} if band else {}


def _fit_and_test(
    run: Run,
    recipe: ModuleType,
    config: Any,
    source: Source,
    data: Data,
    model: Any,
    task: Task,
    listener: Listener,
    clock: Clock,
) -> None:
    """Train, test and save; the run is finished when this returns."""
    from dlrecipes.callbacks import run_callbacks

    try:
        with clock.part("fit"):
            recipe.train(model, data, config, callbacks=run_callbacks(run, data, listener))
    finally:
        listener.fit_ends()
    with clock.part("evaluate"):
        metrics = recipe.evaluate(model, data, config)
    run.metrics = dict(metrics)
    run.details = dict(getattr(metrics, "details", {}))
    value = run.metrics.get(task.headline)
    if value is not None and not math.isfinite(value):
        raise DlrecipesError(f"The test {task.headline} is not a number.")
    run.verdict = judge(
        value, run.expected.get(task.headline, []), higher_is_better=task.higher_is_better
    )
    with clock.part("save"):
        _save(model, run.path / runs.MODEL_FILE)
        serving = recipe.serving(model, data) if hasattr(recipe, "serving") else model
        _save(serving, run.path / runs.SERVING_FILE)
        write_golden(run.path / runs.GOLDEN_FILE, serving, task.golden_inputs(source.test))
        for name in (runs.HISTORY_FILE, runs.MODEL_FILE, runs.SERVING_FILE, runs.GOLDEN_FILE):
            run.add_file(name)
    run.seconds = clock.seconds
    run.status = "finished"
    run.save()


def _save(model: Any, path: Path) -> None:
    """Save a Keras model so that its file appears whole."""
    temporary = path.with_name(f"tmp-{path.name}")
    model.save(temporary)
    os.replace(temporary, path)


def _end_badly(run: Run, clock: Clock, status: str, reason: str) -> None:
    """Record that a run did not finish, and why."""
    run.status = status
    run.error = reason
    run.seconds = clock.seconds
    run.save()


def evaluate(
    run: Run,
    device: str,
    data: str | None,
    data_dir: str | None,
    warn: Callable[[str], None],
) -> Mapping[str, float]:
    """Return the test metrics of a finished run.

    Args:
        run: The run.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        data: Other data to test on (`full`, `sample` or a path); None for the run's own test split.
        data_dir: The folder of prepared data sets; None for the run's own, or the default.
        warn: Is told what the user should know.

    Raises:
        InputError: if the run's files or its data are not what they were.
    """
    task = find_task(run.task)
    model_file = run.checked_file(runs.MODEL_FILE)
    recipe_file = run.checked_file(runs.RECIPE_FILE)
    chosen = select_device(device)
    set_seed(run.seed)
    recipe = import_recipe(recipe_file)
    recorded = ConfigFile(run.path / runs.RUN_FILE, settings=run.config)
    config = recipe.Config(**resolve_settings(read_facts(recipe_file).settings, file=recorded))
    folder = data_dir or run.data["data_dir"] or None
    rung = run.data["rung"]
    requested = rung if rung in RUNGS else run.data["requested"]
    own = open_source(task, recipe.DATASET, requested, folder, run.seed, warn)
    if own.fingerprint != run.data["fingerprint"]:
        raise InputError(
            f"The data that {run.run} was trained on has changed: its fingerprint is "
            f"{own.fingerprint}, and was {run.data['fingerprint']}."
        )
    source = own
    if data is not None:
        other = open_source(task, recipe.DATASET, data, folder, run.seed, warn, like=own)
        source = Source(
            other.name,
            other.rung,
            other.origin,
            own.train,
            other.test,
            own.validation,
            own.classes,
            own.image_shape,
        )
    prepared = load_data(recipe, config, source)
    import keras

    with load_tensorflow().device(chosen.scope):
        model = keras.saving.load_model(model_file)
        metrics: Mapping[str, float] = recipe.evaluate(model, prepared, config)
    return metrics
