"""Prove an export, answer many inputs with it, and time its calls: in its own runtime alone.

    python measure.py EXPORT INPUTS.npz OUTPUTS.npz

`runtime.py` and `verify.py` must be beside this file. Prints the largest difference and the
milliseconds of a call, by its number of inputs, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 32
WARM_UP, LEAST, SECONDS = 3, 10, 1.0


def answers(serve, inputs):
    """Return what the export answers for all inputs, 32 at a time."""
    count = len(next(iter(inputs.values())))
    parts = [serve(**some(inputs, start, BATCH)) for start in range(0, count, BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def some(inputs, start, size):
    """Return a few rows of each input."""
    return {name: column[start : start + size] for name, column in inputs.items()}


def milliseconds(serve, inputs):
    """Return the median time of a call: of at least ten, and of a second of them."""
    for _ in range(WARM_UP):
        serve(**inputs)
    times, begun = [], time.perf_counter()
    while len(times) < LEAST or time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        serve(**inputs)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main(folder, inputs_file, outputs_file):
    """Write the answers, and print the difference and the times."""
    from runtime import load
    from verify import proven

    found = {"max_abs_difference": proven(Path(folder))}
    serve = load(Path(folder))["serving_default"]
    with np.load(inputs_file, allow_pickle=False) as arrays:
        inputs = dict(arrays)
    outputs = answers(serve, inputs)
    kept = {name: array for name, array in outputs.items() if array.dtype.kind not in "OS"}
    np.savez(outputs_file, **kept)
    several = {name: np.resize(one, (BATCH, *one.shape[1:])) for name, one in inputs.items()}
    times = {size: milliseconds(serve, some(several, 0, size)) for size in (1, BATCH)}
    print(json.dumps({**found, "latency_ms": times}))


if __name__ == "__main__":
    main(*sys.argv[1:])
