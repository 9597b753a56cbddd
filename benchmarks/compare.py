"""Time to the same accuracy: a tutorial's plain Keras script, the same in PyTorch, and dlrecipes.

    python -m pip install '.[bench]'                      # PyTorch
    python benchmarks/compare.py run --data-dir FOLDER    # about three hours
    python benchmarks/compare.py run --data-dir FOLDER --only one-conv --repetitions 1
    python benchmarks/compare.py show                     # print the tables of compare.json

Whole processes, from start to exit, in turn, on full data, in fresh processes. What each will read
of its libraries and data is read before, so that none starts from a colder disk than another: the
system forgets files that were not read for a minute, and a short process follows long ones. Four
sides:

- `script`: the tutorial's network as it is written in `scripts/keras_*.py`;
- `torch`: the same network in PyTorch, in its best plain practice;
- `dlrecipes`: `dlrecipes train RECIPE --preset fast`, with the seeds from 0 to 4; where a smaller
  network does, with that;
- `torch-ours`: the network and the settings of that preset in PyTorch.

And apart from these, for each recipe, `dlrecipes train RECIPE` with its default settings against
`scripts/bare.py`, which trains the same network with the same settings for as many epochs, and
against what `--plan` says just before that it will take.
Then, what a single fast path gives: the preset `fast` with and without it.
The floor of a figure is its network's arithmetic over this machine's rate of multiplying matrices.
`python docs/generate.py` puts the tables into the documentation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import floor

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "scripts"
RESULT = HERE / "compare.json"
Runs = dict[str, list[dict[str, Any]]]
"""What was measured, by side."""
Measured = tuple[str, str, dict[str, Any]]
"""Name of the row, side, and what was measured."""
SIDES = ("script", "torch", "dlrecipes", "torch-ours")


class Row(NamedTuple):
    """What is reached in how much time.

    Args:
        name: Of the tutorial's network.
        recipe: The recipe.
        target: The script's result on the test split, as the figure to reach.
        metric: Name of the result in a run's metrics.
        unit: Of the result, for people.
        epochs: Those of the script, and of its network in PyTorch.
        our_epochs: Those of the preset `fast`, with which dlrecipes reaches the target.
        torch: The script in PyTorch.
        flags: What is told to the preset `fast`, if less does to reach the target.
    """

    name: str
    recipe: str
    target: float
    metric: str
    unit: str
    epochs: int
    our_epochs: int
    torch: str
    flags: tuple[str, ...] = ()


FAST = ("--preset", "fast")


def _cnn(name: str, target: float, *flags: str) -> Row:
    """Return the row of a convolutional network."""
    return Row(name, "mnist-cnn", target, "accuracy", "accuracy", 5, 1, "torch_cnn.py", flags)


ROWS = {
    row.name: row
    for row in (
        _cnn("one-conv", 0.9872, "--filters", "16,16,128"),
        _cnn("three-conv", 0.9907),
        _cnn("two-conv", 0.9896, "--filters", "16,32,128"),
        Row(
            "lstm-128", "sentiment-lstm", 0.869, "accuracy", "accuracy", 2,
            1, "torch_sentiment.py",
        ),
        Row(
            "text", "text-generation-lstm", 2.014, "loss", "nats per character", 5,
            1, "torch_text.py",
        ),
        Row(
            "dense-32", "regression-mlp", 323.0, "mae", "US$ mean absolute error", 10,
            2, "torch_regression.py",
        ),
    )
}  # fmt: skip
PATHS = (
    ("mnist-cnn", "--steps-per-execution 1"),
    ("regression-mlp", "--steps-per-execution 1"),
    ("sentiment-lstm", "--no-batch-by-length"),
    ("mnist-cnn", "--precision mixed_bfloat16"),
    ("sentiment-lstm", "--precision mixed_bfloat16"),
    ("text-generation-lstm", "--precision mixed_bfloat16"),
)
"""Recipes, and the flags that turn a fast path off, or on where it is off."""


class Setting(NamedTuple):
    """Where the benchmark runs.

    Args:
        rung: `full` or `sample`.
        data_dir: The folder of prepared data sets.
        files: The folder of plain files for the scripts.
        scratch: Where what is trained may be written.
    """

    rung: str
    data_dir: Path
    files: Path
    scratch: Path


def environment(setting: Setting) -> dict[str, str]:
    """Return the environment of a measured process: quiet, and with compiled byte code."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "BENCHMARK_FILES": str(setting.files),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XDG_CACHE_HOME": str(setting.files / "cache"),
    }


def read_ahead(library: str, setting: Setting) -> None:
    """Have the system read the files of a library and the data, so that it has them in memory."""
    command = [sys.executable, "-c", f"import {library}"]
    subprocess.run(command, env=environment(setting), check=True, stderr=subprocess.DEVNULL)
    for folder in (setting.files, setting.data_dir):
        for file in folder.rglob("*"):
            if file.is_file():
                file.read_bytes()


def timed(command: Iterable[str], library: str, setting: Setting) -> dict[str, Any]:
    """Run a process to its end and return what it took, and the last line that it printed as JSON.

    Args:
        command: What is run.
        library: What it imports.
        setting: Where it runs.

    Returns:
        `wall` and `cpu` seconds, `peak_bytes` of memory, and the document.
    """
    read_ahead(library, setting)
    started = time.time()
    env = environment(setting) | {"BENCHMARK_STARTED": repr(started)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([*command], cwd=setting.scratch, env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.time() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read().decode()
        if process.returncode:
            err.seek(0)
            sys.exit(f"{' '.join(command)}\n{printed}{err.read().decode()}")
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "document": json.loads(printed[max(printed.rfind('\n{"result"'), 0) :]),
    }


def script(arguments: Iterable[str], setting: Setting) -> dict[str, Any]:
    """Measure one of the scripts."""
    name, *rest = arguments
    library = "torch" if name.startswith("torch") else "keras"
    measured = timed([sys.executable, str(SCRIPTS / name), *rest], library, setting)
    return {**measured, **measured.pop("document")}


def dlrecipes_train(recipe: str, flags: Iterable[str], setting: Setting) -> dict[str, Any]:
    """Run `dlrecipes train` and return what it took, and the JSON document that it printed."""
    data = ["--data", setting.rung, "--data-dir", str(setting.data_dir)]
    command = [sys.executable, "-m", "dlrecipes", "train", recipe, *flags, *data, "--json"]
    return timed(command, "keras", setting)


def plan(recipe: str, flags: Iterable[str], setting: Setting) -> dict[str, Any]:
    """Measure `dlrecipes train --plan`, and what it says that the training will take."""
    measured = dlrecipes_train(recipe, [*flags, "--plan"], setting)
    said = measured.pop("document")["seconds"]
    return {**measured, "planned": said["total"], "error": said["error"]}


def train(recipe: str, flags: Iterable[str], metric: str, setting: Setting) -> dict[str, Any]:
    """Measure `dlrecipes train`."""
    measured = dlrecipes_train(recipe, flags, setting)
    run = measured.pop("document")
    samples = run["data"]["rows"]["train"] * run["config"]["epochs"]
    return {
        **measured,
        "result": run["metrics"][metric],
        "fit": run["seconds"]["fit"],
        # The run's clock begins a little after the process, and ends a little before.
        "first_step": run["seconds"]["first_step"] + measured["wall"] - run["seconds"]["total"],
        "samples_per_second": samples / run["seconds"]["fit"],
        "seconds": run["seconds"],
        "machine": run["machine"],
        "versions": run["versions"],
    }


def measure(row: Row, side: str, number: int, setting: Setting) -> dict[str, Any]:
    """Measure one side of a row."""
    if side == "script":
        return script([f"keras_{row.name.replace('-', '_')}.py"], setting)
    if side == "torch":
        return script([row.torch, row.name, str(row.epochs)], setting)
    if side == "torch-ours":
        network = f"ours-{row.name}" if row.flags else "ours"
        return script([row.torch, network, str(row.our_epochs)], setting)
    return train(row.recipe, [*FAST, *row.flags, "--seed", str(number)], row.metric, setting)


def rows(
    names: Iterable[str], sides: Iterable[str], repetitions: int, seeds: int, setting: Setting
) -> Iterator[Measured]:
    """Measure every side of rows in turn, and dlrecipes with some more seeds."""
    for number in range(max(repetitions, seeds)):
        for name in names:
            for side in sides:
                if number < repetitions or side == "dlrecipes":
                    yield name, side, measure(ROWS[name], side, number, setting)


def against_bare(metrics: dict[str, str], repetitions: int, setting: Setting) -> Iterator[Measured]:
    """Measure recipes with their default settings against a bare script."""
    for number in range(repetitions):
        for recipe, metric in metrics.items():
            seed = ["--seed", str(number)]
            yield recipe, "plan", plan(recipe, seed, setting)
            yield recipe, "dlrecipes", train(recipe, seed, metric, setting)
            yield recipe, "bare", script(["bare.py", recipe, str(setting.data_dir)], setting)


def with_and_without(
    metrics: dict[str, str], repetitions: int, setting: Setting
) -> Iterator[Measured]:
    """Measure the preset `fast` with and without single fast paths."""
    for number in range(repetitions):
        for recipe, flags in PATHS:
            for side, more in (("as it is", []), ("changed", flags.split())):
                if recipe in metrics:
                    ours = [*FAST, *more, "--seed", str(number)]
                    name = f"{recipe} {flags}"
                    yield name, side, train(recipe, ours, metrics[recipe], setting)


def run(arguments: argparse.Namespace) -> None:
    """Measure what was asked for, and keep each result as it comes."""
    found = json.loads(arguments.result.read_text()) if arguments.result.exists() else {}
    sides = [side for side in SIDES if side in arguments.sides]
    if find_spec("torch") is None and any(side.startswith("torch") for side in sides):
        print("PyTorch is not here and is left out: python -m pip install '.[bench]'")
        sides = [side for side in sides if not side.startswith("torch")]
    names = [name for name in ROWS if name in (arguments.only or ROWS)]
    metrics = {ROWS[name].recipe: ROWS[name].metric for name in names}
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as scratch:
        folder = arguments.data_dir.resolve()
        setting = Setting(arguments.data, folder, Path(files), Path(scratch))
        write = "import sys, plain_files; plain_files.write_all(*sys.argv[1:])"
        subprocess.run(
            [sys.executable, "-c", write, arguments.data, str(folder)],
            cwd=SCRIPTS,
            env=environment(setting),
            check=True,
        )
        # In a process of its own: the memory of one that is started counts as what it starts from.
        rate = "import floor; print(floor.multiplications_per_second())"
        found["rate"] = float(
            subprocess.run(
                [sys.executable, "-c", rate],
                cwd=HERE,
                env=environment(setting),
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        )
        found["data"] = arguments.data
        begun = set()
        for name, side, one in chain(
            rows(names, sides, arguments.repetitions, arguments.seeds, setting),
            against_bare(metrics, arguments.bare, setting),
            with_and_without(metrics, arguments.paths, setting),
        ):
            runs = found.setdefault("rows", {}).setdefault(name, {})
            # What an earlier measurement left is cleared by the first of this one.
            runs[side] = [*(runs[side] if (name, side) in begun else []), one]
            begun.add((name, side))
            arguments.result.write_text(json.dumps(found, indent=1) + "\n")
            figures = (
                f"{key} {value:,.5g}"
                for key, value in one.items()
                if isinstance(value, float | int)
            )
            print(f"{name} {side}: {', '.join(figures)}", flush=True)


def median(runs: list[dict[str, Any]], key: str) -> float:
    """Return the median of a figure."""
    return statistics.median(run[key] for run in runs)


def spread(runs: list[dict[str, Any]], key: str = "wall") -> str:
    """Return the median of some seconds, and the least and the most."""
    values = [run[key] for run in runs]
    return f"{statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"


def _shown(value: float) -> str:
    """Return a result for people."""
    return f"{value:.1f}" if value > 10 else f"{value:.4f}"


def ratio(runs: Runs, side: str, other: str, key: str = "wall") -> str:
    """Return the ratio of two sides' medians; nothing if one was not measured."""
    if side not in runs or other not in runs:
        return ""
    return f"{median(runs[side], key) / median(runs[other], key):.2f}"


def table_of_rows(found: dict[str, Any]) -> list[str]:
    """Return the table of the time to the same result."""
    lines = [
        "| to | tutorial's script | PyTorch | `--preset fast` | of the script | of PyTorch "
        "| of `torch-ours` | floors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        runs = found["rows"].get(name, {})
        if "script" not in runs or "dlrecipes" not in runs:
            continue
        floors = [
            floor.training_operations(*network, epochs) / found["rate"]
            for network, epochs in (
                (floor.TUTORIALS[name], row.epochs),
                (floor.FAST[name], row.our_epochs),
            )
        ]
        lines.append(
            f"| {_shown(row.target)} {row.unit}: `{name}` | {spread(runs['script'])} "
            f"| {spread(runs['torch']) if 'torch' in runs else ''} "
            f"| {spread(runs['dlrecipes'])}, `{' '.join([row.recipe, *row.flags])}` "
            f"| {ratio(runs, 'dlrecipes', 'script')} | {ratio(runs, 'dlrecipes', 'torch')} "
            f"| {ratio(runs, 'dlrecipes', 'torch-ours')} "
            f"| {floors[0]:.1f} s, {floors[1]:.1f} s |"
        )
    return lines


def table_of_sides(found: dict[str, Any]) -> list[str]:
    """Return the table of everything that was measured of each side."""
    lines = [
        "| network | side | seconds | of processors | peak memory | samples/s | first step "
        "| result |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in ROWS:
        runs = found["rows"].get(name, {})
        for side in SIDES:
            if side not in runs:
                continue
            result = statistics.mean(run["result"] for run in runs[side])
            lines.append(
                f"| `{name}` | {side} | {median(runs[side], 'wall'):.1f} s "
                f"| {median(runs[side], 'cpu'):.1f} s "
                f"| {median(runs[side], 'peak_bytes') / 2**20:,.0f} MiB "
                f"| {median(runs[side], 'samples_per_second'):,.0f} "
                f"| {median(runs[side], 'first_step'):.1f} s | {_shown(result)} |"
            )
    return lines


def planned(runs: Runs) -> str:
    """Return what `--plan` said over what it took then: the median, the least and the most."""
    pairs = zip(runs["plan"], runs["dlrecipes"], strict=False)  # it may have ended in between
    ratios = [before["planned"] / after["wall"] for before, after in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def table_of_bare(found: dict[str, Any]) -> list[str]:
    """Return the table of the command against a bare script with the same network."""
    lines = [
        "| `dlrecipes train` | seconds | bare script | ratio | peak memory | bare script | ratio "
        "| as `--plan` said it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for recipe in dict.fromkeys(row.recipe for row in ROWS.values()):
        runs = found["rows"].get(recipe, {})
        if "bare" not in runs:
            continue
        memory = [median(runs[side], "peak_bytes") / 2**20 for side in ("dlrecipes", "bare")]
        lines.append(
            f"| `{recipe}` | {spread(runs['dlrecipes'])} | {spread(runs['bare'])} "
            f"| {ratio(runs, 'dlrecipes', 'bare')} | {memory[0]:,.0f} MiB "
            f"| {memory[1]:,.0f} MiB | {ratio(runs, 'dlrecipes', 'bare', 'peak_bytes')} "
            f"| {planned(runs)} |"
        )
    return lines


def table_of_paths(found: dict[str, Any]) -> list[str]:
    """Return the table of the preset `fast` with and without single fast paths."""
    lines = [
        "| `--preset fast` | seconds | with | seconds | ratio | results |",
        "|---|---|---|---|---|---|",
    ]
    for recipe, flags in PATHS:
        runs = found["rows"].get(f"{recipe} {flags}", {})
        if "changed" not in runs:
            continue
        results = [
            _shown(statistics.mean(run["result"] for run in runs[side]))
            for side in ("as it is", "changed")
        ]
        lines.append(
            f"| `{recipe}` | {spread(runs['as it is'])} | `{flags}` | {spread(runs['changed'])} "
            f"| {ratio(runs, 'changed', 'as it is')} | {', '.join(results)} |"
        )
    return lines


def tables(found: dict[str, Any]) -> str:
    """Return all tables, in Markdown."""
    parts = (table_of_rows, table_of_sides, table_of_bare, table_of_paths)
    shown = (part(found) for part in parts)
    return "\n\n".join("\n".join(lines) for lines in shown if len(lines) > 2)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="Compare the time to the same accuracy.")
    commands = parser.add_subparsers(dest="command", required=True)
    measured = commands.add_parser("run", help="measure")
    measured.add_argument("--data-dir", type=Path, required=True, help="of prepared data sets")
    measured.add_argument("--data", choices=("full", "sample"), default="full")
    measured.add_argument("--only", nargs="*", choices=ROWS, help="rows")
    measured.add_argument("--sides", nargs="*", choices=SIDES, default=SIDES)
    measured.add_argument("--repetitions", type=int, default=3)
    measured.add_argument("--seeds", type=int, default=5, help="of dlrecipes, at least")
    measured.add_argument("--bare", type=int, default=3, help="repetitions against a bare script")
    measured.add_argument("--paths", type=int, default=3, help="repetitions of each fast path")
    shown = commands.add_parser("show", help="print the tables")
    for one in (measured, shown):
        one.add_argument("--result", type=Path, default=RESULT, help="file of the measurements")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments)
    found = json.loads(arguments.result.read_text())
    print(tables(found))


if __name__ == "__main__":
    main()
