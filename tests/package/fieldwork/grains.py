"""The data set `grain_sizes`, as TensorFlow Datasets has its own: sand and what it is made of."""

import numpy as np
import tensorflow_datasets as tfds

from fieldwork.sand import BEACHES, ROCKS, grains


class GrainSizes(tfds.core.GeneratorBasedBuilder):
    """Builder of grain_sizes."""

    VERSION = tfds.core.Version("2.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            description="Sizes and shapes of grains of sand.",
            homepage="https://fieldwork.example.org/grains",
            features=tfds.features.FeaturesDict(
                {
                    "grain": {
                        "sieves": tfds.features.Tensor(shape=(4,), dtype=np.float32),
                        "roundness": np.float32,
                        "beach": tfds.features.ClassLabel(names=BEACHES),
                    },
                    "rock": tfds.features.ClassLabel(names=ROCKS),
                    "number": np.int64,
                }
            ),
            supervised_keys=("grain", "rock"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 400), "test": self._generate_examples(400, 500)}

    def _generate_examples(self, start, stop):
        for number, (sieves, roundness, beach, rock) in enumerate(grains(start, stop), start):
            grain = {"sieves": sieves, "roundness": roundness, "beach": beach}
            yield number, {"grain": grain, "rock": rock, "number": number}
