"""One training session: fit, test, save; going on from a checkpoint, or back to one."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import IO, Any

from dlrecipes.catalog.find import all_recipes
from dlrecipes.datasets.examples import Data
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.checkpoints import Checkpoint, CheckpointWriter
from dlrecipes.runs.golden import write_golden
from dlrecipes.runs.record import Run
from dlrecipes.runs.trust import seal
from dlrecipes.runs.verdict import judge
from dlrecipes.system.atomic import whole_file
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.system.signals import Stopped, StopRequest, stop_on_signals
from dlrecipes.tasks.serving import own_classes, write_saved_model
from dlrecipes.training.advice import flags_to_try
from dlrecipes.training.calls import (
    build_model,
    count_parameters,
    details_of,
    evaluate_model,
    file_of,
    wrong_result,
)
from dlrecipes.training.diagnosis import diagnose, kept_epoch
from dlrecipes.training.evidence import loss_before_training
from dlrecipes.training.failures import (
    BrokenOffError,
    DivergedError,
    advice,
    explain,
    is_of_lost_worker,
)
from dlrecipes.training.listener import Listener
from dlrecipes.training.meeting import tell_others
from dlrecipes.training.shown import write_shown
from dlrecipes.training.work import Work

RATE_FACTOR = 0.5
"""What the learning rate is multiplied with each time that training goes back to a checkpoint."""
LEFT_OUT = "--no-baseline"
LOWEST_SCALE = RATE_FACTOR**5
"""Below this, a learning rate that is too high is not why."""


def slower(config: Any, scale: float) -> Any:
    """Return a recipe's settings with its learning rate multiplied: its schedule follows."""
    return replace(config, learning_rate=config.learning_rate * scale) if scale != 1.0 else config


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
        self.doing = ""
        """What failed, if something fails; empty while it is training."""
        self.trial: Trial | None = None
        """How it is stopped and watched, if it is only tried."""
        self.tested: Mapping[str, Any] = {}
        """What the recipe's `evaluate` returned."""
        self.serving: Any = None
        """The trained model as it is used."""

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
        if meeting := self.work.meeting:
            meeting.on_loss = self._lost
        if trial:
            stop_after = trial.begin(self.work)
            self.work.data = trial.watch(self.work.data)
        try:
            with (
                stop_on_signals(stop_after) as stop,
                load_tensorflow().device(self.work.device.scope),
            ):
                self._train(listener, stop)
                if self._helps_chief and (meeting := self.work.meeting):
                    meeting.wait_for_chief()
                    return self.run
                self.doing = "Saving the model failed"
                self._save()
                self.doing = "Comparing with the plain baseline failed"
                self._compare(listener)
                self._diagnose()
                self._show(listener)
            self._finish()
            tell_others(self.work.meeting)
        except KeyboardInterrupt as interruption:
            saved = isinstance(interruption, Stopped)
            if saved and self._helps_chief and (meeting := self.work.meeting):
                meeting.wait_for_chief()  # It may still write what all have agreed to keep.
            else:
                tell_others(self.work.meeting, "" if saved else "it was interrupted.")
            self._end_badly("interrupted", "stopped by the user or the system")
            place = f"saved at {self.place}" if saved else "with its last checkpoint"
            raise Interrupted(
                f"Interrupted. The run {self.run.path} is kept, {place}.", self.run.how_to_resume
            ) from None
        except Exception as error:
            known = self._explained(error)
            tell_others(self.work.meeting, known.message, may_be_lost=is_of_lost_worker(error))
            self._end_badly("failed", known.message, known.hint)
            raise known from error
        finally:
            if self.work.rival:
                self.work.rival.stop()
            self.lock.close()
        (self.run.path / record.LOCK_FILE).unlink(missing_ok=True)
        return self.run

    @property
    def _helps_chief(self) -> bool:
        """Tell whether this is a worker beside the chief, which does all but training alone."""
        meeting = self.work.meeting
        return meeting is not None and not meeting.world.is_chief

    def _lost(self, problem: str) -> DlrecipesError:
        """Record that another worker is lost, and return what to show."""
        if self.work.rival:
            self.work.rival.stop()
        self._end_badly("interrupted", problem)
        return Interrupted(
            f"{problem} The run {self.run.path} is kept, with its last checkpoint.",
            self.run.how_to_resume,
        )

    def _explained(self, error: Exception) -> DlrecipesError:
        """Return what a user is told of an error, and how to continue after it."""
        run, path = self.run, file_of(self.work.recipe)
        known = explain(error, self.doing or f"Training failed in {self.place}", path)
        last, _ = checkpoints.read_last(run.path / record.CHECKPOINTS)
        saved = f"Its last good checkpoint is of {last.place}. " if last else ""
        resumed = "" if self.trial else f"{saved}{run.how_to_resume}"
        if isinstance(known, DivergedError):
            known.hint = advice(run.config)
            if resumed and run.on_nan == "stop" and "learning_rate" in run.config:
                known.hint += f" {resumed} --on-nan restore"
        elif isinstance(known, BrokenOffError):
            known.hint = f"{known.hint} {resumed}".strip()
        return known

    def _end_badly(self, status: str, reason: str, hint: str = "") -> None:
        """Record that a run did not finish, why, and what may help."""
        run = self.run
        run.metrics, run.details, run.plain_baseline, run.verdict = {}, {}, {}, "unknown"
        run.diagnosis = []
        run.status, run.error = status, reason
        run.seconds = self.work.clock.seconds
        run.add_event(status, place=self.place, **({"hint": hint} if hint else {}))
        # On a full disk "running" may have to stand there: without the lock, it is read as killed.
        with suppress(OSError):
            run.save()

    def _train(self, listener: Listener, stop: StopRequest) -> None:
        """Fit the network, and test it."""
        if not (self.work.start or self.trial):
            self.run.first_loss = loss_before_training(self.work)
        folder = self.run.folder(record.CHECKPOINTS)
        with CheckpointWriter(folder, self.run.checkpoints["keep"]) as writer:
            self._fit(listener, writer, stop)
            if self._helps_chief:
                return
            self.doing = "Testing failed"
            self._test()

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
        if stop.asked and not self._helps_chief:
            writer.wait()
            raise Stopped

    def _fit_from_start(
        self, listener: Listener, writer: CheckpointWriter, stop: StopRequest
    ) -> bool:
        """Train from the checkpoint to start from, and tell whether that went to the end."""
        from dlrecipes.training.callbacks import run_callbacks
        from dlrecipes.training.resumption import AlreadyTrained, Resumption

        work, run = self.work, self.run
        config, plain = slower(work.config, self.scale), work.model
        if work.strategy:
            work.model = self._shared_model(config)
        resumption = Resumption(run, work, stop, writer, self.scale)
        callbacks = run_callbacks(run, listener, resumption)
        callbacks += self.trial.callbacks() if self.trial else ()
        resumption.own = {id(callback) for callback in callbacks}
        final = work.start
        try:
            with self._devices():
                history = work.recipe.train(work.model, work.data, config, callbacks=callbacks)
            resumption.require_trained()
            if not hasattr(history, "history"):
                wanted = "the History that model.fit returns"
                listener.warn(wrong_result(work.recipe, "train", wanted, history))
            with self._devices():
                final = resumption.checkpoint(trained=True)
            self._require_one_network(final)
            writer.write(final)
        except AlreadyTrained:
            pass
        except DivergedError as error:
            writer.wait()
            self._go_back(error, listener)
            return False
        finally:
            self.place = resumption.place
            if work.strategy:
                work.model = plain
        if work.strategy and final:
            self._take_over(final, config, stop, writer)
        return True

    def _require_one_network(self, trained: Checkpoint) -> None:
        """Raise DlrecipesError unless all workers have trained the same network, to the bit."""
        if not (meeting := self.work.meeting):
            return
        try:
            meeting.require_same("network after training", trained.digest)
        except InputError as error:
            raise DlrecipesError(
                error.message,
                "The recipe may use random numbers or state that dlrecipes does not control.",
            ) from None

    def _devices(self) -> AbstractContextManager[None]:
        """Return the scope of the devices that share every batch; of one device, none."""
        if not self.work.strategy:
            return nullcontext()
        from dlrecipes.training.distribution import scope_of

        return scope_of(self.work.strategy)

    def _shared_model(self, config: Any) -> Any:
        """Return the network as several devices train it."""
        from dlrecipes.training.distribution import synchronize
        from dlrecipes.training.state import optimizers, spread_seeds

        work = self.work
        model = build_model(
            work.recipe, config, work.data, self.run.seed, work.device, self._devices
        )
        with self._devices():
            synchronize(model, optimizers(model).values())
            spread_seeds(model)
        return model

    def _take_over(
        self, trained: Checkpoint, config: Any, stop: StopRequest, writer: CheckpointWriter
    ) -> None:
        """Give the network of one device what several have trained: it is tested and saved."""
        from dlrecipes.training.resumption import AlreadyTrained, Resumption

        work = self.work
        before, work.start = work.start, trained
        resumption = Resumption(self.run, work, stop, writer, self.scale)
        resumption.own = {id(resumption)}
        # Alone: the others have ended, or wait.
        strategy, work.strategy = work.strategy, None
        with suppress(AlreadyTrained):
            work.recipe.train(work.model, work.data, config, callbacks=[resumption])
        work.start, work.strategy = before, strategy

    def _go_back(self, error: DivergedError, listener: Listener) -> None:
        """Go back to the last good checkpoint with a lower learning rate, if that was asked for."""
        work, run = self.work, self.run
        if run.on_nan != "restore":
            raise error
        self.scale *= RATE_FACTOR
        if self.scale < LOWEST_SCALE:
            raise error
        start, problems = checkpoints.read_last(run.folder(record.CHECKPOINTS))
        for problem in problems:
            listener.warn(problem)
        work.start = start
        place = start.place if start else "the beginning"
        config = slower(work.config, self.scale)
        rate = config.learning_rate
        listener.warn(f"{error.message} Continuing from {place} at a learning rate of {rate:g}.")
        run.add_event("restored", why=error.message, place=place, learning_rate=rate)
        run.save()
        work.model = build_model(work.recipe, config, work.data, run.seed, work.device)

    def _test(self) -> None:
        """Record the test metrics and the verdict on them."""
        work, run = self.work, self.run
        with work.clock.part("evaluate"):
            metrics = evaluate_model(work.recipe, work.model, work.data, work.config)
        self.tested = metrics
        run.metrics = {str(name): float(value) for name, value in metrics.items()}
        run.details = details_of(metrics, work.data, work.source)
        learned = work.task.answer.learned(work.data.answer, metrics, run.details)
        run.data["answer"] = learned.document()
        headline = work.task.headline.name
        value = run.metrics.get(headline)
        if value is not None and not math.isfinite(value):
            raise DlrecipesError(f"The test {headline} is not a number.")

    def _save(self) -> None:
        """Write the network, and the network as it is used, and finish the run."""
        work, run = self.work, self.run
        with work.clock.part("save"):
            self.serving = work.serving()
            names = [save_model(run, work.model), save_serving(run, self.serving)]
            inputs = work.task.input.golden(work.source.test, work.data.input)
            write_golden(run.path / record.GOLDEN_FILE, self.serving, inputs)
            for name in (record.HISTORY_FILE, *names, record.GOLDEN_FILE):
                run.add_file(name)
        if record.PROGRAM_FILE in names:
            run.program_seal = seal(run.files[record.PROGRAM_FILE].encode())
        run.parameters = count_parameters(work.model)

    def _compare(self, listener: Listener) -> None:
        """Record how the network compares with the plain baseline, and the verdict."""
        work, run = self.work, self.run
        headline, rival = work.task.headline, work.rival
        run.plain_baseline = {}
        run.no_plain_baseline = "" if rival else LEFT_OUT
        if rival and headline.name in run.metrics:
            with work.clock.part("baseline"):
                run.plain_baseline = rival.compared(self.tested, work.clock.seconds["fit"])
            run.no_plain_baseline = rival.why_none
            if run.plain_baseline.get("comparison", {}).get("verdict") in ("tie", "worse"):
                run.plain_baseline["advice"] = self._advice()
            if rival.has_failed:
                listener.warn(f"There is no plain baseline to compare with: {rival.why_none}.")
        run.verdict = judge(
            run.metrics.get(headline.name),
            run.expected.get(headline.name, []),
            run.baseline.get("metrics", {}).get(headline.name),
            higher_is_better=headline.higher_is_better,
            plain=run.plain_baseline.get("comparison", {}).get("verdict", ""),
        )

    def _diagnose(self) -> None:
        """Record what is wrong with the training, and whether it stopped early."""
        run = self.run
        if self.trial:
            return
        run.diagnosis = diagnose(run, self.work, self.tested)
        history = checkpoints.history_rows((run.path / record.HISTORY_FILE).read_text())
        if run.config.get("early_stopping") and len(history) < run.config.get("epochs", 0):
            kept = kept_epoch(run.config, history)
            run.add_event("stopped early", epoch=len(history), kept=kept)

    def _show(self, listener: Listener) -> None:
        """Keep what a report shows, unless none is wanted."""
        if self.trial or self.work.request.no_report:
            return
        try:
            with self.work.clock.part("report"):
                write_shown(self.run, self.work, self.tested, self.serving)
        except Exception as error:  # Whatever it is, the run is whole without it.
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            listener.warn(f"There is nothing to show in a report: {why}.")

    def _advice(self) -> list[str]:
        """Return flags that may help a network that is no better than a plain baseline."""
        work, run = self.work, self.run
        history = checkpoints.history_rows((run.path / record.HISTORY_FILE).read_text())
        others = [facts.name for facts in all_recipes() if facts.task == run.task]
        return [
            *flags_to_try(run.config, history, work.data.steps),
            *(f"the recipe {name}" for name in sorted(set(others)) if name != run.recipe),
        ]

    def _finish(self) -> None:
        """Record that the run is finished."""
        run = self.run
        run.seconds = self.work.clock.seconds
        run.status, run.error = "finished", ""
        run.save()


def save_model(run: Run, model: Any) -> str:
    """Write the trained model, or its weights alone if Keras cannot store it; return the file."""
    if own_classes(model) is None:
        with whole_file(run.path / record.WEIGHTS_FILE) as temporary:
            model.save_weights(temporary)
        return record.WEIGHTS_FILE
    with whole_file(run.path / record.MODEL_FILE) as temporary:
        model.save(temporary)
    return record.MODEL_FILE


def save_serving(run: Run, serving: Any) -> str:
    """Write the serving model so that it can be loaded without the recipe; return the file."""
    if own_classes(serving) == []:
        compiled = [one for one in serving._flatten_layers() if getattr(one, "compiled", False)]
        for network in compiled:
            network.compiled = False  # Who uses it need not find the loss of a network within.
        with whole_file(run.path / record.SERVING_FILE) as temporary:
            serving.save(temporary)
        for network in compiled:
            network.compiled = True
        return record.SERVING_FILE
    with whole_file(run.path / record.PROGRAM_FILE) as temporary:
        write_saved_model(serving, temporary)
    return record.PROGRAM_FILE
