"""Measure whether the interval of a mean over seeds holds what it says.

    python benchmarks/interval_coverage.py --runs-dir FOLDER [--first-seed 0]

It takes half an hour, and goes on where it was in FOLDER.

Twenty trainings that differ in their seeds alone give the mean that is to be covered. Twenty times,
five trainings with seeds that no other has give a mean and its 95 % interval, as `train --seeds 5`
shows them. An interval covers the mean of the twenty if that lies in it. Welch's interval of the
difference, which `runs compare` shows, also counts the spread of the mean of twenty: it covers if
it holds 0. As the mean of twenty is itself uncertain, an interval of a mean is expected to cover it
93 % of the time, not 95 %: the share of Student's t with 4 degrees of freedom within
2.776 x sqrt(0.8). Where all repetitions are compared with the same twenty, they miss together if
those twenty are unlucky; so each five seeds are also compared with the twenty after them. Twenty
repetitions tell little, so five and twenty are also drawn many times from all of the trainings,
without a seed in both. Another `--first-seed` measures all of it anew, as a series beside those
that are there. `python docs/generate.py` then puts the result into the documentation.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.catalog.find import find_recipe
from dlrecipes.runs.provenance import here
from dlrecipes.runs.seed_groups import difference_of_means, margin_of_mean
from dlrecipes.training.listener import Silence
from dlrecipes.training.request import Flags, Request
from dlrecipes.training.seeds import spread_of, train_seeds

RESULT = Path(__file__).with_suffix(".json")
RECIPE, EPOCHS = "regression-mlp", "5"
FEW, MANY, REPETITIONS = 5, 20, 20
DRAWN = 20_000


def measure(runs_dir: Path, repetitions: int, first: int) -> dict[str, Any]:
    """Return how often the intervals cover the mean of other seeds.

    Args:
        runs_dir: The folder of the runs: those that are in it already are not trained again.
        repetitions: How many groups of five seeds are trained.
        first: The first seed.
    """
    facts = find_recipe(RECIPE)
    flags = Flags(
        settings={"epochs": EPOCHS},
        seed=first,
        data="sample",
        runs_dir=runs_dir,
        no_baseline=True,
        no_report=True,
    )
    request = Request.from_flags(facts, flags, None)
    runs = []
    for run in train_seeds(request, MANY + FEW * repetitions, "coverage", Silence):
        runs.append(run)
        print(f"seed {run.seed}: {run.metrics[run.headline]:.5g}", flush=True)
    metric = runs[0].headline
    values = [float(run.metrics[metric] or 0) for run in runs]
    others = values[:MANY]
    groups = []
    for start in range(MANY, len(runs), FEW):
        spread = spread_of(runs[start : start + FEW])
        mean, margin = spread.mean[metric], spread.margin[metric]
        low, high = difference_of_means(values[start : start + FEW], others).interval
        covers = abs(mean - float(np.mean(others))) <= margin
        groups.append({"mean": mean, "margin": margin, "covers": covers, "welch": low <= 0 <= high})
    return {
        "command": f"dlrecipes train {RECIPE} --data sample --epochs {EPOCHS} --seed N",
        "first": first,
        "metric": metric,
        "values": values,
        "mean": float(np.mean(others)),
        "groups": groups,
        "after": [covered(values, start) for start in range(0, len(values) - FEW - MANY + 1, FEW)],
        **drawn_coverage(values),
        "machine": here("cpu"),
    }


def covered(values: list[float], start: int) -> dict[str, bool]:
    """Return whether the intervals of five values from a place on cover the twenty after them."""
    few, many = values[start : start + FEW], values[start + FEW : start + FEW + MANY]
    low, high = difference_of_means(few, many).interval
    is_near = abs(float(np.mean(few) - np.mean(many))) <= margin_of_mean(few)
    return {"covers": is_near, "welch": bool(low <= 0 <= high)}


def drawn_coverage(values: list[float]) -> dict[str, float]:
    """Return the share of groups drawn at random whose intervals cover the mean of others."""
    random, covered, welch = np.random.default_rng(0), 0, 0
    for _ in range(DRAWN):
        drawn = random.permutation(values).tolist()
        few, many = drawn[:FEW], drawn[FEW : FEW + MANY]
        low, high = difference_of_means(few, many).interval
        covered += abs(float(np.mean(few) - np.mean(many))) <= margin_of_mean(few)
        welch += low <= 0 <= high
    return {"drawn_covers": covered / DRAWN, "drawn_welch": welch / DRAWN}


def table(document: dict[str, Any]) -> str:
    """Return the series as sentences and a table."""
    every = document["series"]
    shown = {
        "The interval of the mean of 5 holds the mean of 20 others": ("covers", "drawn_covers"),
        "Welch's interval of the difference of the two means holds 0": ("welch", "drawn_welch"),
    }
    rows = [
        f"| {one['first']} to {one['first'] + len(one['values']) - 1} | {what} "
        f"| {_count(one['groups'], key)} | {_count(one['after'], key)} "
        f"| {one[drawn]:.1%} of {DRAWN:,} |"
        for one in every
        for what, (key, drawn) in shown.items()
    ]
    return "\n".join(
        [
            *(_said(one) for one in every),
            "",
            f"| seeds | | the first {MANY} | the {MANY} after each {FEW} | drawn from all |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _said(series: dict[str, Any]) -> str:
    """Return what a series is, in sentences."""
    groups, values, first = series["groups"], series["values"], series["first"]
    error = np.std(values, ddof=1) / np.sqrt(MANY)
    apart = (series["mean"] - np.mean(values)) / error
    said = (
        f"{len(values)} trainings by `{series['command']}`, N from {first} on: the mean "
        f"{series['metric']} of the first {MANY} is {series['mean']:,.1f}, "
        f"{abs(apart):.1f} standard errors {'above' if apart > 0 else 'below'} that of all, and "
        f"the others are {len(groups)} groups of {FEW}."
    )
    if len(groups) < REPETITIONS:
        said += f" That is fewer than the {REPETITIONS} that are planned, and too few to tell."
    return said


def _count(repetitions: list[dict[str, Any]], key: str) -> str:
    """Return in how many repetitions an interval covers."""
    return f"{sum(one[key] for one in repetitions)} of {len(repetitions)}"


def main() -> None:
    """Measure, print and keep the result."""
    parser = argparse.ArgumentParser(description="Measure how often intervals over seeds cover.")
    parser.add_argument("--runs-dir", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="groups of five seeds")
    parser.add_argument("--first-seed", type=int, default=0, help="the first seed of the series")
    arguments = parser.parse_args()
    first = arguments.first_seed
    known = json.loads(RESULT.read_text("utf-8"))["series"] if RESULT.exists() else []
    measured = measure(arguments.runs_dir, arguments.repetitions, first)
    document = {"series": [*(one for one in known if one["first"] != first), measured]}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
