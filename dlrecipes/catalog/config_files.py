"""Settings from files, and the value of every setting in the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlrecipes.catalog.settings import FILE_OPTIONS, FILE_SWITCHES, Setting
from dlrecipes.datasets.published.names import PUBLISHED
from dlrecipes.errors import InputError, nearest
from dlrecipes.kit.practices import OPTIMIZERS, relative_rates, with_optimizer_defaults

MAX_CONFIG_BYTES = 1_000_000


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

    A settings file holds the settings at its top level or in the table `settings`, and optionally
    `recipe`, `seed`, `data`, `data_dir` and `FILE_OPTIONS`; a `run.json` holds them as the run
    recorded them.

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
        fields = _fields_of_run(document)
        settings = document["config"]
    else:
        names = ("recipe", "seed", "data", "data_dir", *FILE_OPTIONS)
        fields = {name: document.pop(name, None) for name in names}
        # A setting that has the name of one of these is in the table [settings].
        table = document.pop("settings", {})
        settings = document | (table if isinstance(table, dict) else {"settings": table})
    seed = fields.pop("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise InputError(f"{path}: seed must be an integer. Received: {seed!r}")
    for name, value in fields.items():
        kind, words = (bool, "true or false") if name in FILE_SWITCHES else (str, "text")
        if not isinstance(value, kind | None):
            raise InputError(f"{path}: {name} must be {words}. Received: {value!r}")
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


def _fields_of_run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the record of a run says beside its settings."""
    stamp = document.get("data")
    stamp = stamp if isinstance(stamp, dict) else {}
    files = stamp.get("files")
    return {
        **{name: document.get(name) for name in ("recipe", "seed", "preset")},
        "data": recorded_data(stamp),
        **{name: stamp.get(name) for name in ("data_dir", "fingerprint")},
        **({name: files.get(name) for name in FILE_OPTIONS} if isinstance(files, dict) else {}),
    }


def recorded_data(stamp: Mapping[str, Any]) -> Any:
    """Return the value of `--data` with which a run's data is found again.

    `auto` may find something else today: to train again is to train on the same data.

    Args:
        stamp: What the run recorded of its data.
    """
    requested = stamp.get("requested")
    is_named = isinstance(requested, str) and requested.startswith(PUBLISHED)
    return requested if is_named or stamp.get("rung") == "own" else stamp.get("rung")


def resolve_settings(
    settings: tuple[Setting, ...],
    *,
    preset: Mapping[str, Any] | None = None,
    file: ConfigFile | None = None,
    flags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the value of every setting: default, then preset, then file, then flag.

    A learning rate suits the optimizer that it was given with. Where a later layer chooses another
    optimizer and no rate, the rate becomes one that suits (see `dlrecipes.kit.practices`).

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
    relative = _relative_rates(known)
    typed = {name: _known(known, name, "--set").parse(text) for name, text in (flags or {}).items()}
    for where, layer in (
        ("preset", preset or {}),
        (str(file.path) if file else "", file.settings if file else {}),
    ):
        checked = {
            name: _known(known, name, where).check(value, where) for name, value in layer.items()
        }
        values = with_optimizer_defaults(values, checked, relative)
    return with_optimizer_defaults(values, typed, relative)


def _relative_rates(known: Mapping[str, Setting]) -> dict[str, float]:
    """Return the relative learning rate of each optimizer; empty without such settings."""
    optimizer, rate = known.get("optimizer"), known.get("learning_rate")
    if not optimizer or not rate or optimizer.default not in OPTIMIZERS:
        return {}
    return relative_rates(optimizer.default, rate.default, rate.rates)


def _known(known: Mapping[str, Setting], name: str, where: str) -> Setting:
    """Return the setting of that name, which `where` gives a value, or raise InputError."""
    if name not in known:
        raise InputError(f"{where}: this recipe has no setting {name!r}.", nearest(name, known))
    return known[name]
