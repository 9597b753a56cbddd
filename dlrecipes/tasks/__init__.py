"""What a task knows, whichever recipe runs: a user's files, predictions, and how to show them."""

from dlrecipes.errors import InputError, nearest
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.image_classification import ImageClassification
from dlrecipes.tasks.tabular_regression import TabularRegression
from dlrecipes.tasks.text_classification import TextClassification
from dlrecipes.tasks.text_generation import TextGeneration

TASKS: dict[str, Task] = {
    task.name: task
    for task in (ImageClassification(), TextClassification(), TextGeneration(), TabularRegression())
}


def find_task(name: str) -> Task:
    """Return the task of that name, or raise InputError."""
    if name not in TASKS:
        raise InputError(
            f"There is no task {name!r}: there are {', '.join(TASKS)}.", nearest(name, TASKS)
        )
    return TASKS[name]
