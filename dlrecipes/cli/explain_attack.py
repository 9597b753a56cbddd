"""What `explain --attack` shows. It runs no recipe's code."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrecipes.cli import answers, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.own.files import printable, shortened

if TYPE_CHECKING:
    from dlrecipes.runs.record import Run
    from dlrecipes.training.request import Changes
    from dlrecipes.use.predict import Asked


def show_attack(
    run: "Run", asked: "Asked", changes: "Changes", folder: Path, *, json: bool
) -> None:
    """Attack a run's model, and print the smallest changes of inputs or the accuracy of test rows.

    Args:
        run: The run.
        asked: Images, as `predict` takes them; none for test rows.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        folder: For the page and the pictures.
        json: Whether to print one JSON document.
    """
    from dlrecipes.use.explain import robustness as use
    from dlrecipes.use.explain.attack_page import PAGE, write_attacks, write_robustness

    listener = FetchDisplay(quiet=False)
    document: dict[str, Any] = {"run": run.run, "path": str(folder / PAGE)}
    with output.only_json(json):
        if asked.arguments:
            attacked = list(use.attack(run, asked, changes, listener))
        else:
            found = use.robustness(run, changes, listener)
    documents: list[dict[str, Any]] = []
    if asked.arguments:
        documents = write_attacks(run, attacked, folder)
        document["attacked"] = documents
    else:
        write_robustness(run, found, folder)
        document["rows"] = {"attacked": found.rows, "test": found.of}
        document |= {"strengths": list(found.strengths), "accuracy": found.accuracy}
    failed = [one for one in documents if "error" in one]
    if json:
        output.print_json(document)
    elif documents:
        _show_flips([one for one in documents if one not in failed])
        for one in failed:
            output.console().print(f"  {answers.failure(one)}", markup=False)
    else:
        output.console().print(f"\n{found.rows:,} of {found.of:,} test rows.")
        columns = zip(found.strengths, *found.accuracy.values(), strict=True)
        output.print_table(
            ["strength", *found.accuracy],
            [[str(strength), *map(output.number, values)] for strength, *values in columns],
        )
    if not json:
        output.console().print(f"\nWrote {folder / PAGE}", markup=False)
    answers.end_if_failed(len(failed), len(documents))


def _show_flips(documents: Sequence[dict[str, Any]]) -> None:
    """Print the answer to each input, and by how much it must be changed for which other answer."""
    rows = []
    for one in documents:
        before = f"{shortened(printable(one['answer']))} {one['probability']:.1%}"
        for attack in one["attacks"]:
            flips = attack["epsilon"] is not None
            after = (
                f"{shortened(printable(attack['answer']))} {attack['probability']:.1%}"
                if flips
                else "the same"
            )
            epsilon = str(attack["epsilon"]) if flips else "none"
            rows.append([shortened(printable(one["input"])), before, attack["method"]])
            rows[-1] += [epsilon, after]
    output.console().print()
    output.print_table(["input", "answer", "attack", "epsilon", "answer then"], rows)
