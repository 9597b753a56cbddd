"""What `predict` is given: files, folders, patterns such as `new/*.png`, rows and texts."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.own.archives import is_archive, only_file, unpacked
from dlrecipes.datasets.own.files import Report, files_below, printable
from dlrecipes.errors import InputError
from dlrecipes.system.home import expanded
from dlrecipes.tasks.base import Inputs

AT_ONCE = 1024
"""Inputs that are read before they are answered."""
EMPTY_TEXT = "The text is empty: the answer says nothing of it."
PATTERN = re.compile(r"[*?[]")
Suffixes = Sequence[str] | Callable[[Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Given:
    """One input that `predict` was given.

    Args:
        name: What it is called.
        value: The input: a path, a text, pixels.
        place: Where it stands in a file of many, for its entry: `file`, `row`, `line`.
        error: Why it cannot be used; None if it can.
        note: What to know of its answer.
        in_folder: Whether it was found in a folder that was given.
        packed: The folder that an archive was unpacked into, and the archive; empty for none.
    """

    name: str
    value: Any = None
    place: Mapping[str, Any] = field(default_factory=dict)
    error: InputError | None = None
    note: str = ""
    in_folder: bool = False
    packed: tuple[str, str] = ("", "")

    def failure(self, error: InputError) -> InputError:
        """Return why it cannot be used, with its place in the archive, if it was in one."""
        return InputError(self.said(error.message), self.said(error.hint))

    def said(self, text: str) -> str:
        """Return a text that names it with its place in the archive, if it was in one."""
        return text.replace(*self.packed) if self.packed[0] else text


def gathered(
    given: Iterable[Given | Inputs],
    features: Callable[[list[Any]], Rows],
    size: int = AT_ONCE,
) -> Iterator[Inputs]:
    """Yield inputs, some at a time.

    Args:
        given: The inputs, of which some may be together already.
        features: Returns the values of some inputs as the serving model takes them.
        size: How many at a time.
    """
    some: list[Given] = []
    for one in given:
        if isinstance(one, Given):
            some.append(one)
        if some and (len(some) == size or isinstance(one, Inputs)):
            yield _together(some, features)
            some = []
        if isinstance(one, Inputs):
            yield one
    if some:
        yield _together(some, features)


def _together(some: Sequence[Given], features: Callable[[list[Any]], Rows]) -> Inputs:
    """Return some inputs with what the model takes of them."""
    values = [one.value for one in some if one.error is None]
    return Inputs(
        names=[one.name for one in some],
        features=features(values) if values else np.empty(0),
        places=[one.place for one in some],
        errors={place: one.error for place, one in enumerate(some) if one.error is not None},
        notes={place: one.note for place, one in enumerate(some) if one.note},
    )


def failed(name: str, error: InputError, place: Mapping[str, Any] | None = None) -> Inputs:
    """Return an input that cannot be used."""
    return Inputs([printable(name)], np.empty(0), [place or {}], {0: error})


def as_error(report: Report) -> InputError:
    """Return the problems that a report was told of as one error."""
    try:
        report.require_usable("The input")
    except InputError as error:
        return error
    return InputError("The input cannot be used.")


def given_paths(argument: str) -> list[Path]:
    """Return the paths that an argument means: itself, or those that fit it as a pattern.

    What exists is meant as it is, whatever characters its name has.

    Raises:
        InputError: if nothing fits the pattern.
    """
    path = expanded(argument)
    if os.path.lexists(path) or not PATTERN.search(argument):
        return [path]
    found = sorted(_fitting(path))
    if not found:
        raise InputError(f"No file fits {printable(argument)}.")
    return found


def _fitting(pattern: Path) -> Iterator[Path]:
    """Yield what fits a pattern, without what is hidden, as a shell would."""
    begin = Path(pattern.anchor)
    asks_hidden = any(part.startswith(".") and part != ".." for part in pattern.parts)
    for path in begin.glob(str(pattern.relative_to(begin))):
        if asks_hidden or not any(part.startswith(".") and part != ".." for part in path.parts):
            yield path


def given_files(
    arguments: Iterable[str],
    suffixes: Suffixes,
    plural: str,
    is_packed: Callable[[Path], bool] = is_archive,
) -> Iterator[Given]:
    """Yield the files that arguments mean: files, those of a kind in folders, or in patterns.

    A folder may be packed. What it is unpacked into is there until the next file is asked for.

    Args:
        arguments: Files, folders and patterns; `-` is yielded as it is.
        suffixes: Endings of the files in a folder that count, in lower case; or what returns them.
        plural: What they are, for messages.
        is_packed: Tells whether a path is to be unpacked.
    """
    for argument in arguments:
        try:
            paths = [Path(argument)] if argument == "-" else given_paths(argument)
        except InputError as error:
            yield Given(printable(argument), error=error)
            continue
        for path in paths:
            if os.path.isdir(path):
                yield from _files_in(path, suffixes, plural)
            elif is_packed(path):
                yield from _files_packed(path, suffixes, plural)
            else:
                yield Given(printable(str(path)), path)


def _files_packed(archive: Path, suffixes: Suffixes, plural: str) -> Iterator[Given]:
    """Yield the files of a kind in an archive, or its only file."""
    try:
        with unpacked(archive) as folder:
            packed = (str(folder), str(archive))
            inside = only_file(folder)
            if inside != folder:
                yield Given(printable(str(archive)), inside, packed=(str(inside), str(archive)))
                return
            for given in _files_in(folder, suffixes, plural):
                named = replace(given, packed=packed)
                error = given.error and named.failure(given.error)
                yield replace(named, name=named.said(given.name), error=error)
    except InputError as error:
        yield Given(printable(str(archive)), error=error)


def _files_in(folder: Path, suffixes: Suffixes, plural: str) -> Iterator[Given]:
    """Yield the files of a kind below a folder."""
    report = Report()
    wanted = suffixes(folder) if callable(suffixes) else suffixes
    files = [file for file in files_below(folder, report) if file.suffix.lower() in wanted]
    if not files and not report.count:
        report.problem(f"{folder} has no {plural} ({', '.join(wanted)}).")
    for file in files:
        yield Given(printable(str(file)), file, in_folder=True)
    if report.count:
        yield Given(printable(str(folder)), error=as_error(report))
