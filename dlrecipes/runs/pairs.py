"""Two runs on the same test examples: is one better, or may the difference be noise?"""

from dataclasses import asdict
from typing import Any

import numpy as np

from dlrecipes.errors import InputError
from dlrecipes.kit.scores import Scores, unpacked
from dlrecipes.runs.noise import is_share, paired
from dlrecipes.runs.record import SCORES_FILE, Run, finite


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
