"""Measure every recipe and preset as a user runs it, and write the results into the README.

    python benchmarks/measure.py run --data-dir FOLDER      # trains all of it: about an hour
    python benchmarks/measure.py run --only mnist-cnn/full --data-dir FOLDER
    python benchmarks/measure.py readme                     # writes the table from results.json

`run` calls the real command, `dlrecipes train … --json`, once a seed, one after another, and keeps
what each run recorded in `benchmarks/results.json`. The table gives the mean over the seeds, the
lowest and highest, and the median of the whole process's wall time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import own_data
import readme

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
    "mnist-cnn": ("one-conv", "three-conv", "two-conv"),
    "sentiment-lstm": ("lstm-128", "lstm-64"),
    "text-generation-lstm": ("lstm-128",),
    "regression-mlp": ("dense-32",),
}
HEADLINES = {
    "mnist-cnn": "accuracy",
    "sentiment-lstm": "accuracy",
    "text-generation-lstm": "loss",
    "regression-mlp": "mae",
}
UNITS = {
    "mnist-cnn": "accuracy",
    "sentiment-lstm": "accuracy",
    "text-generation-lstm": "nats per character",
    "regression-mlp": "US$ mean absolute error",
}
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
        "baseline": run["data"]["baseline"],
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
            own_data.make(Path(own_dir))
        for row in wanted:
            results[row.key] = []
            for seed in range(row.seeds):
                measured = measure(row, seed, data_dir, Path(own_dir))
                results[row.key].append(measured)
                value = measured["metrics"][HEADLINES[row.recipe]]
                seconds = measured["wall_seconds"]
                print(f"{row.key} seed {seed}: {value:.4f}, {seconds} s", flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def shown_result(row: Row, runs: list[dict[str, Any]]) -> str:
    """Return the mean of the headline metric over the seeds, and its range."""
    values = [run["metrics"][HEADLINES[row.recipe]] for run in runs]
    digits = 1 if row.recipe == "regression-mlp" else 4
    result = f"{statistics.mean(values):,.{digits}f}"
    if len(values) > 1:
        result += f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    return result


def own_table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the README's table of results on data that is not shipped, in Markdown."""
    lines = [
        "| command | training rows | test result | without a network | seconds |",
        "|---|---|---|---|---|",
    ]
    for row in OWN_ROWS:
        runs = results.get(row.key)
        if not runs:
            continue
        digits = 1 if row.recipe == "regression-mlp" else 4
        baseline = f"{runs[0]['baseline']['value']:,.{digits}f}"
        seconds = statistics.median(run["wall_seconds"] for run in runs)
        lines.append(
            f"| `{row.command}` | {runs[0]['data']['rows']['train']:,} "
            f"| {shown_result(row, runs)} {UNITS[row.recipe]} "
            f"| {baseline}: {runs[0]['baseline']['answer']} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the README's table of results, in Markdown."""
    lines = [
        "| command | parameters | training rows | test result | seeds | seconds |",
        "|---|---|---|---|---|---|",
    ]
    measured = [row for row in ROWS if results.get(row.key) and row not in OWN_ROWS]
    for row in measured:
        runs = results[row.key]
        seconds = statistics.median(run["wall_seconds"] for run in runs)
        lines.append(
            f"| `{row.command}` | {runs[0]['parameters']:,} "
            f"| {runs[0]['data']['rows']['train']:,} | {shown_result(row, runs)} "
            f"{UNITS[row.recipe]} "
            f"| {len(runs)} | {seconds:.0f} |"
        )
    last = results[measured[0].key][-1]
    machine, versions = last["machine"], last["versions"]
    return "\n".join(
        [
            *lines,
            "",
            f"Measured by `python benchmarks/measure.py run` on {machine['system']}, "
            f"{machine['processor']}, {machine['cores']} cores, on the {last['device']}, Python "
            f"{versions['python']}, TensorFlow {versions['tensorflow']}, Keras "
            f"{versions['keras']}. The test result is the mean over the seeds, with the lowest "
            "and the highest; seconds are the median wall time of the whole process, from start to "
            "exit. A training row of `text-generation-lstm` is a window of characters.",
        ]
    )


def readme_with(results: dict[str, list[dict[str, Any]]], text: str) -> str:
    """Return the README's text with the tables in their places."""
    text = readme.text_with(text, "results", table(results))
    return readme.text_with(text, "own", own_table(results))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Measure the recipes.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and measure")
    run.add_argument("--only", nargs="*", default=[], help="rows, such as mnist-cnn/full")
    run.add_argument(
        "--data-dir", required=True, type=Path, help="the folder of prepared data sets"
    )
    commands.add_parser("readme", help="write the table into README.md")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run_all(arguments.only, str(arguments.data_dir.resolve()))
    text = readme_with(json.loads(RESULTS.read_text()), readme.README.read_text())
    readme.README.write_text(text)


if __name__ == "__main__":
    main()
