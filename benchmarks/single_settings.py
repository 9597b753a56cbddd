"""Measure what each setting of a recipe does when it is changed alone, on the samples.

    python benchmarks/single_settings.py                          # about an hour on two cores
    python benchmarks/single_settings.py --only mnist-cnn --runs-dir FOLDER

Every recipe is trained with its default settings, and with each change of `CHANGES` alone, with the
same seeds. All trainings are in one process, without baseline, checkpoints and report. What is kept
in `benchmarks/single_settings.json` is the headline metric, and the processor time of the training:
unlike wall time, it hardly depends on what else the machine does. What is measured already is not
measured again. `python docs/generate.py` makes a table of it for each recipe's lesson.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from measure import RECIPES, ROOT, headline

from dlrecipes.catalog.facts import read_facts

RESULT = ROOT / "benchmarks" / "single_settings.json"
CHANGES: dict[str, tuple[str, ...]] = {
    "mnist-cnn": (
        "batch_normalization=false",
        "activation=sigmoid",
        "filters=16",
        "dense_units=0",
        "augmentation=true",
        "epochs=12",
    ),
    "regression-mlp": ("loss=mse", "members=1", "waves=0", "dropout=0.1", "schedule=constant"),
    "sentiment-lstm": (
        "max_words=10",
        "embedding_dropout=0",
        "dropout=0",
        "epochs=5",
        "reading=last",
    ),
    "text-ngrams": (
        "longest=1",
        "learning_rate=1e-6",
        "first_weight=0",
        "dropout=0.5",
        "epochs=10",
    ),
    "loans-mlp": (
        "imbalance=class_weights",
        "imbalance=undersample",
        "members=1",
        "dropout=0",
        "weight_decay=0",
    ),
    "text-generation-lstm": (
        "lstm_units=96",
        "embedding_spread=0.03",
        "gradient_clip_norm=0",
        "window=16",
    ),
    "land-unet": (
        "filters=16",
        "epochs=5",
        "batch_normalization=false",
        "learning_rate=3e-4",
    ),
    "digits-gan": ("epochs=10", "filters=16", "average=0", "schedule=constant"),
}
"""What is changed alone, by recipe: a setting and its value."""
SLOW = ("text-generation-lstm", "land-unet", "digits-gan")
SEEDS = dict.fromkeys(CHANGES, 3) | dict.fromkeys(SLOW, 1)
"""How many trainings with each change, with the seeds from 0: one where it takes a minute."""


def train(recipe: str, change: str, seed: int, runs_dir: Path) -> dict[str, Any]:
    """Train once, and return what is kept of the run.

    Args:
        recipe: Name of the recipe.
        change: The setting that is changed, and its value; empty for the defaults.
        seed: The seed.
        runs_dir: Folder of the runs.
    """
    from dlrecipes.system.backend import forget
    from dlrecipes.training import trainer
    from dlrecipes.training.listener import Silence
    from dlrecipes.training.request import Flags, Request

    facts = read_facts(ROOT / "recipes" / f"{recipe.replace('-', '_')}.py")
    name, _, value = change.partition("=")
    flags = Flags(
        settings={name: value} if change else {},
        data="sample",
        seed=seed,
        runs_dir=runs_dir,
        checkpoint_every="never",
        no_baseline=True,
        name=f"{name}-{value}-{seed}".replace(",", "-") if change else f"default-{seed}",
    )
    forget()
    started = time.process_time()
    run = trainer.train(Request.from_flags(facts, flags), Silence())
    return {
        "recipe": recipe,
        "change": change,
        "seed": seed,
        "value": run.metrics[headline(recipe)],
        "processor_seconds": round(time.process_time() - started, 1),
        "machine": run.machine,
        "versions": run.versions,
    }


def measure(only: list[str], runs_dir: Path) -> None:
    """Train whatever is not measured yet, first the defaults, and keep each result."""
    from dlrecipes.system.backend import load_tensorflow

    load_tensorflow()
    kept = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else []
    done = {(one["recipe"], one["change"], one["seed"]) for one in kept}
    wanted = [
        (recipe, change, seed)
        for recipe, changes in CHANGES.items()
        for change in ("", *changes)
        for seed in range(SEEDS[recipe])
        if recipe in only
    ]

    def order(one: tuple[str, str, int]) -> tuple[int, bool, bool, int]:
        """Return what comes first: the defaults, the quick recipes, a change of each recipe."""
        recipe, change, seed = one
        place = CHANGES[recipe].index(change) if change else 0
        return seed, change != "", recipe in SLOW, place

    wanted.sort(key=order)
    for recipe, change, seed in wanted:
        if (recipe, change, seed) not in done:
            kept.append(train(recipe, change, seed, runs_dir))
            print(
                recipe, change, seed, kept[-1]["value"], kept[-1]["processor_seconds"], flush=True
            )
            RESULT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def rows(recipe: str) -> list[tuple[str, list[float], float]]:
    """Return what was measured of a recipe: each change, its values, and its mean seconds."""
    kept = json.loads(RESULT.read_text("utf-8"))
    found = []
    for change in ("", *CHANGES[recipe]):
        some = [one for one in kept if (one["recipe"], one["change"]) == (recipe, change)]
        if some:
            seconds = statistics.mean(one["processor_seconds"] for one in some)
            found.append((change, [one["value"] for one in some], seconds))
    return found


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="Change settings of the recipes alone.")
    parser.add_argument("--only", nargs="*", choices=RECIPES, default=list(RECIPES), help="recipes")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept")
    arguments = parser.parse_args()
    measure(arguments.only, arguments.runs_dir)


if __name__ == "__main__":
    main()
