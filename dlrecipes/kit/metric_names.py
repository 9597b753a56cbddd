"""The names of the test metrics that the functions of the kit return, without running them."""

from math import inf

FUNCTIONS = {
    "classification_metrics": (
        *("loss", "accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc"),
    ),
    "generated_image_metrics": ("frechet_distance", "class_coverage", "confidence"),
    "rare_class_metrics": (
        *("average_precision", "accuracy", "balanced_accuracy", "precision", "recall", "f1"),
        *("precision_macro", "recall_macro", "f1_macro", "roc_auc", "loss", "threshold"),
    ),
    "regression_metrics": ("mae", "mse", "rmse", "r2"),
    "segmentation_metrics": ("mean_iou", "accuracy"),
    "text_generation_metrics": ("loss", "perplexity", "bits_per_character", "accuracy"),
}
"""The metrics by the name of the function."""
OF_EACH_CLASS = {"segmentation_metrics": "iou_"}
"""What the names of metrics begin with that a function returns for each class of the data."""
ERRORS = {"loss", "mae", "mse", "rmse", "perplexity", "bits_per_character", "frechet_distance"}
"""Metrics of which a lower value is a better one."""
SHARES = {
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "average_precision", "roc_auc"),
    *("precision_macro", "recall_macro", "f1_macro", "mean_iou", "threshold"),
}
"""Metrics from 0 to 1."""


def limits_of(name: str) -> tuple[float, float]:
    """Return the lowest and the highest value that a metric can have; infinite for none."""
    if name in SHARES or name.startswith(tuple(OF_EACH_CLASS.values())):
        return 0, 1
    if name in ERRORS - {"loss"}:
        return 0, inf
    return -inf, 1 if name == "r2" else inf
