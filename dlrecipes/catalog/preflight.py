"""Look a user's own data through before it is trained on, and say what training would use."""

from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.duplicates import repeated_examples
from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions, Report, shortened
from dlrecipes.datasets.statistics import Categories, column_statistics
from dlrecipes.errors import InputError
from dlrecipes.tasks.base import Task

REPEATED_SHOWN = 1000
"""Repeated examples that are listed; all are counted."""
RARE_SHOWN = 5
"""Rare classes that a warning names."""
RARE = 0.1
"""A class with less than this share of the examples of the commonest class is called rare."""


@dataclass
class Findings:
    """What was found in a user's data.

    Args:
        path: The file or folder.
        task: What it was looked through for.
        usable: Whether it can be trained on.
        problems: What stops training, a sentence each, with file and line.
        problem_count: Problems in all.
        hint: What to do about them.
        warnings: What makes results worse or dishonest.
        notes: What would be guessed, converted or left out.
        rows: Examples of each split that training would use.
        rows_per_class: The same for each class.
        image_shape: Height, width and channels that all images would get.
        target: The column that would be predicted.
        columns: What would be predicted from: name, kind, and what it holds.
        repeated: Examples that stand more than once: their places and labels.
        repeated_count: How many such examples there are.
        leaks: How many of them stand both in training and in another split.
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
    leaks: int = 0

    def document(self) -> dict[str, Any]:
        """Return what `--json` shows."""
        return asdict(self)


def look_at(path: Path, task: Task, options: FileOptions) -> Findings:
    """Return what is in a user's data, and whether and how a recipe of a task would use it.

    Args:
        path: The file or folder.
        task: What it is to be used for.
        options: How it is to be read.
    """
    findings, report = Findings(str(path), task.name), Report()
    source: Source | None = None
    try:
        source = task.read_path(path, options, None, report)
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
    findings.image_shape = list(source.image_shape)
    findings.target = source.target
    if source.target:
        findings.columns = [
            _column(source.column_names.get(name, name), statistics)
            for name, statistics in column_statistics(source.train).items()
        ]
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
    if task.has_single_examples:
        _find_repeated(source, findings)


def _column(name: str, statistics: Any) -> dict[str, Any]:
    """Return what a column of the training examples holds."""
    if isinstance(statistics, Categories):
        texts = [value for value in statistics.values if value]  # An empty one is a missing one.
        return {
            "name": name,
            "kind": "categories",
            "values": len(texts),
            "has_missing": len(texts) < len(statistics.values),
        }
    return {
        "name": name,
        "kind": "numbers",
        "mean": statistics.mean,
        "deviation": float(np.sqrt(statistics.variance)),
        "has_missing": statistics.has_missing,
    }


def _find_repeated(source: Source, findings: Findings) -> None:
    """Add the examples that stand more than once."""
    repeated = list(repeated_examples(source))
    findings.repeated_count = len(repeated)
    findings.leaks = sum(one.is_leak for one in repeated)
    # Those that spoil a result come first.
    repeated.sort(key=lambda one: (len(one.labels) < 2, not one.is_leak))
    findings.repeated = [asdict(one) for one in islice(repeated, REPEATED_SHOWN)]
    contradictory = sum(len(one.labels) > 1 for one in repeated)
    for count, what in (
        (findings.repeated_count, "that stand more than once"),
        (
            findings.leaks,
            "that stand in train and in another split too, so that results are too good",
        ),
        (contradictory, "that are labelled with more than one class"),
    ):
        if count:
            findings.warnings.append(f"Examples {what}: {count:,}.")


def repeated_sentence(one: dict[str, Any]) -> str:
    """Return where an example stands, for people."""
    places = "; ".join(f"{origin} ({split})" for split, origin in one["places"])
    labels = f" as {', '.join(map(shortened, one['labels']))}" if len(one["labels"]) > 1 else ""
    return f"the same example{labels}: {places}"
