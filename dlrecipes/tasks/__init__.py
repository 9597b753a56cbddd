"""Tasks: kinds of input with kinds of answer.

What stands in `__all__` is what a package imports that brings a task of its own.
"""

from functools import cache, partial
from importlib import import_module

from dlrecipes.baselines.base import Fitted, PlainBaseline, Problem, Rows, fitted
from dlrecipes.baselines.characters import CharacterNgrams
from dlrecipes.baselines.images import ImageClassifier
from dlrecipes.baselines.masks import PixelClassifier
from dlrecipes.baselines.tables import TableClassifier, TableRegressor
from dlrecipes.baselines.texts import TextClassifier
from dlrecipes.datasets.examples import Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.errors import InputError, nearest
from dlrecipes.kit.metrics import character_metrics, class_metrics, number_metrics
from dlrecipes.kit.rare_classes import rare_metrics
from dlrecipes.kit.segmentation import mask_metrics
from dlrecipes.system.packages import TASKS as ENTRY_POINT_GROUP
from dlrecipes.system.packages import entry_points
from dlrecipes.tasks.answers import Category, Continuation, Mask, Number, Picture
from dlrecipes.tasks.base import (
    Answer,
    Chunk,
    Encoder,
    Input,
    Inputs,
    Peek,
    PredictOptions,
    Task,
)
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.inputs import Image, Noise, Prose, Table, Text
from dlrecipes.tasks.reading import Found, Reading, SplitsWriter
from dlrecipes.tasks.results import Baseline, Examined, Metric
from dlrecipes.tasks.serving import run_serving

__all__ = [
    "TASKS",
    "Answer",
    "Baseline",
    "Category",
    "Chunk",
    "Continuation",
    "Description",
    "Encoder",
    "Examined",
    "Feature",
    "FileOptions",
    "Fitted",
    "Form",
    "Found",
    "Image",
    "Input",
    "InputError",
    "Inputs",
    "Item",
    "Mask",
    "Metric",
    "Named",
    "Noise",
    "Number",
    "Peek",
    "Picture",
    "PlainBaseline",
    "PredictOptions",
    "Problem",
    "Prose",
    "Reading",
    "Rows",
    "Source",
    "Splits",
    "SplitsWriter",
    "Table",
    "Task",
    "Text",
    "character_metrics",
    "class_metrics",
    "find_task",
    "fitted",
    "mask_metrics",
    "number_metrics",
    "one_feature",
    "rare_metrics",
    "run_serving",
    "task_names",
]

lower = partial(Metric, higher_is_better=False)
TASKS = {
    task.name: task
    for task in (
        Task("image-classification", Image(), Category(), Metric("accuracy"), ImageClassifier()),
        Task(
            "image-generation",
            Noise(),
            Picture(),
            Metric("frechet_distance", higher_is_better=False),
        ),
        Task("image-segmentation", Image(), Mask(), Metric("mean_iou"), PixelClassifier()),
        Task(
            "tabular-classification",
            Table(),
            Category(),
            Metric("average_precision"),
            TableClassifier(),
        ),
        Task("tabular-regression", Table(), Number(), lower("mae"), TableRegressor()),
        Task("text-classification", Text(), Category(), Metric("accuracy"), TextClassifier()),
        Task("text-generation", Prose(), Continuation(), lower("loss"), CharacterNgrams()),
    )
}


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, those of installed packages too, whose code is not run."""
    return (*TASKS, *entry_points(ENTRY_POINT_GROUP))


@cache
def find_task(name: str) -> Task:
    """Return the task of that name. Imports the package that brings it, if one does.

    Raises:
        InputError: if there is none, or the package cannot be imported.
    """
    if name in TASKS:
        return TASKS[name]
    brought = entry_points(ENTRY_POINT_GROUP)
    if name not in brought:
        names = task_names()
        raise InputError(
            f"There is no task {name!r}: there are {', '.join(names)}.", nearest(name, names)
        )
    module, _, attribute = brought[name].partition(":")
    try:
        task = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"The task {name} cannot be imported from {module}: {error}.") from error
    if not isinstance(task, Task):
        raise InputError(f"{brought[name]} must be a dlrecipes Task, not {type(task).__name__}.")
    return task
