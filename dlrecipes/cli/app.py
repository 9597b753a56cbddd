"""Build the command line for the arguments at hand, run it, and turn errors into exit codes."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dlrecipes.cli import finished, history, output, recipes
from dlrecipes.cli.doctor import doctor
from dlrecipes.cli.training import recipe_of_arguments, train_command
from dlrecipes.errors import DlrecipesError, InputError, Interrupted


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
    """Return the command line; `train` has the settings of the recipe in the arguments as flags.

    Raises:
        InputError: if the arguments ask to train a recipe that there is not.
    """
    app = typer.Typer(
        name="dlrecipes",
        callback=_root,
        invoke_without_command=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def add(name: str, function: object, example: str) -> None:
        app.command(name, epilog=f"Example: {example}")(function)  # type: ignore[type-var]

    command = next((word for word in arguments if not word.startswith("-")), "")
    rest = list(arguments)[list(arguments).index(command) + 1 :] if command else []
    facts = recipe_of_arguments(rest) if command == "train" else None
    add("list", recipes.list_recipes, "dlrecipes list")
    add("describe", recipes.describe, "dlrecipes describe mnist-cnn")
    add(
        "train",
        train_command(facts),
        f"dlrecipes train {facts.name if facts else 'mnist-cnn'} --data sample",
    )
    add("evaluate", finished.evaluate, "dlrecipes evaluate mnist-cnn")
    add("predict", finished.predict, "dlrecipes predict mnist-cnn digit.png")
    add("export", finished.export, "dlrecipes export mnist-cnn --format saved-model")
    runs = typer.Typer(
        callback=history.list_runs,
        invoke_without_command=True,
        epilog="Example: dlrecipes runs compare RUN RUN",
    )
    runs.command("show", epilog="Example: dlrecipes runs show mnist-cnn")(history.show)
    runs.command("compare", epilog="Example: dlrecipes runs compare RUN RUN")(history.compare)
    app.add_typer(runs, name="runs")
    add("copy", recipes.copy, "dlrecipes copy mnist-cnn my_recipe.py")
    add("check", recipes.check, "dlrecipes check my_recipe.py")
    add("doctor", doctor, "dlrecipes doctor")
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
        return int(app(args=words, prog_name="dlrecipes", standalone_mode=False) or 0)
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
            return InputError("")  # The help was shown in its place.
        return InputError(error.format_message(), _usage_hint(words))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted("Interrupted.")
    return DlrecipesError(f"{type(error).__name__}: {error}", "See the traceback with --debug.")


def _usage_hint(words: Sequence[str]) -> str:
    """Return which help to ask for, given what was typed."""
    commands = [word for word in words if not word.startswith("-")][:2]
    names = {info.name for info in build_app([]).registered_commands} | {"runs"}
    if not commands or commands[0] not in names:
        return "See: dlrecipes --help"
    shown = commands if commands[0] == "train" else commands[:1]
    return f"See: dlrecipes {' '.join(shown)} --help"
