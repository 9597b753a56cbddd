"""`--workers`, and what a command does as one of several workers."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from dlrecipes.cli import output
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.provenance import library_versions
from dlrecipes.runs.record import Run, finite

if TYPE_CHECKING:
    from dlrecipes.training.meeting import Meeting
    from dlrecipes.training.request import Changes, Request
    from dlrecipes.training.world import World

FEWEST_SECONDS, MOST_SECONDS = 1, 86_400


@dataclass(frozen=True)
class Asked:
    """What flags say of several workers, as they were given.

    Args:
        count: `--workers`.
        rank: `--rank`.
        size: `--world-size`.
        coordinator: `--coordinator`.
        seconds: `--join-timeout`.
    """

    count: int | None
    rank: int | None
    size: int | None
    coordinator: str
    seconds: int

    def world(self, refused: Mapping[str, bool]) -> "World | None":
        """Return the place of this process among the workers; None if it trains alone.

        Args:
            refused: Flags that do not go with several workers, and whether each was given.

        Raises:
            InputError: if that makes no sense.
        """
        from dlrecipes.training.world import MOST_WORKERS, find_world

        if not FEWEST_SECONDS <= self.seconds <= MOST_SECONDS:
            raise InputError(
                f"--join-timeout must be from {FEWEST_SECONDS} to {MOST_SECONDS} seconds. "
                f"Received: {self.seconds}"
            )
        found = None
        if self.count is None:
            found = find_world(self.rank, self.size, self.coordinator)
        elif not 1 <= self.count <= MOST_WORKERS:
            raise InputError(f"--workers must be from 1 to {MOST_WORKERS}. Received: {self.count}")
        elif self.rank is not None or self.size is not None or self.coordinator:
            raise InputError(
                "--workers starts all workers, and --rank makes this process one of them.",
                "Give either --workers, or --rank, --world-size and --coordinator.",
            )
        if found or (self.count or 1) > 1:
            _refuse(refused, found.source if found else "--workers")
        return found

    def launch(self, device: str) -> None:
        """Start the workers on this machine if they were asked for, and end as the chief does.

        Args:
            device: `--device`.
        """
        if (self.count or 1) == 1:
            return
        assert self.count is not None
        if device.startswith("gpu"):
            raise InputError(
                f"--workers trains on the CPU, but --device is {device}.",
                "Several GPUs of one machine share every batch: --devices all",
            )
        from dlrecipes.training.launch import launch

        raise typer.Exit(launch(sys.argv[1:], self.count))


def _refuse(refused: Mapping[str, bool], source: str) -> None:
    """Raise InputError if a flag was given that does not go with several workers."""
    for flag, is_given in refused.items():
        if is_given:
            raise InputError(
                f"{flag} cannot be combined with several workers (requested by {source}).",
                f"Leave out {flag}, or train with one process: --workers 1",
            )


@contextmanager
def joined(
    world: "World | None", facts: Mapping[str, Any], seconds: int, *, as_json: bool
) -> "Iterator[Meeting | None]":
    """Give the block the meeting of all workers, who hear of it if this one fails; or None.

    Args:
        world: The place of this process; None if it trains alone.
        facts: What must be the same for all, by name.
        seconds: How long to wait for the others.
        as_json: Whether an error is shown as a JSON document.
    """
    if not world:
        yield None
        return
    from dlrecipes.training.meeting import Meeting

    # Both are redirected at times: while TensorFlow starts, and for the sake of --json.
    stdout, stderr = sys.stdout, os.dup(2)

    def end(error: DlrecipesError) -> NoReturn:
        try:
            os.dup2(stderr, 2)
            output.stop_drawing()
            with redirect_stdout(stdout):
                output.print_error(error, as_json=as_json)
                sys.stdout.flush()
            sys.stderr.flush()
            _throw_away()
        finally:
            os._exit(error.exit_code)

    meeting = Meeting(world, facts, end, seconds)
    try:
        yield meeting
    except DlrecipesError as error:
        meeting.failed(error.message, is_refusal=isinstance(error, InputError))
        raise
    except BaseException as error:
        is_stopped = isinstance(error, KeyboardInterrupt)
        meeting.failed("it was interrupted." if is_stopped else f"{type(error).__name__}: {error}")
        raise
    finally:
        os.close(stderr)


_aside: list[Path] = []
"""Folders of runs that are thrown away."""


def _throw_away() -> None:
    """Remove what a worker beside the chief has written."""
    for folder in _aside:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def aside() -> Iterator[Path]:
    """Give the block a folder for the run of a worker beside the chief, to throw away."""
    folder = Path(tempfile.mkdtemp(prefix="dlrecipes-worker-"))
    _aside.append(folder)
    try:
        yield folder
    finally:
        _throw_away()


def facts_of(request: "Request") -> dict[str, Any]:
    """Return what must be the same for all workers that train a request."""
    return {
        **library_versions(),
        "recipe": digest(request.facts.path),
        **finite({f"setting {name}": value for name, value in request.config.items()}),
        "seed": request.seed,
        "--checkpoint-every": request.checkpoint_every,
        "--on-nan": request.on_nan,
    }


def digest(path: Path) -> str:
    """Return the start of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def help_to_train(request: "Request") -> None:
    """Train beside the chief, which writes the run: what is written here is thrown away."""
    from dlrecipes.training import trainer
    from dlrecipes.training.listener import Silence

    with aside() as folder:
        trainer.train(replace(request, runs_dir=folder, no_baseline=True), Silence())


def facts_of_run(run: Run, changes: "Changes") -> dict[str, Any]:
    """Return what must be the same for all workers that resume a run."""
    last, _ = checkpoints.read_last(run.path / record.CHECKPOINTS)
    return {
        **library_versions(),
        "run": run.run,
        "recipe": digest(run.path / record.RECIPE_FILE),
        "checkpoint": last.place if last else "the beginning",
        "--on-nan": changes.on_nan or run.on_nan,
    }


def help_to_resume(run: Run, changes: "Changes") -> None:
    """Resume a copy of a run beside the chief, which writes the run itself."""
    from dlrecipes.runs.lookup import read_run
    from dlrecipes.training import trainer
    from dlrecipes.training.listener import Silence

    left_out = shutil.ignore_patterns("logs", record.SAMPLES, ".*")
    with aside() as folder:
        path = folder / run.recipe / run.run
        try:
            shutil.copytree(run.path, path, ignore=left_out)
        except OSError as error:
            raise InputError(f"The run {run.path} cannot be copied: {error}.") from None
        assert changes.meeting is not None
        changes.meeting.require_same("copy", "made")
        trainer.resume(read_run(path), changes, Silence())
