"""Train, resume and reproduce: from a request to a finished run."""

import math
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from dlrecipes.catalog.contract import import_recipe, require_contract
from dlrecipes.datasets.examples import Source
from dlrecipes.errors import InputError
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.checkpoints import Checkpoint
from dlrecipes.runs.lookup import new_folder, read_run, require_training
from dlrecipes.runs.provenance import (
    describe_machine,
    differences,
    git_commit,
    here,
    library_versions,
)
from dlrecipes.runs.record import Run
from dlrecipes.runs.trust import seal
from dlrecipes.runs.verdict import expectation
from dlrecipes.system import locks
from dlrecipes.system.atomic import remove_abandoned, write_atomically
from dlrecipes.system.backend import Device, placement, select
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.opening import DataRequest, open_source, settle
from dlrecipes.training.calls import build_model, check_serving, count_parameters, load_data
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.rival import Rival
from dlrecipes.training.session import Session, Trial, slower
from dlrecipes.training.suited import shown_choice, suited
from dlrecipes.training.work import Work

FEW_STEPS = 50
"""Of the optimizer: with fewer, a network has hardly begun to learn."""


def train(request: Request, listener: Listener, trial: Trial | None = None) -> Run:
    """Train a recipe and return the finished run.

    Args:
        request: What is to be trained.
        listener: Hears how it goes.
        trial: How it is stopped and watched, if it is only tried.

    Raises:
        InputError: if the request cannot be trained; nothing was written.
        Interrupted: if the user stopped it; the run says so.
        DlrecipesError: if training failed; the run says why.
    """
    require_contract(request.facts)
    if trial:
        request = replace(request, no_baseline=True)
    if request.on_nan == "restore" and "learning_rate" not in request.config:
        raise InputError(
            f"--on-nan restore lowers the learning rate, and {request.facts.name} has no setting "
            "learning_rate."
        )
    clock = Clock(listener=listener)
    # Before TensorFlow is imported, so that who is offline hears of it at once.
    with clock.part("fetch"):
        found = settle(request.recipe_data, request.data, listener)
    work = prepare(request, found, clock, listener)
    if request.fingerprint not in ("", work.source.fingerprint):
        difference = (
            "The data is not what that run was trained on: its fingerprint is "
            f"{work.source.fingerprint}, and was {request.fingerprint}."
        )
        if request.reproduces and not request.allow_changed:
            raise InputError(difference, "Train on it all the same: --allow-changed")
        listener.warn(difference)
    if not trial and (few := _few_steps(work)):
        listener.warn(few)
    run, lock = begin_run(work)
    return Session(run, lock, work).complete(listener, trial)


def _few_steps(work: Work) -> str:
    """Return a warning if training makes very few steps in all; else, or if unknown, nothing."""
    config, rows = work.config, work.data.rows.get("train", 0)
    epochs, batch_size = (getattr(config, name, 0) for name in ("epochs", "batch_size"))
    if not (isinstance(epochs, int) and isinstance(batch_size, int) and epochs and batch_size):
        return ""
    steps = math.ceil(rows / batch_size) * epochs
    if steps >= FEW_STEPS:
        return ""
    return (
        f"Training makes {steps} steps in all (--epochs {epochs}, --batch-size {batch_size}, "
        f"{rows:,} training examples), which is little to learn from: more epochs or smaller "
        "batches make more."
    )


def prepare(
    request: Request,
    found: DataRequest,
    clock: Clock,
    listener: Listener,
    start: Checkpoint | None = None,
) -> Work:
    """Return the network and the data that were asked for.

    Args:
        request: What was asked for.
        found: What there is of the data that was asked for, as `settle` returns it.
        clock: Measures it.
        listener: Hears of what the user should know.
        start: The checkpoint to go on from; None to begin.

    Raises:
        InputError: if the recipe, the data or the settings cannot be used; nothing was written.
    """
    facts = request.facts
    wanted = request.recipe_data
    if found.is_path:
        # Before TensorFlow is imported, so that who has files that cannot be used hears of it at
        # once. A full data set is decoded by TensorFlow, whose devices must be chosen before.
        with clock.part("load"):
            source = open_source(wanted, found, request.seed, listener)
    with clock.part("start"):
        device = select(request.device, request.devices)
        strategy = _strategy(request, device)
        recipe = import_recipe(facts.path)
    with ExitStack() as failing:
        with clock.part("load"):
            if not found.is_path:
                source = open_source(wanted, found, request.seed, listener)
            if request.meeting:
                request.meeting.require_same("data fingerprint", source.fingerprint)
            request = suited(request, source)
            if request.chosen and not start:
                listener.warn(shown_choice(request.chosen))
            config = recipe.Config(**request.config)
            rival = None if request.no_baseline else Rival(wanted.task, source, config)
            if rival:
                failing.callback(rival.stop)
            data = load_data(recipe, config, source)
        scale = start.learning_rate_scale if start else 1.0
        with clock.part("build"):
            model = build_model(recipe, slower(config, scale), data, request.seed, device)
            check_serving(recipe, wanted.task, source, data, model)
        failing.pop_all()
    task = wanted.task
    work = Work(request, task, recipe, config, source, data, model, device, clock, start, rival)
    work.strategy = strategy
    return work


def _strategy(request: Request, device: Device) -> Any:
    """Return TensorFlow's strategy for several workers or devices; None for one."""
    if not (request.meeting or device.scopes):
        return None
    from dlrecipes.training import distribution

    if meeting := request.meeting:
        # TensorFlow may take a minute longer to start on one machine than on another.
        meeting.require_same("kind of device", device.name.partition(":")[0])
        return distribution.joined(meeting.addresses, meeting.world.rank)
    return distribution.strategy_of(device.scopes)


def begin_run(work: Work) -> tuple[Run, IO[str]]:
    """Return a new run, its folder made and its record written, and its lock."""
    request, source = work.request, work.source
    facts, wanted = request.facts, request.data
    headline = work.task.headline
    stamp = {**source.stamp(), "held_out": wanted.held_out}
    expected = expectation(facts, request.preset, request.config, stamp, headline.name)
    content = facts.path.read_bytes()
    baseline = work.task.answer.baseline(source)
    sample = request.recipe_data.sample if source.rung == "sample" else None
    with new_folder(request.runs_dir, facts.name, request.name) as (folder, path):
        run = Run(
            run=path.name,
            recipe=facts.name,
            task=facts.task,
            headline=headline.name,
            higher_is_better=headline.higher_is_better,
            status="running",
            started=record.now(),
            preset=request.preset,
            config=dict(request.config),
            chosen=dict(request.chosen),
            seed=request.seed,
            device=placement(work.model, work.device),
            devices=work.device.several,
            workers=work.workers,
            data={
                **stamp,
                "input": work.data.input.document(),
                "answer": work.data.answer.document(),
                "requested": str(Path(wanted.data).resolve()) if wanted.is_path else wanted.data,
                "data_dir": str(Path(wanted.data_dir).resolve()) if wanted.data_dir else "",
                "files": asdict(wanted.files),
                "sample": str(sample.resolve()) if sample else "",
                "rows": dict(work.data.rows),
            },
            baseline=asdict(baseline) if baseline else {},
            versions=library_versions(),
            machine=describe_machine(),
            git_commit=git_commit(facts.path),
            parameters=count_parameters(work.model),
            expected={headline.name: list(expected.band)} if expected.band else {},
            not_expected=expected.why_none,
            seal=seal(content),
            checkpoints={"every": request.checkpoint_every, "keep": request.keep_checkpoints},
            on_nan=request.on_nan,
            no_baseline=request.no_baseline,
            no_report=request.no_report,
            path=folder,
        )
        if request.reproduces:
            run.add_event("reproduces", run=request.reproduces)
        lock = locks.take(folder / record.LOCK_FILE, f"The run {path}")
        write_atomically(folder / record.RECIPE_FILE, content)
        run.add_file(record.RECIPE_FILE)
        run.save()
        run.path = path
    return run, lock


def resume(run: Run, options: Changes, listener: Listener, trial: Trial | None = None) -> Run:
    """Resume a run that did not finish, and return it finished.

    Args:
        run: The run.
        options: What is to be otherwise than it was.
        listener: Hears how it goes.
        trial: How it is stopped and watched, if it is only tried.

    Raises:
        InputError: if it cannot be gone on with: somebody else trains it, its data has changed.
        Interrupted: if the user stopped it again; the run says so.
        DlrecipesError: if training failed; the run says why.
    """
    lock = locks.take(run.path / record.LOCK_FILE, f"The run {run.path}")
    try:
        run = read_run(run.path)  # as it is now that nobody else can change it
        work = _prepare_again(run, options, listener)
    except BaseException:
        lock.close()
        raise
    place = work.start.place if work.start else "the beginning"
    listener.warn(f"Resuming {run.path} from {place}.")
    run.status, run.error = "running", ""
    run.on_nan = options.on_nan or run.on_nan
    run.add_event("resumed", place=place)
    remove_abandoned(run.path)
    run.save()
    return Session(run, lock, work).complete(listener, trial)


def _prepare_again(run: Run, options: Changes, listener: Listener) -> Work:
    """Return the network and the data of a run, and where to go on."""
    require_training(run)
    if run.status == "finished":
        raise InputError(f"The run {run.path} is finished.")
    request = Request.from_run(run, options)
    start, problems = checkpoints.read_last(run.folder(record.CHECKPOINTS))
    for problem in problems:
        listener.warn(f"{problem} Using the checkpoint before it.")
        run.add_event("damaged checkpoint", why=problem)
    clock = Clock(start.seconds if start else {}, listener)
    found = settle(request.recipe_data, request.data, listener)
    work = prepare(request, found, clock, listener, start)
    if run.devices != work.device.several:
        was, now = (names or "one" for names in (run.devices, work.device.several))
        listener.warn(f"devices was {was} and is {now}: the result may differ in its last digits.")
        run.devices = work.device.several
    if run.workers != work.workers:
        changed = f"workers was {run.workers} and is {work.workers}"
        listener.warn(f"{changed}: the result may differ in its last digits.")
        run.workers = work.workers
    for difference in differences(run, here(work.device.name)):
        listener.warn(f"{difference}: the result may differ in its last digits.")
    require_same_data(run, work.source)
    return work


def reproduce(run: Run, changes: Changes, listener: Listener) -> Run:
    """Train a finished run again from its record, and return the new run.

    Raises:
        InputError: if its recipe or its data is not what it was, unless that is allowed.
        Interrupted: if the user stopped it.
        DlrecipesError: if training failed.
    """
    require_training(run)
    request = replace(
        Request.from_run(run, changes),
        fingerprint=run.data["fingerprint"],
        reproduces=run.run,
        allow_changed=changes.allow_changed,
    )
    return train(request, listener)


def require_same_data(run: Run, source: Source) -> None:
    """Raise InputError unless a source holds the data that a run was trained on."""
    if source.fingerprint != run.data["fingerprint"]:
        raise InputError(
            f"The data that {run.run} was trained on has changed: its fingerprint is "
            f"{source.fingerprint}, and was {run.data['fingerprint']}."
        )
