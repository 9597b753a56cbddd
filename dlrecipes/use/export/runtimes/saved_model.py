"""Run this export. It needs TensorFlow alone."""

import os
from pathlib import Path

import numpy as np


def load(folder):
    """Return the signatures by name: functions from arrays by name to arrays by name."""
    import tensorflow as tf

    before = Path.cwd()
    os.chdir(folder)  # TensorFlow takes *, ? and [ in a path for a pattern.
    try:
        loaded = tf.saved_model.load(".")
    finally:
        os.chdir(before)

    def function(name):
        def run(**inputs):
            tensors = {key: tf.constant(value) for key, value in inputs.items()}
            outputs = loaded.signatures[name](**tensors)  # Keeps `loaded`, and so its variables.
            return {key: np.asarray(value) for key, value in outputs.items()}

        return run

    return {name: function(name) for name in loaded.signatures}
