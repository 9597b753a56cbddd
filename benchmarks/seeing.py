"""Measure what it costs to see what was learned: reports, pages that watch, explanations.

    python benchmarks/seeing.py --runs-dir FOLDER [--repetitions 3] [--recipes NAME…]

Each recipe is trained on its sample with its default settings and without a plain baseline: without
a report, with one, and with a page that watches it, in turn, several times. Then `report` writes
the report again, and the answers to some test rows are explained. Seconds are those of the
processor (user and system) of a whole process, as other programs do not change them much; wall time
is in the JSON beside them. Medians are shown, and the median of the ratios within each turn.
`python docs/generate.py` then puts the tables into the documentation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dlrecipes.runs.provenance import here

RESULT = Path(__file__).with_suffix(".json")
RECIPES = (
    *("mnist-cnn", "regression-mlp", "sentiment-lstm", "text-ngrams", "loans-mlp"),
    *("land-unet", "text-generation-lstm", "digits-gan"),
)
SIDES = {"plain": ("--no-report",), "report": (), "watch": ("--no-report", "--watch")}
INPUTS = 3
EXPLAIN = """
import sys, time
from pathlib import Path

from dlrecipes.runs.lookup import read_run
from dlrecipes.training.listener import Silence
from dlrecipes.training.request import Changes
from dlrecipes.use.explain.attribution import Explained, explain
from dlrecipes.use.predict import Asked

one_of, run = Explained.one, read_run(Path(sys.argv[1]))

def timed(self, *given):
    begun, wall = time.process_time(), time.perf_counter()
    found = list(one_of(self, *given))
    print("took", time.process_time() - begun, time.perf_counter() - wall)
    yield from found

Explained.one = timed
list(explain(run, Asked(sys.argv[2:]), Changes(device="auto"), Silence()))
"""


def timed(command: list[str]) -> tuple[float, float, str]:
    """Return the seconds of the processor and of the wall that a command takes, and its output."""
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return used, time.perf_counter() - begun, done.stdout


def dlrecipes(*words: object) -> tuple[float, float, str]:
    """Return the same of a command of dlrecipes."""
    return timed([sys.executable, "-m", "dlrecipes", *map(str, words)])


def measure(recipe: str, runs_dir: Path, repetitions: int) -> dict[str, Any]:
    """Return the seconds of each side of each turn, of a report, and of explained inputs."""
    turns = []
    for _ in range(repetitions):
        turn = {}
        for side, flags in SIDES.items():
            asked = ("train", recipe, "--data", "sample", "--no-baseline", "--json", *flags)
            used, wall, printed = dlrecipes(*asked, "--runs-dir", runs_dir)
            turn[side] = {"processor": used, "wall": wall}
            if side == "report":
                path = json.loads(printed)["path"]
        turns.append(turn)
        print(recipe, {side: round(found["processor"], 1) for side, found in turn.items()})
    found: dict[str, Any] = {"turns": turns}
    used, wall, _ = dlrecipes("report", path)
    found["report"] = {"processor": used, "wall": wall}
    if given := inputs(recipe, runs_dir):
        _, _, printed = timed([sys.executable, "-P", "-c", EXPLAIN, path, *given])
        said = [line.split()[1:] for line in printed.splitlines() if line.startswith("took")]
        found["explained"] = [{"processor": float(one), "wall": float(two)} for one, two in said]
    return found


def inputs(recipe: str, folder: Path) -> list[str]:
    """Return inputs of a recipe: arguments of `explain`; none if it has no inputs."""
    from importlib.resources import files

    import numpy as np
    import pandas as pd
    from PIL import Image

    data = files("dlrecipes.data")
    sample = {"mnist-cnn": "mnist.npz", "land-unet": "land.npz"}.get(recipe)
    if sample:
        with np.load(str(data / sample)) as arrays:
            pictures = arrays["x_test"][:INPUTS]
        names = [str(folder / f"{recipe}-{number}.png") for number in range(INPUTS)]
        for name, picture in zip(names, pictures, strict=True):
            Image.fromarray(picture.squeeze()).save(name)
        return names
    if recipe in ("regression-mlp", "loans-mlp"):
        name = {"regression-mlp": "diamonds.csv", "loans-mlp": "lending_club.csv"}[recipe]
        rows = pd.read_csv(str(data / name))
        rows[rows["split"] == "test"].head(INPUTS).to_csv(folder / f"{recipe}.csv", index=False)
        return [str(folder / f"{recipe}.csv")]
    if recipe in ("sentiment-lstm", "text-ngrams"):
        texts = pd.read_csv(str(data / "movie_reviews.csv"))
        return [str(text) for text in texts[texts["split"] == "test"]["text"].head(INPUTS)]
    return ["She was", "The cat said", "There was no"] if "generation" in recipe else []


def table(document: dict[str, Any]) -> str:
    """Return the results as a table."""
    rows = []
    for recipe, found in document["recipes"].items():
        turns = found["turns"]
        plain = statistics.median(turn["plain"]["processor"] for turn in turns)
        ratios = [
            statistics.median(
                turn[side]["processor"] / turn["plain"]["processor"] for turn in turns
            )
            for side in ("report", "watch")
        ]
        explained = found.get("explained", [])
        each = max((one["processor"] for one in explained), default=None)
        rows.append(
            f"| `{recipe}` | {len(turns)} | {plain:.1f} s | {ratios[0]:.3f} | {ratios[1]:.3f} "
            f"| {found['report']['processor']:.1f} s | {'-' if each is None else f'{each:.1f} s'} |"
        )
    head = [
        "| recipe | turns | no report | with report | `--watch` | `report` | slowest input |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def main() -> None:
    """Measure, print and keep the results, recipe by recipe."""
    parser = argparse.ArgumentParser(description="Measure what reports and explanations cost.")
    parser.add_argument("--runs-dir", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--repetitions", type=int, default=3, help="turns of each recipe")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, help="recipes to measure")
    arguments = parser.parse_args()
    arguments.runs_dir.mkdir(parents=True, exist_ok=True)
    document = {"recipes": {}}
    if RESULT.exists():
        document = json.loads(RESULT.read_text("utf-8"))
    for recipe in arguments.recipes:
        found = measure(recipe, arguments.runs_dir.resolve(), arguments.repetitions)
        document["recipes"][recipe] = found
        document["machine"] = here("cpu")
        RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
