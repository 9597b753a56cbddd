"""The tasks and what they are made of."""

from collections.abc import Callable

from dlrecipes.tasks import TASKS
from generator import markdown
from generator.recipes import built_in


def table() -> str:
    """Return the table of the built-in tasks."""
    return markdown.table(
        ["task", "input", "answer", "headline metric", "recipes"],
        [
            [
                markdown.code(name),
                task.input.name,
                task.answer.name,
                markdown.code(task.headline.name)
                + (
                    " (higher is better)"
                    if task.headline.higher_is_better
                    else " (lower is better)"
                ),
                ", ".join(facts.name for facts in built_in() if facts.task == name),
            ]
            for name, task in TASKS.items()
        ],
    )


PLACES: dict[str, Callable[[], str]] = {"tasks": table}
