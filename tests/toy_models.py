"""Write the models of TensorFlow Serving's documentation: python toy_models.py FOLDER."""

import sys
from pathlib import Path

import tensorflow as tf

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


class HalfPlus(tf.Module):
    """y = x / 2 + an offset; also of serialized examples, and as scores of two classes."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = tf.Variable(offset)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def predict(self, x):
        return {"y": x / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="inputs")])
    def regress(self, inputs):
        parsed = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature((), tf.float32)})
        return {"outputs": parsed["x"] / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="inputs")])
    def classify(self, inputs):
        parsed = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature((), tf.float32)})
        scores = tf.stack([parsed["x"], -parsed["x"]], axis=1)
        names = tf.tile(tf.constant([["up", "down"]]), [tf.shape(scores)[0], 1])
        return {"classes": names, "scores": scores}


class Sensors(tf.Module):
    """The three named inputs of the documentation, and bytes."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.string, name="tag"),
            tf.TensorSpec((None, 5), tf.int32, name="signal"),
            tf.TensorSpec((None, 2, 2), tf.float64, name="sensor"),
        ]
    )
    def predict(self, tag, signal, sensor):
        return {"tag": tag, "total": tf.reduce_sum(signal, 1), "sensor": sensor * 2}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image")])
    def size(self, image):
        return {"size": tf.strings.length(image), "image_bytes": image}

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.bool, name="flags")])
    def invert(self, flags):
        return {"flags": tf.logical_not(flags)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def logarithm(self, x):
        return {"y": tf.math.log(x)}

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32, name="count")])
    def slow(self, count):
        step = tf.while_loop(
            lambda n, _: n < count, lambda n, x: (n + 1, tf.sin(x)), (0, tf.ones((400, 400)))
        )
        return {"sum": tf.reduce_sum(step[1])}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="x")])
    def positive(self, x):
        with tf.control_dependencies([tf.debugging.assert_positive(x, message="not positive")]):
            return {"x": tf.identity(x)}


def write_half_plus(folder: Path, offset: float) -> None:
    model = HalfPlus(offset)
    signatures = {
        "serving_default": model.predict,
        REGRESS: model.regress,
        CLASSIFY: model.classify,
    }
    tf.saved_model.save(model, str(folder), signatures)
    file = folder / "saved_model.pb"
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for name in (REGRESS, CLASSIFY):  # Keras and tf.Module know no method but predict.
        content.meta_graphs[0].signature_def[name].method_name = name
    file.write_bytes(content.SerializeToString())


if __name__ == "__main__":
    base = Path(sys.argv[1])
    write_half_plus(base / "half_plus" / "1", 2.0)
    write_half_plus(base / "half_plus" / "123", 3.0)
    write_half_plus(base / "next" / "124", 4.0)
    sensors = Sensors()
    names = ("size", "invert", "logarithm", "slow", "positive")
    others = {name: getattr(sensors, name) for name in names}
    tf.saved_model.save(
        sensors, str(base / "sensors"), {"serving_default": sensors.predict, **others}
    )
