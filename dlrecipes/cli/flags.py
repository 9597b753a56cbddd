"""The settings of a recipe as flags of a command."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast, get_args

import typer

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.settings import Setting, show_value
from dlrecipes.cli import completion
from dlrecipes.errors import InputError, nearest

SETTINGS = "settings"
"""The parameter of a command that is given the text of each setting that was typed, by name."""
SET = "set_values"
"""The parameter of `--set`."""


def with_settings(function: Callable[..., None], facts: Facts | None) -> Callable[..., None]:
    """Return a command with the settings of a recipe as flags of its own.

    A setting that a flag of the command hides is set by `--set NAME=VALUE`, as all others can be.

    Args:
        function: The command, whose parameter `settings` is given the text of each.
        facts: The recipe; None for no settings.
    """
    own = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != SETTINGS
    ]
    settings = facts.settings if facts else ()
    hidden = hidden_settings(function, settings)
    flags = [_flag_parameter(setting) for setting in settings if setting not in hidden]

    def call(**arguments: Any) -> None:
        typed = {parameter.name: arguments.pop(parameter.name) for parameter in flags}
        named = _named_values(arguments.pop(SET) or (), settings)
        function(**arguments, **{SETTINGS: _given(typed) | named})

    command: Any = call  # whose signature Typer reads, as PEP 362 has it: a function has none
    command.__doc__ = function.__doc__ if not facts else f"{facts.summary}\n\n{function.__doc__}"
    command.__annotations__ = {}
    parameters = [*own, *flags, _set_parameter(hidden)]
    command.__signature__ = inspect.Signature(
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return cast("Callable[..., None]", command)


def hidden_settings(
    function: Callable[..., None], settings: Sequence[Setting]
) -> tuple[Setting, ...]:
    """Return the settings that cannot be flags of a command, which has such a flag itself."""
    taken = {"--set", "--help", "--debug", SET}
    for parameter in inspect.signature(function).parameters.values():
        taken.add(parameter.name)
        for mark in get_args(parameter.annotation)[1:]:
            taken |= set(getattr(mark, "param_decls", None) or ())
    return tuple(
        setting for setting in settings if {setting.name, setting.flag, *_words(setting)} & taken
    )


def _words(setting: Setting) -> list[str]:
    """Return how a setting is typed as a flag: in two ways if it is true or false."""
    if setting.type.kind == "bool":
        return [setting.flag, f"--no-{setting.flag[2:]}"]
    return [setting.flag]


def _flag_parameter(setting: Setting) -> inspect.Parameter:
    """Return the parameter that makes Typer offer a setting as a flag."""
    shown = f"{setting.help}  [default: {show_value(setting.default)}]"
    declaration = "/".join(_words(setting))
    if setting.type.kind == "bool":
        option = typer.Option(declaration, help=shown, show_default=False)
        annotation: Any = Annotated[bool | None, option]
    else:
        option = typer.Option(
            declaration,
            help=shown,
            metavar=setting.type.metavar,
            show_default=False,
            autocompletion=lambda: completion.setting_values(setting),
        )
        annotation = Annotated[str | None, option]
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _set_parameter(hidden: Sequence[Setting]) -> inspect.Parameter:
    """Return the parameter of `--set`."""
    names = ", ".join(setting.name for setting in hidden)
    option = typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Give a setting of the recipe a value, by its name; repeat it for others."
        + (f" The only way for {names}." if names else ""),
        show_default=False,
        autocompletion=completion.set_values,
    )
    return inspect.Parameter(
        SET,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[list[str] | None, option],
    )


def _given(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each flag that was given."""
    return {
        name: show_value(value) if isinstance(value, bool) else value
        for name, value in flags.items()
        if value is not None
    }


def _named_values(pairs: Sequence[str], settings: Sequence[Setting]) -> dict[str, str]:
    """Return the text of each setting that `--set` was given, by name."""
    names = [setting.name for setting in settings]
    values = {}
    for pair in pairs:
        name, is_named, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not is_named:
            raise InputError(f"--set must be NAME=VALUE. Received: {pair!r}")
        if name not in names:
            raise InputError(
                f"--set: this recipe has no setting {name!r}: it has {', '.join(names)}.",
                nearest(name, names),
            )
        values[name] = value.strip()
    return values
