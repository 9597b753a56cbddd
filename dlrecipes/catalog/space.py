"""The settings that a search tries, and the values of each: read from a recipe's `Config`."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlrecipes.catalog.settings import Setting, show_value
from dlrecipes.errors import InputError, nearest

FIXED = (
    *("epochs", "early_stopping", "validation_fraction", "precision", "steps_per_execution"),
    *("optimizer", "momentum", "gradient_clip_norm", "balance_classes", "adversarial", "l1"),
    *("schedule", "activation", "wave_frequency"),
)
"""Settings that are searched only where you name them. They say how long to train, on what and how
exactly; or the default is seldom beaten, and few trials are better spent on the others."""
RATES = 10.0
"""How many times higher and lower than its default a rate is tried."""
SIZES = 4
"""How many times larger and smaller than its default a size is tried."""
PENALTIES = ("0", "1e-6", "1e-5", "1e-4", "1e-3")
MOST_DROPPED = 0.5
MOST_POINTS = 10_000
"""Of a grid."""
POINTS = 5
"""Values of a range in a grid."""


@dataclass(frozen=True)
class Dimension:
    """The values that a search tries of one setting.

    Args:
        setting: The setting.
        choices: The values, each as it is typed; empty for a range.
        low: The lowest number of a range.
        high: The highest number of a range.
        log: Whether a range is searched by orders of magnitude.
    """

    setting: Setting
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def name(self) -> str:
        """Return the name of the setting."""
        return self.setting.name

    @property
    def is_whole(self) -> bool:
        """Tell whether it is a range of whole numbers."""
        return not self.choices and self.setting.type.kind == "int"

    def __str__(self) -> str:
        """Return the dimension as `--space` takes it."""
        if self.choices:
            return f"{self.name}={'|'.join(self.choices)}"
        low, high = (show_value(self._number(bound)) for bound in (self.low, self.high))
        return f"{self.name}={low}..{high}{',log' * self.log}"

    def _number(self, value: float) -> float:
        """Return a number of the setting's type."""
        return int(value) if self.is_whole else float(value)

    def holds(self, value: Any) -> bool:
        """Tell whether a value of the setting is among those that are tried."""
        if self.choices:
            return show_value(value) in self.choices
        return value is not None and bool(self.low <= value <= self.high)

    def points(self) -> tuple[Any, ...]:
        """Return the values that a grid has of it: all choices, or a few numbers of a range."""
        if self.choices:
            return self.choices
        steps = [step / (POINTS - 1) for step in range(POINTS)]
        if self.log:
            found = [self.low * (self.high / self.low) ** step for step in steps]
        else:
            found = [self.low + (self.high - self.low) * step for step in steps]
        return tuple(dict.fromkeys(round(one) if self.is_whole else one for one in found))


def read_space(settings: Iterable[Setting], wanted: Iterable[str]) -> tuple[Dimension, ...]:
    """Return what a search tries.

    Args:
        settings: The settings of the recipe.
        wanted: What `--space` was given, each `NAME`, `NAME=LOW..HIGH`, `NAME=LOW..HIGH,log` or
            `NAME=VALUE|VALUE`; nothing for every setting that has a range of its own.

    Raises:
        InputError: if a name is unknown, a value cannot be used, or nothing is left to search.
    """
    known = {setting.name: setting for setting in settings}
    found = [_asked(known, text) for text in wanted]
    names = [dimension.name for dimension in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(f"--space names {twice} twice.")
    if not found:
        found = [one for setting in known.values() if (one := own_dimension(setting))]
    if not found:
        raise InputError(
            "This recipe has no setting with a range of its own.",
            "Name the settings to search: --space NAME=VALUE|VALUE",
        )
    return tuple(found)


def _asked(known: Mapping[str, Setting], text: str) -> Dimension:
    """Return the dimension that one `--space` asks for."""
    name, _, values = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    if name not in known:
        raise InputError(f"--space: this recipe has no setting {name!r}.", nearest(name, known))
    setting = known[name]
    if values:
        return _range(setting, values) if ".." in values else _choices(setting, values.split("|"))
    own = own_dimension(setting, every=True)
    if own is None:
        raise InputError(
            f"--space {name}: there is no range of values for {setting.type.describe()}.",
            f"Give one: --space {name}=VALUE|VALUE",
        )
    return own


def _range(setting: Setting, values: str) -> Dimension:
    """Return the range that a text such as `1e-4..1e-1,log` stands for."""
    bounds, _, scale = values.partition(",")
    low_text, _, high_text = bounds.partition("..")
    if setting.type.kind not in ("int", "float") or scale not in ("", "log"):
        raise InputError(
            f"--space {setting.name} takes VALUE|VALUE, or LOW..HIGH or LOW..HIGH,log for a "
            f"number. Received: {values!r}"
        )
    low, high = setting.parse(low_text), setting.parse(high_text)
    if not low < high or (scale and low <= 0):
        above = ", which must be above 0" if scale else ""
        raise InputError(
            f"--space {setting.name}: the range must start at its lowest number{above}. "
            f"Received: {values!r}"
        )
    return Dimension(setting, low=low, high=high, log=bool(scale))


def _choices(setting: Setting, texts: Iterable[str]) -> Dimension:
    """Return the choice among some values, each as it is typed."""
    values = dict.fromkeys(show_value(setting.parse(text.strip())) for text in texts)
    if len(values) < 2:
        raise InputError(
            f"--space {setting.name} needs at least two values. Received: {'|'.join(values)}"
        )
    return Dimension(setting, choices=tuple(values))


def own_dimension(setting: Setting, *, every: bool = False) -> Dimension | None:
    """Return the values of a setting that are sensible to try; None if nobody can know.

    Args:
        setting: The setting.
        every: Whether to return those of `FIXED` settings, too.
    """
    kind, default = setting.type.kind, setting.default
    if setting.name in FIXED and not every:
        return None
    if setting.name in ("l1", "l2"):
        return Dimension(setting, choices=PENALTIES)
    if setting.name == "batch_size":
        sizes = (default / 2, default, default * 2, default * 4)
        return Dimension(setting, choices=tuple(str(round(size)) for size in sizes if size >= 1))
    if kind == "choice":
        return _distinct(setting, setting.type.choices)
    if kind == "bool":
        return _distinct(setting, (default, not default))
    if kind == "tuple":
        return _widths(setting)
    return _numbers(setting) if kind in ("int", "float") else None


def _numbers(setting: Setting) -> Dimension | None:
    """Return the numbers around a default that are sensible to try."""
    default, interval = setting.default, setting.type.interval
    if default is None:
        return None
    if setting.type.kind == "int":
        if default < 2:
            return None
        low = max(default // SIZES, 1, interval.minimum)
        return Dimension(setting, low=low, high=min(default * SIZES, interval.maximum), log=True)
    if interval.maximum <= 1:  # A share.
        high = min(max(MOST_DROPPED, default), interval.maximum)
        return Dimension(setting, low=max(0.0, interval.minimum), high=high)
    if default <= 0:
        return None
    low, high = max(default / RATES, interval.minimum), min(default * RATES, interval.maximum)
    return Dimension(setting, low=low, high=high, log=True)


def _widths(setting: Setting) -> Dimension | None:
    """Return a list of sizes at half, once and twice its default."""
    if not setting.default or setting.type.item is None or setting.type.item.kind != "int":
        return None
    scaled = [tuple(round(size * factor) for size in setting.default) for factor in (0.5, 1, 2)]
    return _distinct(setting, [sizes for sizes in scaled if min(sizes) > 0])


def _distinct(setting: Setting, values: Iterable[Any]) -> Dimension | None:
    """Return the choice among values, if there are two."""
    choices = tuple(dict.fromkeys(show_value(value) for value in values))
    return Dimension(setting, choices=choices) if len(choices) > 1 else None


def grid(space: Iterable[Dimension]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values that a grid has of each dimension."""
    space = list(space)
    for values in itertools.product(*(dimension.points() for dimension in space)):
        yield {dimension.name: value for dimension, value in zip(space, values, strict=True)}
