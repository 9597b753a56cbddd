"""Default settings on data of other people, beside plain baselines: the same rows for all.

    python benchmarks/public_sets.py FOLDER --seeds 5

The sets come out of packages (see `public_sets_data.py`). Nothing was tuned on any of their test
rows. For each seed, `dlrecipes train RECIPE --data FILE` is run with nothing else said; it fits the
plain baseline on the same rows and says whether the difference may be noise. Tables are given to
histogram gradient boosting as it comes in scikit-learn, and to `RealMLP_TD` of the package
`pytabkit` too, where `--python` names an interpreter that has it, with the median in the place of a
missing number, as it takes none. What was measured is kept in
`public_sets.json`, and what is there is not measured again.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
from public_sets_data import COLUMN, SETS, TARGET, Set, fetch, write

RESULT = Path(__file__).with_name("public_sets.json")


def ours(one: Set, path: Path, seed: int) -> dict[str, Any] | None:
    """Return what `dlrecipes train` says with default settings; None without a baseline."""
    command = [sys.executable, "-P", "-m", "dlrecipes", "train", one.recipe, "--json"]
    command += ["--data", path.name, "--seed", str(seed), *["--target", TARGET] * one.is_table]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    if document.get("error"):
        raise SystemExit(f"{one.name}: {document['error']}")
    plain = document["plain_baseline"]
    if not plain:  # The machine was too busy to fit it in its time: another day.
        return None
    comparison = plain["comparison"]
    return {
        "rows": document["data"]["rows"],
        "seconds": document["seconds"],
        "chosen": document["chosen"],
        "value": document["metrics"][one.metric],
        "plain": plain["name"],
        "plain_value": plain["metrics"][one.metric],
        "headline": comparison["metric"],
        "verdict": comparison["verdict"],
    }


def prepared(path: Path) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series]:
    """Return columns and target to train on, and those to test on."""
    frame = pd.read_csv(path)
    test = frame.pop(COLUMN) == "test"
    target = frame.pop(TARGET)
    texts = frame.select_dtypes(exclude="number").columns
    frame[texts] = frame[texts].astype("category")
    return frame[~test], target[~test], frame[test], target[test]


def boosting(one: Set, seed: int) -> Any:
    """Return histogram gradient boosting as it comes."""
    from sklearn import ensemble

    kind = "Classifier" if one.recipe == "loans-mlp" else "Regressor"
    model = getattr(ensemble, f"HistGradientBoosting{kind}")
    return model(categorical_features="from_dtype", random_state=seed)


def real_mlp(one: Set, seed: int) -> Any:
    """Return RealMLP with its authors' tuned defaults."""
    import pytabkit
    import torch

    torch.set_num_threads(1)  # Its batches are small: threads wait for each other.
    kind = "Classifier" if one.recipe == "loans-mlp" else "Regressor"
    return getattr(pytabkit, f"RealMLP_TD_{kind}")(random_state=seed, device="cpu", n_threads=1)


def score(make: Callable[[Set, int], Any], one: Set, path: Path, seed: int) -> float:
    """Return the test metric of another model."""
    from sklearn import metrics

    columns, target, test, wanted = prepared(path)
    if make is real_mlp:  # It takes no missing numbers.
        medians = columns.median(numeric_only=True)
        columns, test = columns.fillna(medians), test.fillna(medians)
    model = make(one, seed).fit(columns, target)
    if one.recipe != "loans-mlp":
        return float(metrics.r2_score(wanted, model.predict(test)))
    if one.positive:
        place = list(model.classes_).index(one.positive)
        scores = model.predict_proba(test)[:, place]
        return float(metrics.average_precision_score(wanted == one.positive, scores))
    return float(metrics.accuracy_score(wanted, model.predict(test)))


OTHERS: dict[str, Callable[[Set, int], Any]] = {"boosting": boosting, "RealMLP": real_mlp}


def other(name: str, one: Set, path: Path, seed: int, python: str) -> float:
    """Return the test metric of another model, in a process of the interpreter that has it."""
    words = [python, __file__, str(path.parent), "--model", name, "--only", one.name]
    done = subprocess.run(
        [*words, "--seeds", str(seed)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def models(one: Set, python: str) -> list[str]:
    """Return the names of the models that a data set is given to."""
    return ["dlrecipes", *["boosting"] * one.is_table, *["RealMLP"] * bool(one.is_table and python)]


def measure(name: str, one: Set, folder: Path, seed: int, python: str) -> Any:
    """Return what one model reaches on one data set with one seed."""
    path = write(one, folder)
    if name == "dlrecipes":
        return ours(one, path, seed)
    return other(name, one, path, seed, python if name == "RealMLP" else sys.executable)


def table(document: dict[str, Any]) -> str:
    """Return the table of what was measured, and what comes out of it."""
    measured = [seed for of in document["sets"].values() for seed in of.values()]
    others = [name for name in OTHERS if any(name in seed for seed in measured)]
    head = ["data", "rows", "recipe", "metric", "dlrecipes", "plain baseline", "better, tie, worse"]
    lines = [f"| {' | '.join([*head, *others])} |", f"|{'---|' * (len(head) + len(others))}"]
    ranks: dict[str, list[int]] = {}
    for one in SETS:
        known = document["sets"].get(one.name, {}).values()
        seeds = [seed for seed in known if "dlrecipes" in seed]
        if not seeds:
            continue
        own = [seed["dlrecipes"] for seed in seeds]
        verdicts = Counter(each["verdict"] for each in own)
        means = {
            name: mean(seed[name] for seed in seeds if name in seed)
            for name in OTHERS
            if any(name in seed for seed in seeds)
        }
        values = [each["value"] for each in own]
        found = {"dlrecipes": mean(values), **means}
        if len(found) > len(OTHERS):
            for name, value in found.items():
                better = sum(other > value for other in found.values())
                ranks.setdefault(name, []).append(1 + better)
        cells = [
            f"`{one.name}` ({one.source})",
            f"{sum(own[0]['rows'].values()):,}",
            f"`{one.recipe}`",
            one.metric.replace("_", " "),
            f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})",
            f"{mean(each['plain_value'] for each in own):.3f}",
            ", ".join(str(verdicts[verdict]) for verdict in ("better", "tie", "worse")),
            *(f"{means[name]:.3f}" if name in means else "" for name in others),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    ranked = ", ".join(f"{name} {mean(of):.2f}" for name, of in ranks.items())
    of = len(next(iter(ranks.values()), []))
    return "\n".join(lines + ([f"\nMean rank on {of} tables: {ranked}."] if ranks else []))


def main() -> None:
    """Measure what is not known yet, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--python", default="", help="an interpreter that has pytabkit")
    parser.add_argument("--model", choices=list(OTHERS), help="measure this alone, with one seed")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sets = [one for one in SETS if not given.only or one.name in given.only]
    if given.model:
        print(score(OTHERS[given.model], sets[0], folder / f"{sets[0].name}.csv", given.seeds))
        return
    from dlrecipes.runs.provenance import here  # RealMLP's interpreter need not have it.

    fetch(folder)
    document = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"sets": {}}
    known = document["sets"]
    wanted = [
        (name, one, folder, seed, given.python)
        for seed in range(given.seeds)
        for one in sets
        for name in models(one, given.python)
        if name not in known.get(one.name, {}).get(str(seed), {})
    ]
    for one in sets:
        write(one, folder)
    with ThreadPoolExecutor(given.jobs) as pool:
        for each, found in zip(wanted, pool.map(lambda each: measure(*each), wanted), strict=True):
            name, one, _, seed, _ = each
            if found is None:
                print(one.name, seed, "has no plain baseline", flush=True)
                continue
            known.setdefault(one.name, {}).setdefault(str(seed), {})[name] = found
            print(one.name, seed, name, json.dumps(found), flush=True)
            document["machine"] = here("cpu")
            RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
