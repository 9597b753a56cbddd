"""Export every recipe in every format, and measure each export in its own runtime.

    python benchmarks/exports.py                      # every recipe, trained on its sample
    python benchmarks/exports.py mnist-cnn --runs-dir runs

Writes benchmarks/exports.json. Runs of `--runs-dir` are used as they are; recipes without one are
trained there first, with their default settings. It takes about five minutes a recipe.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "exports.json"
COLUMNS = ("recipe", "format", "MB", "largest difference", "test metric", "ms for 1", "ms for 32")


def dlrecipes(*arguments: str) -> Any:
    """Return what a command prints as JSON."""
    command = [sys.executable, "-m", "dlrecipes", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def recipe_names() -> list[str]:
    """Return the names of the recipes."""
    return [path.stem.replace("_", "-") for path in sorted((ROOT / "recipes").glob("[!_]*.py"))]


def measure(recipe: str, runs_dir: str) -> dict[str, Any]:
    """Return the table of a recipe's latest run, which is trained if there is none."""
    where = ("--runs-dir", runs_dir)
    if not any(run["recipe"] == recipe for run in dlrecipes("runs", *where)):
        dlrecipes("train", recipe, "--data", "sample", "--no-baseline", *where)
    table: dict[str, Any] = dlrecipes("export", recipe, "--all", *where)
    run = dlrecipes("runs", "show", recipe, *where)
    for one in table["exports"]:
        one.pop("path")
    return {
        "machine": run["machine"],
        "versions": run["versions"],
        "predict": run["metrics"].get(table["metric"]),
        **table,
    }


def table(results: dict[str, Any]) -> str:
    """Return the Markdown table of all exports, and why there are no others."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|--:|--:|--:|--:|--:|"]
    for recipe, found in results.items():
        lines += [_line(recipe, found, one) for one in found["exports"] if not one["refused"]]
    refused = [
        f"- `{recipe}` as {_named(one)}: {one['refused']}"
        for recipe, found in results.items()
        for one in found["exports"]
        if one["refused"]
    ]
    return "\n".join([*lines, "", "Not available:", "", *refused]) if refused else "\n".join(lines)


def _named(one: dict[str, Any]) -> str:
    """Return what an export is called."""
    return " ".join(filter(None, (one["format"], one["quantization"])))


def _line(recipe: str, found: dict[str, Any], one: dict[str, Any]) -> str:
    """Return the line of an export."""
    is_drawn = one["metric"] is None
    metric = "none: it draws" if is_drawn else f"{found['metric']} {one['metric']:.4g}"
    times = [f"{one['latency_ms'][size]:.3g}" for size in ("1", "32")]
    size, difference = f"{one['bytes'] / 1e6:.2f}", f"{one['max_abs_difference']:.1e}"
    return f"| {' | '.join([f'`{recipe}`', _named(one), size, difference, metric, *times])} |"


def main() -> None:
    """Measure the recipes that the command line names, or all."""
    parser = argparse.ArgumentParser(description="Measure exports in every format.")
    parser.add_argument("recipes", nargs="*", help="recipes; all by default")
    parser.add_argument("--runs-dir", help="folder of runs; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for recipe in arguments.recipes or recipe_names():
            found = measure(recipe, arguments.runs_dir or temporary)
            results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
            ordered = dict(sorted({**results, recipe: found}.items()))
            RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
            print(f"{recipe}: {len(found['exports'])} exports")


if __name__ == "__main__":
    main()
