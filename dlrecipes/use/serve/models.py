"""The models that are served: by name, each in one or more versions, which may have labels."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows, Source
from dlrecipes.runs import record
from dlrecipes.runs.golden import form_of, read_golden_inputs
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import RUN_FILE, Run
from dlrecipes.tasks import find_task
from dlrecipes.tasks.answers.text_generator import stream
from dlrecipes.tasks.base import PredictOptions, Task
from dlrecipes.use.predict import load_serving
from dlrecipes.use.serve.batches import Batches
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Limits
from dlrecipes.use.serve.signatures import Loaded, load, shortened

SAVED_MODEL = "saved_model.pb"
LOG = logging.getLogger("dlrecipes.serve")


@dataclass(frozen=True)
class Place:
    """Where a model is.

    Args:
        name: What it is called in addresses.
        path: The folder of an export; or, as TensorFlow Serving lays them out, a folder of
            versions: folders whose names are numbers, with an export in each.
        trust: Whether to run the program that the serving model of a run from elsewhere may be.
    """

    name: str
    path: Path
    trust: bool = False

    def exports(self) -> dict[int, Path]:
        """Return the folder of each version by its number.

        An export that is not in a folder of versions is numbered by when it was written, in
        milliseconds since 1970, so that a later one in its place is a newer version.
        """
        if os.path.isfile(self.path / SAVED_MODEL):
            return {(self.path / SAVED_MODEL).stat().st_mtime_ns // 1_000_000: self.path}
        found = self.path.iterdir() if self.path.is_dir() else ()
        return {
            int(folder.name): folder
            for folder in found
            if folder.name.isascii()
            and folder.name.isdigit()
            and os.path.isfile(folder / SAVED_MODEL)
        }


@dataclass(frozen=True)
class Version:
    """A version of a model, in memory.

    Args:
        number: Its number.
        loaded: The SavedModel.
        batches: Answers requests with it.
        trust: As of its place.
    """

    number: int
    loaded: Loaded
    batches: Batches
    trust: bool

    @cached_property
    def run(self) -> Run | None:
        """Return the run that it is an export of, if it lies there."""
        folder = self.loaded.path.resolve().parent.parent
        return read_run(folder) if os.path.isfile(folder / RUN_FILE) else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes that it tells apart, in order; empty if it tells none."""
        file = self.loaded.path / "classes.txt"
        if os.path.isfile(file):
            return tuple(file.read_text(encoding="utf-8").splitlines())
        answer = form_of(self.run).answer if self.run else None
        return tuple(getattr(answer, "classes", ()))

    @cached_property
    def trial(self) -> "Trial | None":
        """Return what the page to try a model takes; None without the run."""
        return Trial.of(self.run, self) if self.run else None


@dataclass
class Trial:
    """A model as the page to try it has it.

    Args:
        task: Its task.
        data: The form of the data that it was trained on.
        serving: Raw inputs in, answers out.
        golden: A few inputs to begin with.
        loaded: Its export.
    """

    task: Task
    data: Source
    serving: Any
    golden: Rows
    loaded: Loaded

    @classmethod
    def of(cls, run: Run, version: Version) -> "Trial":
        """Return the trial of a run."""
        golden = read_golden_inputs(run.checked_file(record.GOLDEN_FILE))
        serving = load_serving(run, trust=version.trust)
        return cls(find_task(run.task), form_of(run), serving, golden, version.loaded)

    def stream(self, prompt: str, options: PredictOptions) -> Iterator[str]:
        """Yield the text that continues a prompt, a few characters at a time."""
        return streamed(self.loaded, prompt, options)


def streamed(loaded: Loaded, prompt: str, options: PredictOptions) -> Iterator[str]:
    """Yield the text that continues a prompt, a few characters at a time.

    Raises:
        Refused: if the model writes no text.
    """
    signatures = loaded.signatures
    if not {"generate_start", "generate_step"} <= set(signatures):
        raise Refused("This model does not write text. Use :predict.")
    start, step = signatures["generate_start"].function, signatures["generate_step"].function
    return stream(lambda inputs: start(**inputs), lambda inputs: step(**inputs), prompt, options)


@dataclass
class Models:
    """The models that are served. `refresh` finds new versions, while requests are answered.

    Args:
        places: Where they are.
        labels: The version that each label stands for, by model and label.
        limits: How they are served.
    """

    places: tuple[Place, ...]
    labels: Mapping[tuple[str, str], int]
    limits: Limits
    versions: dict[str, dict[int, Version]] = field(default_factory=dict)
    failed: dict[tuple[str, int], str] = field(default_factory=dict)
    """Why a version could not be loaded, by model and number. It is replaced, never changed: it is
    read while `refresh` runs in a thread."""
    refreshing: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """Return the names of the models."""
        return [place.name for place in self.places]

    def refresh(self) -> bool:
        """Load new versions, and drop those whose folders are gone; tell whether there were any.

        A version is replaced when the new one is in memory, and is there until its last request is
        answered.
        """
        with self.refreshing:
            before = dict(self.versions)
            for place in self.places:
                self._refresh(place)
            return self.versions != before

    def _refresh(self, place: Place) -> None:
        """Load the new versions of a model, and drop the old ones."""
        before = self.versions.get(place.name, {})
        try:
            exports = place.exports()
        except OSError as error:
            LOG.warning("%s cannot be read: %s", place.path, error.strerror)
            return
        self.failed = {
            (name, number): why
            for (name, number), why in self.failed.items()
            if name != place.name or number in exports
        }
        loaded = {
            number: before.get(number) or self._load(place, number, path)
            for number, path in exports.items()
        }
        now = {number: version for number, version in loaded.items() if version}
        if now or not exports:  # An old version is better than one that cannot be loaded.
            self.versions[place.name] = now

    def _load(self, place: Place, number: int, path: Path) -> Version | None:
        """Return a version, or None if it cannot be loaded."""
        try:
            loaded = load(path)
        except Exception as error:  # whatever TensorFlow raises for a file that is damaged
            reason = shortened(str(error))
            if self.failed.get((place.name, number)) != reason:
                LOG.warning("%s version %s cannot be loaded: %s", place.name, number, reason)
            self.failed = {**self.failed, (place.name, number): reason}
            return None
        self.failed = {key: why for key, why in self.failed.items() if key != (place.name, number)}
        LOG.info("Loaded %s version %s", place.name, number)
        return Version(number, loaded, Batches(self.limits), place.trust)

    def find(self, name: str, number: int | None = None, label: str = "") -> Version:
        """Return a version of a model: the newest, or the one with a number or a label.

        Raises:
            Refused: if there is none.
        """
        if label:
            if (name, label) not in self.labels:
                raise Refused(f"Unrecognized servable version label: {shortened(label)}")
            number = self.labels[name, label]
        versions = self.versions.get(name, {})
        if number is None and versions:
            number = max(versions)
        if number is None or number not in versions:
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise Refused(f"Servable not found for request: {shortened(wanted)}", 404)
        return versions[number]

    def tried(self, name: str) -> Trial | None:
        """Return what the page to try a model takes; None if there is no such model, or no run."""
        versions = self.versions.get(name, {})
        return versions[max(versions)].trial if versions else None
