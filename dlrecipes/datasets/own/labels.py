"""What the labels of a user's files mean: which are one class, none, or numbers."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from dlrecipes.datasets.own.cells import is_number
from dlrecipes.datasets.own.files import Report, shortened

MOST_NUMBERS = 50
"""Different numbers in a column that can be classes; with more, it is a quantity."""
FEWEST_ROWS = 20
"""With fewer rows, a class for nearly every row is a small example, not a mistake."""
JOINTS = ("|", ";", ",")
"""What may stand between several labels of one example."""
UNLABELLED = (
    *("unsup", "unsupervised", "unlabelled", "unlabeled", "nolabel", "unlabel", "withoutlabel"),
    *("notlabelled", "notlabeled", "unannotated", "notannotated", "tobelabelled", "tobelabeled"),
)
"""What the examples without a label are filed under: letters alone."""


def is_unlabelled(name: str) -> bool:
    """Tell whether a label, a split or a folder says that its examples have no label."""
    return re.sub(r"[\W_]", "", name.casefold()) in UNLABELLED


def meaning(name: str) -> str:
    """Return what a label has in common with all that mean the same.

    Case, spaces and the form of accents do not count; and 1.0 is 1.
    """
    plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", plain)


def joined_names(counts: Mapping[str, Counter[str]], report: Report) -> dict[str, str]:
    """Return the name of its class for each label that is written otherwise.

    Args:
        counts: How often each label stands in each split.
        report: Is told what is one class.
    """
    total: Counter[str] = sum(counts.values(), Counter())
    alike: dict[str, list[str]] = {}
    for name in total:
        alike.setdefault(meaning(name), []).append(name)
    if all(len(name) == 1 for name in total):  # Letters, capital and small.
        return {}
    names: dict[str, str] = {}
    for key, several in sorted(alike.items()):
        if len(several) > 1:
            # The commonest; of numbers, the whole one.
            chosen = max(several, key=lambda name: (name == key and is_number(key), total[name]))
            others = [shortened(repr(name)) for name in several if name != chosen]
            report.note(f"{', '.join(others)}: the same class as {shortened(repr(chosen))}.")
            names |= dict.fromkeys(several, chosen)
    return names


def left_out_classes(
    counts: Mapping[str, Counter[str]], report: Report, known: Sequence[str] = ()
) -> set[str]:
    """Return the classes that are none: examples that nobody labelled.

    Args:
        counts: How often each class stands in each split.
        report: Is told of them, and of other classes that are never tested.
        known: The classes that a model was trained on; empty where there is none.
    """
    train, test = counts.get("train", Counter()), counts.get("test")
    never = [name for name in train if test is not None and name not in test and not known]
    total: Counter[str] = sum(counts.values(), Counter())
    unlabelled = {name for name in total if is_unlabelled(name) and name not in known}
    unlabelled |= {name for name in never if name == "-1"}
    if not known and len(train.keys() - unlabelled) < 2:
        return set()
    for name in sorted(unlabelled):
        report.note(f"{total[name]:,} examples of {name!r} are left out: they have no label.")
    for name in sorted(set(never) - unlabelled):
        report.note(
            f"The class {shortened(name)!r} is in train ({train[name]:,} examples), and never in "
            "test: its answers are not tested."
        )
    return unlabelled


def check_classes(counts: Mapping[str, int], path: Path, report: Report) -> None:
    """Report labels that are no classes: numbers of a quantity, or one for nearly every row."""
    rows = sum(counts.values())
    if report.count or rows < FEWEST_ROWS:
        return
    if len(counts) > MOST_NUMBERS and all(map(is_number, counts)):
        report.problem(
            f"{path}: the labels are {len(counts):,} different numbers: to predict a number is a "
            "regression, not a classification.",
            "Turn them into a few classes, such as low and high; or name another column with "
            "--label-column.",
        )
    elif len(counts) > rows / 2:
        report.problem(
            f"{path}: there is a class of its own for nearly every row ({len(counts):,} classes in "
            f"{rows:,} rows).",
            "Name a column of few different labels with --label-column.",
        )
    elif joined := _joined_labels(counts):
        report.note(
            f"Labels such as {shortened(joined[0])!r} join others, and an example has one class: "
            f"{len(joined):,} of them are taken as classes of their own."
        )


def _joined_labels(names: Iterable[str]) -> list[str]:
    """Return the names of classes that are made of others, such as `cat;dog` beside `cat`."""
    names = set(names)
    for mark in JOINTS:
        parts = {name: [one.strip() for one in name.split(mark)] for name in names if mark in name}
        known = names | {
            one for one, count in Counter(chain(*map(set, parts.values()))).items() if count > 1
        }
        joined = sorted(name for name, of in parts.items() if known.issuperset(of))
        if joined:
            return joined
    return []
