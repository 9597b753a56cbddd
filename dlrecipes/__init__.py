"""Deep-learning recipes on Keras 3 and TensorFlow, run from a terminal.

What stands here is what a recipe imports. Importing it does not import TensorFlow.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrecipes.datasets.examples import Data, Examples, Source
    from dlrecipes.kit.adversarial import with_adversarial_training
    from dlrecipes.kit.columns import standardised_columns
    from dlrecipes.kit.config import Interval, TrainingConfig
    from dlrecipes.kit.generated_images import generated_image_metrics
    from dlrecipes.kit.members import (
        error_of_members,
        for_each_member,
        mae_of_mean,
        mean_of_members,
        member_outputs,
        number_waves,
        surprise_of_members,
    )
    from dlrecipes.kit.metrics import (
        Metrics,
        classification_metrics,
        regression_metrics,
        text_generation_metrics,
    )
    from dlrecipes.kit.mirrors import can_be_mirrored
    from dlrecipes.kit.practices import early_stopping, make_optimizer, normalization
    from dlrecipes.kit.rare_classes import rare_class_metrics, resampled
    from dlrecipes.kit.segmentation import segmentation_metrics
    from dlrecipes.kit.vocabulary import (
        character_vectorization,
        character_windows,
        next_character,
        ngram_numbers,
        texts_with,
        word_numbers,
    )

__all__ = [
    "Data",
    "Examples",
    "Interval",
    "Metrics",
    "Source",
    "TrainingConfig",
    "can_be_mirrored",
    "character_vectorization",
    "character_windows",
    "classification_metrics",
    "early_stopping",
    "error_of_members",
    "for_each_member",
    "generated_image_metrics",
    "mae_of_mean",
    "make_optimizer",
    "mean_of_members",
    "member_outputs",
    "next_character",
    "ngram_numbers",
    "normalization",
    "number_waves",
    "rare_class_metrics",
    "regression_metrics",
    "resampled",
    "segmentation_metrics",
    "standardised_columns",
    "surprise_of_members",
    "text_generation_metrics",
    "texts_with",
    "with_adversarial_training",
    "word_numbers",
]

if not (Path(__path__[0]) / "data").is_dir():
    # Python runs a file with its folder first on the path: in a checkout this is then the package,
    # whose parts recipes/ and data/ lie beside it until they are installed.
    __path__.append(str(Path(__path__[0]).parent))

HOMES = {
    "Data": "datasets.examples",
    "Examples": "datasets.examples",
    "Source": "datasets.examples",
    "Interval": "kit.config",
    "TrainingConfig": "kit.config",
    "Metrics": "kit.metrics",
    "classification_metrics": "kit.metrics",
    "regression_metrics": "kit.metrics",
    "text_generation_metrics": "kit.metrics",
    "can_be_mirrored": "kit.mirrors",
    "early_stopping": "kit.practices",
    "error_of_members": "kit.members",
    "for_each_member": "kit.members",
    "mae_of_mean": "kit.members",
    "mean_of_members": "kit.members",
    "member_outputs": "kit.members",
    "number_waves": "kit.members",
    "surprise_of_members": "kit.members",
    "generated_image_metrics": "kit.generated_images",
    "make_optimizer": "kit.practices",
    "normalization": "kit.practices",
    "rare_class_metrics": "kit.rare_classes",
    "resampled": "kit.rare_classes",
    "segmentation_metrics": "kit.segmentation",
    "standardised_columns": "kit.columns",
    "character_vectorization": "kit.vocabulary",
    "character_windows": "kit.vocabulary",
    "next_character": "kit.vocabulary",
    "ngram_numbers": "kit.vocabulary",
    "texts_with": "kit.vocabulary",
    "with_adversarial_training": "kit.adversarial",
    "word_numbers": "kit.vocabulary",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module it lives in, imported when first used."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
