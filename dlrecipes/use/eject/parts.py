"""What a script copies: a recipe's functions, and what they need of dlrecipes."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import dlrecipes
from dlrecipes.errors import InputError
from dlrecipes.use.eject.edits import OWN, STAND_INS, imported, standalone

PACKAGE = "dlrecipes"
ROOTS = ("build", "train", "evaluate")
"""The functions of a recipe that a script repeats; `load` is replaced by what it returned."""
SHORTER = {
    "rows_of": '''
def rows_of(batches):
    """Return the rows of all batches together."""
    return sum(len(tf.nest.flatten(batch)[0]) for batch in batches)
'''
}
"""Functions that dlrecipes has in a longer form."""


@dataclass(frozen=True)
class Module:
    """A module's text.

    Args:
        path: Its file.
    """

    path: Path

    @cached_property
    def lines(self) -> list[str]:
        """Return its lines."""
        return self.path.read_text(encoding="utf-8").split("\n")

    @cached_property
    def tree(self) -> ast.Module:
        """Return its syntax tree."""
        return ast.parse("\n".join(self.lines))

    @cached_property
    def definitions(self) -> dict[str, str]:
        """Return the text of each definition by its name, with the comments above it."""
        found = {}
        body = self.tree.body
        for node, following in zip(body, [*body[1:], None], strict=True):
            for name in _defined(node):
                found[name] = self._text(node, following)
        return found

    @cached_property
    def imports(self) -> Mapping[str, tuple[str, str]]:
        """Return where the names come from that it imports, also within functions."""
        return imported(self.tree)

    def _text(self, node: ast.stmt, following: ast.stmt | None) -> str:
        """Return the text of a statement, with the comments above it and the text below it."""
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)]) - 1
        while first and self.lines[first - 1].startswith("#"):
            first -= 1
        last = node.end_lineno or node.lineno
        is_assignment = isinstance(node, ast.Assign | ast.AnnAssign)
        if is_assignment and isinstance(following, ast.Expr):  # what the constant means
            last = following.end_lineno or last
        return "\n".join(self.lines[first:last])


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


@dataclass
class Parts:
    """What a script consists of, gathered from a recipe on.

    Args:
        recipe: The recipe's module.
        texts: The text of each definition by name, what it needs before it.
        homes: The file that each is from.
        imports: The names that it imports, as `imported` returns them.
    """

    recipe: Module
    texts: dict[str, str] = field(default_factory=dict)
    homes: dict[str, Path] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of_kit(self) -> list[str]:
        """Return the texts that are copied from dlrecipes."""
        return [text for name, text in self.texts.items() if self.homes[name] != self.recipe.path]

    def of_recipe(self) -> list[str]:
        """Return the texts that are the recipe's own, in its order."""
        names = self.recipe.definitions
        return [self.texts[name] for name in names if self.homes.get(name) == self.recipe.path]

    def add(self, module: Module, name: str) -> None:
        """Add a definition, once what it needs is there.

        Raises:
            InputError: if another definition of that name is there.
        """
        if name in self.homes:
            other = Module(self.homes[name]).definitions[name]
            if self.homes[name] != module.path and other != module.definitions[name]:
                raise InputError(
                    f"{module.path} and {self.homes[name]} both define {name}.",
                    "Rename it in your recipe, and train it again.",
                )
            return
        self.homes[name] = module.path
        text = SHORTER.get(name, "").strip()
        if text:
            self.imports["tf"] = ("tensorflow", "")
        else:
            text = standalone(module.definitions[name])
        for needed in _needed(ast.parse(text)):
            self._add_needed(module, needed)
        self.texts[name] = text

    def _add_needed(self, module: Module, name: str) -> None:
        """Add what a name stands for in a module, if that is nothing of Python's own."""
        if name in module.definitions:
            self.add(module, name)
        elif name in module.imports:
            source, inner = module.imports[name]
            if source.partition(".")[0] == PACKAGE:
                self.add(_home(source, inner), inner)
            else:
                self.imports[name] = (source, inner)
        elif name in dlrecipes.HOMES and module is self.recipe:
            self.add(_home(PACKAGE, name), name)


def parts_of(recipe: Path) -> Parts:
    """Return what a script that repeats a recipe consists of."""
    parts = Parts(Module(recipe))
    for name in ROOTS:
        parts.add(parts.recipe, name)
    return parts


def _home(source: str, name: str) -> Module:
    """Return the module that defines a name which is imported from a module of dlrecipes."""
    if source == PACKAGE:
        source = f"{PACKAGE}.{dlrecipes.HOMES[name]}"
    spec = find_spec(source)
    assert spec is not None
    assert spec.origin is not None
    module = Module(Path(spec.origin))
    if name not in module.definitions:  # It is only handed on from there.
        return _home(*module.imports[name])
    return module


def _needed(tree: ast.AST) -> list[str]:
    """Return the names that a definition reads and does not define, in alphabetical order."""
    read: set[str] = set()
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
    return sorted(read - own - set(STAND_INS) - set(OWN))
