"""Two Ray workers train one network: python ray_workers.py mnist-cnn --runs-dir /shared/runs.

Ray's TensorflowTrainer sets TF_CONFIG for each of its workers, and dlrecipes reads its place among
them from it. Needs `pip install 'ray[train]'`.
"""

import subprocess
import sys

from ray.train import ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def work(config: dict[str, list[str]]) -> None:
    """Be one of the workers: a process of its own, which signals can reach.

    Args:
        config: The `words` behind `dlrecipes train`.
    """
    subprocess.run(["dlrecipes", "train", *config["words"], "--join-timeout", "120"], check=True)


if __name__ == "__main__":
    trainer = TensorflowTrainer(
        work,
        train_loop_config={"words": sys.argv[1:]},
        scaling_config=ScalingConfig(num_workers=2),
    )
    trainer.fit()
