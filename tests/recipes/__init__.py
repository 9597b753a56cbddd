"""What the tests expect of each built-in recipe: one file a recipe, named like its own."""

from importlib import import_module
from pathlib import Path

from recipes.expected import Expected

BY_NAME: dict[str, Expected] = {
    path.stem.replace("_", "-"): import_module(f"recipes.{path.stem}").EXPECTED
    for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
    if path.stem != "expected"
}
"""By the name of the recipe."""
