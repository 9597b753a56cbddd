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
import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_origin

from dlrecipes.catalog.find import all_recipes
from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.errors import InputError, nearest
from dlrecipes.system.atomic import file_sha256, whole_folder, write_atomically
from dlrecipes.system.locks import holder, is_held

SCHEMA = 2
MAX_RECORD_BYTES = 10_000_000
RUN_FILE = "run.json"
RECIPE_FILE = "recipe.py"
LOCK_FILE = ".lock"
HISTORY_FILE = "history.csv"
MODEL_FILE = "model.keras"
SERVING_FILE = "serving.keras"
GOLDEN_FILE = "golden.npz"
CHECKPOINTS = "checkpoints"
STATUSES = ("running", "finished", "interrupted", "failed")
KILLED = "its process was killed, or the machine stopped"
STAMP = ("requested", "data_dir", "rung", "name", "source", "fingerprint", "rows", "classes")
"""What every record says of its data."""
NEW_IN_2 = {"seal", "checkpoints", "on_nan", "events"}
"""What a record of form 1 lacks."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass
class Run:
    """The record of one training: what `run.json` holds.

    Args:
        run: Name of the run: its folder's.
        recipe: Name of the recipe.
        task: The recipe's `TASK`.
        headline: Name of the metric that the verdict is on.
        status: One of `STATUSES`.
        started: When, UTC, ISO 8601.
        preset: The preset chosen; empty for none.
        config: Every setting's value.
        seed: The seed.
        device: Where the variables of the network really were: `cpu`, `gpu:0`.
        data: The stamp of the data: what was `requested`, `rung`, `name`, `source`,
            `fingerprint`, `rows` per split, `classes`, `target`.
        versions: Version of Python and of each library that bears on the result.
        machine: Operating system, processor, cores.
        git_commit: Commit of the folder that the recipe lies in; empty if none.
        parameters: Trainable and other weights of the network.
        seconds: Wall time of each part, seconds.
        metrics: Test metrics by name.
        details: Per-class metrics and the confusion matrix.
        expected: The band of the headline metric; empty if none was measured for this data.
        verdict: `normal`, `low`, `suspiciously high` or `unknown`.
        files: SHA-256 of each file that later commands rely on.
        error: Why the training failed or was interrupted; empty if it was not.
        seal: Proof that this user has trained this recipe's code here (see `dlrecipes.runs.trust`).
        checkpoints: When checkpoints are written (`every`) and how many are kept (`keep`).
        on_nan: What is done about a loss that is not a number: `stop` or `restore`.
        events: What happened on the way, in order: `what` (`interrupted`, `resumed`, `restored`,
            …), `when`, and where in training (`epoch`, `step`).
        schema: Version of this form.
        path: The folder; not written, so that a run can be moved.
    """

    run: str
    recipe: str
    task: str
    headline: str
    status: str
    started: str
    preset: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    git_commit: str = ""
    parameters: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, list[float]] = field(default_factory=dict)
    verdict: str = "unknown"
    files: dict[str, str] = field(default_factory=dict)
    error: str = ""
    seal: str = ""
    checkpoints: dict[str, Any] = field(default_factory=dict)
    on_nan: str = "stop"
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
        return f"Resume it: dlrecipes resume {shlex.quote(str(self.path))}"

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
                f"{path} was changed after training: it does not match its checksum in {RUN_FILE}.",
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
                f"{path} is a symbolic link: nothing is written outside the run's own folder.",
                "Remove it, or put a folder in its place.",
            )
        return path


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


def check_name(name: str, recipes: list[str]) -> None:
    """Raise InputError unless `name` can be the name of a run."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"--name must be letters, digits, '.', '_' and '-', at most 100. Received: {name!r}"
        )
    if name in recipes:
        raise InputError(f"--name {name} is the name of a recipe: choose another.")


def is_folder_name(text: str) -> bool:
    """Tell whether a text can be the name of a folder among others, and leads nowhere else."""
    is_name = bool(text) and text == Path(text).name
    return is_name and not text.startswith(".") and text.isprintable()


@contextmanager
def new_folder(runs_dir: Path, recipe: str, name: str = "") -> Iterator[tuple[Path, Path]]:
    """Give the block a folder to begin a run in; it then becomes the run's, with all it holds.

    A run that exists is never used again, and a run's folder is never there without its record.

    Args:
        runs_dir: The folder of all runs.
        recipe: Name of the recipe.
        name: Name of the run; empty for the time and a random part.

    Yields:
        The folder to fill, and the run's folder that it becomes after the block.

    Raises:
        InputError: if a run of that name exists, or the folder cannot be made.
    """
    if not is_folder_name(recipe):
        raise InputError(f"{recipe!r} cannot be the name of a folder: rename the recipe's file.")
    # Two trainings that begin in one second still get two names.
    path = runs_dir / recipe / (name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}")
    taken = InputError(
        f"There is a run {path} already.", "Choose another --name: a run is never overwritten."
    )
    if os.path.lexists(path):
        raise taken
    try:
        with whole_folder(path) as temporary:
            yield temporary, path
    except OSError as error:
        if os.path.lexists(path):
            raise taken from None
        raise InputError(
            f"The run folder {path} cannot be made: {error.strerror}.", "Choose another --runs-dir."
        ) from None


def read_run(path: Path) -> Run:
    """Return the record in a run's folder, as things stand: a killed run is `interrupted`.

    Raises:
        InputError: if there is none, or it is not as dlrecipes wrote it.
    """
    run = _read_record(path)
    # Whoever wrote "running" may have been killed since. Where nobody can tell, it stands.
    if run.status == "running" and is_held(path / LOCK_FILE) is False:
        again = _read_record(path)  # It may have finished just before it let go of the lock.
        if again != run:
            return again
        run.status, run.error = "interrupted", KILLED
    return run


def _read_record(path: Path) -> Run:
    """Return the record in a run's folder, as it was written."""
    file = path / RUN_FILE
    try:
        if file.stat().st_size > MAX_RECORD_BYTES:
            raise InputError(f"{file} is larger than a run's record can be (10 MB).")
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file} is damaged: it is not valid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise InputError(f"{file} is not the record of a run.")
    if document["schema"] > SCHEMA:
        raise InputError(
            f"{file} was written by a newer dlrecipes: its form is {document['schema']}, and "
            f"{SCHEMA} is the newest known here.",
            "Upgrade: python -m pip install --upgrade dlrecipes",
        )
    if document.pop("digest", "") != digest(document):
        raise InputError(f"{file} was changed after training: it does not match its own digest.")
    if not _is_record(document):
        raise InputError(f"{file} is not the record of a run.")
    document["data"].setdefault("files", {})  # which the first runs did not record
    return Run(**document, path=path)


def _is_record(document: dict[str, Any]) -> bool:
    """Tell whether a document has the form of a run's record, of this version or an older one."""
    known: dict[str, Any] = {entry.name: entry.type for entry in fields(Run)}
    del known["path"]
    required = set(known) - (NEW_IN_2 if document["schema"] == 1 else set())
    return (
        required <= set(document) <= set(known)
        and all(
            isinstance(value, get_origin(known[name]) or known[name])
            for name, value in document.items()
        )
        and document["status"] in STATUSES
        and is_folder_name(document["recipe"])
        and is_folder_name(document["run"])
        and set(STAMP) <= set(document["data"])
        and isinstance(document["data"]["rows"], dict)
        and isinstance(files := document["data"].get("files", {}), dict)
        and set(files) <= set(FILE_OPTIONS)
        and all(isinstance(value, str) for value in files.values())
        and isinstance(names := document["data"].get("column_names", {}), dict)
        and all(isinstance(name, str) for name in names.values())
    )


def run_folders(runs_dir: Path, recipe: str = "*") -> Iterator[Path]:
    """Yield the folder of every run, of all recipes or of one."""
    yield from sorted(
        file.parent
        for file in runs_dir.glob(f"{recipe}/*/{RUN_FILE}")
        if not file.parent.name.startswith(".")  # a run that is just being begun
    )


def all_runs(runs_dir: Path, recipe: str = "*") -> tuple[list[Run], dict[Path, str]]:
    """Return the runs, oldest first, and why each unreadable one could not be read."""
    runs, unreadable = [], {}
    for path in run_folders(runs_dir, recipe):
        try:
            runs.append(read_run(path))
        except InputError as error:
            unreadable[path] = error.message
    return sorted(runs, key=lambda run: run.started), unreadable


def find_run(text: str, runs_dir: Path, *, finished: bool = True) -> Run:
    """Return the run that a RUN argument names.

    Args:
        text: A run's path or name, `recipe/name`, or a recipe's name: its latest finished run.
        runs_dir: The folder of all runs.
        finished: Whether an unfinished run is an error.

    Raises:
        InputError: if there is no such run, several have that name, or it is not finished.
    """
    run = read_run(_run_path(text, runs_dir, ("finished",)))
    if finished and run.status == "running":
        by = holder(run.path / LOCK_FILE)
        raise InputError(f"The run {run.run} is not finished: it is being trained{by}.")
    if finished and run.status != "finished":
        reason = f": {run.error}" if run.error else ""
        raise InputError(
            f"The run {run.run} is not finished: it is {run.status}{reason}.", run.how_to_resume
        )
    return run


def find_unfinished(text: str, runs_dir: Path) -> Run:
    """Return the run to resume that a RUN argument names.

    Args:
        text: A run's path or name, `recipe/name`, or a recipe's name: its latest run that was
            interrupted or has failed.
        runs_dir: The folder of all runs.

    Raises:
        InputError: if there is no such run, or several have that name.
    """
    return read_run(_run_path(text, runs_dir, ("interrupted", "failed")))


def _changed(path: Path) -> float:
    """Return when a run's record was last written, seconds since 1970."""
    return (path / RUN_FILE).stat().st_mtime


def _run_path(text: str, runs_dir: Path, statuses: tuple[str, ...]) -> Path:
    """Return the folder that a RUN argument names; of a recipe, the latest run so ended."""
    path = Path(text).expanduser()
    if os.path.isfile(path / RUN_FILE):  # False for a text too long to be a path
        return path
    recipe, _, name = text.rpartition("/")
    if not all(NAME.fullmatch(part) for part in (name, recipe or name)):
        raise InputError(f"There is no run at {text}.", "See what was trained: dlrecipes runs")
    if not recipe and (runs_dir / name).is_dir():
        runs, unreadable = all_runs(runs_dir, name)
        wanted = [run for run in runs if run.status in statuses]
        newer = [
            path for path in unreadable if wanted and _changed(path) > _changed(wanted[-1].path)
        ]
        if newer:
            raise InputError(
                f"The latest run cannot be read. {unreadable[newer[-1]]}",
                f"Name another, such as {wanted[-1].run}: dlrecipes runs",
            )
        if wanted:
            return wanted[-1].path
        if runs:
            return runs[-1].path
        if unreadable:
            return next(iter(unreadable))
    matches = [path for path in run_folders(runs_dir, recipe or "*") if path.name == name]
    if len(matches) > 1:
        paths = " and ".join(str(match) for match in matches)
        raise InputError(f"Two runs are named {name}: {paths}.", "Give the path of one.")
    if not matches:
        folders = list(run_folders(runs_dir))
        known = {path.name for path in folders} | {path.parent.name for path in folders}
        raise InputError(
            f"There is no run {text!r} in {runs_dir}.",
            f"Train it first: dlrecipes train {name}"
            if name in {facts.name for facts in all_recipes()}
            else nearest(text, known) or "See what was trained: dlrecipes runs",
        )
    return matches[0]
