"""Train, resume and evaluate: from a request to a finished run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import IO, Any

from dlrecipes.catalog.contract import import_recipe, require_contract
from dlrecipes.catalog.find import Facts, read_facts
from dlrecipes.catalog.settings import ConfigFile, resolve_settings
from dlrecipes.datasets.duplicates import count_leaks
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.ladder import RUNGS, DataRequest, choose_rung, open_data_set
from dlrecipes.datasets.own.files import FileOptions, Report, existing_path, nearest_path
from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs import checkpoints
from dlrecipes.runs import record as runs
from dlrecipes.runs.checkpoints import Checkpoint
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.provenance import (
    describe_machine,
    differences,
    expected_band,
    git_commit,
    here,
    library_versions,
)
from dlrecipes.runs.record import Run, read_run
from dlrecipes.runs.trust import seal, trusted_recipe
from dlrecipes.system import locks
from dlrecipes.system.atomic import remove_abandoned, write_atomically
from dlrecipes.system.backend import (
    check_device_name,
    load_tensorflow,
    placement,
    select_device,
    set_seed,
)
from dlrecipes.system.clock import Clock
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Task
from dlrecipes.training.listener import Listener
from dlrecipes.training.session import Session, Trial, Work, build_model, load_data, slower

FEW_STEPS = 50
"""Of the optimizer: with fewer, a network has hardly begun to learn."""


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
        checkpoint_every: As `--checkpoint-every` has it.
        keep_checkpoints: How many of the last checkpoints are kept, beside the best.
        on_nan: What to do about a loss that is not a number: `stop`, or `restore` the last good
            checkpoint and go on with a lower learning rate.
        reproduces: Name of the run that is trained again; empty for none.
        allow_changed: Whether that may be on data with another fingerprint.
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
    checkpoint_every: str = checkpoints.EVERY
    keep_checkpoints: int = checkpoints.KEEP
    on_nan: str = "stop"
    reproduces: str = ""
    allow_changed: bool = False


@dataclass(frozen=True)
class Changes:
    """How a run is to be gone on with, or trained again, where that is otherwise than it was.

    Args:
        device: Where to train; empty for where it was.
        data: Where its data is now; empty for where it was.
        data_dir: The folder of prepared data sets now; None for where it was.
        on_nan: As `Request` has it; empty for as it was.
        trust_recipe: Whether to run the recipe of a run from elsewhere.
        allow_changed: Whether to take a recipe or data that are not what they were.
    """

    device: str = ""
    data: str = ""
    data_dir: str | None = None
    on_nan: str = ""
    trust_recipe: bool = False
    allow_changed: bool = False


def open_source(
    task: Task,
    dataset: str,
    wanted: DataRequest,
    seed: int,
    listener: FetchListener,
    like: Source | None = None,
) -> Source:
    """Return the data that was asked for.

    Args:
        task: How a user's own files are read.
        dataset: Name of the recipe's data set.
        wanted: What was asked for.
        seed: Seeds the order of training examples.
        listener: Hears how data is fetched, that `auto` falls back to the sample, and what was
            guessed in a user's files.
        like: The data that a network was trained on, where a path is to be tested in its form.
    """
    if not wanted.is_path:
        source = open_data_set(dataset, wanted.data, wanted.data_dir, listener)
        return source.in_order_of(seed)
    path = existing_path(wanted.data)
    if path is None:
        raise InputError(
            f"--data must be {', '.join(RUNGS)} or a path that exists. Received: {wanted.data!r}",
            nearest_path(Path(wanted.data).expanduser()) or nearest(wanted.data, RUNGS),
        )
    report = Report()
    source = task.read_path(path, wanted.files, like, report)
    for note in report.notes:
        listener.warn(note)
    _warn_of_leaks(task, source, wanted, listener)
    return source.in_order_of(seed)


def _warn_of_leaks(
    task: Task, source: Source, wanted: DataRequest, listener: FetchListener
) -> None:
    """Say how many test examples are training examples too, if some are."""
    if task.has_single_examples and (leaks := count_leaks(source)):
        listener.warn(
            f"Test examples that stand among the training examples too: {leaks:,} of "
            f"{len(source.test):,}. To list them: dlrecipes data check {quote(source.name)} "
            f"--task {task.name}{wanted.files.flags}"
        )


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
    if request.on_nan == "restore" and "learning_rate" not in request.config:
        raise InputError(
            f"--on-nan restore lowers the learning rate, and {request.facts.name} has no setting "
            "learning_rate."
        )
    clock = Clock()
    # Before TensorFlow is imported, so that who is offline hears of it at once.
    with clock.part("fetch"):
        found = data_here(request, listener)
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
    run, lock = _begin_run(request, work)
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


def data_here(request: Request, listener: Listener) -> DataRequest:
    """Return the data that was asked for, from the rung that there is, fetched if need be.

    Raises:
        InputError: if there is none.
    """
    wanted = request.data
    if wanted.is_path:
        return wanted
    rung = choose_rung(request.facts.dataset, wanted.data, wanted.data_dir, listener)
    return replace(wanted, data=rung)


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
        found: What there is of the data that was asked for: on which rung, or where.
        clock: Measures it.
        listener: Hears of what the user should know.
        start: The checkpoint to go on from; None to begin.

    Raises:
        InputError: if the recipe, the data or the settings cannot be used; nothing was written.
    """
    facts = request.facts
    task = find_task(facts.task)
    if found.is_path:
        # Before TensorFlow is imported, so that who has files that cannot be used hears of it at
        # once. A full data set is decoded by TensorFlow, whose devices must be chosen before.
        with clock.part("load"):
            source = open_source(task, facts.dataset, found, request.seed, listener)
    with clock.part("start"):
        device = select_device(request.device)
        recipe = import_recipe(facts.path)
        config = recipe.Config(**request.config)
    with clock.part("load"):
        if not found.is_path:
            source = open_source(task, facts.dataset, found, request.seed, listener)
        data = load_data(recipe, config, source)
    scale = start.learning_rate_scale if start else 1.0
    with clock.part("build"):
        model = build_model(recipe, slower(config, scale), data, request.seed, device)
    return Work(task, recipe, config, source, data, model, device, clock, start)


def _begin_run(request: Request, work: Work) -> tuple[Run, IO[str]]:
    """Return a new run, its folder made and its record written, and its lock."""
    facts, wanted, source = request.facts, request.data, work.source
    headline = work.task.headline
    band = expected_band(facts, request.preset, source.name, headline)
    content = facts.path.read_bytes()
    with runs.new_folder(request.runs_dir, facts.name, request.name) as (folder, path):
        run = Run(
            run=path.name,
            recipe=facts.name,
            task=facts.task,
            headline=headline,
            status="running",
            started=runs.now(),
            preset=request.preset,
            config=dict(request.config),
            seed=request.seed,
            device=placement(work.model, work.device),
            data={
                **source.stamp(),
                "baseline": asdict(work.task.baseline(source)),
                "requested": str(Path(wanted.data).resolve()) if wanted.is_path else wanted.data,
                "data_dir": str(Path(wanted.data_dir).resolve()) if wanted.data_dir else "",
                "files": asdict(wanted.files),
                "rows": dict(work.data.rows),
                "classes": list(work.data.classes),
            },
            versions=library_versions(),
            machine=describe_machine(),
            git_commit=git_commit(facts.path),
            parameters=work.model.count_params(),
            expected={headline: band} if band else {},
            seal=seal(content),
            checkpoints={"every": request.checkpoint_every, "keep": request.keep_checkpoints},
            on_nan=request.on_nan,
            path=folder,
        )
        if request.reproduces:
            run.add_event("reproduces", run=request.reproduces)
        lock = locks.take(folder / runs.LOCK_FILE, f"The run {path}")
        write_atomically(folder / runs.RECIPE_FILE, content)
        run.add_file(runs.RECIPE_FILE)
        run.save()
        run.path = path
    return run, lock


def resume(run: Run, options: Changes, listener: Listener, trial: Trial | None = None) -> Run:
    """Go on with a run that did not finish, and return it finished.

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
    lock = locks.take(run.path / runs.LOCK_FILE, f"The run {run.path}")
    try:
        run = read_run(run.path)  # as it is now that nobody else can change it
        work = _prepare_again(run, options, listener)
    except BaseException:
        lock.close()
        raise
    place = work.start.place if work.start else "the beginning"
    listener.warn(f"Going on with {run.path} from {place}.")
    run.status, run.error = "running", ""
    run.on_nan = options.on_nan or run.on_nan
    run.add_event("resumed", place=place)
    remove_abandoned(run.path)
    run.save()
    return Session(run, lock, work).complete(listener, trial)


def _prepare_again(run: Run, options: Changes, listener: Listener) -> Work:
    """Return the network and the data of a run, and where to go on."""
    if run.status == "finished":
        raise InputError(f"The run {run.path} is finished.")
    if not run.checkpoints:
        raise InputError(
            f"The run {run.path} was begun by an older dlrecipes, which wrote no checkpoints.",
            f"Train again: dlrecipes train {run.recipe}",
        )
    request = request_of(run, options)
    start, problems = checkpoints.read_last(run.folder(runs.CHECKPOINTS))
    for problem in problems:
        listener.warn(f"{problem} The checkpoint before it is used.")
        run.add_event("damaged checkpoint", why=problem)
    clock = Clock(start.seconds if start else {})
    work = prepare(request, request.data, clock, listener, start)
    for difference in differences(run, here(work.device.name)):
        listener.warn(f"{difference}: the result may differ in its last digits.")
    require_same_data(run, work.source)
    return work


def request_of(run: Run, options: Changes) -> Request:
    """Return the request that a run was trained by.

    Raises:
        InputError: if its recipe is not what was recorded, or may not be run here.
    """
    recipe_file = trusted_recipe(
        run, trust=options.trust_recipe, allow_changed=options.allow_changed
    )
    facts = replace(read_facts(recipe_file), name=run.recipe)
    recorded = ConfigFile(run.path / runs.RUN_FILE, settings=run.config)
    wanted = data_of(run, options.data_dir)
    if options.data:
        wanted = replace(wanted, data=options.data)
    return Request(
        facts=facts,
        config=resolve_settings(facts.settings, file=recorded),
        preset=run.preset,
        data=wanted,
        seed=run.seed,
        # A network on a GPU may have had some variables beside it: then this says "cpu, gpu:0".
        device=options.device or run.device.split(", ")[-1],
        runs_dir=run.path.parent.parent,
        checkpoint_every=run.checkpoints.get("every", checkpoints.EVERY),
        keep_checkpoints=run.checkpoints.get("keep", checkpoints.KEEP),
        on_nan=run.on_nan,
    )


def reproduce(run: Run, changes: Changes, listener: Listener) -> Run:
    """Train a finished run again from its record, and return the new run.

    Raises:
        InputError: if its recipe or its data is not what it was, unless that is allowed.
        Interrupted: if the user stopped it.
        DlrecipesError: if training failed.
    """
    request = replace(
        request_of(run, changes),
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


@dataclass(frozen=True)
class Evaluation:
    """What a test of a finished run found.

    Args:
        metrics: The test metrics by name; maybe with `details` (see `dlrecipes.kit.metrics`).
        data: The stamp of the data tested on: its rung, name, fingerprint, rows and classes.
    """

    metrics: Mapping[str, float]
    data: dict[str, Any]


def evaluate(
    run: Run,
    recipe_file: Path,
    device: str,
    own_data: DataRequest,
    other: DataRequest | None,
    listener: FetchListener,
) -> Evaluation:
    """Return the test metrics of a finished run, and what they were measured on.

    Args:
        run: The run.
        recipe_file: Its recipe, which may be run (see `dlrecipes.runs.trust`).
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        own_data: Where the data is that it was trained on.
        other: Other data to test on; None for the run's own test split.
        listener: Hears how data is fetched that is not here any more.

    Raises:
        InputError: if the run's files or its data are not what they were.
    """
    task = find_task(run.task)
    facts = read_facts(recipe_file)
    model_file = run.checked_file(runs.MODEL_FILE)
    check_device_name(device)

    def opened(wanted: DataRequest, like: Source | None = None) -> Source:
        return open_source(task, facts.dataset, wanted, run.seed, listener, like)

    # As for training, a user's own files are read before TensorFlow is imported.
    if other is not None and other.is_path:
        tested = opened(other, form_of(run))
    if own_data.is_path:
        own = opened(own_data)
    chosen = select_device(device)
    set_seed(run.seed)
    recipe = import_recipe(recipe_file)
    recorded = ConfigFile(run.path / runs.RUN_FILE, settings=run.config)
    config = recipe.Config(**resolve_settings(facts.settings, file=recorded))
    if not own_data.is_path:
        own = opened(own_data)
    require_same_data(run, own)
    if other is None:
        tested = own
    elif other.is_path:
        tested = replace(tested, train=own.train, validation=own.validation)
        _warn_of_leaks(task, tested, other, listener)
    else:
        tested = opened(other)
    # What the network knows of its data, such as its vocabulary, comes from its own.
    prepared = load_data(recipe, config, replace(own, test=tested.test))
    import keras

    with load_tensorflow().device(chosen.scope):
        model = keras.saving.load_model(model_file, safe_mode=True)
        metrics = recipe.evaluate(model, prepared, config)
    stamp = tested.stamp()
    for name in ("rows", "rows_per_class"):
        stamp[name] = {"test": stamp[name]["test"]} if stamp[name] else {}
    return Evaluation(metrics, stamp)
