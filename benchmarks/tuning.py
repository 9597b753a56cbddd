"""Search settings as a user does: is what is found better, and is a trial ever lost or repeated?

    python benchmarks/tuning.py --runs-dir FOLDER               # about an hour; writes tuning.json
    python benchmarks/tuning.py --runs-dir FOLDER --only mnist-cnn kills

`regression-mlp`, `mnist-cnn`: `dlrecipes tune RECIPE --data sample`, 40 trials of the whole search
space, the former with `--epochs 10`. The best settings are chosen on validation rows; then they and
the defaults are trained with five seeds each, and tested.
`kills`: a search of small networks, killed ten times with `kill -9` at random moments and then
continued, against one that was not killed. `together`: two processes on one journal.
`python docs/generate.py` puts the results into the documentation.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.provenance import here

RESULT = Path(__file__).with_suffix(".json")
TRIALS = 40
RECIPES = {"regression-mlp": ("--epochs", "10"), "mnist-cnn": ()}
"""What is searched, and the settings that stay: a third of the epochs takes a third of the time."""
SMALL = (
    *("regression-mlp", "--data", "sample", "--preset", "fast", "--seeds", "0"),
    *("--space", "learning_rate", "--space", "dropout", "--space", "hidden_units=32|64,32|128"),
)
"""Seconds a trial: what is looked at is the search, not the network."""
KILLS = 10
LONGEST = 20.0
"""Seconds after which a search is killed at the latest: its start takes about a third of that."""


def command(folder: Path, name: str, *words: str) -> list[str]:
    """Return the command of a search."""
    flags = ("--trials", str(TRIALS), "--name", name, "--runs-dir", str(folder), "--json")
    return [sys.executable, "-P", "-m", "dlrecipes", "tune", *words, *flags]


def searched(folder: Path, name: str, *words: str) -> dict[str, Any]:
    """Search to the end, and return the JSON document; raise if that fails."""
    done = subprocess.run(
        command(folder, name, *words), stdout=subprocess.PIPE, text=True, check=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def search(recipe: str, folder: Path) -> dict[str, Any]:
    """Search all settings of a recipe, and return what was found."""
    name, begun = "whole", time.monotonic()
    found = searched(folder, name, recipe, "--data", "sample", *RECIPES[recipe])
    seconds = time.monotonic() - begun
    tested = {
        label: [
            read_run(path).metrics[found["metric"]]
            for path in sorted((folder / recipe).glob(f"{name}-{label}*-seed*"))
        ]
        for label in ("default", "best")
    }
    return {
        "metric": found["metric"],
        "statuses": Counter(trial["status"] for trial in found["trials"]),
        "default": found["trials"][0]["value"],
        "best": found["best"],
        "importance": found["importance"],
        "tested": tested,
        "comparison": found["comparison"],
        "seconds": seconds,
    }


def kills(folder: Path) -> dict[str, Any]:
    """Kill a search again and again; return what is left in the end, and of one not killed."""
    chance, left = random.Random(0), []
    for _ in range(KILLS):
        victim = subprocess.Popen(command(folder, "killed", *SMALL), stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, LONGEST))
        victim.kill()
        victim.wait()
        left.append(len(runs_of(folder, "killed")))
    found, whole = (searched(folder, name, *SMALL) for name in ("killed", "not-killed"))
    return {
        "kills": KILLS,
        "runs_after": left,
        **counts(found, runs_of(folder, "killed")),
        "same": sum(
            [trial[key] for key in ("status", "settings", "value")]
            == [other[key] for key in ("status", "settings", "value")]
            for trial, other in zip(found["trials"], whole["trials"], strict=True)
        ),
    }


def together(folder: Path) -> dict[str, Any]:
    """Have two processes search on one journal, and return what they did."""
    flags = ("--storage", str(folder / "shared.journal"))
    processes = [
        subprocess.Popen(
            command(folder, "together", *SMALL, *flags, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for more in ((), ("--join",))
    ]
    ended = [process.communicate() for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join(shown for _, shown in ended))
    found = searched(folder, "together", *SMALL, *flags)
    return {"each": of_each(flags[1], "together"), **counts(found, runs_of(folder, "together"))}


def of_each(journal: str, name: str) -> list[int]:
    """Return how many trials of a search each process began."""
    import optuna
    from optuna.storages import journal as files

    lock = files.JournalFileOpenLock(journal)
    storage = optuna.storages.JournalStorage(files.JournalFileBackend(journal, lock_obj=lock))
    study = optuna.load_study(study_name=name, storage=storage)
    begun = Counter(one.user_attrs["begun"].rsplit(" ", 1)[0] for one in study.trials)
    return sorted(begun.values())


def runs_of(folder: Path, name: str) -> list[Path]:
    """Return the folders of the trials of a search."""
    return sorted(path.parent for path in folder.glob(f"*/{name}-trial*/run.json"))


def counts(found: dict[str, Any], runs: Sequence[Path]) -> dict[str, Any]:
    """Return how many trials a search has, how many of them differ, and how many runs."""
    trials = found["trials"]
    return {
        "trials": len(trials),
        "statuses": Counter(trial["status"] for trial in trials),
        "different": len({json.dumps(trial["settings"]) for trial in trials}),
        "finished_runs": sum(read_run(path).status == "finished" for path in runs),
        "runs": len(runs),
    }


def table(document: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    lines = [
        "| recipe | metric | validation: default, best | test: default, best, five seeds | "
        "difference | trials stopped early | minutes |",
        "|---|---|---|---|---|---|---|",
        *(_row(recipe, document[recipe]) for recipe in RECIPES if recipe in document),
    ]
    if not {"kills", "together"} <= document.keys():
        return "\n".join(lines)
    killed, shared = document["kills"], document["together"]
    return "\n".join(
        [
            *lines,
            "",
            f"A search of {killed['trials']} trials was killed {killed['kills']} times with "
            f"`kill -9` and continued: {killed['different']} different settings, "
            f"{killed['finished_runs']} finished runs of {killed['runs']}, and {killed['same']} "
            "trials with the settings and the result of a search that was not killed. Two "
            f"processes on one journal did {shared['each'][0]} and {shared['each'][1]} of "
            f"{shared['trials']} trials: {shared['different']} different settings, "
            f"{shared['finished_runs']} finished runs of {shared['runs']}.",
        ]
    )


def _row(recipe: str, found: dict[str, Any]) -> str:
    """Return the row of a search."""
    tested = ", ".join(f"{statistics.mean(found['tested'][one]):.4g}" for one in found["tested"])
    low, high = found["comparison"]["interval"]
    verdict = found["comparison"]["verdict"]
    cells = [
        f"`{' '.join([recipe, *RECIPES[recipe]])}`",
        found["metric"],
        f"{found['default']:.4g}, {found['best']['value']:.4g}",
        tested,
        f"{found['comparison']['difference']:+.2g} ({low:+.2g} to {high:+.2g}): "
        f"{'within noise' if verdict == 'tie' else verdict}",
        f"{found['statuses'].get('pruned', 0)} of {TRIALS}",
        f"{found['seconds'] / 60:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, print and keep the results, part by part."""
    parser = argparse.ArgumentParser(description="Measure what a search of settings finds.")
    parser.add_argument("--runs-dir", type=Path, required=True, help="where the runs are kept")
    parts = (*RECIPES, "kills", "together")
    parser.add_argument("--only", nargs="+", default=parts, choices=parts, help="what to measure")
    arguments = parser.parse_args()
    folder = arguments.runs_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    document = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for part in arguments.only:
        if part in RECIPES:
            document[part] = search(part, folder)
        else:
            document[part] = kills(folder) if part == "kills" else together(folder)
        document["machine"] = here("cpu")
        RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
