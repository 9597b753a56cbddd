"""Measure what checkpoints cost: mnist-cnn on all of MNIST, with one an epoch and with none.

    python benchmarks/checkpoint_cost.py --data-dir FOLDER     # about ten minutes

The two take turns, so that other work on the machine meets both alike. Each is the real command in
a fresh process; what is compared is the wall time of the fit, as the run records it, and of the
whole process. `python docs/generate.py` then puts the result into the documentation.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "checkpoint_cost.json"
VALUES = ("never", "epoch")


def measure(every: str, data_dir: Path) -> dict[str, Any]:
    """Train once in a fresh process, and return its seconds."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:  # a disk, as users have, not memory
        command = [sys.executable, "-P", "-m", "dlrecipes", "train", "mnist-cnn", "--data", "full"]
        started = time.perf_counter()
        result = subprocess.run(
            [*command, "--checkpoint-every", every, "--data-dir", str(data_dir), "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - started
        if result.returncode != 0:
            sys.exit(result.stdout + result.stderr)
        run = json.loads(result.stdout)
        return {"every": every, "wall": wall, "fit": run["seconds"]["fit"], "run": run}


def summary(document: dict[str, Any]) -> str:
    """Return the result in a sentence."""
    medians = {
        part: {
            every: statistics.median(
                one[part] for one in document["times"] if one["every"] == every
            )
            for every in VALUES
        }
        for part in ("fit", "wall")
    }
    cost = {part: values["epoch"] / values["never"] - 1 for part, values in medians.items()}
    return (
        f"A checkpoint every epoch costs {cost['wall']:+.1%} of the wall time of `mnist-cnn` on "
        f"all of MNIST ({medians['wall']['epoch']:.2f} s instead of "
        f"{medians['wall']['never']:.2f} s; training alone {medians['fit']['epoch']:.2f} s instead "
        f"of {medians['fit']['never']:.2f} s, {cost['fit']:+.1%}): medians of "
        f"{len(document['times']) // 2} trainings each, in turn, by "
        "`python benchmarks/checkpoint_cost.py`."
    )


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description="Measure what checkpoints cost.")
    parser.add_argument("--data-dir", type=Path, required=True, help="of prepared data sets")
    parser.add_argument("--times", type=int, default=9, help="trainings of each kind")
    arguments = parser.parse_args()
    times = []
    for number in range(arguments.times):
        # In turn, and the one that is first in turn too.
        for every in VALUES if number % 2 else reversed(VALUES):
            one = measure(every, arguments.data_dir.resolve())
            run = one.pop("run")
            times.append(one)
            print(f"{every}: fit {one['fit']:.2f} s, wall {one['wall']:.2f} s", flush=True)
    document = {"times": times, "machine": run["machine"], "versions": run["versions"]}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    print(summary(document))


if __name__ == "__main__":
    main()
