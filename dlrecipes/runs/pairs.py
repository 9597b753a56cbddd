"""Two runs: how they differ, and whether one is better or the difference may be noise."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dlrecipes.errors import InputError
from dlrecipes.kit.scores import Array, Scores, unpacked
from dlrecipes.runs.noise import is_share, paired
from dlrecipes.runs.record import SCORES_FILE, Run, finite, shown_data
from dlrecipes.system.words import alike


def scores_of(run: Run) -> Scores | None:
    """Return how a run did on each test example, by its headline metric; None if it was not kept.

    Raises:
        InputError: if the file was changed after training.
    """
    if SCORES_FILE not in run.files:
        return None
    with np.load(run.checked_file(SCORES_FILE), allow_pickle=False) as arrays:
        return unpacked(arrays)


def compared(one: Run, other: Run) -> dict[str, Any]:
    """Return how far the second of two runs is from the first on the same test examples.

    Returns:
        The `metric`, the `difference`, its 95 % `interval` and how that was found (`test`), a
        `verdict` on the second run (`better`, `worse`, or `tie` where it may be noise), the number
        of test `rows`, and how many of them only the first (`lost`) or only the second (`won`) is
        right about, None where answers are not right or wrong; or only `why_none`, a clause.
    """
    if one.headline != other.headline:
        names = f"{one.headline} and {other.headline}"
        return {"why_none": f"the runs have different headline metrics, {names}"}
    if one.data["fingerprint"] != other.data["fingerprint"]:
        return {"why_none": "the runs were trained and tested on different data"}
    try:
        first, second = scores_of(one), scores_of(other)
    except (InputError, KeyError, OSError, ValueError) as error:
        return {"why_none": f"the scores of the test examples cannot be read ({error})"}
    if first is None or second is None:
        return {"why_none": "at least one run has no scores of its test examples (--no-report)"}
    if not first.fits(second) or first.parts.shape != second.parts.shape:
        return {"why_none": "the runs were tested on different examples"}
    found = paired(second, first)
    is_right = is_share(first) and is_share(second)
    document: dict[str, Any] = finite(
        {
            "metric": one.headline,
            **asdict(found),
            "verdict": found.verdict(higher_is_better=one.higher_is_better),
            "rows": len(first),
            "won": int((second.parts > first.parts).sum()) if is_right else None,
            "lost": int((second.parts < first.parts).sum()) if is_right else None,
        }
    )
    return document


def names(one: Run, other: Run) -> tuple[str, str]:
    """Return what two runs are called: their names, after their recipes if those are the same."""
    if one.run != other.run:
        return one.run, other.run
    return f"{one.recipe}/{one.run}", f"{other.recipe}/{other.run}"


def in_words(found: Mapping[str, Any], one: Run, other: Run) -> str:
    """Return whether the second of two runs is better, in a sentence or two.

    Args:
        found: What `compared` returned.
        one: The first run.
        other: The second run.
    """
    return sentence(found, *names(one, other))


def sentence(found: Mapping[str, Any], first: str, second: str) -> str:
    """Return the same of two runs that are called so."""
    if "why_none" in found:
        return f"It is unknown whether the difference is more than noise: {found['why_none']}."
    lowest, highest = found["interval"]
    if lowest is None:
        return "There are too few test examples to tell whether one run is better."
    shown = alike(lowest, highest, found["difference"])
    by = f"{shown(lowest)} to {shown(highest)}"
    basis = f"95 % interval {by}, {found['test']}, the same {found['rows']:,} test examples"
    size = shown(abs(found["difference"]))
    said = (
        f"The difference in {found['metric']}, {size}, may be noise ({basis})."
        if found["verdict"] == "tie"
        else f"{second} is {found['verdict']}: its {found['metric']} is {size} "
        f"{'higher' if found['difference'] > 0 else 'lower'} ({basis})."
    )
    if found["won"] is None:
        return said
    return (
        f"{said} Of the test examples, {second} alone is right about {found['won']:,}, and {first} "
        f"alone about {found['lost']:,}."
    )


@dataclass(frozen=True, eq=False)
class Tested:
    """How a run did on each test example, in order.

    Args:
        loss: How wrong each answer is, (examples,).
        answer: The class that was answered, by its number, or the number; None for other kinds.
        right: Whether each answer is right, bool (examples,); None where it is not right or wrong.
        probability: Of each answer, (examples,); None where answers have none.
    """

    loss: Array
    answer: Array | None = None
    right: Array | None = None
    probability: Array | None = None

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name, to be kept in a file beside the scores."""
        return {name: array for name, array in vars(self).items() if array is not None}


def tested(run: Run) -> Tested | None:
    """Return how a run did on each test example; None if that was not kept.

    Raises:
        InputError: if the file was changed after training.
    """
    if SCORES_FILE not in run.files:
        return None
    with np.load(run.checked_file(SCORES_FILE), allow_pickle=False) as arrays:
        kept = {name: arrays[name] for name in Tested.__annotations__ if name in arrays}
    return Tested(**kept) if "loss" in kept else None


def flipped(one: Tested, other: Tested) -> tuple[Array, Array]:
    """Return the test examples that only the first run, and that only the second is right about.

    The worst mistake comes first. Where answers are not right or wrong, it is the examples whose
    loss is higher, and lower, in the second run: the largest change comes first.

    Args:
        one: How the first run did.
        other: How the second did, on the same examples.

    Returns:
        The places of the examples, from 0.
    """
    if one.right is None or other.right is None:
        change = other.loss - one.loss
        order = np.argsort(-change, kind="stable")
        return order[change[order] > 0], order[::-1][change[order[::-1]] < 0]
    lost = np.flatnonzero(one.right & ~other.right)
    won = np.flatnonzero(~one.right & other.right)
    return (
        lost[np.argsort(-other.loss[lost], kind="stable")],
        won[np.argsort(-one.loss[won], kind="stable")],
    )


def differing_settings(one: Run, other: Run) -> dict[str, list[Any]]:
    """Return both values of everything that was chosen otherwise for one run than for the other."""
    settings = side_by_side(_chosen(one), _chosen(other))
    return {name: pair for name, pair in settings.items() if pair[0] != pair[1]}


def _chosen(run: Run) -> dict[str, Any]:
    """Return what was chosen for a run."""
    return {
        "recipe": run.recipe,
        "preset": run.preset or None,
        "seed": run.seed,
        "device": run.device,
        **run.config,
    }


def side_by_side(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return both values of every name that either has, None where one lacks it."""
    return {name: [one.get(name), other.get(name)] for name in {**one, **other}}


def cautions(one: Run, other: Run) -> list[str]:
    """Return why the metrics of two runs are not comparable, a sentence or two each."""
    found = []
    if one.run == other.run and one.recipe == other.recipe:
        found.append(f"Both names mean the same run, {one.run}.")
    if one.recipe != other.recipe:
        found.append(f"Different recipes: {one.recipe} and {other.recipe}.")
    if one.data["fingerprint"] != other.data["fingerprint"]:
        names = [shown_data(run.data) for run in (one, other)]
        which = f"{names[0]} and {names[1]}"
        if names[0] == names[1]:
            which = f"{names[0]} was changed between the two runs"
        found.append(f"Different data: {which}. The metrics are not comparable.")
    found += [
        f"The run {run.run} is not finished: it is {run.status}."
        for run in (one, other)
        if run.status != "finished"
    ]
    return found
