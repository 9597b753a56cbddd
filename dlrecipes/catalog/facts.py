"""Read what a recipe's file says of itself from its syntax tree."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dlrecipes.catalog.config_class import read_config_class
from dlrecipes.catalog.settings import Setting
from dlrecipes.catalog.usage import settings_read
from dlrecipes.system.packages import RECIPES, data_folders, entry_points

MAX_RECIPE_BYTES = 1_000_000
CONSTANTS: dict[str, Any] = {
    "TASK": "",
    "DATASET": "",
    "SAMPLE": "",
    "FEATURES": {},
    "RATES": {},
    "OWN_STEPS": 3_000,
    "OWN_SETTINGS": {},
    "PRESETS": {},
    "EXPECTED": {},
}
"""What a recipe says of itself in constants, and what stands for one that it lacks."""


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
        sample: `SAMPLE`: the name of the file or folder of its small sample; empty for none.
        features: `FEATURES`: the data set's feature, or features, for what the task needs.
        rates: `RATES`: learning rates that suit other optimizers than the default one.
        own_steps: `OWN_STEPS`: steps that training on data which is not the recipe's own takes,
            about; 0 for the epochs of the defaults.
        own_settings: `OWN_SETTINGS`: settings in place of the defaults on such data, by the rows
            that there are at most, or by those and the classes that there are at least.
        presets: `PRESETS`.
        expected: `EXPECTED`.
        functions: Names of the parameters of each top-level function.
        error: Why the file could not be read; empty if it could.
        misfits: What is wrong with the constants, a sentence each.
        tree: The file's syntax tree.
    """

    name: str
    path: Path
    package: str
    documentation: str = ""
    task: str = ""
    dataset: str = ""
    sample: str = ""
    features: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    own_steps: int = CONSTANTS["OWN_STEPS"]
    own_settings: Mapping[int | tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    expected: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""
    misfits: tuple[str, ...] = ()
    tree: ast.Module | None = field(default=None, repr=False, compare=False)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Return the fields of `Config`, and those of its base that a line of the recipe reads."""
        return tuple(
            replace(setting, rates=self.rates) if setting.name == "learning_rate" else setting
            for setting in self._config.settings
        )

    @property
    def unread(self) -> tuple[str, ...]:
        """Return the names of the settings that `Config` declares and no line reads."""
        return self._config.unread

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what in the file cannot be read as a recipe, a sentence each."""
        return self.misfits + self._config.problems

    @cached_property
    def _config(self) -> "_Config":
        """Return what the class `Config` says, read when it is asked for: `list` never does."""
        return _read_config(self.tree) if self.tree else _Config()

    @property
    def summary(self) -> str:
        """Return the first line of the docstring."""
        return self.documentation.partition("\n")[0].strip()

    @property
    def sample_path(self) -> Path | None:
        """Return where the sample is; None if the recipe has none, or it cannot be found.

        It is looked for beside the recipe, in `data` there and in the packages that the recipe is
        in, and in the `data` of installed packages of recipes: a copy of a recipe finds it there.
        """
        if not self.sample or Path(self.sample).name != self.sample:
            return None
        return next((path for path in self._sample_paths() if path.exists()), None)

    def _sample_paths(self) -> Iterator[Path]:
        """Yield where the sample may be, the likeliest place first."""
        folder = self.path.parent
        yield folder / self.sample
        yield folder / "data" / self.sample
        while (folder / "__init__.py").exists():
            folder = folder.parent
            yield folder / "data" / self.sample
        packages = entry_points(RECIPES)
        own, ours = packages.get(self.package, ""), "dlrecipes.recipes"
        for package in dict.fromkeys([*([own] if own else []), ours]):
            yield from (place / self.sample for place in data_folders(package))
        others = [
            path
            for package in sorted(set(packages.values()) - {own, ours})
            for place in data_folders(package)
            if (path := place / self.sample).exists()
        ]
        if len(others) == 1:  # Of two samples of one name, neither can be told to be meant.
            yield others[0]


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
    found = dict(CONSTANTS)
    literals: dict[str, Any] = {}
    functions: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=value)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
            ):
                try:
                    literals[target] = _literal(value, literals)
                except (ValueError, TypeError, RecursionError, MemoryError):
                    literals.pop(target, None)
                if target in found:
                    found[target] = _constant(target, literals.get(target), node.lineno, problems)
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
        task=found["TASK"],
        dataset=found["DATASET"],
        sample=found["SAMPLE"],
        features=found["FEATURES"],
        rates=found["RATES"],
        own_steps=found["OWN_STEPS"],
        own_settings=found["OWN_SETTINGS"],
        presets=found["PRESETS"],
        expected=found["EXPECTED"],
        functions=functions,
        misfits=tuple(problems),
        tree=tree,
    )


@dataclass(frozen=True)
class _Config:
    """What the class `Config` of a recipe says: see the properties of `Facts`."""

    settings: tuple[Setting, ...] = ()
    unread: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def _read_config(tree: ast.Module) -> _Config:
    """Return what the class `Config` of a recipe says."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Config":
            break
    else:
        return _Config()
    problems: list[str] = []
    settings = read_config_class(node, problems)
    own = {
        field.target.id
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    read = settings_read(tree)
    if read is None:
        return _Config(tuple(settings.values()), (), tuple(problems))
    return _Config(
        # What is inherited and not read has no effect: it is no setting of this recipe.
        tuple(one for one in settings.values() if one.name in read | own),
        tuple(sorted(own & set(settings) - read)),
        tuple(problems),
    )


def _literal(node: ast.expr, literals: Mapping[str, Any]) -> Any:
    """Return the value of a literal; a dict may hold others by `**`, by name or as they are.

    Args:
        node: The expression.
        literals: Values of the module's constants so far, by name.

    Raises:
        ValueError: if it is no such literal.
    """
    if not isinstance(node, ast.Dict):
        return ast.literal_eval(node)
    value: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        if key is not None:
            value[ast.literal_eval(key)] = _literal(item, literals)
            continue
        merged = literals.get(item.id) if isinstance(item, ast.Name) else _literal(item, literals)
        if not isinstance(merged, dict):
            raise ValueError(ast.unparse(item))
        value |= merged
    return value


def _constant(name: str, value: Any, line: int, problems: list[str]) -> Any:
    """Return the value of one of `CONSTANTS`; note if it is not a literal of the right type."""
    default = CONSTANTS[name]
    if isinstance(value, type(default)):
        return value
    kind = {str: "text", int: "an integer"}.get(type(default), "a dict")
    problems.append(f"line {line}: {name} must be {kind}, as a literal")
    return default
