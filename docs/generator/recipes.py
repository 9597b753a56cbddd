"""A page for each built-in recipe, from what its file says of itself."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.catalog.settings import Setting, show_value
from generator import markdown, results
from generator.paths import ROOT
from recipes import BY_NAME

FIRST = "mnist-cnn"


@cache
def built_in() -> tuple[Facts, ...]:
    """Return the facts of the built-in recipes, the one of the tutorial first."""
    files = [path for path in sorted((ROOT / "recipes").glob("*.py")) if path.stem != "__init__"]
    facts = [read_facts(path, "dlrecipes") for path in files]
    return tuple(sorted(facts, key=lambda one: (one.name != FIRST, one.name)))


def pages() -> Mapping[str, Callable[[], str]]:
    """Return what returns the page of each recipe, by the page's name in docs/."""
    return {f"recipes/{facts.name}.md": partial(page, facts) for facts in built_in()}


def page(facts: Facts) -> str:
    """Return the page of a recipe."""
    file = f"../../recipes/{facts.path.name}"
    sample = f", sample [`{facts.sample}`](../../data/README.md)" if facts.sample else ""
    lines = [
        f"# {facts.name}",
        f"Task [`{facts.task}`](../reference/tasks.md), data set `{facts.dataset}`{sample}. "
        f"The recipe is one file: [{facts.path.name}]({file}).",
        prose(facts.documentation),
        "## Settings",
        f"Each is a flag of `dlrecipes train {facts.name}`.",
        settings_table(facts.settings),
    ]
    if facts.presets:
        lines += [
            "## Presets",
            "Parameters are those of the network for the sample.",
            _presets(facts),
        ]
    if facts.expected:
        lines += [
            "## Expected results",
            "`train` compares the test result with these ranges if neither the recipe nor its "
            "settings were changed. They were measured over at least five seeds.",
            _expected(facts),
        ]
    if measured := results.of_recipe(facts.name):
        lines += ["## Measured results", measured]
    return "\n\n".join(lines)


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


def prose(docstring: str) -> str:
    """Return a recipe's docstring as Markdown: indented lines become a fence."""
    blocks, fence = [], list[str]()
    for line in [*docstring.splitlines(), ""]:
        if line.startswith("    ") or (fence and not line):
            fence.append(line[4:])
            continue
        if fence:
            blocks += ["```text", *"\n".join(fence).rstrip().splitlines(), "```", ""]
            fence = []
        blocks.append(markdown.escaped(line))
    if any(fence):
        blocks += ["```text", *"\n".join(fence).rstrip().splitlines(), "```"]
    return "\n".join(blocks).strip()


def _presets(facts: Facts) -> str:
    """Return the table of a recipe's presets, with the parameters that the tests pin."""
    counts = BY_NAME[facts.name].parameters if facts.name in BY_NAME else {}
    return markdown.table(
        ["preset", "parameters", "settings"],
        [
            [
                markdown.code(name) or "none",
                f"{counts[name]:,}" if name in counts else "-",
                ", ".join(f"`{key}={show_value(value)}`" for key, value in values.items())
                or "the defaults",
            ]
            for name, values in {"": {}, **facts.presets}.items()
        ],
    )


def _expected(facts: Facts) -> str:
    """Return the table of the ranges that a recipe's results lie in."""
    return markdown.table(
        ["data", "preset", "metric", "from", "to"],
        [
            [
                markdown.code(name.partition(":")[0]),
                markdown.code(name.partition(":")[2]) or "none",
                metric,
                f"{band[0]:g}",
                f"{band[1]:g}",
            ]
            for name, bands in facts.expected.items()
            for metric, band in bands.items()
        ],
    )


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
