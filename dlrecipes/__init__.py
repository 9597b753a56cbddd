"""Deep-learning recipes on Keras 3 and TensorFlow, run from a terminal.

What stands here is what a recipe imports. Importing it does not import TensorFlow.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrecipes.catalog.settings import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

if TYPE_CHECKING:
    from dlrecipes.datasets.examples import Data, Examples, Source
    from dlrecipes.datasets.statistics import Categories, Numbers, column_statistics
    from dlrecipes.kit.metrics import (
        Metrics,
        classification_metrics,
        regression_metrics,
        text_generation_metrics,
    )
    from dlrecipes.kit.practices import class_weights, early_stopping, make_optimizer
    from dlrecipes.kit.vocabulary import (
        character_vectorization,
        character_windows,
        word_vectorization,
    )

__all__ = [
    "Categories",
    "Data",
    "Examples",
    "Fraction",
    "Metrics",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Numbers",
    "PositiveFloat",
    "PositiveInt",
    "Source",
    "character_vectorization",
    "character_windows",
    "class_weights",
    "classification_metrics",
    "column_statistics",
    "early_stopping",
    "make_optimizer",
    "regression_metrics",
    "run_recipe",
    "text_generation_metrics",
    "word_vectorization",
]

if not (Path(__path__[0]) / "data").is_dir():
    # Python runs a file with its folder first on the path: in a checkout this is then the package,
    # whose parts recipes/ and data/ lie beside it until they are installed.
    __path__.append(str(Path(__path__[0]).parent))

_HOMES = {
    "Data": "datasets.examples",
    "Examples": "datasets.examples",
    "Source": "datasets.examples",
    "Metrics": "kit.metrics",
    "classification_metrics": "kit.metrics",
    "regression_metrics": "kit.metrics",
    "text_generation_metrics": "kit.metrics",
    "class_weights": "kit.practices",
    "early_stopping": "kit.practices",
    "make_optimizer": "kit.practices",
    "Categories": "datasets.statistics",
    "Numbers": "datasets.statistics",
    "column_statistics": "datasets.statistics",
    "character_vectorization": "kit.vocabulary",
    "character_windows": "kit.vocabulary",
    "word_vectorization": "kit.vocabulary",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module it lives in, imported when first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def run_recipe(path: str) -> None:
    """Train the recipe in a file with the flags of the command line: `python FILE --epochs 3`.

    Args:
        path: The recipe's `__file__`.
    """
    import sys

    from dlrecipes.cli import main

    sys.exit(main(["train", path, *sys.argv[1:]]))
