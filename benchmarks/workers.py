"""What several workers cost, and that none of them is lost without a word.

    python benchmarks/workers.py             # five minutes; writes workers.json
    python benchmarks/workers.py --networks  # a quarter of an hour: one, two and three workers
    python benchmarks/workers.py --kills 60  # half an hour: kills alone
    python benchmarks/workers.py --kills 5 --check   # writes nothing

Steps: two workers, against two processes that each train alone on batches of half the size, at the
same time: both share the cores alike, so what is more is the exchange of gradients. Memory: the
peak of each of these processes, and of two workers on a prepared data set and on one that is ten
times as large. Kills: `kill -9` of a random worker at a random moment; each run
is then resumed and compared with one that was not killed, bit for bit.

What more machines or GPUs would do is estimated from these steps (`ASSUMED`). The parts that were
run replace those in the file. `python docs/generate.py` puts the tables into the documentation.
"""

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from chaos import COMMAND, same_end
from memory import large_folder, write_tfds

from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.provenance import here
from dlrecipes.runs.record import Run
from dlrecipes.training.meeting import free_port
from dlrecipes.training.plan_workers import exchange_seconds

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "workers.json"

RECIPES = {
    "regression-mlp": ("--epochs", "8"),
    "mnist-cnn": ("--epochs", "4"),
    "text-generation-lstm": ("--epochs", "3"),
}
"""Settings of the trainings that are timed, on their samples."""
QUICK = ("--no-baseline", "--no-report", "--checkpoint-every", "never")
COMMON = ("--data", "sample", *QUICK)
PREPARED = (
    "mnist-cnn",
    "--batch-size",
    "512",
    "--filters",
    "4,4",
    "--epochs",
    "2",
    "--data",
    "full",
)
IMAGES = 60_000, 600_000
"""Kept in memory, and in a file from which each worker reads its rows of each batch."""
KILLED = ("regression-mlp", "--epochs", "6", "--dropout", "0.1", "--data", "sample")
EVERY = ("--no-baseline", "--no-report", "--checkpoint-every", "epoch,4steps", "--workers", "2")
SIZES = (25_000, 1_000_000, 10_000_000)
"""Numbers that two workers sum, to time that alone."""
ROUNDS = 20
NETWORKS: dict[str, tuple[str, ...]] = {
    "digits-gan": ("--epochs", "2", "--filters", "8"),
    "land-unet": ("--epochs", "2", "--dropout", "0"),
    "loans-mlp": ("--epochs", "2", "--dropout", "0"),
    "mnist-cnn": ("--epochs", "2", "--dropout", "0"),
    "regression-mlp": ("--epochs", "2", "--dropout", "0"),
    "sentiment-lstm": ("--epochs", "2", "--dropout", "0"),
    "text-generation-lstm": ("--epochs", "2", "--dropout", "0"),
    "text-ngrams": ("--epochs", "2", "--dropout", "0"),
}
"""Settings with which each recipe is trained by one, two and three processes: without dropout, of
which each worker draws its own. (The noise of the GAN, too, each draws by itself.)"""
EPOCH = re.compile(r"^epoch (\d+)/\d+ .*?([\d,]+) samples/s  ", re.MULTILINE)
STOPPED_SECONDS = 30.0
"""In which all must have ended, as is promised."""

ASSUMED: dict[str, dict[str, float]] = {
    "8 GPUs of one host": {"count": 8, "faster": 20, "bytes": 100e9, "message": 10e-6},
    "4 hosts with a GPU each": {"count": 4, "faster": 20, "bytes": 1.25e9, "message": 100e-6},
    "4 hosts like this one": {"count": 4, "faster": 1, "bytes": 1.25e9, "message": 100e-6},
}
"""Each device so many times as fast as this processor, bytes a second between two, seconds a
message. A GPU's step takes at least `FLOOR` seconds, as its kernels must be started."""
FLOOR = 1e-3


def children(parent: int) -> dict[int, int]:
    """Return the processes of the workers that a command has started, by their ranks."""
    found = {}
    with suppress(psutil.NoSuchProcess):  # One may end just now.
        for child in psutil.Process(parent).children():
            words = child.cmdline()
            if "--rank" in words:
                found[int(words[words.index("--rank") + 1])] = child.pid
    return found


def peak_bytes(process: int) -> int:
    """Return the most memory that a process has taken so far; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def measured(commands: Sequence[Sequence[str]], folder: Path, ranks: int) -> dict[str, float]:
    """Run trainings at once; return the seconds of a step in the last epochs, and peak memory.

    Args:
        commands: The words of each, without `dlrecipes`.
        folder: Where.
        ranks: How many workers each starts; 0 if it trains by itself.
    """
    processes = [
        subprocess.Popen(
            [*COMMAND, *words],
            cwd=folder,
            env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    peaks: dict[int, int] = {}
    while any(process.poll() is None for process in processes):
        for process in processes:
            try:
                those = children(process.pid).values() if ranks else [process.pid]
            except OSError:
                continue
            peaks |= {one: max(peaks.get(one, 0), peak_bytes(one)) for one in those}
        time.sleep(0.1)
    texts = ["".join(process.communicate()) for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(texts)
    rates = [
        float(rate.replace(",", ""))
        for text in texts
        for epoch, rate in EPOCH.findall(text)
        if int(epoch) > 1
    ]
    return {"samples_per_second": statistics.median(rates), "bytes": max(peaks.values())}


def steps_of(recipe: str, folder: Path) -> dict[str, Any]:
    """Return what a step of two workers takes, and one of two processes with half its batch."""
    words = ["train", recipe, *COMMON, *RECIPES[recipe]]
    plan = json.loads(
        subprocess.run(
            [*COMMAND, *words, "--plan", "--json"], cwd=folder, capture_output=True, check=True
        ).stdout
    )
    batch = plan["config"]["batch_size"]
    half = ["--batch-size", str(batch // 2)]
    alone = measured([[*words, *half, "--name", name] for name in ("a", "b")], folder, 0)
    two = measured([[*words, "--workers", "2", "--name", "two"]], folder, 2)
    apart = batch // 2 / alone["samples_per_second"]
    together = batch / two["samples_per_second"]
    return {
        "recipe": recipe,
        "batch_size": batch,
        "parameters": plan["parameters"],
        "one_seconds": plan["step_seconds"],
        "half_seconds": apart,
        "workers_seconds": together,
        "half_bytes": alone["bytes"],
        "worker_bytes": two["bytes"],
    }


def memory_of(images: int) -> dict[str, Any]:
    """Return the peak memory of two workers that train on a prepared data set of so many images."""
    with tempfile.TemporaryDirectory(dir=large_folder()) as scratch:
        folder = Path(scratch)
        data = str(write_tfds(folder, images))
        words = ["train", *PREPARED, "--data-dir", data, *QUICK, "--workers", "2"]
        return {"images": images, **measured([words], folder, 2)}


def sums_of_two() -> list[dict[str, float]]:
    """Return how long two workers take to sum so many numbers: the median of several times."""
    ports = [str(free_port()), str(free_port())]
    script = str(Path(__file__).resolve())
    workers = [
        subprocess.Popen(
            [sys.executable, script, "--sum", str(rank), *ports], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    texts = [worker.communicate()[0] for worker in workers]
    found: list[dict[str, float]] = json.loads(texts[0])
    return found


def sum_as(rank: int, ports: Sequence[str]) -> None:
    """Be one of two workers that sum numbers, and print the seconds of each size."""
    from dlrecipes.system.backend import load_tensorflow, select_device

    tf = load_tensorflow()
    select_device("cpu")
    from dlrecipes.training.distribution import joined

    strategy = joined([f"127.0.0.1:{port}" for port in ports], rank)
    found = []
    for size in SIZES:
        numbers = tf.ones([size])

        def step(numbers: Any = numbers) -> Any:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, numbers)

        run = tf.function(lambda step=step: strategy.run(step))
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            strategy.experimental_local_results(run())[0].numpy()
            seconds.append(time.perf_counter() - began)
        found.append({"numbers": size, "seconds": statistics.median(seconds[2:])})
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


def modelled(steps: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what devices that are assumed would do with a recipe's whole batch."""
    found = []
    for place, assumed in ASSUMED.items():
        floor = FLOOR if assumed["faster"] > 1 else 0.0
        one = max(steps["one_seconds"] / assumed["faster"], floor)
        share = max(one / assumed["count"], floor)
        exchange = exchange_seconds(
            steps["parameters"], int(assumed["count"]), assumed["bytes"], assumed["message"]
        )
        if assumed["faster"] == 1:  # Without NCCL, TensorFlow's own work is that of two workers.
            exchange += max(steps["workers_seconds"] - steps["half_seconds"], 0.0)
        found.append(
            {
                "place": place,
                "one_seconds": one,
                "share_seconds": share,
                "exchange_seconds": exchange,
                "faster": one / (share + exchange),
            }
        )
    return found


def steps_and_memory() -> dict[str, Any]:
    """Return the parts of the document that time steps, sums and memory."""
    steps = []
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            steps.append(steps_of(recipe, Path(folder)))
        print(steps[-1], flush=True)
    prepared = [memory_of(images) for images in IMAGES]
    print(prepared, flush=True)
    return {"steps": steps, "sums": sums_of_two(), "prepared": prepared}


def weights_of(run: Run) -> dict[str, Any]:
    """Return the weights of a run's network, by their place in the model's file."""
    import h5py

    weights: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()]

    with zipfile.ZipFile(run.path / "model.keras") as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(BytesIO(content)) as file:
        file["layers"].visititems(keep)
    return weights


def networks_of(recipe: str, folder: Path) -> dict[str, Any]:
    """Train a recipe by one, two and three processes, and return how far the networks are apart.

    The workers of a training compare their networks themselves, to the bit: a difference fails it.
    """
    runs = {}
    for count in (1, 2, 3):
        name = f"by-{count}"
        words = ["train", recipe, *COMMON, *NETWORKS[recipe], "--name", name]
        _finish([*words, *["--workers", str(count)] * (count > 1)], folder)
        runs[count] = read_run(folder / "runs" / recipe / name)
    one = weights_of(runs[1])
    found: dict[str, Any] = {"recipe": recipe, "headline": runs[1].headline}
    for count, run in runs.items():
        weights = weights_of(run)
        found[str(count)] = {
            "metric": run.metrics[run.headline],
            "apart": max(float(abs(weights[name] - one[name]).max()) for name in one),
        }
    return found


def networks() -> list[dict[str, Any]]:
    """Return how far apart the networks of every recipe are."""
    found = []
    for recipe in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            found.append(networks_of(recipe, Path(folder)))
        print(found[-1], flush=True)
    return found


class Moment(NamedTuple):
    """When a worker is killed: so many seconds after the start, or after a run has begun."""

    delay: float
    run: Path | None = None


def _is_alive(process: int) -> bool:
    """Tell whether a process is there, and not only its exit code."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _finish(words: Sequence[str], folder: Path) -> None:
    """Run a command to its end; raise if it fails."""
    done = subprocess.run(
        [*COMMAND, *words, "--quiet"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def _kill(words: Sequence[str], rank: int, moment: Moment, folder: Path) -> dict[str, Any]:
    """Start a training of two workers, kill one at a moment, and return how all ended."""
    with subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        began, workers = time.monotonic(), dict[int, int]()
        while process.poll() is None and len(workers) < 2:
            workers = children(process.pid)
        while process.poll() is None and moment.run and not moment.run.exists():
            began = time.monotonic()
            time.sleep(0.01)
        while process.poll() is None and time.monotonic() - began < moment.delay:
            time.sleep(0.01)
        is_killed = process.poll() is None and _is_alive(workers[rank])
        if is_killed:
            os.kill(workers[rank], signal.SIGKILL)
        began = time.monotonic()
        said, _ = process.communicate(timeout=120)
        who = ("The chief", "Worker 1")[rank]
        return {
            "killed": is_killed,
            "code": process.returncode,
            "seconds": time.monotonic() - began,
            "named": any(
                line.removeprefix("Error: ").startswith(who) for line in said.splitlines()
            ),
            "left_over": sum(_is_alive(worker) for worker in workers.values()),
            "said": said[-300:],
        }


def kill_once(number: int, seed: int, longest: float, folder: Path) -> dict[str, Any]:
    """Kill a random worker at a random moment, go on, and compare.

    Of two kills, one comes at any moment from the start, and one once the run has begun: most of
    the time of so short a training is that of TensorFlow's start.
    """
    chance, name = random.Random(f"{seed} {number}"), f"kill-{number:03}"
    rank, path = chance.randint(0, 1), folder / "runs" / KILLED[0] / name
    reference = read_run(path.with_name("reference"))
    moment = Moment(chance.uniform(0.2, longest))
    if number % 2:
        moment = Moment(chance.uniform(0.0, reference.seconds["fit"]), path)
    words = ["train", *KILLED, *EVERY, "--name", name]
    end = _kill(words, rank, moment, folder)
    result = {"rank": rank, "delay": round(moment.delay, 2), "in_run": bool(moment.run)}
    result |= {**end, "same": False, "problem": ""}
    found = read_run(path).status if path.exists() else "no run yet"
    result["found"] = found
    try:
        if found == "no run yet":
            _finish(words, folder)
        elif found != "finished":
            _finish(["resume", str(path), "--workers", "2"], folder)
        result["same"] = same_end(reference, read_run(path))
    except RuntimeError as error:
        result["problem"] = str(error)
    # Once training is over, the chief needs nobody else.
    result["stopped"] = found == "finished" or bool(
        end["code"] and end["named"] and not end["left_over"] and end["seconds"] < STOPPED_SECONDS
    )
    if result["stopped"]:
        del result["said"]
    return result


def kills(count: int, seed: int) -> dict[str, Any]:
    """Kill so many times, and return what came of it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _finish(["train", *KILLED, *EVERY, "--name", "reference"], folder)
        longest = time.monotonic() - started
        results = []
        for number in range(count):
            result = kill_once(number, seed, longest, folder)
            results.append(result)
            print(f"{number + 1}/{count} {result}", flush=True)
    return {
        "seed": seed,
        "stopped": sum(result["stopped"] for result in results),
        "same": sum(result["same"] for result in results),
        "longest_seconds": max(result["seconds"] for result in results),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "results": results,
    }


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def table_of_steps(document: Mapping[str, Any]) -> str:
    """Return the steps and the memory as a table in Markdown."""
    lines = [
        "| recipe | batch | one process, half the batch | two workers | more, for the exchange | "
        "memory of a worker, against one process |",
        "|---|---|---|---|---|---|",
    ]
    for one in document["steps"]:
        more = one["workers_seconds"] - one["half_seconds"]
        lines.append(
            f"| `{one['recipe']}` | {one['batch_size']} | {_milliseconds(one['half_seconds'])} | "
            f"{_milliseconds(one['workers_seconds'])} | {_milliseconds(more)} | "
            f"{one['worker_bytes'] / 2**20:,.0f} MiB, "
            f"{one['worker_bytes'] / one['half_bytes']:.2f} |"
        )
    sums = ", ".join(
        f"{one['numbers']:,} numbers in {_milliseconds(one['seconds'])}" for one in document["sums"]
    )
    machine, (few, many) = document["machine"], document["prepared"]
    return "\n".join(
        [
            *lines,
            "",
            f"Two workers on loopback sum {sums}.",
            "",
            f"On a prepared data set of {few['images']:,} images, which is kept in memory, a "
            f"worker takes {few['bytes'] / 2**20:,.0f} MiB; of {many['images']:,}, of which it "
            f"reads its rows of each batch from a file, {many['bytes'] / 2**20:,.0f} MiB.",
            "",
            f"Measured by `python benchmarks/workers.py` on {machine['machine']['system']}, "
            f"{machine['machine']['processor']}, {machine['machine']['cores']} cores, TensorFlow "
            f"{machine['versions']['tensorflow']}, Keras {machine['versions']['keras']}.",
        ]
    )


def table_of_models(document: Mapping[str, Any]) -> str:
    """Return what is reckoned for more devices, with what it assumes, in Markdown."""
    lines = [
        "| recipe | devices | step of one | of a share | exchange | times as fast |",
        "|---|---|---|---|---|---|",
    ]
    for steps in document["steps"]:
        for one in modelled(steps):
            lines.append(
                f"| `{steps['recipe']}` | {one['place']} | {_milliseconds(one['one_seconds'])} | "
                f"{_milliseconds(one['share_seconds'])} | "
                f"{_milliseconds(one['exchange_seconds'])} | {one['faster']:.2g} |"
            )
    return "\n".join(lines)


def table_of_networks(document: Mapping[str, Any]) -> str:
    """Return what one, two and three processes train, in Markdown."""
    lines = [
        "| recipe | test metric | one process | two | three | weights of two and one differ by | "
        "of three and one |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in document["networks"]:
        metrics = " | ".join(f"{one[count]['metric']:.5g}" for count in "123")
        lines.append(
            f"| `{one['recipe']}` | {one['headline']} | {metrics} | {one['2']['apart']:.1g} | "
            f"{one['3']['apart']:.1g} |"
        )
    return "\n".join(lines)


def table_of_kills(document: Mapping[str, Any]) -> str:
    """Return what came of the kills, in Markdown."""
    found = document["kills"]
    results = found["results"]
    left = Counter(result["found"] for result in results)
    stopped = sum(result["stopped"] and result["found"] != "finished" for result in results)
    states, over = ", ".join(f"{count} {state}" for state, count in left.items()), ""
    if stopped < len(results):
        over = "In the others training was over: the chief alone had to test and save. "
    ranks = Counter("the chief" if result["rank"] == 0 else "the other" for result in results)
    return (
        f"A random worker of two was killed with `kill -9` at a random moment, {len(results)} "
        f"times ({', '.join(f'{count} times {who}' for who, count in ranks.items())}; seed "
        f"{found['seed']}), every other time once the run had begun. In {stopped} cases all "
        f"processes ended with a sentence that names the worker, within 30 seconds; the longest "
        f"took {found['longest_seconds']:.1f} s. "
        f"{over}The runs were found: {states}. Those that were "
        f"not finished were resumed, and those that had not begun were trained anew: "
        f"{found['same']} ended bit-identical to a run that was not killed."
    )


def write(parts: Mapping[str, Any]) -> None:
    """Replace parts of the file."""
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    document = {**before, "machine": here("cpu"), **parts}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Time workers, or kill them.")
    parser.add_argument("--networks", action="store_true", help="compare networks instead")
    parser.add_argument("--kills", type=int, default=0, help="how many; 0: time steps instead")
    parser.add_argument("--seed", type=int, default=0, help="draws workers and moments")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--sum", nargs=3, metavar=("RANK", "PORT", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sum:
        sum_as(int(arguments.sum[0]), arguments.sum[1:])
    parts: Mapping[str, Any]
    if arguments.kills:
        parts = {"kills": kills(arguments.kills, arguments.seed)}
    elif arguments.networks:
        parts = {"networks": networks()}
    else:
        parts = steps_and_memory()
    if not arguments.check:
        write(parts)
    if arguments.kills and not (
        arguments.kills == parts["kills"]["stopped"] == parts["kills"]["same"]
    ):
        sys.exit("Not every run was stopped with a sentence and ended the same.")


if __name__ == "__main__":
    main()
