"""The test examples on which two runs differ: what they are, and what each run says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.published.fetch import is_prepared
from dlrecipes.errors import InputError
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.pairs import Tested, flipped, tested
from dlrecipes.runs.record import Run
from dlrecipes.tasks.opening import full_name, open_source
from dlrecipes.training.listener import Silence
from dlrecipes.training.request import Changes, Request
from dlrecipes.use.report.parts import shown_of

MOST = 24
"""Examples that are shown of each direction."""
IOU = "mean_iou"


def flips(one: Run, other: Run) -> dict[str, Any]:
    """Return the test examples that tell two runs apart; the runs were tested on the same ones.

    Returns:
        `lost` and `won`, each with the `count` of the examples that only the first run, or only
        the second, is right about, and some `cards` of them; whether answers are right or wrong
        (`flipped`), or else only closer or further off; and why some cannot be shown (`missing`).
        Nothing if it was not kept how the runs did.
    """
    first, second = tested(one), tested(other)
    if first is None or second is None:
        return {}
    lost, won = flipped(first, second)
    wanted = [*lost[:MOST].tolist(), *won[:MOST].tolist()]
    contents, missing = _contents((one, other), wanted)
    is_right = first.right is not None and second.right is not None
    found: dict[str, Any] = {"flipped": is_right, "missing": missing}
    for name, places in (("lost", lost), ("won", won)):
        cards = [
            {**contents[place], "said": [_said(of, one, place) for of in (first, second)]}
            for place in places[:MOST].tolist()
            if place in contents
        ]
        found[name] = {"count": len(places), "cards": cards}
    return found


def _said(of: Tested, run: Run, place: int) -> dict[str, Any]:
    """Return what was said of an example: the `answer`, and the `probability` of that.

    Args:
        of: How a run did on each example.
        run: A run on the same data, whose record names the classes.
        place: The place of the example.
    """
    if of.answer is None:
        loss = float(of.loss[place])
        said = f"IoU {1 - loss:.2f}" if run.headline == IOU else f"loss {loss:.3g}"
        return {"answer": said, "probability": None}
    answer = of.answer[place].item()
    if of.probability is None:
        return {"answer": answer, "probability": None}
    names = run.data["answer"].get("classes", ())
    name = names[answer] if answer < len(names) else str(answer)
    return {"answer": name, "probability": float(of.probability[place])}


def _contents(
    runs: Sequence[Run], wanted: Sequence[int]
) -> tuple[dict[int, Mapping[str, Any]], str]:
    """Return the `input` and the `truth` of test examples by their place, and why some lack.

    Those that a run has kept need no data; the others are read from the data, if it is still there.
    """
    kept: dict[int, Mapping[str, Any]] = {}
    for run in runs:
        shown = shown_of(run)
        of_cells = [row for cell in shown.get("cells", {}).values() for row in cell]
        for row in (*shown.get("mistakes", ()), *of_cells):
            kept[row["example"] - 1] = {"input": row["input"], "truth": row["truth"]}
    missing = [place for place in wanted if place not in kept]
    if not missing:
        return kept, ""
    try:
        return {**kept, **_from_data(runs[1], missing)}, ""
    except Exception as error:  # Whatever has become of the data, the rest of the page is whole.
        why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        return kept, why


def _from_data(run: Run, places: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return the `input` and the `truth` of test examples of a run's data, by their place.

    Raises:
        InputError: if the data is no longer there, or has changed. Nothing is downloaded.
    """
    # Its recipe is read, and not run.
    request = Request.from_run(run, Changes(trust_recipe=True, allow_changed=True))
    recipe, data = request.recipe_data, request.data
    is_published = not data.is_path and data.data != "sample"
    if is_published and not is_prepared(full_name(recipe, data), data.data_dir):
        raise InputError(f"the data set {full_name(recipe, data)} is no longer on this disk")
    source = open_source(recipe, data, run.seed, Silence())
    if source.fingerprint != run.data["fingerprint"]:
        raise InputError("the data has changed since")
    forms, some = form_of(run), source.test.take(np.array(places, "int64"))
    inputs = recipe.task.input.on_page(some, forms.input)
    truths = recipe.task.answer.truths(np.asarray(some.labels), forms.answer)
    return {
        place: {"input": given, "truth": truth.get("text", truth)}
        for place, given, truth in zip(places, inputs, truths, strict=True)
    }
