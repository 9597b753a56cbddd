"""Which settings the lines of a recipe read, found in its syntax tree."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dlrecipes

CONFIG = "config"
"""What the contract calls a recipe's settings."""
READERS = ("load", "build", "train", "evaluate")


class _LostSightError(Exception):
    """The settings as a whole go where the syntax tree cannot follow."""


def settings_read(tree: ast.Module) -> frozenset[str] | None:
    """Return the names that a recipe reads from its settings; None if that cannot be told.

    A setting is read as an attribute of the settings, in a method of `Config`, or by a function of
    dlrecipes that is given `config`. Where the settings as a whole are given to other code, or a
    function that reads them is still to be written, any of them may be read.

    Args:
        tree: The recipe.
    """
    imported = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "dlrecipes"
        for name in node.names
    }
    written = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return _read(_Module(tree, imported, READERS)) if written >= set(READERS) else None


@cache
def _read_by_kit(name: str) -> frozenset[str] | None:
    """Return the settings that a public function of dlrecipes reads; None for what is none."""
    home = dlrecipes.HOMES.get(name, "").replace(".", "/")
    path = Path(dlrecipes.__file__).parent / f"{home}.py"
    if not path.is_file():
        return None
    return _read(_Module(ast.parse(path.read_bytes()), {}, (name,)))


def _read(module: "_Module") -> frozenset[str] | None:
    """Return the settings that a module reads; None if that cannot be told."""
    try:
        module.follow()
        return frozenset(module.reads())
    except _LostSightError:
        return None


class _Module:
    """A module through which the settings are followed.

    Args:
        tree: The module.
        imported: Public names of dlrecipes by what the module calls them.
        readers: Names of the functions whose parameter `config` is the settings.
    """

    def __init__(self, tree: ast.Module, imported: dict[str, str], readers: tuple[str, ...]):
        self.tree, self.imported = tree, imported
        self.functions = {
            node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)
        }
        self.attributes: set[str] = set()
        """Attributes that hold the settings, as in `self.config`."""
        self.held: dict[ast.FunctionDef, set[str]] = {
            function: {
                argument.arg
                for argument in _parameters(function)
                if (function.name in readers and argument.arg == CONFIG) or _is_annotated(argument)
            }
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef)
        }
        """Variables that hold the settings, by the function that they are in."""

    def _size(self) -> int:
        return len(self.attributes) + sum(map(len, self.held.values()))

    def follow(self) -> None:
        """Find every variable that holds the settings.

        Raises:
            _LostSightError: if they go where the syntax tree cannot follow.
        """
        before = -1
        while before != self._size():
            before = self._size()
            for function, node in self._nodes():
                match node:
                    case ast.Assign(value=value, targets=[ast.Name(id=name)]):
                        self.held[function] |= {name} if self._holds(function, value) else set()
                    case ast.Assign(value=value, targets=[ast.Attribute(attr=name)]):
                        self.attributes |= {name} if self._holds(function, value) else set()
                    case ast.Call():
                        self._follow_call(function, node)
        understood = {id(place) for _, node in self._nodes() for place in self._understood(node)}
        for function, node in self._nodes():
            loaded = isinstance(getattr(node, "ctx", None), ast.Load)
            if loaded and self._holds(function, node) and id(node) not in understood:
                raise _LostSightError

    def _nodes(self) -> Iterator[tuple[ast.FunctionDef, ast.AST]]:
        """Yield every function with each node in it."""
        for function in self.held:
            yield from ((function, node) for line in function.body for node in ast.walk(line))

    def _holds(self, function: ast.FunctionDef, node: ast.AST) -> bool:
        """Tell whether an expression in a function is the settings: `config`, `self.config`."""
        match node:
            case ast.Name(id=name):
                return name in self.held[function]
            case ast.Attribute(attr=name):
                return name in self.attributes
        return False

    def _follow_call(self, function: ast.FunctionDef, call: ast.Call) -> None:
        """Note the parameters of the module's own functions that are given the settings."""
        called = self.functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if called:
            parameters = _parameters(called)
            names = {one.arg for one in parameters}
            beyond = [
                *call.args[len(parameters) :],
                *(word.value for word in call.keywords if word.arg not in names),
            ]
            if any(self._holds(function, value) for value in beyond):  # for *args or **kwargs
                raise _LostSightError
            pairs = zip(parameters, call.args, strict=False)
            given = {one.arg for one, value in pairs if self._holds(function, value)}
            given |= {
                word.arg for word in call.keywords if word.arg and self._holds(function, word.value)
            }
            self.held[called] |= given

    def _understood(self, node: ast.AST) -> Iterator[ast.expr]:
        """Yield the parts of a node where the settings stand in a way that can be followed."""
        match node:
            case ast.Attribute(value=value):
                yield value
            case ast.Assign(value=value, targets=[ast.Name() | ast.Attribute()]):
                yield value
            case ast.Call(func=function, args=arguments, keywords=words):
                name = ast.unparse(function)
                if name in self.functions or self._public(name) or name == "getattr":
                    yield from arguments
                    yield from (word.value for word in words)

    def _public(self, name: str) -> str:
        """Return the public name of dlrecipes that a name in the module is; empty for none."""
        return self.imported.get(name) or name.removeprefix("dlrecipes.") * (
            name.startswith("dlrecipes.")
        )

    def reads(self) -> Iterator[str]:
        """Yield the settings that are read.

        Raises:
            _LostSightError: if others may be read, too.
        """
        for function, node in self._nodes():
            match node:
                case ast.Attribute(value=value, attr=name) if self._holds(function, value):
                    yield name
                case ast.Call(func=called, args=arguments, keywords=words):
                    given = [*arguments, *(word.value for word in words)]
                    if any(self._holds(function, value) for value in given):
                        yield from self._read_by(ast.unparse(called), arguments)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and node.name == "Config":
                yield from (
                    inner.attr
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "self"
                )

    def _read_by(self, name: str, arguments: list[ast.expr]) -> frozenset[str]:
        """Return the settings that a function reads which is given them as a whole."""
        if name in self.functions:  # whose own lines say so
            return frozenset()
        match name, arguments:
            case "getattr", [_, ast.Constant(value=str(attribute)), *_]:
                return frozenset([attribute])
        found = _read_by_kit(self._public(name))
        if found is None:
            raise _LostSightError
        return found


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    """Return the parameters of a function."""
    arguments = function.args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _is_annotated(argument: ast.arg) -> bool:
    """Tell whether a parameter's type is `Config`."""
    return argument.annotation is not None and ast.unparse(argument.annotation) == "Config"
