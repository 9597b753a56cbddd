"""Prove that this export predicts what the model predicted when it was exported.

Copied into every export by dlrecipes. It needs NumPy and the runtime of the export alone:

    python verify.py
"""

import json
import sys
from pathlib import Path

import numpy as np


def part_of(arrays, signature, kind):
    """Return the arrays `<signature>/<kind>/<name>` of golden.npz, by name."""
    prefix = f"{signature}/{kind}/"
    return {key[len(prefix) :]: arrays[key] for key in arrays if key.startswith(prefix)}


def difference_of(received, expected, where):
    """Return the largest absolute difference of two arrays; of whole numbers, how many differ.

    Those are classes: of ten, 9 is no further from 1 than 2 is. How many is a share, from 0 to 1.
    Raises SystemExit if the shapes, a text or a label differ, or a number is not finite.
    """
    received = np.asarray(received)
    if received.shape != expected.shape:
        sys.exit(f"{where} has the shape {received.shape}")
    if expected.dtype.kind == "S":
        if received.tolist() != expected.tolist():
            sys.exit(f"{where} differs: {received} instead of {expected}")
        return 0.0
    if expected.dtype.kind in "iu":
        return float((received != expected).mean())
    difference = np.abs(received.astype("float64") - expected.astype("float64"))
    if not np.isfinite(difference).all():
        sys.exit(f"{where} holds numbers that are not finite")
    return float(difference.max())


def largest_difference(folder):
    """Return the largest absolute difference from a golden number, and the largest such number."""
    sys.dont_write_bytecode = True
    from runtime import load

    functions = load(folder)
    with np.load(folder / "golden.npz", allow_pickle=False) as golden:
        arrays = dict(golden)
    largest = scale = 0.0
    for signature in sorted({key.split("/")[0] for key in arrays}):
        outputs = functions[signature](**part_of(arrays, signature, "input"))
        for name, expected in part_of(arrays, signature, "output").items():
            found = difference_of(outputs[name], expected, f"{signature}: {name}")
            largest = max(largest, found)
            if expected.dtype.kind == "f":
                scale = max(scale, float(np.abs(expected).max()))
    return largest, scale


def proven(folder):
    """Return the largest difference. Raises SystemExit if it is above the tolerance."""
    tolerance = json.loads((folder / "export.json").read_text("utf-8"))["tolerance"]
    found, scale = largest_difference(folder)
    if found > tolerance * max(1.0, scale):
        sys.exit(f"The answers differ by up to {found:.1e} from those recorded")
    return found


def main():
    """Print the largest difference of this file's export, or of the one that is named, as JSON."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent).resolve()
    print(json.dumps({"max_abs_difference": proven(folder)}))


if __name__ == "__main__":
    main()
