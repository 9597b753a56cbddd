"""Find recipe files and read their facts from the syntax tree: listing runs nobody's code.

Recipes come through one door, from three places: the packages named by entry points of the group
`dlrecipes.recipes` (the built-in recipes are the first), the folders in `DLRECIPES_PATH` or
`./recipes`, and paths on the command line.
"""

import ast
import filecmp
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlrecipes.catalog.settings import Setting, parse_annotation
from dlrecipes.errors import InputError, nearest

ENTRY_POINT_GROUP = "dlrecipes.recipes"
MAX_RECIPE_BYTES = 1_000_000


@dataclass(frozen=True)
class Facts:
    """What a recipe's file says of itself.

    Args:
        name: Name on the command line: the file's, with hyphens.
        path: The file.
        package: Where it comes from: a package's name, or a folder's path.
        documentation: The module's docstring.
        task: `TASK`.
        dataset: `DATASET`.
        presets: `PRESETS`.
        expected: `EXPECTED`.
        settings: The fields of `Config`.
        functions: Names of the parameters of each top-level function.
        error: Why the file could not be read; empty if it could.
        problems: What in it breaks the contract so that it cannot be trained.
    """

    name: str
    path: Path
    package: str
    documentation: str = ""
    task: str = ""
    dataset: str = ""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    expected: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""
    problems: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Return the first line of the docstring."""
        return self.documentation.partition("\n")[0].strip()


def recipe_name(path: Path) -> str:
    """Return the name of the recipe in a file: `mnist_cnn.py` holds `mnist-cnn`."""
    return path.stem.replace("_", "-")


def read_facts(path: Path, package: str = "") -> Facts:
    """Return the facts of one recipe file, without running it.

    A file that cannot be read or parsed gives facts with `error` set.
    """
    name = recipe_name(path)
    package = package or str(path.parent)
    try:
        if path.stat().st_size > MAX_RECIPE_BYTES:
            return Facts(name, path, package, error="larger than a recipe can be (1 MB)")
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        return Facts(name, path, package, error=f"cannot be read: {error.strerror}")
    except SyntaxError as error:
        return Facts(name, path, package, error=f"syntax error, line {error.lineno}: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Facts(name, path, package, error=f"not Python source: {error}")
    return _facts_of_tree(tree, name, path, package)


def _facts_of_tree(tree: ast.Module, name: str, path: Path, package: str) -> Facts:
    """Return the facts in a parsed recipe."""
    problems: list[str] = []
    constants: dict[str, Any] = {"TASK": "", "DATASET": "", "PRESETS": {}, "EXPECTED": {}}
    settings: tuple[Setting, ...] = ()
    functions: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=value)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
            ) if target in constants:
                try:
                    literal = ast.literal_eval(value)
                    if not isinstance(literal, type(constants[target])):
                        raise ValueError
                    constants[target] = literal
                except (ValueError, TypeError, RecursionError, MemoryError):
                    kind = "text" if target in ("TASK", "DATASET") else "a dict"
                    problems.append(f"line {node.lineno}: {target} must be {kind}, as a literal")
            case ast.ClassDef(name="Config"):
                marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
                if "dataclass(" not in marks or "frozen=True" not in marks:
                    problems.append(f"line {node.lineno}: Config needs @dataclass(frozen=True)")
                settings = _read_settings(node, problems)
            case ast.FunctionDef(name=function, args=arguments):
                functions[function] = tuple(
                    argument.arg for argument in (*arguments.posonlyargs, *arguments.args)
                )
    return Facts(
        name,
        path,
        package,
        # A lone surrogate could not be printed.
        documentation=(ast.get_docstring(tree) or "").encode("utf-8", "replace").decode(),
        task=constants["TASK"],
        dataset=constants["DATASET"],
        presets=constants["PRESETS"],
        expected=constants["EXPECTED"],
        settings=settings,
        functions=functions,
        problems=tuple(problems),
    )


def _read_settings(node: ast.ClassDef, problems: list[str]) -> tuple[Setting, ...]:
    """Return the settings that the fields of a `Config` class declare; note what is wrong."""
    helps = _argument_lines(ast.get_docstring(node) or "")
    settings = []
    for field_node in node.body:
        if isinstance(field_node, ast.Assign):
            problems.append(
                f"line {field_node.lineno}: setting {ast.unparse(field_node.targets[0])}: "
                "it needs a type"
            )
        if not isinstance(field_node, ast.AnnAssign) or not isinstance(field_node.target, ast.Name):
            continue
        name = field_node.target.id
        try:
            value_type = parse_annotation(field_node.annotation)
            if field_node.value is None:
                raise ValueError("it needs a default")
            try:
                default = ast.literal_eval(field_node.value)
            except (ValueError, TypeError):
                raise ValueError("its default must be a literal") from None
            try:
                default = value_type.check(default)
            except (ValueError, TypeError):
                raise ValueError(
                    f"its default {default!r} is not {value_type.describe()}"
                ) from None
        except ValueError as error:
            problems.append(f"line {field_node.lineno}: setting {name}: {error}")
            continue
        settings.append(Setting(name, value_type, default, helps.get(name, "")))
    return tuple(settings)


def _argument_lines(docstring: str) -> dict[str, str]:
    """Return the text of each entry under `Args:` in a docstring, on one line each."""
    entries: dict[str, str] = {}
    name = ""
    _, _, body = docstring.partition("Args:\n")
    for line in body.splitlines():
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if not stripped or (indent == 0):
            break
        if indent == 4 and ":" in stripped:
            name, _, text = stripped.partition(":")
            entries[name] = text.strip()
        elif name:
            entries[name] += " " + stripped
    return entries


def _recipe_files(folder: Path) -> Iterator[Path]:
    """Yield the recipe files of a folder, in order of name."""
    try:
        yield from sorted(
            path for path in folder.glob("*.py") if path.is_file() and not path.name.startswith("_")
        )
    except OSError:
        return


def _entry_points() -> dict[str, str]:
    """Return the packages of recipes that installed distributions name, by entry point.

    Reads what `importlib.metadata.entry_points` reads. Importing that takes a quarter of the time
    of `dlrecipes list`, most of it for the email package, with which it parses what we do not need.
    """
    found: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path):
        for file in Path(folder).glob("*.dist-info/entry_points.txt"):
            group = ""
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("["):
                    group = line.strip("[] ")
                elif group == ENTRY_POINT_GROUP and "=" in line:
                    name, _, package = line.partition("=")
                    found.setdefault(name.strip(), package.strip())
    return found


def _package_folders(package: str) -> list[Path]:
    """Return the folders of a package without importing it.

    `find_spec` imports the parents of what it looks for: for our own that is this very package; of
    another's, whose code is not to run, only the outermost is looked for, and the rest is a path.
    """
    top, _, rest = package.partition(".")
    spec = find_spec(package if top == "dlrecipes" else top)
    if spec is None or spec.submodule_search_locations is None:
        return []
    inner = "" if top == "dlrecipes" else rest.replace(".", "/")
    return [Path(location, inner) for location in spec.submodule_search_locations]


def _installed_folders() -> Iterator[tuple[Path, str]]:
    """Yield each folder of an installed package of recipes, and what it is called."""
    for name, package in sorted(_entry_points().items()):
        for location in _package_folders(package):
            yield location, name


def is_installed(source: bytes) -> bool:
    """Tell whether this is the source of an installed recipe, byte for byte."""
    return any(
        path.read_bytes() == source
        for folder, _ in _installed_folders()
        for path in _recipe_files(folder)
    )


def _folders() -> Iterator[tuple[Path, str]]:
    """Yield each folder that may hold recipes, and what it is called."""
    yield from _installed_folders()
    # A user's own folders: those of DLRECIPES_PATH, else ./recipes.
    for name in os.environ.get("DLRECIPES_PATH", "recipes").split(os.pathsep):
        if name and Path(name).is_dir():
            yield Path(name), str(Path(name))


def all_recipes() -> list[Facts]:
    """Return the facts of every recipe that can be found, in order of name and package."""
    found: dict[Path, Facts] = {}
    for folder, package in _folders():
        for path in _recipe_files(folder):
            if not any(_is_same(path, other) for other in found):
                found[path] = read_facts(path, package)
    return sorted(found.values(), key=lambda facts: (facts.name, facts.package))


def _is_same(path: Path, other: Path) -> bool:
    """Tell whether two files are one recipe: a checkout's ./recipes holds the installed files."""
    if path.name != other.name:
        return False
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return path.resolve() == other.resolve()


def is_path(text: str) -> bool:
    """Tell whether a RECIPE argument names a file rather than a recipe."""
    return text.endswith(".py") or text.startswith((".", "~")) or Path(text).is_absolute()


def find_recipe(text: str) -> Facts:
    """Return the facts of the recipe that a RECIPE argument names.

    Args:
        text: A recipe's name, `package/name`, or the path of a file.

    Raises:
        InputError: if there is no such recipe, two have that name, or its file cannot be parsed.
    """
    # A folder of DLRECIPES_PATH may be absolute, so /folder/name can be package/name.
    qualified = is_path(text) and any(
        f"{facts.package}/{facts.name}" == text for facts in all_recipes()
    )
    facts = _facts_of_name(text) if qualified or not is_path(text) else _facts_of_file(text)
    if facts.error:
        raise InputError(
            f"{facts.path}: {facts.error}.", f"See what is wrong: dlrecipes check {facts.path}"
        )
    return facts


def _facts_of_file(text: str) -> Facts:
    path = Path(text).expanduser()
    if path.is_dir() or path.suffix != ".py":
        raise InputError(f"{text} is not a recipe file: its name must end in .py.")
    if not path.exists():
        raise InputError(
            f"There is no recipe file {text}.", f"Start from one: dlrecipes copy mnist-cnn {text}"
        )
    return read_facts(path)


def _facts_of_name(text: str) -> Facts:
    package, _, name = text.rpartition("/")
    recipes = all_recipes()
    matches = [
        facts
        for facts in recipes
        if facts.name == name.replace("_", "-") and package in ("", facts.package)
    ]
    if not matches:
        raise InputError(
            f"There is no recipe {text!r}.",
            nearest(text, [facts.name for facts in recipes]) or "See what there is: dlrecipes list",
        )
    if len(matches) > 1:
        paths = " and ".join(str(facts.path) for facts in matches)
        raise InputError(
            f"Two recipes are named {name}: {paths}.",
            f"Name one of them as {' or '.join(f'{facts.package}/{name}' for facts in matches)}.",
        )
    return matches[0]
