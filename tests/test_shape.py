"""The house keeps its shape: few rooms, short files and functions, few parameters."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CHECKOUT, RECIPES, recipe_source

PACKAGE = CHECKOUT / "dlrecipes"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS, FILES = 10, 4
FILE_LINES, FUNCTION_LINES, PARAMETERS = 450, 60, 6
RECIPE_LINES = {"sentiment-lstm": 150, "digits-gan": 150}
"""Of the recipes that need more than the others."""
SCREEN = 40
"""Lines of a terminal."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Path) -> Iterator[Function]:
    """Yield every function of a module, those within others too."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, Function):
            yield node


def is_command(module: Path, function: Function) -> bool:
    """Tell whether Typer calls a function: its parameters are the flags of a command."""
    annotations = " ".join(
        ast.unparse(one.annotation)
        for one in (*function.args.args, *function.args.kwonlyargs)
        if one.annotation is not None
    )
    return module.parent.name == "cli" and ("options." in annotations or "typer." in annotations)


def parameters(function: Function) -> int:
    """Return how many parameters a function has, without its own object."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def place(module: Path, node: ast.AST) -> str:
    """Return where something stands, for the list of a failure."""
    name = getattr(node, "name", "")
    return f"{module.relative_to(CHECKOUT)}:{getattr(node, 'lineno', 1)} {name}"


def test_the_package_has_few_folders_and_files_at_its_top() -> None:
    folders = [
        path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("__")
    ]
    files = [path.name for path in PACKAGE.iterdir() if path.suffix == ".py"]
    assert len(folders) <= FOLDERS, folders
    assert len(files) <= FILES, files


def test_no_file_is_long() -> None:
    lines = {str(path.relative_to(CHECKOUT)): path.read_text().count("\n") for path in MODULES}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_no_function_is_long() -> None:
    assert [
        f"{place(module, node)}: {node.end_lineno - node.lineno + 1} lines"
        for module in MODULES
        for node in functions(module)
        if node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
        and not is_command(module, node)
    ] == []


def test_no_function_has_many_parameters_but_the_commands() -> None:
    assert [
        f"{place(module, node)}: {parameters(node)} parameters"
        for module in MODULES
        for node in functions(module)
        if parameters(node) > PARAMETERS and not is_command(module, node)
    ] == []


def test_no_check_is_switched_off() -> None:
    for module in (*MODULES, *(CHECKOUT / "recipes").glob("*.py")):
        text = module.read_text("utf-8")
        # Where a check does not fit a module, pyproject.toml says so, with the reason.
        assert not re.search(r"#\s*(type:\s*ignore|noqa)", text), module


def test_no_test_is_skipped() -> None:
    marks = [f"{word}{kind}" for word in ("mark.", "pytest.") for kind in ("skip", "xfail")]
    for module in Path(__file__).parent.rglob("*.py"):
        text = module.read_text("utf-8")
        assert [word for word in marks if f"{word}(" in text or f"{word}if" in text] == [], module


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_page_with_a_layer_on_the_first_screen_after_its_settings(
    recipe: str,
) -> None:
    text = recipe_source(recipe)
    lines = text.splitlines()
    assert len(lines) <= RECIPE_LINES.get(recipe, 120)
    (config,) = (
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == "Config"
    )
    first = next(number for number, line in enumerate(lines, 1) if " layers." in line)
    assert config.end_lineno is not None
    assert first - config.end_lineno <= SCREEN
    for words in ("verbose", "shuffle=False", "__main__"):
        assert words not in text, "which only the tool would want"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            assert parameters(node) <= 5


def test_the_limits_are_measured_as_they_are_meant() -> None:
    source = "def f(self, a, b, *, c, **more):\n    def g(x):\n        return x\n    return g\n"
    outer, inner = sorted(
        (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)),
        key=lambda node: node.lineno,
    )
    assert [parameters(outer), parameters(inner)] == [3, 1]
    assert inspect.cleandoc(source).count("\n") + 1 == outer.end_lineno
