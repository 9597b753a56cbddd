"""Prove that a run can be resumed to the same bits: train it straight, and with an interruption.

Each training is a fresh process, `python -m dlrecipes.training.proof JOB`, as after a real one.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Data
from dlrecipes.errors import DlrecipesError, Interrupted
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.compare import largest_difference
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import Run
from dlrecipes.training.listener import Silence
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.session import Trial
from dlrecipes.training.trainer import resume, train
from dlrecipes.training.work import Work

MOST_STEPS = 200
"""Steps that are trained at most: a proof is to take seconds."""
ORDER_FILE = "order.json"


@dataclass(frozen=True)
class Proof:
    """How far a training that was interrupted is from one that was not, after the same steps.

    Args:
        steps: Number of steps that were trained, at least.
        interrupted_after: Number of steps before the interruption.
        largest_difference: Largest absolute difference of each kind of state: `weights`,
            `optimizer`, `random` (random generators), `metrics` (running means of the epoch),
            `callbacks`.
        other_batches: Number of batches of training examples that differed.
    """

    steps: int
    interrupted_after: int
    largest_difference: dict[str, float]
    other_batches: int

    @property
    def same(self) -> bool:
        """Tell whether all bits are the same."""
        return not any(self.largest_difference.values()) and self.other_batches == 0


@dataclass(frozen=True)
class _Job:
    """What one process does: train a run from its beginning, or go on with one.

    Args:
        run: The folder of the run: the one to prove, or the one to go on with.
        folder: The folder of the runs that are trained for the proof.
        name: Name of the run there.
        halves: Halves of the steps after which to stop: 1 or 2.
        go_on: Whether to go on rather than to begin.
        changes: As `dlrecipes.training.request.Changes` has them.
    """

    run: str
    folder: str
    name: str
    halves: int
    go_on: bool
    changes: dict[str, Any]


def half_of_steps(work: Work) -> int:
    """Return the steps until the interruption; as many follow it.

    Both together go half an epoch beyond the first, if an epoch is short and is not the last.

    Raises:
        DlrecipesError: if the training is too short to be interrupted.
    """
    epoch = int(work.data.train.cardinality())
    steps = epoch * getattr(work.config, "epochs", 1)
    at_once = min(int(work.model.steps_per_execution), epoch)
    wanted = max(min(epoch * 3 // 2, MOST_STEPS, steps - 1), 2 * at_once)
    half = wanted // 2 // at_once * at_once
    if at_once < 1 or 2 * half >= steps:
        raise DlrecipesError(
            f"The training has {max(steps, 0)} steps, {at_once} at once: too few to interrupt it."
        )
    return half


def _watched(data: Data, digests: list[str]) -> Data:
    """Return data whose training batches leave a digest of themselves as they are read."""
    import tensorflow as tf

    def note(*arrays: Any) -> Any:
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
        digests.append(digest.hexdigest())
        return arrays[0]

    def watch(*batch: Any) -> Any:
        flat = tf.nest.flatten(batch)
        first = tf.numpy_function(note, flat, flat[0].dtype)
        first.set_shape(flat[0].shape)
        return tf.nest.pack_sequence_as(batch, [first, *flat[1:]])

    return replace(data, train=data.train.map(watch, num_parallel_calls=None))


def work_off(job: _Job) -> None:
    """Do a job, in this process."""
    digests: list[str] = []
    steps: list[int] = []

    def stop_after(work: Work) -> int:
        half = half_of_steps(work)
        # A training that goes on passes over the batches of the steps that are done.
        done = work.start.step if work.start else 0
        steps[:] = [half, done]
        return half * job.halves if not job.go_on else half

    trial = Trial(stop_after, lambda data: _watched(data, digests))
    run, changes = read_run(Path(job.run)), Changes(**job.changes)
    try:
        if job.go_on:
            resume(run, changes, Silence(), trial)
        else:
            request = replace(
                Request.from_run(run, changes),
                runs_dir=Path(job.folder),
                name=job.name,
                checkpoint_every="never",
            )
            train(request, Silence(), trial)
    except Interrupted:
        half, done = steps
        document = {"half": half, "digests": digests[done:]}
        Path(job.folder, f"{job.name}-{job.halves}-{ORDER_FILE}").write_text(json.dumps(document))


def prove(run: Run, changes: Changes) -> Proof:
    """Train the first steps of a run straight, and interrupted and resumed, and compare.

    Args:
        run: The run; it is not changed.
        changes: What is to be otherwise than it was.

    Raises:
        InputError: if its recipe is not what was recorded, or may not be run here.
        DlrecipesError: if a training fails.
    """
    Request.from_run(
        run, changes
    )  # Whether its code may be run is said here, not by another process.
    with tempfile.TemporaryDirectory() as folder:
        job = _Job(str(run.path.resolve()), folder, "straight", 2, False, asdict(changes))
        begun = replace(job, name="resumed", halves=1)
        with ThreadPoolExecutor(2) as pool:  # Each waits for a process of its own.
            list(pool.map(_start, (job, begun)))
        path = Path(folder, run.recipe)
        # What it goes on with was begun here, by code that was trusted a moment ago.
        trusted = {**asdict(changes), "trust_recipe": True}
        _start(replace(begun, run=str(path / "resumed"), halves=2, go_on=True, changes=trusted))
        return _compare(path, Path(folder))


def _start(job: _Job) -> None:
    """Do a job in a fresh process.

    Raises:
        DlrecipesError: if it fails.
    """
    result = subprocess.run(
        # Without the folder it is started in, whose modules are not ours.
        [sys.executable, "-P", "-m", "dlrecipes.training.proof", json.dumps(asdict(job))],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise DlrecipesError(f"A training for the proof failed: {reason}")


def _compare(path: Path, folder: Path) -> Proof:
    """Return how far the two trainings are apart."""
    ends = []
    for name in ("straight", "resumed"):
        checkpoint, _ = checkpoints.read_last(path / name / record.CHECKPOINTS)
        assert checkpoint is not None
        ends.append(checkpoint)
    orders = {
        name: json.loads((folder / f"{name}-{ORDER_FILE}").read_text())
        for name in ("straight-2", "resumed-1", "resumed-2")
    }
    half = orders["straight-2"]["half"]
    straight = orders["straight-2"]["digests"][: 2 * half]
    resumed = orders["resumed-1"]["digests"][:half] + orders["resumed-2"]["digests"][:half]
    groups = sorted({name.partition("/")[0] for name in (*ends[0].arrays, *ends[1].arrays)})
    return Proof(
        steps=2 * half,
        interrupted_after=half,
        largest_difference={
            group: largest_difference(
                *(
                    {
                        name: array
                        for name, array in end.arrays.items()
                        if name.partition("/")[0] == group
                    }
                    for end in ends
                )
            )
            for group in groups
        },
        other_batches=sum(one != other for one, other in zip(straight, resumed, strict=True)),
    )


if __name__ == "__main__":
    try:
        work_off(_Job(**json.loads(sys.argv[1])))
    except DlrecipesError as error:
        sys.exit(" ".join(f"{error.message} {error.hint}".split()))  # one line, for _start
