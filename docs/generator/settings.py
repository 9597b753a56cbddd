"""The settings that recipes share, from `TrainingConfig`."""

from collections.abc import Callable

from dlrecipes.catalog.config_class import shared_settings
from generator import markdown
from generator.recipes import built_in, setting_row


def shared() -> str:
    """Return the table of the shared settings, and which recipes read each."""
    readers = {
        name: [facts.name for facts in built_in() if name in {one.name for one in facts.settings}]
        for name in shared_settings()
    }
    every = len(built_in())
    return markdown.table(
        ["flag", "value", "default", "meaning", "recipes"],
        [
            [
                *setting_row(setting),
                "all" if len(readers[name]) == every else ", ".join(readers[name]) or "-",
            ]
            for name, setting in shared_settings().items()
        ],
    )


PLACES: dict[str, Callable[[], str]] = {"shared settings": shared}
