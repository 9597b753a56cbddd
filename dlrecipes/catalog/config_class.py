"""Read the settings that a recipe's `class Config` declares, and those that it inherits."""

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

from dlrecipes.catalog.settings import EVERY_NUMBER, Setting, ValueType, parse_annotation
from dlrecipes.kit import config as kit_config

BASE = "TrainingConfig"


def read_config_class(node: ast.ClassDef, problems: list[str]) -> dict[str, Setting]:
    """Return the settings of a `Config` class by name, in order; note what is wrong with it.

    Args:
        node: The class. Its one base may be `dlrecipes.TrainingConfig`.
        problems: Sentences are added to it.
    """
    marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
    if "dataclass(" not in marks or "frozen=True" not in marks:
        problems.append(f"line {node.lineno}: Config needs @dataclass(frozen=True)")
    settings: dict[str, Setting] = {}
    for base in node.bases:
        if ast.unparse(base) in (BASE, f"dlrecipes.{BASE}"):
            settings |= shared_settings()
        else:
            problems.append(
                f"line {node.lineno}: Config can inherit from dlrecipes.{BASE} alone, "
                f"not from {ast.unparse(base)}"
            )
    return settings | _declared(node, settings, problems)


@cache
def shared_settings() -> dict[str, Setting]:
    """Return the settings of `TrainingConfig`, read from its file as a recipe's are."""
    tree = ast.parse(Path(kit_config.__file__).read_bytes())
    (node,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == BASE)
    return _declared(node, {}, [])


def _declared(
    node: ast.ClassDef, inherited: dict[str, Setting], problems: list[str]
) -> dict[str, Setting]:
    """Return the settings that the fields of a class declare; note what is wrong with them."""
    helps = _argument_lines(ast.get_docstring(node) or "")
    settings = {}
    for field in node.body:
        if isinstance(field, ast.Assign):
            problems.append(
                f"line {field.lineno}: setting {ast.unparse(field.targets[0])}: it needs a type"
            )
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        try:
            value_type = _type_of(field, inherited.get(name))
            default = _default_of(field, value_type)
        except (ValueError, TypeError) as error:
            problems.append(f"line {field.lineno}: setting {name}: {error}")
            continue
        text = helps.get(name) or (inherited[name].help if name in inherited else "")
        settings[name] = Setting(name, value_type, default, text)
    return settings


def _type_of(field: ast.AnnAssign, inherited: Setting | None) -> ValueType:
    """Return the type of a field; an inherited setting of that type keeps its bounds or choices."""
    value_type = parse_annotation(field.annotation)
    if inherited is None:
        return value_type
    plain = replace(inherited.type, interval=EVERY_NUMBER)
    if plain.kind == "choice" and all(isinstance(choice, str) for choice in plain.choices):
        plain = ValueType("str")
    return inherited.type if value_type in (plain, inherited.type) else value_type


def _default_of(field: ast.AnnAssign, value_type: ValueType) -> object:
    """Return the default of a field, which is a literal of its type."""
    if field.value is None:
        raise ValueError("it needs a default")
    try:
        default = ast.literal_eval(field.value)
    except (ValueError, TypeError):
        raise ValueError("its default must be a literal") from None
    try:
        return value_type.check(default)
    except (ValueError, TypeError):
        raise ValueError(f"its default {default!r} is not {value_type.describe()}") from None


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
