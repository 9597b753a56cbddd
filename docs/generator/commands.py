"""The reference of the commands, from Typer's own description of them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import typer

from dlrecipes.cli.app import build_app
from generator import markdown

HIDDEN = ("help",)


class Command(NamedTuple):
    """A command as it is typed, and Typer's object of it."""

    name: str
    command: Any


def all_commands() -> list[Command]:
    """Return every command and sub-command, in the order of the help."""
    return list(_below(Command("dlrecipes", typer.main.get_command(build_app([])))))


def _below(parent: Command) -> Iterator[Command]:
    yield parent
    for name, command in getattr(parent.command, "commands", {}).items():
        yield from _below(Command(f"{parent.name} {name}", command))


def parameters(command: Any) -> list[Any]:
    """Return the parameters that a user may give."""
    return [one for one in command.params if one.name not in HIDDEN and not one.hidden]


def flags_of(parameter: Any) -> list[str]:
    """Return how an option is typed; nothing for an argument."""
    return [*parameter.opts, *parameter.secondary_opts] if is_option(parameter) else []


def is_option(parameter: Any) -> bool:
    """Tell whether a parameter is an option rather than an argument."""
    return bool(parameter.param_type_name == "option")


def _usage(one: Command) -> str:
    """Return how a command is typed."""
    words = [one.name]
    if any(map(is_option, parameters(one.command))):
        words.append("[OPTIONS]")
    for parameter in parameters(one.command):
        if not is_option(parameter):
            shown = parameter.metavar or parameter.name.upper()
            words.append(shown if parameter.required or shown.startswith("[") else f"[{shown}]")
    if hasattr(one.command, "commands"):
        words.append("COMMAND")
    return " ".join(words)


def _default(parameter: Any) -> str:
    """Return the default value of an option, as a user reads it."""
    shown = parameter.show_default
    if isinstance(shown, str):
        return shown if " " in shown else markdown.code(shown)
    value = parameter.default
    if value is None or value == "" or isinstance(value, bool) or parameter.required:
        return ""
    return markdown.code(str(value))


def _row(parameter: Any) -> list[str]:
    """Return an option's row in the table."""
    flags = ", ".join(map(markdown.code, flags_of(parameter)))
    if parameter.metavar and not parameter.is_flag:
        flags += f" {markdown.code(parameter.metavar)}"
    text = parameter.help or ""
    if parameter.envvar:
        text += f" Variable: `{parameter.envvar}`."
    return [flags, markdown.escaped(text), _default(parameter)]


def _section(one: Command) -> str:
    """Return what the reference says of a command."""
    command = one.command
    shown = parameters(command)
    lines = [f"## {one.name}", "", markdown.escaped(command.help or ""), ""]
    lines += ["```text", _usage(one), "```"]
    arguments = [
        [
            markdown.code(parameter.metavar or parameter.name.upper()),
            markdown.escaped(parameter.help or ""),
        ]
        for parameter in shown
        if not is_option(parameter)
    ]
    if arguments:
        lines += ["", markdown.table(["argument", "meaning"], arguments)]
    if options := [_row(parameter) for parameter in shown if is_option(parameter)]:
        lines += ["", markdown.table(["option", "meaning", "default"], options)]
    if command.epilog:
        lines += ["", "```sh", command.epilog.removeprefix("Example:").strip(), "```"]
    return "\n".join(lines)


def page() -> str:
    """Return the page of all commands."""
    commands = all_commands()
    links = [
        f"[`{one.name}`](#{one.name.replace(' ', '-')})" for one in commands if one.name.count(" ")
    ]
    return "\n\n".join(
        [
            "# Commands",
            "Every command has `--help`, and those that print results have `--json`. With "
            "`--json`, standard output holds one [JSON document](json.md) and nothing else; "
            "progress and warnings go to standard error. The settings of a recipe are further "
            "options of `train`, `tune`, `benchmark` and `describe`: see [Settings](settings.md) "
            "and the page of [each recipe](../recipes/). Exit codes are "
            "[0, 1, 2 or 130](exit-codes.md).",
            "`dlrecipes --install-completion` sets up completion in your shell, of commands, "
            "recipes, settings, presets and runs.",
            " · ".join(links),
            *map(_section, commands),
        ]
    )


PLACES: dict[str, Callable[[], str]] = {}
