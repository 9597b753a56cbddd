"""Whether a change made trainings slower: two installed versions of dlrecipes, in turn, in one run.

    python benchmarks/commits.py OLD NEW --data-dir FOLDER    # about ten minutes

OLD and NEW are the commands to compare, such as `old-environment/bin/dlrecipes`. Each row of
`compare.py` is trained by both, in turn, with the preset `fast` on the full data; the first round
of each, which decodes, does not count. `--flag=--no-baseline` gives NEW a flag that OLD lacks.
Prints the medians of whole processes and their ratio.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from compare import FAST, ROWS, Row

LIMIT = 1.05


def seconds(command: str, row: Row, data_dir: Path, folder: Path, flags: Sequence[str]) -> float:
    """Return the wall time of a training from start to exit, seconds."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    words = [command, "train", row.recipe, *FAST, *row.flags, "--data", "full"]
    words += ["--data-dir", str(data_dir), "--runs-dir", str(folder / "runs"), "--quiet", *flags]
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, cwd=folder, env=environment)
    return time.perf_counter() - began


def main() -> int:
    """Compare two commands; return 1 if a row is slower than the limit."""
    parser = argparse.ArgumentParser(description="Compare the speed of two versions.")
    parser.add_argument("old", type=os.path.abspath)
    parser.add_argument("new", type=os.path.abspath)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--flag", action="append", default=[], help="for NEW alone")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=ROWS, action="append")
    arguments = parser.parse_args()
    data_dir = arguments.data_dir.resolve()
    slow = 0
    with tempfile.TemporaryDirectory() as temporary:
        folders = {
            command: Path(temporary, str(n))
            for n, command in enumerate((arguments.old, arguments.new))
        }
        for folder in folders.values():
            folder.mkdir()
        print(f"{'row':<12} {'old':>8} {'new':>8} {'ratio':>6}", flush=True)
        for name in arguments.only or ROWS:
            taken: dict[str, list[float]] = {command: [] for command in folders}
            for repetition in range(arguments.repetitions + 1):
                for command, folder in folders.items():
                    flags = arguments.flag if command == arguments.new else ()
                    spent = seconds(command, ROWS[name], data_dir, folder, flags)
                    if repetition:
                        taken[command].append(spent)
            old, new = (statistics.median(spent) for spent in taken.values())
            print(f"{name:<12} {old:>6.2f} s {new:>6.2f} s {new / old:>6.3f}", flush=True)
            slow += new / old > LIMIT
    return min(slow, 1)


if __name__ == "__main__":
    sys.exit(main())
