"""The built-in recipes: the table of all, and the tables of settings."""

from collections.abc import Callable, Iterable
from functools import cache, partial

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.catalog.settings import Setting, show_value
from generator import markdown, results
from generator.paths import ROOT

FIRST = "mnist-cnn"


@cache
def built_in() -> tuple[Facts, ...]:
    """Return the facts of the built-in recipes, the one of the tutorial first."""
    files = [path for path in sorted((ROOT / "recipes").glob("*.py")) if path.stem != "__init__"]
    facts = [read_facts(path, "dlrecipes") for path in files]
    return tuple(sorted(facts, key=lambda one: (one.name != FIRST, one.name)))


def setting_row(setting: Setting) -> list[str]:
    """Return a setting's row: its flag, what it takes, its default, and its meaning."""
    return [
        markdown.code(setting.flag),
        markdown.escaped(setting.type.describe()),
        markdown.code(show_value(setting.default)),
        markdown.escaped(setting.help),
    ]


def settings_table(settings: Iterable[Setting]) -> str:
    """Return a table of settings."""
    return markdown.table(["flag", "value", "default", "meaning"], map(setting_row, settings))


def overview(to: str) -> str:
    """Return the table of all recipes: what each does, its score and its seconds.

    Args:
        to: The folder of the recipes' pages, as the page that shows the table links it.
    """

    def cells(facts: Facts) -> list[str]:
        shown = [results.score(facts.name, data) for data in ("full", "sample")]
        return [f"[`{facts.name}`]({to}{facts.name}.md)", facts.summary.rstrip("."), *shown]

    titles = ["recipe", "what it does", "full data", "sample"]
    return markdown.table(titles, map(cells, built_in()))


PLACES: dict[str, Callable[[], str]] = {
    "recipes": partial(overview, "docs/recipes/"),
    "recipes here": partial(overview, ""),
}
