"""One training session, from a request to a finished run; and the test of a run afterwards."""

import math
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from dlrecipes import runs
from dlrecipes.backend import Device, load_tensorflow, placement, select_device, set_seed
from dlrecipes.catalog import Facts, read_facts, recipe_name
from dlrecipes.config import ConfigFile, resolve_settings
from dlrecipes.contract import import_recipe, require_contract
from dlrecipes.datasets.examples import Data, Source
from dlrecipes.datasets.files import FileOptions, Report, existing_path
from dlrecipes.datasets.ladder import RUNGS, DataRequest, open_data_set
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
        data: The data to train on.
        seed: From 0 to 2**32 - 1.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        runs_dir: The folder of all runs.
        name: Name of the run; empty for the time.
        fingerprint: That of the data expected, where a run is trained again; empty for any.
    """

    facts: Facts
    config: Mapping[str, Any]
    preset: str = ""
    data: DataRequest = field(default_factory=DataRequest)
    seed: int = 0
    device: str = "auto"
    runs_dir: Path = Path("runs")
    name: str = ""
    fingerprint: str = ""


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
    wanted: DataRequest,
    seed: int,
    warn: Callable[[str], None],
    like: Source | None = None,
) -> Source:
    """Return the data that was asked for.

    Args:
        task: How a user's own files are read.
        dataset: Name of the recipe's data set.
        wanted: What was asked for.
        seed: Seeds the order of training examples.
        warn: Is told when `auto` falls back to the sample, and what was guessed in a user's files.
        like: The data that a network was trained on, where a path is to be tested in its form.
    """
    if not wanted.is_path:
        return open_data_set(dataset, wanted.data, wanted.data_dir, warn).in_order_of(seed)
    path = existing_path(wanted.data)
    if path is None:
        raise InputError(
            f"--data must be {', '.join(RUNGS)} or a path that exists. Received: {wanted.data!r}"
        )
    report = Report()
    source = task.read_path(path, wanted.files, like, report)
    for note in report.notes:
        warn(note)
    return source.in_order_of(seed)


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


def _git_commit(path: Path) -> str:
    """Return the commit of the checkout that a file is tracked in; empty elsewhere."""
    git = ["git", "-C", str(path.resolve().parent)]
    tracked = [*git, "ls-files", "--error-unmatch", path.name]
    try:
        if subprocess.run(tracked, capture_output=True, timeout=5, check=False).returncode != 0:
            return ""
        result = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
        return result.stdout.strip()
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


@dataclass
class Session:
    """A network with its data, ready to be trained into a run.

    Args:
        run: The record of the run.
        task: The recipe's task.
        recipe: The recipe's module.
        config: The recipe's settings.
        source: The raw examples.
        data: The pipelines over them.
        model: The compiled network.
        clock: Measures the parts of the session.
    """

    run: Run
    task: Task
    recipe: ModuleType
    config: Any
    source: Source
    data: Data
    model: Any
    clock: Clock

    def fit(self, listener: Listener) -> None:
        """Train the network."""
        from dlrecipes.callbacks import run_callbacks

        callbacks = run_callbacks(self.run, self.data, self.source.train.order, listener)
        try:
            with self.clock.part("fit"):
                self.recipe.train(self.model, self.data, self.config, callbacks=callbacks)
        finally:
            listener.fit_ends()
        if not (self.run.path / runs.HISTORY_FILE).exists():
            raise DlrecipesError(
                f"The recipe {self.run.recipe} trained, but its train does not pass callbacks on.",
                "In train, write model.fit(…, callbacks=[*callbacks]).",
            )

    def test(self) -> None:
        """Record the test metrics and the verdict on them."""
        with self.clock.part("evaluate"):
            metrics = self.recipe.evaluate(self.model, self.data, self.config)
        self.run.metrics = {str(name): float(value) for name, value in metrics.items()}
        self.run.details = dict(getattr(metrics, "details", {}))
        headline = self.task.headline
        value = self.run.metrics.get(headline)
        if value is not None and not math.isfinite(value):
            raise DlrecipesError(f"The test {headline} is not a number.")
        band = self.run.expected.get(headline, [])
        self.run.verdict = judge(value, band, higher_is_better=self.task.higher_is_better)

    def save(self) -> None:
        """Write the network, and the network as it is used, and finish the run."""
        run = self.run
        with self.clock.part("save"):
            has_serving = hasattr(self.recipe, "serving")
            serving = self.recipe.serving(self.model, self.data) if has_serving else self.model
            for name, model in ((runs.MODEL_FILE, self.model), (runs.SERVING_FILE, serving)):
                with runs.whole_file(run.path / name) as temporary:
                    model.save(temporary)
            inputs = self.task.golden_inputs(self.source.test)
            write_golden(run.path / runs.GOLDEN_FILE, serving, inputs)
            for name in (runs.HISTORY_FILE, runs.MODEL_FILE, runs.SERVING_FILE, runs.GOLDEN_FILE):
                run.add_file(name)
        run.seconds = self.clock.seconds
        run.status = "finished"
        run.save()


def train(request: Request, listener: Listener) -> Run:
    """Train a recipe and return the finished run.

    Raises:
        InputError: if the request cannot be trained; nothing was written.
        Interrupted: if the user stopped it; the run says so.
        DlrecipesError: if training failed; the run says why.
    """
    require_contract(request.facts)
    clock = Clock()
    with clock.part("start"):
        device = select_device(request.device)
    session = _prepare(request, device, clock, listener)
    run = session.run
    try:
        with _termination_as_interrupt(), load_tensorflow().device(device.scope):
            session.fit(listener)
            session.test()
            session.save()
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


def _prepare(request: Request, device: Device, clock: Clock, listener: Listener) -> Session:
    """Return the session that was asked for; it is the last of it to make the run's folder.

    Raises:
        InputError: if the recipe, the data or the settings cannot be used; nothing was written.
    """
    facts = request.facts
    task = find_task(facts.task)
    recipe = import_recipe(facts.path)
    config = recipe.Config(**request.config)
    with clock.part("load"):
        source = open_source(task, facts.dataset, request.data, request.seed, listener.warn)
        if request.fingerprint not in ("", source.fingerprint):
            listener.warn(
                f"The data is not what that run was trained on: its fingerprint is "
                f"{source.fingerprint}, and was {request.fingerprint}."
            )
        data = load_data(recipe, config, source)
    with clock.part("build"):
        model = _build(recipe, config, data, request.seed, device.scope)
    run = _begin_run(request, source, data, model, device)
    return Session(run, task, recipe, config, source, data, model, clock)


@contextmanager
def _bad_settings(doing: str, recipe: ModuleType) -> Iterator[None]:
    """Turn what Keras and TensorFlow raise at settings that do not fit into an InputError."""
    tf = load_tensorflow()
    try:
        yield
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{doing} with these settings: {reason}",
            f"See the settings: dlrecipes describe {recipe_name(Path(recipe.__file__ or ''))}",
        ) from error


def load_data(recipe: ModuleType, config: Any, source: Source) -> Data:
    """Return the recipe's pipelines, made on the CPU: that is where `tf.data` runs."""
    with (
        _bad_settings("The data cannot be prepared", recipe),
        load_tensorflow().device("/CPU:0"),
    ):
        data = recipe.load(config, source)
    if not isinstance(data, Data):
        raise InputError(
            f"{recipe.__file__}: load must return dlrecipes.Data, not {type(data).__name__}."
        )
    return data


def _build(recipe: ModuleType, config: Any, data: Data, seed: int, scope: str) -> Any:
    """Return the compiled network, its weights drawn from the seed, on the chosen device."""
    set_seed(seed)
    with (
        _bad_settings("The network cannot be built", recipe),
        load_tensorflow().device(scope),
    ):
        return recipe.build(config, data)


def _begin_run(request: Request, source: Source, data: Data, model: Any, device: Device) -> Run:
    """Return a new run, its folder made and its record written."""
    facts, headline = request.facts, find_task(request.facts.task).headline
    started = runs.now()
    path = runs.create_folder(request.runs_dir, facts.name, request.name)
    wanted = request.data
    band = expected_band(facts, request.preset, source.name, headline)
    run = Run(
        run=path.name,
        recipe=facts.name,
        task=facts.task,
        headline=headline,
        status="running",
        started=started,
        preset=request.preset,
        config=dict(request.config),
        seed=request.seed,
        device=placement(model, device),
        data={
            **source.stamp(),
            "requested": str(Path(wanted.data).resolve()) if wanted.is_path else wanted.data,
            "data_dir": str(Path(wanted.data_dir).resolve()) if wanted.data_dir else "",
            "files": asdict(wanted.files),
            "rows": dict(data.rows),
            "classes": list(data.classes),
        },
        versions=library_versions(),
        machine=describe_machine(),
        git_commit=_git_commit(facts.path),
        parameters=model.count_params(),
        expected={headline: band} if band else {},
        path=path,
    )
    runs.write_atomically(path / runs.RECIPE_FILE, facts.path.read_bytes())
    run.add_file(runs.RECIPE_FILE)
    run.save()
    return run


def _end_badly(run: Run, clock: Clock, status: str, reason: str) -> None:
    """Record that a run did not finish, and why."""
    run.metrics, run.details = {}, {}
    run.status = status
    run.error = reason
    run.seconds = clock.seconds
    run.save()


def data_of(run: Run, data_dir: str | None = None) -> DataRequest:
    """Return the request for the data that a run was trained on.

    Args:
        run: The run.
        data_dir: The folder of prepared data sets now; None for that of the run.
    """
    on_path = run.data["rung"] not in RUNGS
    return DataRequest(
        data=run.data["requested"] if on_path else run.data["rung"],
        data_dir=data_dir or run.data["data_dir"] or None,
        files=FileOptions(**run.data["files"]),
    )


def evaluate(
    run: Run,
    device: str,
    own_data: DataRequest,
    other: DataRequest | None,
    warn: Callable[[str], None],
) -> Mapping[str, float]:
    """Return the test metrics of a finished run.

    Args:
        run: The run.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        own_data: Where the data is that it was trained on.
        other: Other data to test on; None for the run's own test split.
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
    own = open_source(task, recipe.DATASET, own_data, run.seed, warn)
    if own.fingerprint != run.data["fingerprint"]:
        raise InputError(
            f"The data that {run.run} was trained on has changed: its fingerprint is "
            f"{own.fingerprint}, and was {run.data['fingerprint']}."
        )
    source = own
    if other is not None:
        tested = open_source(task, recipe.DATASET, other, run.seed, warn, like=own)
        # What the network knows of its data, such as its vocabulary, comes from its own.
        source = replace(own, test=tested.test)
    prepared = load_data(recipe, config, source)
    import keras

    with load_tensorflow().device(chosen.scope):
        model = keras.saving.load_model(model_file)
        metrics: Mapping[str, float] = recipe.evaluate(model, prepared, config)
    return metrics
