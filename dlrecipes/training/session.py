"""One training session: fit, test, save; going on from a checkpoint, or back to one."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from dlrecipes.catalog.find import recipe_name
from dlrecipes.datasets.examples import Data, Source
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs import checkpoints
from dlrecipes.runs import record as runs
from dlrecipes.runs.checkpoints import Checkpoint, CheckpointWriter, parse_every
from dlrecipes.runs.golden import write_golden
from dlrecipes.runs.provenance import judge
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import whole_file
from dlrecipes.system.backend import Device, load_tensorflow, set_seed
from dlrecipes.system.clock import Clock
from dlrecipes.system.signals import Stopped, StopRequest, stop_on_signals
from dlrecipes.tasks.base import Task
from dlrecipes.training.failures import DivergedError, advice, callbacks_not_passed, explain
from dlrecipes.training.listener import Listener

if TYPE_CHECKING:
    from dlrecipes.training.callbacks import Resumption

RATE_FACTOR = 0.5
"""What the learning rate is multiplied with each time that training goes back to a checkpoint."""
LOWEST_SCALE = RATE_FACTOR**5
"""Below this, a learning rate that is too high is not why."""


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


def build_model(recipe: ModuleType, config: Any, data: Data, seed: int, device: Device) -> Any:
    """Return the compiled network, its weights drawn from the seed, on the chosen device."""
    set_seed(seed)
    with (
        _bad_settings("The network cannot be built", recipe),
        load_tensorflow().device(device.scope),
    ):
        return recipe.build(config, data)


@contextmanager
def _noting_arguments(model: Any, own: Sequence[Any], resumption: "Resumption") -> Iterator[None]:
    """Note the pipeline and the callbacks that the recipe gives to `fit`: no callback sees those.

    Args:
        model: The network.
        own: Callbacks that are not the recipe's.
        resumption: Is told of them.
    """
    import keras

    fit = model.fit

    def noting(*args: Any, **options: Any) -> Any:
        given = signature(fit).bind(*args, **options).arguments
        resumption.fitted = given["x"] if hasattr(given.get("x"), "element_spec") else None
        known = {id(callback) for callback in own}
        resumption.siblings = [
            one for one in keras.tree.flatten(given.get("callbacks") or []) if id(one) not in known
        ]
        return fit(*args, **options)

    model.fit = noting
    try:
        yield
    finally:
        del model.fit


def slower(config: Any, scale: float) -> Any:
    """Return a recipe's settings with its learning rate multiplied: its schedule follows."""
    return replace(config, learning_rate=config.learning_rate * scale) if scale != 1.0 else config


@dataclass
class Work:
    """A network with its data, ready to be trained.

    Args:
        task: The recipe's task.
        recipe: The recipe's module.
        config: The recipe's settings, as they were asked for.
        source: The raw examples.
        data: The pipelines over them.
        model: The compiled network.
        device: Where it trains.
        clock: Measures the parts of the session.
        start: The checkpoint to go on from; None to begin.
    """

    task: Task
    recipe: ModuleType
    config: Any
    source: Source
    data: Data
    model: Any
    device: Device
    clock: Clock
    start: Checkpoint | None = None

    def serving(self) -> Any:
        """Return the network as it is used: from raw inputs, if the recipe has such a one."""
        has_serving = hasattr(self.recipe, "serving")
        return self.recipe.serving(self.model, self.data) if has_serving else self.model


@dataclass(frozen=True)
class Trial:
    """A training that is only tried: it stops on its way, and is watched.

    Args:
        begin: Is told of the work that begins; returns the steps after which it stops as if asked
            to, 0 for no stop.
        watch: Returns the data to use instead of the work's, to watch it.
        callbacks: Returns Keras callbacks that come after all others of the run.
    """

    begin: Callable[[Work], int]
    watch: Callable[[Data], Data]
    callbacks: Callable[[], Sequence[Any]] = tuple


class Session:
    """Trains a network into a run.

    Args:
        run: The record of the run.
        lock: The lock of the run, which is held until it is over.
        work: The network and its data.
    """

    def __init__(self, run: Run, lock: IO[str], work: Work) -> None:
        self.run, self.lock, self.work = run, lock, work
        self.place = work.start.place if work.start else "epoch 1, step 0"
        self.scale = work.start.learning_rate_scale if work.start else 1.0
        """What the learning rate is multiplied with."""
        self.trial: Trial | None = None
        """How it is stopped and watched, if it is only tried."""

    def complete(self, listener: Listener, trial: Trial | None = None) -> Run:
        """Fit, test and save, and return the finished run.

        Args:
            listener: Hears how it goes.
            trial: How it is stopped and watched, if it is only tried.

        Raises:
            Interrupted: if the user or the system stopped it; the run says so.
            DlrecipesError: if it failed; the run says why.
        """
        self.trial, stop_after = trial, 0
        if trial:
            stop_after = trial.begin(self.work)
            self.work.data = trial.watch(self.work.data)
        try:
            folder = self.run.folder(runs.CHECKPOINTS)
            with (
                stop_on_signals(stop_after) as stop,
                load_tensorflow().device(self.work.device.scope),
            ):
                with CheckpointWriter(folder, self.run.checkpoints["keep"]) as writer:
                    self._fit(listener, writer, stop)
                    self._test()
                self._save()
        except KeyboardInterrupt as interruption:
            saved = isinstance(interruption, Stopped)
            self._end_badly("interrupted", "stopped by the user or the system")
            place = f"saved at {self.place}" if saved else "with its last checkpoint"
            raise Interrupted(
                f"Interrupted. The run {self.run.path} is kept, {place}.", self.run.how_to_resume
            ) from None
        except Exception as error:
            known = self._explained(error)
            self._end_badly("failed", known.message)
            raise known from error
        finally:
            self.lock.close()
        (self.run.path / runs.LOCK_FILE).unlink(missing_ok=True)
        return self.run

    def _explained(self, error: Exception) -> DlrecipesError:
        """Return what a user is told of an error, and how to go on after it."""
        known, run = explain(error, self.place), self.run
        last, _ = checkpoints.read_last(run.path / runs.CHECKPOINTS)
        saved = f"Its last good checkpoint is of {last.place}. " if last else ""
        go_on = "" if self.trial else f"{saved}{run.how_to_resume}"
        if isinstance(known, DivergedError):
            known.hint = advice(run.config)
            if go_on and run.on_nan == "stop" and "learning_rate" in run.config:
                known.hint += f" {go_on} --on-nan restore"
        elif known is not error:
            known.hint = f"{known.hint} {go_on}".strip()
        return known

    def _end_badly(self, status: str, reason: str) -> None:
        """Record that a run did not finish, and why."""
        run = self.run
        run.metrics, run.details, run.verdict = {}, {}, "unknown"
        run.status, run.error = status, reason
        run.seconds = self.work.clock.seconds
        run.add_event(status, place=self.place)
        # On a full disk "running" may have to stand there: without the lock, it is read as killed.
        with suppress(OSError):
            run.save()

    def _fit(self, listener: Listener, writer: CheckpointWriter, stop: StopRequest) -> None:
        """Train the network; after a loss that is not a number, again from further back."""
        stop.can_wait = True
        try:
            with self.work.clock.part("fit"):
                while not self._fit_from_start(listener, writer, stop):
                    pass
        finally:
            listener.fit_ends()
        stop.can_wait = False
        self.place = "the end of training"
        if stop.asked:
            writer.wait()
            raise Stopped

    def _fit_from_start(
        self, listener: Listener, writer: CheckpointWriter, stop: StopRequest
    ) -> bool:
        """Train from the checkpoint to start from, and tell whether that went to the end."""
        from dlrecipes.training import state
        from dlrecipes.training.callbacks import Resumption, run_callbacks

        work, run, start = self.work, self.run, self.work.start
        history = [*start.history] if start else []
        resumption = Resumption(
            every=parse_every(run.checkpoints["every"]),
            data=work.data,
            order=work.source.train.order,
            history=history,
            stop=stop,
            writer=writer,
            clock=work.clock,
            start=start,
            rate=self.scale / (start.learning_rate_scale if start else 1.0),
            learning_rate_scale=self.scale,
        )
        callbacks = run_callbacks(run, listener, resumption)
        callbacks += self.trial.callbacks() if self.trial else ()
        config = slower(work.config, self.scale)
        try:
            with _noting_arguments(work.model, callbacks, resumption):
                work.recipe.train(work.model, work.data, config, callbacks=callbacks)
            if not (run.path / runs.HISTORY_FILE).exists():
                raise callbacks_not_passed(run.recipe)
            if start and start.trained:
                state.restore(work.model, start.arrays)
            else:
                writer.write(resumption.checkpoint(trained=True))
        except DivergedError as error:
            writer.wait()
            self._go_back(error, listener)
            return False
        finally:
            self.place = resumption.place
        return True

    def _go_back(self, error: DivergedError, listener: Listener) -> None:
        """Go back to the last good checkpoint with a lower learning rate, if that was asked for."""
        work, run = self.work, self.run
        if run.on_nan != "restore":
            raise error
        self.scale *= RATE_FACTOR
        if self.scale < LOWEST_SCALE:
            raise error
        start, problems = checkpoints.read_last(run.folder(runs.CHECKPOINTS))
        for problem in problems:
            listener.warn(problem)
        work.start = start
        place = start.place if start else "the beginning"
        config = slower(work.config, self.scale)
        rate = config.learning_rate
        listener.warn(f"{error.message} Going on from {place} with the learning rate {rate:g}.")
        run.add_event("restored", why=error.message, place=place, learning_rate=rate)
        run.save()
        work.model = build_model(work.recipe, config, work.data, run.seed, work.device)

    def _test(self) -> None:
        """Record the test metrics and the verdict on them."""
        work, run = self.work, self.run
        with work.clock.part("evaluate"):
            metrics = work.recipe.evaluate(work.model, work.data, work.config)
        run.metrics = {str(name): float(value) for name, value in metrics.items()}
        run.details = dict(getattr(metrics, "details", {}))
        headline = work.task.headline
        value = run.metrics.get(headline)
        if value is not None and not math.isfinite(value):
            raise DlrecipesError(f"The test {headline} is not a number.")
        run.verdict = judge(
            value,
            run.expected.get(headline, []),
            run.data["baseline"]["value"],
            higher_is_better=work.task.higher_is_better,
        )

    def _save(self) -> None:
        """Write the network, and the network as it is used, and finish the run."""
        work, run = self.work, self.run
        with work.clock.part("save"):
            serving = work.serving()
            for name, model in ((runs.MODEL_FILE, work.model), (runs.SERVING_FILE, serving)):
                with whole_file(run.path / name) as temporary:
                    model.save(temporary)
            inputs = work.task.golden_inputs(work.source.test)
            write_golden(run.path / runs.GOLDEN_FILE, serving, inputs)
            for name in (runs.HISTORY_FILE, runs.MODEL_FILE, runs.SERVING_FILE, runs.GOLDEN_FILE):
                run.add_file(name)
        run.seconds = work.clock.seconds
        run.status, run.error = "finished", ""
        run.save()
