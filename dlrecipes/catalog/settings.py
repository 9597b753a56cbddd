"""Settings: the types a recipe's `Config` may use, and how flags and files become checked values.

A setting's type is read from the syntax tree of the recipe (see `dlrecipes.catalog.find`), so
nothing here imports a recipe, Keras or TensorFlow.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from dlrecipes.errors import InputError, nearest

MAX_CONFIG_BYTES = 1_000_000
FILE_OPTIONS = ("target", "text_column", "label_column", "encoding")
"""Names of the flags that say how a user's own files are to be read."""


@dataclass(frozen=True)
class Interval:
    """The numbers that a setting accepts.

    Args:
        minimum: Smallest number.
        maximum: Largest number.
        open_minimum: Whether `minimum` itself is left out.
        open_maximum: Whether `maximum` itself is left out.
    """

    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False
    open_maximum: bool = False

    def __contains__(self, number: float) -> bool:
        """Tell whether the number lies in the interval."""
        above = number > self.minimum if self.open_minimum else number >= self.minimum
        below = number < self.maximum if self.open_maximum else number <= self.maximum
        return above and below

    def __str__(self) -> str:
        """Return the interval in words, for messages and help; empty if it holds every number."""
        bounds = []
        if self.minimum > -math.inf:
            bounds.append(f"{'above' if self.open_minimum else 'at least'} {self.minimum:g}")
        if self.maximum < math.inf:
            bounds.append(f"{'below' if self.open_maximum else 'at most'} {self.maximum:g}")
        return " and ".join(bounds)


PositiveInt = Annotated[int, Interval(minimum=1)]
"""A whole number from 1."""
NonNegativeInt = Annotated[int, Interval(minimum=0)]
"""A whole number from 0."""
PositiveFloat = Annotated[float, Interval(minimum=0, open_minimum=True)]
"""A number above 0."""
NonNegativeFloat = Annotated[float, Interval(minimum=0)]
"""A number from 0."""
Fraction = Annotated[float, Interval(minimum=0, maximum=1, open_maximum=True)]
"""A number from 0 to below 1."""

NAMED_TYPES: dict[str, Any] = {
    "PositiveInt": PositiveInt,
    "NonNegativeInt": NonNegativeInt,
    "PositiveFloat": PositiveFloat,
    "NonNegativeFloat": NonNegativeFloat,
    "Fraction": Fraction,
}


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
    interval: Interval = Interval()
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
    """

    name: str
    type: ValueType
    default: Any
    help: str = ""

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
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in NAMED_TYPES:
            base, interval = NAMED_TYPES[name].__origin__, NAMED_TYPES[name].__metadata__[0]
            return ValueType(base.__name__, interval)
        case ast.Name(id="int" | "float" | "bool" | "str" as name):
            return ValueType(name)
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
        f"{ast.unparse(node)} is not a type that a setting can have: use int, float, bool, str, "
        f"Literal[…], tuple[…, ...], {', '.join(NAMED_TYPES)}, or one of them with | None"
    )


@dataclass(frozen=True)
class ConfigFile:
    """What a `--config` file asks for.

    Args:
        path: The file.
        recipe: Name of the recipe that it was written for; empty if it names none.
        settings: Values of the recipe's settings, not yet checked.
        seed: The seed, or None.
        data: The value of `--data`, or None.
        data_dir: The value of `--data-dir`, or None.
        files: How the user's own files are to be read: the values of `FILE_OPTIONS` that it has.
        preset: Name of the preset that a run's settings began with; empty for none.
        fingerprint: That of the data that a run was trained on; empty for a settings file.
    """

    path: Path
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    data: str | None = None
    data_dir: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    preset: str = ""
    fingerprint: str = ""

    @property
    def is_run(self) -> bool:
        """Tell whether this is the record of a run, which holds every setting."""
        return bool(self.fingerprint)


def read_config_file(path: Path) -> ConfigFile:
    """Return what a run's `run.json`, or a TOML or JSON file of settings, asks for.

    A settings file holds the settings at its top level, and optionally `recipe`, `seed`, `data`
    `data_dir` and `FILE_OPTIONS`; a `run.json` holds them as the run recorded them.

    Raises:
        InputError: if the file cannot be read or does not have that form.
    """
    import json
    import tomllib

    try:
        if path.is_dir():
            path = path / "run.json"
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise InputError(f"{path} is larger than a configuration file can be (1 MB).")
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise InputError(f"--config {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is neither valid TOML nor valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} must hold a table of settings.")
    if "schema" in document and isinstance(document.get("config"), dict):
        stamp = document.get("data")
        stamp = stamp if isinstance(stamp, dict) else {}
        fields = {name: document.get(name) for name in ("recipe", "seed", "preset")}
        # "auto" found this rung; to train the same again is to train on the same.
        on_path = stamp.get("rung") == "path"
        fields |= {"data": stamp.get("requested" if on_path else "rung")}
        fields |= {name: stamp.get(name) for name in ("data_dir", "fingerprint")}
        files = stamp.get("files")
        fields |= (
            {name: files.get(name) for name in FILE_OPTIONS} if isinstance(files, dict) else {}
        )
        settings = document["config"]
    else:
        names = ("recipe", "seed", "data", "data_dir", *FILE_OPTIONS)
        fields = {name: document.pop(name, None) for name in names}
        settings = document
    seed = fields.pop("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise InputError(f"{path}: seed must be an integer. Received: {seed!r}")
    for name, value in fields.items():
        if not isinstance(value, str | None):
            raise InputError(f"{path}: {name} must be text. Received: {value!r}")
    return ConfigFile(
        path,
        recipe=fields["recipe"] or "",
        settings=settings,
        seed=seed,
        data=fields["data"],
        data_dir=fields["data_dir"] or None,
        files={name: value for name in FILE_OPTIONS if (value := fields.get(name))},
        preset=fields.get("preset") or "",
        fingerprint=fields.get("fingerprint") or "",
    )


def resolve_settings(
    settings: tuple[Setting, ...],
    *,
    preset: Mapping[str, Any] | None = None,
    file: ConfigFile | None = None,
    flags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the value of every setting: default, then preset, then file, then flag.

    Args:
        settings: The settings of the recipe.
        preset: Values of the chosen preset.
        file: The file of `--config`.
        flags: Text of each flag that was given, by the setting's name.

    Raises:
        InputError: if a name is unknown, or a value has the wrong type or is out of range.
    """
    known = {setting.name: setting for setting in settings}
    values = {setting.name: setting.default for setting in settings}
    for where, layer in (
        ("preset", preset or {}),
        (str(file.path) if file else "", file.settings if file else {}),
    ):
        for name, value in layer.items():
            if name not in known:
                raise InputError(
                    f"{where}: this recipe has no setting {name!r}.", nearest(name, known)
                )
            values[name] = known[name].check(value, where)
    for name, text in (flags or {}).items():
        values[name] = known[name].parse(text)
    return values
