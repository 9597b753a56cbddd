"""Look a user's own data through before it is trained on, and say what training would use."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlrecipes.datasets.duplicates import Repetitions
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions, Report, printable, shortened
from dlrecipes.errors import InputError
from dlrecipes.system.words import counted
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.other_kinds import read_own
from dlrecipes.tasks.reading import Reading, own_source

RARE_SHOWN = 5
"""Rare classes that a warning names."""
RARE = 0.1
"""A class with less than this share of the examples of the commonest class is called rare."""

FEW_TEST_ROWS = 20
"""With fewer test examples, the 95 % interval of an accuracy of 0.5 is over 40 points wide."""


@dataclass
class Findings:
    """What was found in a user's data.

    Args:
        path: The file or folder.
        task: The task that it was checked for.
        usable: Whether it can be trained on.
        problems: What prevents training, a sentence each, with file and line.
        problem_count: Number of problems.
        hint: What to do about them.
        warnings: What makes results worse or misleading.
        notes: What would be guessed, converted or left out.
        rows: Examples of each split that training would use.
        rows_per_class: Examples of each class and split.
        image_shape: Height, width and channels that all images would get.
        target: The column that would be predicted.
        columns: The columns that would be used: name, kind and content.
        repeated: Examples that occur more than once, those that spoil a result most first: their
            places, their labels, and the text or the row itself.
        repeated_count: Number of such examples.
        repeated_by_chance: Whether rows of so few values repeat by chance as often as these do;
            then none counts as a leak.
        leaks: How many of them are both in the training split and in another one.
    """

    path: str
    task: str
    usable: bool = False
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    hint: str = ""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    rows_per_class: dict[str, dict[str, int]] = field(default_factory=dict)
    image_shape: list[int] = field(default_factory=list)
    target: str = ""
    columns: list[dict[str, Any]] = field(default_factory=list)
    repeated: list[dict[str, Any]] = field(default_factory=list)
    repeated_count: int = 0
    repeated_by_chance: bool = False
    leaks: int = 0

    def document(self) -> dict[str, Any]:
        """Return what `--json` shows."""
        return asdict(self)


def look_at(path: Path, task: Task, options: FileOptions, recipes: Mapping[str, str]) -> Findings:
    """Return what is in a user's data, and whether and how a recipe of a task would use it.

    Args:
        path: The file or folder.
        task: What it is to be used for.
        options: How it is to be read.
        recipes: Name of a recipe for each task, for advice.
    """
    findings, report = Findings(str(path), task.name), Report()
    source: Source | None = None
    try:
        reading = Reading(path, options, report, recipes=recipes)
        source = own_source(reading, read_own(task, reading))
    except InputError as error:
        if not report.count:
            report.problem(error.message, error.hint)
    findings.problems, findings.problem_count = report.problems, report.count
    findings.notes, findings.hint = report.notes, report.hint
    findings.usable = source is not None and not report.count
    if source is not None:
        _describe(source, task, findings)
    return findings


def _describe(source: Source, task: Task, findings: Findings) -> None:
    """Add what training would use, and what would spoil its result."""
    findings.rows = {split: len(examples) for split, examples in source.splits().items()}
    findings.rows_per_class = source.rows_per_class()
    for name, value in task.input.describe(source).items():
        setattr(findings, name, value)
    if not task.input.is_running_text:
        _find_repeated(source, findings)
        _warn_of_few(source, findings)
    for split, counts in findings.rows_per_class.items():
        commonest = max(counts.values())
        rare = {name: count for name, count in counts.items() if count < RARE * commonest}
        if rare:
            shown = ", ".join(
                f"{shortened(name)!r} ({rare[name]:,})" for name in list(rare)[:RARE_SHOWN]
            )
            more = f" and {len(rare) - RARE_SHOWN:,} classes more" if len(rare) > RARE_SHOWN else ""
            findings.warnings.append(
                f"{split} has few examples of {shown}{more}, beside {commonest:,} of the commonest "
                "class."
            )


def _warn_of_few(source: Source, findings: Findings) -> None:
    """Add that there are too few test examples to tell how good a model is."""
    rows, labels = len(source.test), source.test.labels
    if rows < FEW_TEST_ROWS and (
        labels is None or len(labels.shape) == 1
    ):  # A mask has many answers.
        findings.warnings.append(
            f"{counted(rows, 'test example')} cannot tell how good a model is: results on fewer "
            f"than {FEW_TEST_ROWS} are mostly noise."
        )


def _find_repeated(source: Source, findings: Findings) -> None:
    """Add the examples that occur more than once."""
    found = Repetitions(source)
    findings.repeated_count = found.count
    findings.repeated_by_chance = found.are_by_chance
    if found.are_by_chance:
        findings.notes.append(
            f"{findings.repeated_count:,} different rows occur more than once, as chance has it "
            "where rows have so few values: they are not counted as leaks."
        )
        return
    findings.leaks = found.leaks
    findings.repeated = [asdict(one) for one in found.worst()]
    for count, what in (
        (findings.repeated_count, "that occur more than once"),
        (
            findings.leaks,
            "that are in train and in another split, which makes results too good",
        ),
        (found.contradictory, "that are labelled with more than one class"),
    ):
        if count:
            findings.warnings.append(f"Examples {what}: {count:,}.")


def repeated_kind(one: dict[str, Any]) -> str:
    """Return what is wrong with an example that occurs more than once."""
    if len(one["labels"]) > 1:
        return "labelled with more than one class"
    splits = {split for split, _ in one["places"]}
    return "in train and in another split" if "train" in splits and len(splits) > 1 else "repeated"


def repeated_sentence(one: dict[str, Any], most: int | None = None) -> str:
    """Return an example that occurs more than once, and where it stands, for people.

    Args:
        one: The example.
        most: Places that are named at most; None for all.
    """
    places = [f"{origin} ({split})" for split, origin in one["places"]]
    more = len(places) - most if most else 0
    shown = "; ".join(places[:most]) + (f"; and {more:,} more" if more > 0 else "")
    labels = f" as {', '.join(map(shortened, one['labels']))}" if len(one["labels"]) > 1 else ""
    example = printable(one["example"])
    what = f"{example if most is None else shortened(example)!r}" if example else "the same example"
    return f"{what}{labels}: {shown}"


PLACE = re.compile(r"^.*?, (?:line|row) [\d,]+: |^.*?: ")
"""Where a problem is, at the beginning of its sentence."""
CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|\b0x\w+|(?<![\w-])[-+]?\d[\d.,]*(?:e[-+]?\d+)?")
"""What differs between problems of a kind: what was found, and numbers."""


def kind_of(problem: str) -> str:
    """Return what kind of problem a sentence tells of: it, without its place and what was found."""
    rest = PLACE.sub("", problem, count=1)
    words = [
        "…" if "/" in word or Path(word.strip(".,:;()")).suffix else word
        for word in CHANGING.sub("…", rest).split()
    ]
    return " ".join(words)


def by_kind(sentences: Iterable[str]) -> dict[str, list[str]]:
    """Return sentences by what they are about, the commonest kind first."""
    kinds: dict[str, list[str]] = {}
    for sentence in sentences:
        kinds.setdefault(kind_of(sentence), []).append(sentence)
    return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))
