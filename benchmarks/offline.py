"""Measure how soon a training says that the full data cannot be downloaded: within 5 seconds.

    python benchmarks/offline.py     # a minute

The mirror accepts the connection and never answers, which is the slowest way to be offline; all
other hosts are out of reach. Each time is that of the real command in a fresh process.
`python docs/generate.py` then puts the result into the documentation.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dlrecipes.runs.provenance import here

RESULT = Path(__file__).with_suffix(".json")
NAMES = ("cifar10", "oxford_flowers102", "d4rl_adroit_pen")
TIMES = 3
NOWHERE = "http://127.0.0.1:9"


def measure(name: str, mirror: str) -> float:
    """Return the seconds of a training that finds no data."""
    environment = {"DLRECIPES_MIRROR": mirror, "NO_PROXY": "127.0.0.1"}
    environment |= {f"{kind}_PROXY": NOWHERE for kind in ("HTTP", "HTTPS")}
    command = [sys.executable, "-P", "-m", "dlrecipes", "train", "mnist-cnn"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--data", f"tfds:{name}", "--data-dir", folder],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if "cannot be downloaded" not in done.stderr and "cannot be used" not in done.stderr:
        sys.exit(done.stdout + done.stderr)
    return round(seconds, 2)


def table(document: dict[str, Any]) -> str:
    """Return the result as a table."""
    rows = [
        f"| `tfds:{name}` | {statistics.median(seconds):.1f} s ({min(seconds):.1f} to "
        f"{max(seconds):.1f}) |"
        for name, seconds in document["seconds"].items()
    ]
    return "\n".join(["| data set | seconds |", "|---|---|", *rows])


def main() -> None:
    """Measure, print and keep the result."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never answers
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seconds = {name: [measure(name, mirror) for _ in range(TIMES)] for name in NAMES}
    document = {"seconds": seconds, "machine": here("cpu")}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(table(document))


if __name__ == "__main__":
    main()
