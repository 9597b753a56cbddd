"""Kill trainings at random moments, resume each, and hold the end against one that was not killed.

    python benchmarks/chaos.py --kills 100          # about half an hour; writes chaos.json
    python benchmarks/chaos.py --kills 10 --check   # the short form of the tests: writes nothing

Every kill is `kill -9` of the real command, in a run of its own: the recipes and the moments take
turns, and the seed draws the delays. Each run is then resumed to its end by `dlrecipes resume` and
compared with an uninterrupted run of the same settings: every weight, the optimizer's state, the
states of random generators, the history and the test metrics, bit for bit. All the while another
thread reads the run's record. `python docs/generate.py` then puts the table into the documentation.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlrecipes.errors import InputError
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.compare import compare, largest_difference
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.provenance import here
from dlrecipes.runs.record import Run

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "chaos.json"
COMMAND = [sys.executable, "-P", "-m", "dlrecipes"]

RECIPES = {
    "mnist-cnn": (
        *("--epochs", "3", "--filters", "8,16", "--augmentation", "--dropout", "0.3"),
        *("--early-stopping", "2"),
    ),
    "text-generation-lstm": (
        *("--epochs", "2", "--lstm-units", "32", "--batch-size", "256", "--dropout", "0.2"),
    ),
    "regression-mlp": (
        *("--epochs", "15", "--dropout", "0.1", "--early-stopping", "4"),
        *("--schedule", "constant", "--checkpoint-every", "20steps,3epochs"),
    ),
    "sentiment-lstm": ("--epochs", "2", "--vocabulary-size", "5000", "--early-stopping", "1"),
    "text-ngrams": (
        *("--epochs", "6", "--vocabulary-size", "5000", "--ngrams", "5000", "--dropout", "0.2"),
        *("--early-stopping", "3"),
    ),
    "loans-mlp": ("--epochs", "6", "--imbalance", "oversample", "--early-stopping", "3"),
    "land-unet": ("--epochs", "3", "--filters", "4,8", "--dropout", "0.2", "--batch-size", "32"),
    "digits-gan": ("--epochs", "3", "--filters", "8", "--batch-size", "128"),
}
"""Cheap settings with dropout, augmentation, schedules and early stopping in play."""
COMMON = ("--data", "sample", "--checkpoint-every", "epoch,10steps")
POLL = 0.0005
"""Seconds between two looks for a file that is there for a moment."""


class Victim:
    """A process to be killed, and what it has printed so far.

    Args:
        command: What it runs.
        folder: Where.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += iter(self.process.stdout.readline, "")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, or the process has ended."""
        while self.process.poll() is None and not condition():
            time.sleep(POLL)

    def wait_for_line(self, *starts: str, count: int = 1) -> None:
        """Wait until so many lines that begin so were printed."""
        self.wait_for(lambda: sum(line.startswith(starts) for line in [*self.lines]) >= count)

    def kill(self) -> None:
        """Kill it, without a chance to do anything."""
        self.process.kill()
        self.process.wait()
        self.reader.join()


def _has(folder: Path, pattern: str) -> bool:
    """Tell whether a file of that name is in a folder."""
    return any(folder.glob(pattern))


# The moments: each waits for its own, given the victim, the run's folder and a random generator.
Moment = Callable[[Victim, Path, random.Random], None]


def _at_begin(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for(lambda: _has(run.parent, f".*-{run.name}") or run.exists())
    time.sleep(chance.uniform(0, 0.05))


def _in_first_step(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for_line(run.parent.name)
    time.sleep(chance.uniform(0, 1.2))


def _in_epoch(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for_line("epoch ", count=1)
    time.sleep(chance.uniform(0.05, 1.5))


def _between_epochs(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for_line("epoch ", count=chance.randint(1, 2))
    time.sleep(chance.uniform(0, 0.02))


def _in_checkpoint(victim: Victim, run: Path, chance: random.Random) -> None:
    number = chance.randint(1, 5)
    folder = run / record.CHECKPOINTS
    victim.wait_for(lambda: _has(folder, f".*-{number:06}"))
    time.sleep(chance.uniform(0, 0.015))


def _in_evaluation(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for(lambda: _trained(run))
    time.sleep(chance.uniform(0, 0.3))


def _in_save(victim: Victim, run: Path, chance: random.Random) -> None:
    name = chance.choice((record.MODEL_FILE, record.SERVING_FILE))
    victim.wait_for(lambda: _has(run, f".*-{name}") or (run / name).exists())
    time.sleep(chance.uniform(0, 0.02))


def _in_export(victim: Victim, run: Path, chance: random.Random) -> None:
    victim.wait_for(lambda: _has(run / "exports", ".*"))
    time.sleep(chance.uniform(0, 8))


MOMENTS: dict[str, Moment] = {
    "begin": _at_begin,
    "first step": _in_first_step,
    "mid-epoch": _in_epoch,
    "checkpoint write": _in_checkpoint,
    "between epochs": _between_epochs,
    "evaluation": _in_evaluation,
    "saving": _in_save,
    "export": _in_export,
}


def _trained(run: Path) -> bool:
    """Tell whether the checkpoint of the end of training is there."""
    try:
        return any(
            '"trained": true' in file.read_text()
            for file in run.glob(f"{record.CHECKPOINTS}/[0-9]*/{checkpoints.FACTS_FILE}")
        )
    except OSError:  # It was removed just now.
        return False


@dataclass
class Result:
    """What came of one kill.

    Args:
        recipe: The recipe.
        moment: The moment that was aimed at.
        found: What the kill left: how far the run was.
        resumed: Whether it could be gone on with to its end.
        same: Whether it then was the same to the bit.
        reads: How often its record was read meanwhile.
        unreadable: What was wrong with it, each time that it could not be read.
        problem: What went wrong; empty if nothing did.
    """

    recipe: str
    moment: str
    found: str = ""
    resumed: bool = False
    same: bool = False
    reads: int = 0
    unreadable: list[str] | None = None
    problem: str = ""


class Reader:
    """Reads a run's record over and over, as `dlrecipes runs` would, while others write it."""

    def __init__(self, path: Path) -> None:
        self.path, self.reads, self.unreadable, self.over = path, 0, list[str](), False
        self.thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self.over:
            if (self.path / record.RUN_FILE).exists():
                try:
                    read_run(self.path)
                except InputError as error:
                    self.unreadable.append(error.message)
                self.reads += 1
            time.sleep(0.01)

    def __enter__(self) -> "Reader":
        """Begin to read."""
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Read no more."""
        self.over = True
        self.thread.join()


def _left(path: Path) -> str:
    """Return how far a killed run was, in a word or two."""
    if not path.exists():
        return "no run yet"
    status = read_run(path).status
    if status != "interrupted":
        return status
    if (path / record.MODEL_FILE).exists() or _has(path, ".*.keras"):
        return "saving"
    if _trained(path):
        return "evaluation"
    if _has(path / record.CHECKPOINTS, ".*"):
        return "half a checkpoint"
    return "training" if _has(path / record.CHECKPOINTS, "[0-9]*") else "no checkpoint yet"


def dlrecipes(*words: str, cwd: Path) -> dict[str, Any]:
    """Run a command to its end and return its document; raise if it fails."""
    result = subprocess.run(
        [*COMMAND, *words, "--json"], cwd=cwd, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {result.stdout}{result.stderr}")
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _training(recipe: str, name: str) -> list[str]:
    return ["train", recipe, *COMMON, *RECIPES[recipe], "--name", name]


def same_end(one: Run, other: Run) -> bool:
    """Tell whether two finished runs are the same to the bit, with all that a next step needs."""
    ends = [checkpoints.read_last(run.path / record.CHECKPOINTS)[0] for run in (one, other)]
    assert ends[0] is not None
    assert ends[1] is not None
    return compare(one, other).same and largest_difference(ends[0].arrays, ends[1].arrays) == 0.0


def kill_once(number: int, recipe: str, moment: str, seed: int, folder: Path) -> Result:
    """Train, kill, look, go on, and compare."""
    chance = random.Random(f"{seed} {number}")
    name = f"kill-{number:03}"
    path = folder / "runs" / recipe / name
    result = Result(recipe, moment)
    try:
        if moment == "export":
            dlrecipes(*_training(recipe, name), cwd=folder)
        with Reader(path) as reader:
            words = ["export", str(path)] if moment == "export" else _training(recipe, name)
            victim = Victim([*COMMAND, *words], folder)
            MOMENTS[moment](victim, path, chance)
            victim.kill()
            result.found = _left(path)
            if result.found == "no run yet":
                dlrecipes(*_training(recipe, name), cwd=folder)
            else:
                dlrecipes("resume", str(path), cwd=folder)
            result.resumed = True
            if moment == "export":
                dlrecipes("export", str(path), cwd=folder)
                whole = {"saved_model.pb", "golden.npz", "verify.py"}
                result.found = "half an export" if _has(path / "exports", ".*") else result.found
                if not whole <= {file.name for file in path.glob("exports/saved-model/*")}:
                    raise RuntimeError("the export is not whole")
        result.reads, result.unreadable = reader.reads, reader.unreadable
        reference = read_run(folder / "runs" / recipe / "reference")
        result.same = same_end(reference, read_run(path))
    except (RuntimeError, InputError, OSError) as error:
        result.problem = f"{type(error).__name__}: {error}"
    return result


def run_all(kills: int, seed: int, jobs: int) -> dict[str, Any]:
    """Kill so many times, and return what came of it."""
    started = time.monotonic()
    plan = [
        (list(RECIPES)[number % len(RECIPES)], list(MOMENTS)[number // len(RECIPES) % len(MOMENTS)])
        for number in range(kills)
    ]
    if kills < len(RECIPES) * len(
        MOMENTS
    ):  # The short form: each moment once, the recipes in turn.
        plan = [
            (list(RECIPES)[number % len(RECIPES)], list(MOMENTS)[number % len(MOMENTS)])
            for number in range(kills)
        ]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(jobs) as pool:
        folder = Path(temporary)
        wanted = dict.fromkeys(recipe for recipe, _ in plan)
        list(
            pool.map(lambda recipe: dlrecipes(*_training(recipe, "reference"), cwd=folder), wanted)
        )

        def work(item: tuple[int, tuple[str, str]]) -> Result:
            number, (recipe, moment) = item
            result = kill_once(number, recipe, moment, seed, folder)
            end = result.problem or ("the same" if result.same else "NOT THE SAME")
            print(f"{number + 1}/{kills} {recipe}, {moment}: {result.found}; {end}", flush=True)
            return result

        results = list(pool.map(work, enumerate(plan)))
    return {
        "kills": kills,
        "seed": seed,
        "resumed": sum(result.resumed for result in results),
        "same": sum(result.same for result in results),
        "reads": sum(result.reads for result in results),
        "unreadable": sum(len(result.unreadable or []) for result in results),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "machine": here("cpu"),
        "results": [asdict(result) for result in results],
    }


def table(document: dict[str, Any]) -> str:
    """Return the result as a paragraph and a table, in Markdown."""
    results = document["results"]
    lines = [
        "| killed during | kills | state that was left | bit-identical after resuming |",
        "|---|---|---|---|",
    ]
    for moment in dict.fromkeys(result["moment"] for result in results):
        those = [result for result in results if result["moment"] == moment]
        left = Counter(result["found"] for result in those)
        words = ", ".join(f"{count} {found}" for found, count in left.most_common())
        same = sum(result["same"] for result in those)
        lines.append(f"| {moment} | {len(those)} | {words} | {same} |")
    kills, machine = document["kills"], document["machine"]
    return "\n".join(
        [
            f"{kills} trainings and exports were killed with `kill -9` (seed {document['seed']}, "
            f"the recipes in turn, on their samples). {document['resumed']} could be resumed, and "
            f"{document['same']} ended bit-identical to a run that was not killed. Meanwhile, "
            f"their records were read {document['reads']:,} times; {document['unreadable']} reads "
            "failed.",
            "",
            *lines,
            "",
            f"Measured by `python benchmarks/chaos.py --kills {kills}` in {document['minutes']} "
            f"minutes on {machine['machine']['system']}, {machine['machine']['processor']}, "
            f"{machine['machine']['cores']} cores, TensorFlow {machine['versions']['tensorflow']}, "
            f"Keras {machine['versions']['keras']}.",
        ]
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Kill trainings, resume them, compare.")
    parser.add_argument("--kills", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="draws the delays")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    document = run_all(arguments.kills, arguments.seed, arguments.jobs)
    print(table(document))
    if not arguments.check:
        RESULT.write_text(json.dumps(document, indent=1) + "\n")
    if not document["kills"] == document["resumed"] == document["same"] or document["unreadable"]:
        sys.exit("Not every run ended the same.")


if __name__ == "__main__":
    main()
