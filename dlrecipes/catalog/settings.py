"""Settings: the types a recipe's `Config` may use, and how flags and files become checked values.

A setting's type is read from the recipe's syntax tree (see `dlrecipes.catalog.find`), so nothing
here imports a recipe, Keras or TensorFlow.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dlrecipes.errors import InputError
from dlrecipes.kit.config import Interval

EVERY_NUMBER = Interval()
FILE_OPTIONS = (
    *("target", "text_column", "label_column", "encoding", "strict", "skip_damaged"),
    *("ignore", "use", "types", "decimal", "separator", "quoting", "header"),
)
"""Names of the flags that say how a user's own files are to be read."""
FILE_SWITCHES = ("strict", "skip_damaged")
"""Those of them that take no value."""


@dataclass(frozen=True)
class ValueType:
    """The type of one setting.

    Args:
        kind: `int`, `float`, `bool`, `str`, `choice` or `tuple`.
        interval: The numbers allowed, for `int` and `float`.
        choices: The values allowed, for `choice`.
        item: The type of each item, for `tuple`.
        optional: Whether None is allowed.
    """

    kind: str
    interval: Interval = EVERY_NUMBER
    choices: tuple[Any, ...] = ()
    item: "ValueType | None" = None
    optional: bool = False

    def describe(self) -> str:
        """Return the type in words, such as "an integer at least 1"."""
        if self.kind == "choice":
            words = "one of " + ", ".join(str(choice) for choice in self.choices)
        elif self.item is not None:
            words = f"a comma-separated list, each item {self.item.describe()}"
        else:
            words = {"int": "an integer", "float": "a number", "bool": "true or false"}.get(
                self.kind, "text"
            )
            words = f"{words} {self.interval}".strip()
        return f"{words}, or none" if self.optional else words

    @property
    def metavar(self) -> str:
        """Return the placeholder that `--help` shows, such as INTEGER."""
        if self.kind == "choice":
            return "|".join(str(choice) for choice in self.choices)
        if self.item is not None:
            return f"{self.item.metavar},…"
        return {"int": "INTEGER", "float": "NUMBER", "bool": "BOOLEAN"}.get(self.kind, "TEXT")

    def parse(self, text: str) -> Any:
        """Return the value that a flag's text stands for.

        Raises:
            ValueError: if the text is not of this type, or its value is out of range.
        """
        if self.optional and text.lower() == "none":
            return None
        if self.item is not None:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            return tuple(self.item.parse(part) for part in parts)
        if self.kind in ("int", "float"):
            return self.check(int(text) if self.kind == "int" else float(text))
        if self.kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        matching = [choice for choice in self.choices if str(choice) == text]
        return self.check(matching[0] if matching else text)

    def check(self, value: Any) -> Any:
        """Return the value of a file, preset or default in this type (a list becomes a tuple).

        Raises:
            ValueError: if the value is not of this type, or is out of range.
        """
        if value is None and self.optional:
            return None
        if self.item is not None:
            if not isinstance(value, list | tuple):
                raise ValueError(value)
            return tuple(self.item.check(item) for item in value)
        if self.kind == "choice":
            accepted = any(value == one and type(value) is type(one) for one in self.choices)
        elif self.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            return self.check(float(value))
        else:
            accepted = type(value).__name__ == self.kind
        if accepted and self.kind in ("int", "float"):
            accepted = math.isfinite(value) and value in self.interval
        if not accepted:
            raise ValueError(value)
        return value


@dataclass(frozen=True)
class Setting:
    """One field of a recipe's `Config`: a flag of `train`.

    Args:
        name: Its name, such as `batch_size`.
        type: Its type.
        default: Its default.
        help: Its line under `Args:` in the docstring of `Config`.
        rates: Of the learning rate: the recipe's `RATES`, by the optimizer that each suits.
    """

    name: str
    type: ValueType
    default: Any
    help: str = ""
    rates: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def flag(self) -> str:
        """Return the flag, such as `--batch-size`."""
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Any:
        """Return the value of the flag's text, or raise InputError."""
        try:
            return self.type.parse(text)
        except (ValueError, KeyError):
            raise InputError(
                f"{self.flag} must be {self.type.describe()}. Received: {text!r}"
            ) from None

    def check(self, value: Any, where: str) -> Any:
        """Return the value that `where` (a file or preset) gives this setting, or raise."""
        try:
            return self.type.check(value)
        except ValueError:
            raise InputError(
                f"{where}: {self.name} must be {self.type.describe()}. Received: {value!r}"
            ) from None


def show_value(value: Any) -> str:
    """Return a setting's value as it is typed on the command line."""
    if isinstance(value, tuple | list):
        return ",".join(show_value(item) for item in value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def parse_annotation(node: ast.expr) -> ValueType:
    """Return the setting type that an annotation's syntax tree stands for.

    Raises:
        ValueError: if the annotation is none that a setting can have.
    """
    match node:
        case ast.Name(id="int" | "float" | "bool" | "str" as name):
            return ValueType(name)
        case ast.Subscript(
            value=ast.Name(id="Annotated"),
            slice=ast.Tuple(elts=[number, ast.Call(func=ast.Name(id="Interval"), keywords=bounds)]),
        ):
            limits = {str(bound.arg): ast.literal_eval(bound.value) for bound in bounds}
            return replace(parse_annotation(number), interval=Interval(**limits))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            choices = ast.literal_eval(values)
            return ValueType(
                "choice", choices=choices if isinstance(choices, tuple) else (choices,)
            )
        case ast.Subscript(
            value=ast.Name(id="tuple"),
            slice=ast.Tuple(elts=[item, ast.Constant(value=value)]),
        ) if value is Ellipsis:
            return ValueType("tuple", item=parse_annotation(item))
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return replace(parse_annotation(left), optional=True)
    raise ValueError(
        f"{ast.unparse(node)} cannot be the type of a setting: use int, float, bool, str, "
        "Literal[…], tuple[…, ...], or one of them with | None"
    )
