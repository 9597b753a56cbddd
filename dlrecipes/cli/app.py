"""Build the command line for the arguments at hand, run it, and turn errors into exit codes."""

import sys
from collections.abc import Sequence
from importlib import import_module
from shlex import quote
from typing import Annotated, NamedTuple

import typer

from dlrecipes.cli import output
from dlrecipes.errors import DlrecipesError, InputError, Interrupted


class Command(NamedTuple):
    """Where a command is: the module in this package, its function, and how it is typed."""

    module: str
    function: str
    example: str


COMMANDS = {
    "list": Command("list", "list_recipes", "dlrecipes list"),
    "describe": Command("list", "describe", "dlrecipes describe mnist-cnn"),
    "train": Command("train", "train", "dlrecipes train mnist-cnn --data sample"),
    "resume": Command("train", "resume", "dlrecipes resume mnist-cnn"),
    "reproduce": Command("train", "reproduce", "dlrecipes reproduce mnist-cnn"),
    "evaluate": Command("evaluate", "evaluate", "dlrecipes evaluate mnist-cnn"),
    "predict": Command("evaluate", "predict", "dlrecipes predict mnist-cnn digit.png"),
    "export": Command("evaluate", "export", "dlrecipes export mnist-cnn --format saved-model"),
    "benchmark": Command("benchmark", "benchmark", "dlrecipes benchmark mnist-cnn"),
    "data": Command("data", "make_data_app", "dlrecipes data list"),
    "runs": Command("runs", "make_runs_app", "dlrecipes runs --json"),
    "copy": Command("list", "copy", "dlrecipes copy mnist-cnn my_recipe.py"),
    "check": Command("list", "check", "dlrecipes check my_recipe.py"),
    "doctor": Command("doctor", "doctor", "dlrecipes doctor"),
}

WITH_SETTINGS = ("train", "benchmark")
"""Commands with the settings of their recipe as flags."""


def _print_version(asked: bool) -> None:
    """Print the version and end, if that was asked for."""
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"dlrecipes {version('dlrecipes')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")
    ] = False,
) -> None:
    """Deep-learning recipes on Keras and TensorFlow.

    Train one, see how well it did, use it, export it.
    """


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line for these arguments.

    Only the command that they name is there, if they name one: importing the modules of the others
    would take longer than `list` does. Commands that train have the settings of their recipe as
    flags.

    Raises:
        InputError: if the arguments ask to train a recipe that there is not.
    """
    app = typer.Typer(
        name="dlrecipes",
        callback=_root,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # Rich's help cuts long flags off at 80 columns
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    word = next((word for word in arguments if not word.startswith("-")), "")
    for name, command in COMMANDS.items():
        if word in COMMANDS and name != word:
            continue
        module = import_module(f"dlrecipes.cli.{command.module}")
        function = getattr(module, command.function)
        example = f"Example: {command.example}"
        if name in WITH_SETTINGS:
            from dlrecipes.cli.train import recipe_of_arguments, with_settings

            after = list(arguments)[list(arguments).index(word) + 1 :] if word == name else []
            facts = recipe_of_arguments(after)
            if facts:
                example = f"Example: dlrecipes {name} {facts.name} --data sample"
            app.command(name, epilog=example)(with_settings(function, facts))
        elif name in ("data", "runs"):
            app.add_typer(function(epilog=example), name=name)
        else:
            app.command(name, epilog=example)(function)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: What was typed after `dlrecipes`; None for the process's own arguments.

    Returns:
        0 done; 1 it failed while working; 2 the request or its input was wrong; 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = words[: words.index("--")] if "--" in words else words
    as_json, debug = "--json" in flags, "--debug" in flags
    if debug:
        words.remove("--debug")
    try:
        app = build_app(words)
        code = int(app(args=words, prog_name="dlrecipes", standalone_mode=False) or 0)
        if code == Interrupted.exit_code:  # Typer makes that of Ctrl-C, and says nothing.
            raise Interrupted("Interrupted, before there was anything to save.")
        return code
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has had enough.
        sys.stderr.close()
        return 1
    except (Exception, KeyboardInterrupt, typer.Abort) as error:
        if debug:
            raise
        known = _as_known_error(error, words)
        if known.message:
            output.print_error(known, as_json=as_json)
        return known.exit_code


def _as_known_error(error: BaseException, words: Sequence[str]) -> DlrecipesError:
    """Return the error that a user is shown for whatever was raised."""
    if isinstance(error, DlrecipesError):
        return error
    if isinstance(error, typer.TyperException):
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error.format_message()}\n")
            return InputError("")  # Its message is the help.
        return InputError(error.format_message(), _usage_hint(words))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted("Interrupted.")
    return DlrecipesError(f"{type(error).__name__}: {error}", "See the traceback with --debug.")


def _usage_hint(words: Sequence[str]) -> str:
    """Return which help to ask for, given what was typed."""
    commands = [word for word in words if not word.startswith("-")][:2]
    if not commands or commands[0] not in COMMANDS:
        return "See: dlrecipes --help"
    recipe = ""
    if commands[0] in ("data", "runs") and len(commands) > 1:
        recipe = f" {commands[1]}"
    if commands[0] in WITH_SETTINGS:
        from dlrecipes.cli.train import recipe_of_arguments

        facts = recipe_of_arguments(words[words.index(commands[0]) + 1 :])
        named = next((quote(word) for word in words if word.endswith(".py")), "")
        recipe = f" {named or facts.name}" if facts else ""
    return f"See: dlrecipes {commands[0]}{recipe} --help"
