"""Checkpoints: what a training needs to go on to the same bits, each whole or not there at all.

`checkpoints/<number>/` in a run's folder holds `state.npz` (weights, optimizer, running means,
states of random generators) and `checkpoint.json` (where in training, the history so far, and the
SHA-256 of the other). A folder is filled beside its place and renamed into it, so that a kill or a
power cut leaves none by halves. One that a disk damages later is found out by its checksums, and
the one before it is used.
"""

import csv
import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import record
from dlrecipes.system.atomic import file_sha256, remove_abandoned, whole_folder

Array = npt.NDArray[Any]

SCHEMA = 2
STATE_FILE = "state.npz"
FACTS_FILE = "checkpoint.json"
MAX_FACTS_BYTES = 50_000_000
NUMBER = re.compile(r"\d{6}")
EVERY = "epoch,10m"
KEEP = 2
EVERY_HELP = "epoch, 5epochs, 500steps, 30s, 5m, 1h, several separated by commas, or never"
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class DamagedError(DlrecipesError):
    """A checkpoint is not as it was written."""


@dataclass(frozen=True)
class Every:
    """When to write checkpoints: whenever one of these has passed; 0 is never.

    Args:
        epochs: Whole epochs.
        steps: Steps.
        seconds: Wall time.
    """

    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0


def parse_every(text: str) -> Every:
    """Return what the value of `--checkpoint-every` says.

    Raises:
        InputError: if it says nothing.
    """
    if text == "never":
        return Every()
    found: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)?\s*(?:(epoch|step)s?|([smh]))\s*", part)
        amount = float(match[1] or 1) if match else 0.0
        if not match or not amount or (match[2] and not amount.is_integer()):
            raise InputError(f"--checkpoint-every must be {EVERY_HELP}. Received: {text!r}")
        found[match[2] or "time"] = amount * SECONDS.get(match[3], 1.0)
    return Every(int(found.get("epoch", 0)), int(found.get("step", 0)), found.get("time", 0.0))


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on.

    Args:
        epoch: The epoch to go on in, from 0.
        step: How many of its steps are done.
        fit: Number of the recipe's call of `fit` that it is in, from 0.
        trained: Whether training is over: the weights are the final ones.
        arrays: State of the network and of callbacks by name (see `dlrecipes.training.state`).
        callbacks: State of the recipe's callbacks, as JSON types.
        history: The rows of `history.csv` so far.
        score: The loss to compare epochs by, if an epoch has just ended.
        learning_rate_scale: What the learning rate was multiplied with after the loss was lost.
        seconds: Wall time of each part of the work so far.
    """

    epoch: int
    step: int
    fit: int = 0
    trained: bool = False
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    callbacks: list[Any] = field(default_factory=list, repr=False)
    history: list[dict[str, float]] = field(default_factory=list, repr=False)
    score: float | None = None
    learning_rate_scale: float = 1.0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return where in training it is, in words."""
        if self.trained:
            return "the end of training"
        return f"epoch {self.epoch + 1}, step {self.step}"

    @property
    def digest(self) -> str:
        """Return the start of the SHA-256 of all weights and of the optimizers' states."""
        found = hashlib.sha256()
        for name in sorted(self.arrays):
            if name.startswith(("weights/", "optimizer/")):
                found.update(self.arrays[name].tobytes())
        return found.hexdigest()[:12]


def history_text(rows: list[dict[str, float]]) -> str:
    """Return rows of metrics as CSV; a number reads back to the same bits.

    An epoch that was not validated lacks some.
    """
    text = io.StringIO(newline="")
    if rows:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(text, fieldnames=list(names))
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def history_rows(text: str) -> list[dict[str, float]]:
    """Return the rows of metrics in a CSV text.

    Raises:
        ValueError: if a cell is not a number.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: _number(name, cell) for name, cell in row.items() if cell} for row in rows]


def _number(name: str, cell: str) -> float:
    """Return the number in a cell; an epoch is a whole one."""
    return int(cell) if name == "epoch" else float(cell)


def write(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write a checkpoint, and remove those that are not kept: all but the last ones and the best.

    Args:
        folder: The run's folder of checkpoints.
        checkpoint: The checkpoint.
        keep: How many of the last ones are kept.

    Raises:
        OSError: if it cannot be written; those before it are still there.
    """
    numbers = _numbers(folder)
    with whole_folder(folder / f"{max(numbers, default=0) + 1:06}") as temporary:
        np.savez(temporary / STATE_FILE, **cast("dict[str, Any]", checkpoint.arrays))
        facts = {
            "schema": SCHEMA,
            "epoch": checkpoint.epoch,
            "step": checkpoint.step,
            "fit": checkpoint.fit,
            "trained": checkpoint.trained,
            "callbacks": checkpoint.callbacks,
            "history": history_text(checkpoint.history),
            "score": checkpoint.score,
            "learning_rate_scale": checkpoint.learning_rate_scale,
            "seconds": checkpoint.seconds,
            "state": file_sha256(temporary / STATE_FILE),
        }
        facts["digest"] = record.digest(facts)
        (temporary / FACTS_FILE).write_text(json.dumps(facts, allow_nan=False))
    _prune(folder, keep)


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the checkpoints in a folder, in order."""
    names = (path.name for path in folder.glob("*"))
    return sorted(int(name) for name in names if NUMBER.fullmatch(name))


def _prune(folder: Path, keep: int) -> None:
    """Remove checkpoints that are not kept, and what killed processes began."""
    numbers = _numbers(folder)
    scores = {}
    for number in numbers:
        try:
            score = _read_facts(folder / f"{number:06}")["score"]
        except DamagedError:
            continue
        if score is not None:
            scores[number] = score
    kept = {*numbers[-keep:], *([min(scores, key=lambda number: scores[number])] if scores else [])}
    for number in set(numbers) - kept:
        shutil.rmtree(folder / f"{number:06}", ignore_errors=True)
    remove_abandoned(folder)


def _read_facts(path: Path) -> dict[str, Any]:
    """Return what `checkpoint.json` says.

    Raises:
        DamagedError: if it is not as it was written.
    """
    file = path / FACTS_FILE
    try:
        if file.stat().st_size > MAX_FACTS_BYTES:
            raise DamagedError(f"{file} is too large for a checkpoint (limit: 50 MB).")
        facts = json.loads(file.read_bytes())
    except OSError as error:
        raise DamagedError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise DamagedError(f"{file} is damaged: it is not valid JSON.") from None
    if not isinstance(facts, dict) or facts.pop("digest", "") != record.digest(facts):
        raise DamagedError(f"{file} was changed: its digest does not match.")
    if facts.get("schema") != SCHEMA:
        raise DamagedError(f"{file} has an unknown format: {facts.get('schema')!r}.")
    return facts


def read(path: Path) -> Checkpoint:
    """Return a checkpoint.

    Raises:
        DamagedError: if it is not as it was written.
    """
    facts = _read_facts(path)
    file = path / STATE_FILE
    try:
        if file_sha256(file) != facts.pop("state", ""):
            raise DamagedError(f"{file} was changed: its checksum does not match.")
        with zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise DamagedError(f"{file} is compressed, which a checkpoint never is.")
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive}
        del facts["schema"]
        history = history_rows(facts.pop("history"))
        return Checkpoint(**facts, arrays=arrays, history=history)
    except OSError as error:
        raise DamagedError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{path} is not a checkpoint: {error}") from None


def read_last(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the last good checkpoint in a run's folder of checkpoints, None if there is none.

    Returns:
        The checkpoint, and what is wrong with each later one.
    """
    problems: list[str] = []
    for number in reversed(_numbers(folder)):
        try:
            return read(folder / f"{number:06}"), problems
        except DamagedError as error:
            problems.append(error.message)
    return None, problems


class CheckpointWriter:
    """Writes checkpoints beside training, one at a time.

    Args:
        folder: The run's folder of checkpoints.
        keep: How many of the last ones are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        self.pool = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint, once the one before is written."""
        self.wait()
        self.writing = self.pool.submit(write, self.folder, checkpoint, self.keep)

    def wait(self) -> None:
        """Wait until the last checkpoint is written; raise what kept it from being so."""
        if self.writing:
            writing, self.writing = self.writing, None
            writing.result()

    def __enter__(self) -> "CheckpointWriter":
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish what is being written, also when something else has failed."""
        try:
            if kind is None:
                self.wait()
        finally:
            self.pool.shutdown()
