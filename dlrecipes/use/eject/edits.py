"""Changes to the text of a definition, found in its syntax tree: comments and layout stay."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

STAND_INS = {
    "TrainingConfig": "Config",
    "DlrecipesError": "ValueError",
    "InputError": "ValueError",
    "Metrics": "dict",
}
"""What a script has in place of a class of dlrecipes'."""
OWN = ("Config", "Data")
"""Classes that every script has of its own: plain objects with attributes."""
METRICS = "Metrics"
DETAILS = re.compile(r"\s*The details\s+hold [^.]*\.")
"""The sentence of a docstring about what a script does not keep."""
IMPORTS = (ast.Import, ast.ImportFrom)
NESTED = ("def ", "class ")
"""How lines begin above which an empty one stays."""
Edit = tuple[ast.expr, str]


def standalone(text: str) -> str:
    """Return a definition as it stands in a script without dlrecipes.

    Names of dlrecipes' lose the package before them, imports are left to the top of the script, and
    metrics become the plain dictionary of their numbers.

    Args:
        text: A function, a class, or an assignment at the top level of a module.
    """
    for find in (_qualified, _metrics, _ordered, _named):
        while edits := list(find(ast.parse(text), text)):
            text = _applied(text, edits)
    text = DETAILS.sub("", _without(text, _imports))
    while (shorter := _without(text, _unused)) != text:
        text = shorter
    for name, other in STAND_INS.items():  # in docstrings
        text = re.sub(rf"\b{name}\b", other, text)
    return text


def _qualified(tree: ast.AST, text: str) -> Iterator[Edit]:
    """Yield `dlrecipes.name`, and the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_name(node.value, "dlrecipes"):
            yield node, node.attr


def _metrics(tree: ast.AST, text: str) -> Iterator[Edit]:
    """Yield the making of metrics, and the numbers that it is given first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_name(node.func, METRICS):
            numbers = ast.get_source_segment(text, node.args[0]) or ""
            lines = text.split("\n")
            deeper = _depth(lines[node.args[0].lineno - 1]) - _depth(lines[node.lineno - 1])
            yield node, re.sub(rf"\n {{{deeper}}}", "\n", numbers)


def _depth(line: str) -> int:
    """Return the spaces that a line begins with."""
    return len(line) - len(line.lstrip())


def _ordered(tree: ast.AST, text: str) -> Iterator[Edit]:
    """Yield metrics whose scores are put in order, and those metrics."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "of" and isinstance(node.func.value, ast.Call):
            yield node, ast.get_source_segment(text, node.func.value) or ""


def _named(tree: ast.AST, text: str) -> Iterator[Edit]:
    """Yield names of classes that have a stand-in, and that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in STAND_INS:
            yield node, STAND_INS[node.id]


def _is_name(node: ast.AST, name: str) -> bool:
    """Tell whether a part of an expression is a name."""
    return isinstance(node, ast.Name) and node.id == name


def _applied(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with the first of some edits, and those that do not overlap with it."""
    lines = text.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    content, before = text.encode(), len(text.encode())

    def span(edit: Edit) -> tuple[int, int]:
        node = edit[0]
        last, column = node.end_lineno or 0, node.end_col_offset or 0
        return starts[node.lineno - 1] + node.col_offset, starts[last - 1] + column

    for edit in sorted(edits, key=span, reverse=True):
        start, end = span(edit)
        if end <= before:
            content, before = content[:start] + edit[1].encode() + content[end:], start
    return content.decode()


def _without(text: str, find: Callable[[ast.AST], Iterator[ast.stmt]]) -> str:
    """Return a text without some statements, the comments above them, and an empty line below."""
    lines = text.split("\n")
    for node in sorted(find(ast.parse(text)), key=lambda node: -node.lineno):
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        below, following = ([*lines, "", ""][last + number].strip() for number in (0, 1))
        if isinstance(node, IMPORTS) and not below and not following.startswith(NESTED):
            last += 1
        del lines[first:last]
    return "\n".join(lines)


def _imports(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the imports."""
    for node in ast.walk(tree):
        if isinstance(node, IMPORTS):
            yield node


def _unused(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield assignments of local variables that nothing reads."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        read = {
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        for node in function.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]) if name not in read:
                    yield node


def imported(tree: ast.AST) -> Mapping[str, tuple[str, str]]:
    """Return where each name comes from that is imported anywhere in a tree.

    Returns:
        By name: the module, and the name there; that is empty for the module itself.
    """
    found = {}
    for node in _imports(tree):
        for alias in getattr(node, "names", ()):
            name = alias.asname or alias.name
            if isinstance(node, ast.ImportFrom):
                found[name] = (node.module or "", alias.name)
            else:
                found[name.partition(".")[0] if not alias.asname else name] = (alias.name, "")
    return found
