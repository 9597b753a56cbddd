"""The run folder: what a training leaves behind, safe to read at any moment.

`runs/<recipe>/<run>/` holds `run.json` (the record: what was trained, on what, how well),
`recipe.py` (the source as run), `history.csv`, `logs/` (TensorBoard), `checkpoints/`,
`model.keras` (the trained network), `serving.keras` (raw input in, answer out) and `golden.npz`
(inputs with their answers). Every file is written beside its place and renamed into it, so a reader
sees a whole file or none. While a run is trained, its process holds the lock of `.lock`: a run that
says that it is running and is not held was killed.
"""

import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlrecipes.errors import InputError
from dlrecipes.system.atomic import file_sha256, write_atomically

SCHEMA = 1
MAX_RECORD_BYTES = 10_000_000
RUN_FILE = "run.json"
RECIPE_FILE = "recipe.py"
LOCK_FILE = ".lock"
HISTORY_FILE = "history.csv"
MODEL_FILE = "model.keras"
WEIGHTS_FILE = "model.weights.h5"
"""In place of the model's file, where Keras cannot store the model: its weights."""
SERVING_FILE = "serving.keras"
PROGRAM_FILE = "serving.zip"
"""In place of that, where it would need classes of the recipe: a SavedModel, which needs none."""
GOLDEN_FILE = "golden.npz"
SHOWN_FILE = "shown.json"
SCORES_FILE = "scores.npz"
REPORT_FILE = "report.html"
COMPARED = "compared-with"
"""How the name of a page begins that compares a run with another."""
CHECKPOINTS = "checkpoints"
SAMPLES = "samples"
STATUSES = ("running", "finished", "interrupted", "failed")
KILLED = "its process was killed, or the machine stopped"
STAMP = (
    *("requested", "data_dir", "rung", "name", "source", "fingerprint", "rows", "files"),
    *("sample", "held_out", "input", "answer"),
)
"""What every record says of its data."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass
class Run:
    """The record of one training: what `run.json` holds.

    Args:
        run: Name of the run, which is also that of its folder.
        recipe: Name of the recipe.
        task: The recipe's `TASK`.
        headline: Name of the metric that the verdict is about.
        higher_is_better: Whether a larger value of it is a better one.
        status: `running`, `finished`, `interrupted` or `failed`.
        started: Start time, UTC, ISO 8601.
        preset: Name of the preset; empty for none.
        config: Value of each setting.
        chosen: The `settings` that were chosen to suit data which is not the recipe's own, with
            their values, and `why`; empty for none.
        seed: Random seed.
        device: Device that held the weights: `cpu`, `gpu:0`.
        devices: Devices that shared every batch: `0,1` (GPUs), `cpu:2`; empty for one device.
        workers: Number of processes that shared every batch.
        data: The data: `requested`, `rung`, `name`, `source`, `fingerprint`, `rows` of each split,
            what is known of its `input` and `answer`, and, of a trial of a search, the share of
            the training rows that is `held_out` to test on.
        versions: Versions of Python and of the libraries that affect the result.
        machine: Operating system, processor and number of cores.
        git_commit: Commit of the repository that the recipe is in; empty if there is none.
        parameters: Number of weights of the model.
        seconds: Wall time of each part, seconds.
        first_loss: Loss before training: of the `network`, of guessing every class alike (`even`),
            and of guessing by how common each is (`guess`); and the `penalty` on its weights, which
            is in none of them. Empty if that is not known.
        metrics: Test metrics by name.
        details: Per-class metrics and the confusion matrix; of texts, the share of `unknown_words`
            in the test rows.
        baseline: Result of an answer that needs no model: its `name` and its `metrics`; empty if
            the task has none.
        plain_baseline: Result of a plain baseline, fitted with scikit-learn on the same rows: its
            `name`, its `metrics`, the `comparison` with the network, and how it was fitted; empty
            if there is none.
        no_plain_baseline: Why there is no plain baseline; empty if there is one.
        no_baseline: Whether the plain baseline was left out: `--no-baseline`.
        no_report: Whether the report was left out: `--no-report`.
        expected: Expected range of the headline metric; empty if there is none.
        not_expected: Why there is no expected range; empty if there is one.
        verdict: How good the result is: `as expected`, `worse than expected`, `better than
            expected`, `better than the baseline`, `a tie with the baseline`, `worse than the
            baseline` or `unknown`.
        diagnosis: What is wrong with the training, each with `what`, a `sentence`, and the flags to
            `try`; empty if nothing is seen to be wrong.
        files: SHA-256 of each file that later commands use.
        error: Why the training failed or was interrupted; empty if it was not.
        seal: Proof that this user trained this recipe on this machine.
        program_seal: Proof that this user made the serving model, if it is a program.
        checkpoints: When checkpoints are written (`every`) and how many are kept (`keep`).
        on_nan: What to do when the loss becomes NaN: `stop` or `restore`.
        ensemble: Of an ensemble, its `members`, the one that was the `best` of them on the test
            rows, and the `comparison` with that one; empty for a run that was trained.
        note: Your note on the run, from `runs note`; empty if there is none.
        events: What happened during training, in order: `what` (`interrupted`, `resumed`,
            `restored`, …), `when`, and where in training (`epoch`, `step`).
        schema: Version of this format.
        path: The folder. It is not written to the record, so that a run can be moved.
    """

    run: str
    recipe: str
    task: str
    headline: str
    status: str
    started: str
    higher_is_better: bool = True
    preset: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = ""
    devices: str = ""
    workers: int = 1
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    git_commit: str = ""
    parameters: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    first_loss: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    baseline: dict[str, Any] = field(default_factory=dict)
    plain_baseline: dict[str, Any] = field(default_factory=dict)
    no_plain_baseline: str = ""
    no_baseline: bool = False
    no_report: bool = False
    expected: dict[str, list[float]] = field(default_factory=dict)
    not_expected: str = ""
    verdict: str = "unknown"
    diagnosis: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    error: str = ""
    seal: str = ""
    program_seal: str = ""
    checkpoints: dict[str, Any] = field(default_factory=dict)
    on_nan: str = "stop"
    ensemble: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    schema: int = SCHEMA
    path: Path = field(default=Path(), repr=False)

    def document(self) -> dict[str, Any]:
        """Return what `--json` shows of the run: the record, and where it is."""
        return {**_plain(self), "path": str(self.path)}

    def save(self) -> None:
        """Write `run.json`, sealed with a digest of itself."""
        document = _plain(self)
        document["digest"] = digest(document)
        text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
        write_atomically(self.path / RUN_FILE, text.encode())

    def add_event(self, what: str, **facts: Any) -> None:
        """Note what happened, and when."""
        self.events.append({"what": what, "when": now(), **facts})

    def add_file(self, name: str) -> None:
        """Record the SHA-256 of a file of the run."""
        self.files[name] = file_sha256(self.path / name)

    @property
    def how_to_resume(self) -> str:
        """Return what to type to go on with the run, in a sentence."""
        workers = f" --workers {self.workers}" if self.workers > 1 else ""
        return f"Resume it: dlrecipes resume {shlex.quote(str(self.path))}{workers}"

    @property
    def model_file(self) -> str:
        """Return the name of the file that has the weights of the trained model."""
        return WEIGHTS_FILE if WEIGHTS_FILE in self.files else MODEL_FILE

    def checked_file(self, name: str) -> Path:
        """Return the path of a file of the run, once its bytes are those that were recorded.

        Raises:
            InputError: if the file is missing, or was changed after training.
        """
        path = self.path / name
        if name not in self.files or not path.is_file():
            raise InputError(f"The run {self.run} has no {name}: {path} is missing.")
        if file_sha256(path) != self.files[name]:
            raise InputError(
                f"{path} was changed after training: its checksum in {RUN_FILE} does not match.",
                f"Train again: dlrecipes train {self.recipe}",
            )
        return path

    def folder(self, name: str) -> Path:
        """Return the path of a folder of the run that is to be written into.

        Raises:
            InputError: if it is a symbolic link: a run from elsewhere could lead anywhere.
        """
        path = self.path / name
        if path.is_symlink():
            raise InputError(
                f"{path} is a symbolic link, and runs write only into their own folder.",
                "Replace it with a folder.",
            )
        return path


def shown_data(stamp: Mapping[str, Any]) -> str:
    """Return the name of a run's data, and whether it is full, the sample or the user's own."""
    name = str(stamp["name"])
    if stamp["rung"] == "sample":
        name = name.removesuffix("-sample")
    held_out = ", validation" if stamp.get("held_out") else ""
    return f"{name} ({stamp['rung']}{held_out})"


def _plain(run: Run) -> dict[str, Any]:
    """Return the record as JSON types, with None for numbers that JSON lacks."""
    document = asdict(run)
    del document["path"]
    return {name: finite(value) for name, value in document.items()}


def finite(value: Any) -> Any:
    """Return the value with None in place of NaN and infinity, and lists in place of tuples."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record without its own digest."""
    sealed = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def now() -> str:
    """Return the time, UTC, ISO 8601 to the microsecond."""
    return datetime.now(UTC).isoformat()


def is_folder_name(text: str) -> bool:
    """Tell whether a text can be the name of a folder among others, and leads nowhere else."""
    is_name = bool(text) and text == Path(text).name
    return is_name and not text.startswith(".") and text.isprintable()
