"""Prove that this export predicts what it predicted when it was made.

Copied into every export by dlrecipes. It needs TensorFlow alone, and Keras for a .keras file:

    python verify.py
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-4
"""Largest difference allowed, in units of the largest answer, or of 1 if that is larger."""


def signature_arrays(arrays, signature, kind):
    """Return the arrays `<signature>/<kind>/<name>` of golden.npz, by name."""
    prefix = f"{signature}/{kind}/"
    return {key[len(prefix) :]: arrays[key] for key in arrays if key.startswith(prefix)}


def load_functions(folder):
    """Return the export's functions by signature: each from named inputs to named outputs."""
    if (folder / "model.keras").exists():
        os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's keras.json says
        import keras

        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
        model = keras.saving.load_model(folder / "model.keras", compile=False)

        def serve(**inputs):
            # Its inputs may be one tensor, a list, or a dictionary.
            features = keras.tree.map_structure(lambda tensor: inputs[tensor.name], model.input)
            return {"output": model(features, training=False)}

        return {"serving_default": serve}, model
    import tensorflow as tf

    os.chdir(folder)  # TensorFlow takes *, ? and [ in a path for a pattern.
    loaded = tf.saved_model.load(".")
    # The loaded object must be kept: its variables go when it does.
    return dict(loaded.signatures), loaded


def largest_difference(folder):
    """Return the largest absolute difference from a golden number, and the largest such number.

    Raises SystemExit if a text or a label differs.
    """
    import tensorflow as tf

    largest = scale = 0.0
    functions, _loaded = load_functions(folder)
    with np.load(folder / "golden.npz", allow_pickle=False) as golden:
        arrays = dict(golden)
    for signature in sorted({key.split("/")[0] for key in arrays}):
        inputs = signature_arrays(arrays, signature, "input")
        outputs = functions[signature](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        for name, expected in signature_arrays(arrays, signature, "output").items():
            received = np.asarray(outputs[name])
            if received.shape != expected.shape:
                sys.exit(f"{signature}: {name} has the shape {received.shape}")
            if expected.dtype.kind == "S":
                if received.tolist() != expected.tolist():
                    sys.exit(f"{signature}: {name} differs: {received} instead of {expected}")
            else:
                difference = np.abs(received.astype("float64") - expected.astype("float64"))
                if not np.isfinite(difference).all():
                    sys.exit(f"{signature}: {name} holds numbers that are not finite")
                scale = max(scale, float(np.abs(expected).max()))
                largest = max(largest, float(difference.max()))
    return largest, scale


if __name__ == "__main__":
    found, largest_value = largest_difference(Path(__file__).resolve().parent)
    print(json.dumps({"max_abs_difference": found}))
    if found > TOLERANCE * max(1.0, largest_value):
        sys.exit(f"The answers differ by up to {found:.1e} from those recorded")
