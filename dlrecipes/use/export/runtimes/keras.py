"""Run this export. It needs Keras on TensorFlow."""

import os

import numpy as np


def load(folder):
    """Return the signatures by name: functions from arrays by name to arrays by name."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's keras.json says
    import keras

    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    model = keras.saving.load_model(folder / "model.keras", compile=False)

    def run(**inputs):
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        # Its inputs may be one tensor, a list, or a dictionary.
        features = keras.tree.map_structure(lambda tensor: tensors[tensor.name], model.input)
        return {"output": np.asarray(model(features, training=False))}

    return {"serving_default": run}
