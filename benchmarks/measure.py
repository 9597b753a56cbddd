"""Measure every recipe and preset as a user runs it.

    python benchmarks/measure.py --data-dir FOLDER                           # about an hour
    python benchmarks/measure.py --data-dir FOLDER --only mnist-cnn/full

It runs the real command, `dlrecipes train … --json`, once a seed, one after another, and keeps what
each run recorded in `benchmarks/results.json`. The tables give the mean over the seeds, the lowest
and the highest, and the median wall time of the whole process. `python docs/generate.py` puts them
into the documentation, and seconds and scores into the docstring of each recipe.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from dlrecipes.catalog.facts import read_facts
from dlrecipes.tasks import find_task

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"


class Row(NamedTuple):
    """What is measured.

    Args:
        recipe: Name of the recipe.
        preset: Name of the preset; empty for none.
        data: The value of `--data`; a file or folder that `own_data.py` makes is own data.
        seeds: How many trainings, with the seeds from 0.
        flags: What else is typed.
    """

    recipe: str
    preset: str
    data: str
    seeds: int
    flags: str = ""

    @property
    def key(self) -> str:
        """Return the row's name, such as mnist-cnn:one-conv/full."""
        preset = f":{self.preset}" if self.preset else ""
        return f"{self.recipe}{preset}/{self.data}"

    @property
    def command(self) -> str:
        """Return the command that is measured, without the folder of the data."""
        preset = f" --preset {self.preset}" if self.preset else ""
        flags = f" {self.flags}" if self.flags else ""
        return f"dlrecipes train {self.recipe}{preset} --data {self.data}{flags}"


RECIPES = {
    facts.name: tuple(facts.presets)
    for facts in map(read_facts, sorted((ROOT / "recipes").glob("[!_]*.py")))
}
"""The built-in recipes and their presets."""
UNITS = {"text-generation-lstm": "nats per character", "regression-mlp": "US$ mean absolute error"}
"""What results are counted in, where the metric's name does not say it."""
OWN_ROWS = [
    Row("mnist-cnn", "", "digits", 5),
    Row("sentiment-lstm", "", "amazon_reviews.csv", 5, "--epochs 4"),
    Row("text-generation-lstm", "", "plotnine", 5),
    Row("regression-mlp", "", "txhousing.csv", 5, "--target median"),
]
ROWS = [
    *(Row(recipe, "", "full", 5) for recipe in RECIPES),
    *(Row(recipe, "", "sample", 5) for recipe in RECIPES),
    *(Row(recipe, preset, "full", 1) for recipe, presets in RECIPES.items() for preset in presets),
    *OWN_ROWS,
]


def headline(recipe: str) -> str:
    """Return the name of the metric that a recipe is judged by."""
    facts = read_facts(ROOT / "recipes" / f"{recipe.replace('-', '_')}.py")
    return find_task(facts.task).headline.name


def unit(recipe: str) -> str:
    """Return what the results of a recipe are counted in."""
    return UNITS.get(recipe, headline(recipe).replace("_", " "))


def measure(row: Row, seed: int, data_dir: str, own_dir: Path) -> dict[str, Any]:
    """Train once in a fresh process and return what is kept of the run.

    Args:
        row: What is measured.
        seed: The seed.
        data_dir: The folder of prepared data sets.
        own_dir: The folder of the files that `own_data.py` made.
    """
    with tempfile.TemporaryDirectory() as runs_dir:
        command = [sys.executable, "-m", *row.command.split(), "--seed", str(seed), "--json"]
        started = time.perf_counter()
        result = subprocess.run(
            [*command, "--runs-dir", runs_dir, "--data-dir", data_dir],
            cwd=own_dir,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - started
    if result.returncode != 0:
        sys.exit(f"{row.key}, seed {seed}: {result.stdout}{result.stderr}")
    run = json.loads(result.stdout)
    return {
        "seed": seed,
        "metrics": run["metrics"],
        "verdict": run["verdict"],
        "wall_seconds": round(wall, 1),
        "seconds": run["seconds"],
        "data": {key: run["data"][key] for key in ("name", "rung", "fingerprint", "rows")},
        "baseline": run["baseline"],
        "parameters": run["parameters"],
        "machine": run["machine"],
        "device": run["device"],
        "versions": run["versions"],
    }


def run_all(only: list[str], data_dir: str) -> None:
    """Measure the rows that were asked for, keeping each result as it comes."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    unknown = set(only) - {row.key for row in ROWS}
    if unknown:
        sys.exit(f"No such row: {', '.join(unknown)}. Rows: {', '.join(row.key for row in ROWS)}")
    wanted = [row for row in ROWS if not only or row.key in only]
    with tempfile.TemporaryDirectory() as own_dir:
        if any(row in OWN_ROWS for row in wanted):
            import own_data

            own_data.make(Path(own_dir))
        for row in wanted:
            results[row.key] = []
            for seed in range(row.seeds):
                measured = measure(row, seed, data_dir, Path(own_dir))
                results[row.key].append(measured)
                value = measured["metrics"][headline(row.recipe)]
                seconds = measured["wall_seconds"]
                print(f"{row.key} seed {seed}: {value:.4f}, {seconds} s", flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def shown_result(row: Row, runs: list[dict[str, Any]]) -> str:
    """Return the mean of the headline metric over the seeds, and its range."""
    values = [run["metrics"][headline(row.recipe)] for run in runs]
    digits = 1 if row.recipe == "regression-mlp" else 4
    result = f"{statistics.mean(values):,.{digits}f}"
    if len(values) > 1:
        result += f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    return result


def own_table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the table of results on data that is not shipped, in Markdown."""
    lines = [
        "| command | training rows | test result | baseline | seconds |",
        "|---|---|---|---|---|",
    ]
    for row in OWN_ROWS:
        runs = results.get(row.key)
        if not runs:
            continue
        digits = 1 if row.recipe == "regression-mlp" else 4
        value = runs[0]["baseline"]["metrics"][headline(row.recipe)]
        baseline = f"{value:,.{digits}f}"
        seconds = statistics.median(run["wall_seconds"] for run in runs)
        lines.append(
            f"| `{row.command}` | {runs[0]['data']['rows']['train']:,} "
            f"| {shown_result(row, runs)} {unit(row.recipe)} "
            f"| {baseline}: {runs[0]['baseline']['name']} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def table(results: dict[str, list[dict[str, Any]]], only: str = "") -> str:
    """Return the table of results, in Markdown.

    Args:
        results: What was measured.
        only: The recipe to show; empty for all.
    """
    lines = [
        "| command | parameters | training rows | test result | seeds | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        runs = results.get(row.key)
        if not runs or row in OWN_ROWS or only not in ("", row.recipe):
            continue
        seconds = statistics.median(run["wall_seconds"] for run in runs)
        lines.append(
            f"| `{row.command}` | {runs[0]['parameters']:,} "
            f"| {runs[0]['data']['rows']['train']:,} | {shown_result(row, runs)} "
            f"{unit(row.recipe)} "
            f"| {len(runs)} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def machine(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return where the results were measured, in a sentence."""
    last = next(iter(results.values()))[-1]
    machine, versions = last["machine"], last["versions"]
    return (
        f"Measured by `python benchmarks/measure.py` on {machine['system']}, "
        f"{machine['processor']}, {machine['cores']} cores, on the {last['device']}, Python "
        f"{versions['python']}, TensorFlow {versions['tensorflow']}, Keras {versions['keras']}."
    )


COMMAND = re.compile(r"^    (dlrecipes train (\S+)((?: --\S+ \S+)*))(?: +\d.*)?$", re.MULTILINE)
"""A line of a recipe's docstring: a command, and its seconds and score once it was measured."""


def docstring_with(results: dict[str, list[dict[str, Any]]], text: str) -> str:
    """Return the text of a recipe whose docstring gives the seconds and scores that were measured.

    A command that was not measured is given without.
    """
    width = max((len(command[1]) for command in COMMAND.finditer(text)), default=0)

    def measured(command: re.Match[str]) -> str:
        words = command[3].split()
        flags = dict(zip(words[::2], words[1::2], strict=True))
        data, preset = flags.pop("--data", "full"), flags.pop("--preset", "")
        row = Row(command[2], preset, data, 0, " ".join(map(" ".join, flags.items())))
        runs = results.get(row.key)
        if not runs:
            return f"    {command[1]}"
        seconds = statistics.median(run["wall_seconds"] for run in runs)
        metric = headline(row.recipe)
        score = statistics.mean(run["metrics"][metric] for run in runs)
        digits = 1 if score >= 100 else 3
        return f"    {command[1]:<{width}}  {seconds:>3.0f} s  {metric} {score:.{digits}f}"

    return COMMAND.sub(measured, text)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="Measure the recipes.")
    parser.add_argument("--only", nargs="*", default=[], help="rows, such as mnist-cnn/full")
    parser.add_argument(
        "--data-dir", required=True, type=Path, help="the folder of prepared data sets"
    )
    arguments = parser.parse_args()
    run_all(arguments.only, str(arguments.data_dir.resolve()))


if __name__ == "__main__":
    main()
