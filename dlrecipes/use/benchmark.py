"""Measure how fast a recipe is on this machine: training, answers in bulk, and single calls."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.catalog.contract import require_contract
from dlrecipes.runs.provenance import describe_machine, library_versions
from dlrecipes.system.backend import load_tensorflow, placement
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.opening import settle
from dlrecipes.tasks.serving import call_serving, named_features, serving_signature
from dlrecipes.training.calls import count_parameters
from dlrecipes.training.failures import callbacks_not_passed
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Request
from dlrecipes.training.trainer import prepare
from dlrecipes.training.work import Work

BULK_BATCH = 256
"""Inputs that are answered at once where many are."""
LATENCY_BATCHES = (1, 32)
MIN_CALLS = 200
"""Calls that the 99th percentile needs, about."""
PATIENCE = 4.0
"""How many times the seconds asked for may pass until there are so many calls."""
WARM_UP_CALLS = 5
PERCENTILES = (50, 90, 99)

Call = Callable[[], Any]


@dataclass(frozen=True)
class Latency:
    """How long one call of the serving model takes, from raw input to its answer on the host.

    Args:
        calls: Number of calls that were timed.
        p50: 50th percentile, milliseconds.
        p90: 90th percentile.
        p99: 99th percentile.
    """

    calls: int
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Benchmark:
    """How fast a recipe is here.

    Args:
        recipe: Name of the recipe.
        preset: Name of the preset; empty for none.
        device: Device that holds the weights: `cpu`, `gpu:0`.
        data: `name` and `rung` of the data.
        parameters: Number of weights of the model.
        training_samples_per_second: Training examples per second after TensorFlow's tracing,
            without validation.
        inference_samples_per_second: Answers per second, in batches of 256 raw inputs.
        latency_ms: Latency of a call, by its number of inputs: `1`, `32`.
        versions: Versions of Python and of the libraries that affect the result.
        machine: Operating system, processor and number of cores.
    """

    recipe: str
    preset: str
    device: str
    data: dict[str, str]
    parameters: int
    training_samples_per_second: float
    inference_samples_per_second: float
    latency_ms: dict[str, Latency]
    versions: dict[str, str]
    machine: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """Return what `benchmark --json` prints."""
        return asdict(self)


def measure(request: Request, seconds: float, listener: Listener) -> Benchmark:
    """Return how fast a recipe is on this machine. It leaves no run.

    Args:
        request: The recipe, its settings, its data and its device.
        seconds: How long each measurement takes, about; above 0.
        listener: Hears how data is fetched.

    Raises:
        InputError: if the recipe cannot be trained as asked.
        DlrecipesError: if it trains nothing that can be timed.
    """
    require_contract(request.facts)
    found = settle(request.recipe_data, request.data, listener)
    clock = Clock(listener=listener)
    work = prepare(request, found, clock, listener)
    with load_tensorflow().device(work.device.scope):
        with clock.part("time training"):
            training = _training_rate(work, seconds)
        with clock.part("time serving"):
            bulk, *single = _serving_durations(work, seconds)
    return Benchmark(
        recipe=request.facts.name,
        preset=request.preset,
        device=placement(work.model, work.device),
        data={"name": work.source.name, "rung": work.source.rung},
        parameters=count_parameters(work.model),
        training_samples_per_second=round(training, 1),
        inference_samples_per_second=round(BULK_BATCH * len(bulk) / sum(bulk), 1),
        latency_ms={
            str(size): _latency(durations)
            for size, durations in zip(LATENCY_BATCHES, single, strict=True)
        },
        versions=library_versions(),
        machine=describe_machine(),
    )


def _training_rate(work: Work, seconds: float) -> float:
    """Return the training examples a second, of all steps but the first execution."""
    from dlrecipes.training.timing import StepTimer

    traced, steps, spent = False, 0, 0.0
    while spent < seconds:
        # Once more from the first epoch, if the recipe was through before.
        timer = StepTimer(seconds - spent, epochs=0)
        work.recipe.train(work.model, work.data, work.config, callbacks=[timer])
        if not timer.executions:
            raise callbacks_not_passed(str(work.recipe.__file__))
        executions = timer.executions[0 if traced else 1 :]
        traced = True
        steps += sum(execution.steps for execution in executions)
        spent += sum(execution.seconds for execution in executions)
    return steps * work.data.rows["train"] / timer.steps / spent


def _serving_durations(work: Work, seconds: float) -> list[list[float]]:
    """Return the seconds of each call of the serving model: in bulk, then by `LATENCY_BATCHES`."""
    tf = load_tensorflow()
    serving = work.serving()
    # Compiled as the endpoint of an export is.
    serve = tf.function(
        lambda inputs: call_serving(serving, inputs), input_signature=[serving_signature(serving)]
    )
    inputs = named_features(
        work.task.input.raw(work.source.test, BULK_BATCH, work.data.input), serving
    )

    def answer(batch: dict[str, Any]) -> Any:
        # It counts once it is here: a GPU has only begun when the call returns.
        return serve(batch).numpy()

    def calls(size: int) -> Iterator[Call]:
        """Yield calls of so many inputs, each with the next ones, as long as anyone asks."""
        for start in itertools.cycle(range(0, BULK_BATCH, size)):
            batch = {name: tensor[start : start + size] for name, tensor in inputs.items()}
            yield partial(answer, batch)

    bulk = _durations(calls(BULK_BATCH), seconds, min_calls=1)
    return [bulk, *(_durations(calls(size), seconds, MIN_CALLS) for size in LATENCY_BATCHES)]


def _durations(calls: Iterator[Call], seconds: float, min_calls: int) -> list[float]:
    """Return the seconds that each of some calls took, after a few that do not count."""
    for _ in range(WARM_UP_CALLS):
        next(calls)()
    durations: list[float] = []
    began = time.perf_counter()
    while True:
        call = next(calls)
        start = time.perf_counter()
        call()
        end = time.perf_counter()
        durations.append(end - start)
        enough = len(durations) >= min_calls or end - began >= PATIENCE * seconds
        if end - began >= seconds and enough:
            return durations


def _latency(durations: list[float]) -> Latency:
    """Return the percentiles of the seconds that calls took, in milliseconds."""
    p50, p90, p99 = (float(value) for value in np.percentile(durations, PERCENTILES) * 1000)
    return Latency(len(durations), round(p50, 3), round(p90, 3), round(p99, 3))
