"""Build the command line for the arguments at hand, run it, and turn errors into exit codes."""

import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from shlex import quote
from typing import Annotated, NamedTuple

import typer

from dlrecipes.cli import completion, layout, output, streams, traceback
from dlrecipes.errors import DlrecipesError, InputError, Interrupted


class Command(NamedTuple):
    """Where a command is: the module in this package, its function, and how it is typed."""

    module: str
    function: str
    example: str


COMMANDS = {
    "list": Command("list", "list_recipes", "dlrecipes list"),
    "describe": Command("describe", "describe", "dlrecipes describe mnist-cnn"),
    "train": Command("train", "train", "dlrecipes train mnist-cnn --data sample"),
    "tune": Command("tune", "tune", "dlrecipes tune mnist-cnn --data sample --trials 20"),
    "resume": Command("resume", "resume", "dlrecipes resume mnist-cnn"),
    "reproduce": Command("reproduce", "reproduce", "dlrecipes reproduce mnist-cnn"),
    "ensemble": Command("ensemble", "ensemble", "dlrecipes ensemble first second third"),
    "evaluate": Command("evaluate", "evaluate", "dlrecipes evaluate mnist-cnn"),
    "predict": Command("predict", "predict", "dlrecipes predict mnist-cnn digit.png"),
    "explain": Command("explain", "explain", "dlrecipes explain mnist-cnn digit.png"),
    "report": Command("report", "report", "dlrecipes report mnist-cnn --open"),
    "export": Command("export", "export", "dlrecipes export mnist-cnn --format saved-model"),
    "verify": Command("verify", "verify", "dlrecipes verify runs/mnist-cnn/first/exports/onnx"),
    "serve": Command("serve", "serve", "dlrecipes serve mnist-cnn"),
    "try": Command("try_", "try_models", "dlrecipes try mnist-cnn"),
    "benchmark": Command("benchmark", "benchmark", "dlrecipes benchmark mnist-cnn"),
    "data": Command("data", "make_data_app", "dlrecipes data list"),
    "runs": Command("runs", "make_runs_app", "dlrecipes runs --json"),
    "eject": Command("eject", "eject", "dlrecipes eject mnist-cnn digits.py"),
    "pack": Command("pack", "pack", "dlrecipes pack mnist-cnn -o run.zip"),
    "unpack": Command("unpack", "unpack", "dlrecipes unpack run.zip"),
    "copy": Command("copy", "copy", "dlrecipes copy mnist-cnn my_recipe.py"),
    "check": Command("check", "check", "dlrecipes check my_recipe.py"),
    "doctor": Command("doctor", "doctor", "dlrecipes doctor"),
}

HELP_WIDTH = 110
"""Columns that help texts have at most, on a wide terminal."""
WITH_SETTINGS = ("train", "tune", "benchmark", "describe")
"""Commands with the settings of their recipe as flags."""


def _print_version(asked: bool) -> None:
    """Print the version and exit, if asked to."""
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"dlrecipes {version('dlrecipes')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks. Works anywhere on the command line.")
    ] = False,
) -> None:
    """Deep-learning recipes on Keras and TensorFlow.

    Train a recipe, evaluate it, predict with it, export it.
    """


def build_app(arguments: Sequence[str], *, is_to_run: bool = True) -> typer.Typer:
    """Return the command line for these arguments.

    Only the command that they name is there, if they name one: importing the modules of the others
    would take longer than `list` does. Commands that train have the settings of their recipe as
    flags.

    Args:
        arguments: What was typed after `dlrecipes`.
        is_to_run: Whether they are to be run: then a recipe that they name must be complete.

    Raises:
        InputError: if the arguments ask to train a recipe that there is not, or what is none.
    """
    app = typer.Typer(
        name="dlrecipes",
        callback=_root,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # Rich's help cuts long flags off at 80 columns
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
    )
    word = next((word for word in arguments if not word.startswith("-")), "")
    for name, command in COMMANDS.items():
        if word in COMMANDS and name != word:
            continue
        module = import_module(f"dlrecipes.cli.{command.module}")
        function = getattr(module, command.function)
        example = f"Example: {command.example}"
        if name in WITH_SETTINGS:
            from dlrecipes.cli.arguments import recipe_of_arguments
            from dlrecipes.cli.flags import with_settings

            after = list(arguments)[list(arguments).index(word) + 1 :] if word == name else []
            facts = recipe_of_arguments(after)
            if facts and is_to_run and not {"--help", "-h"} & set(after):
                from dlrecipes.catalog.contract import require_contract

                require_contract(facts)  # Otherwise its first flag would be reported as unknown.
            if facts and name != "describe":
                example = f"Example: dlrecipes {name} {facts.name} --data sample"
            app.command(name, epilog=example)(with_settings(function, facts))
        elif name in ("data", "runs"):
            app.add_typer(function(epilog=example), name=name)
        else:
            app.command(name, epilog=example)(function)
    return app


def command() -> int:
    """Run the command line as this process, and return the exit code."""
    ended = end_at_once()
    ended.append(main())
    return ended[0]


def end_at_once() -> list[int]:
    """Let this process end without taking TensorFlow's modules apart, which takes half a second.

    To be called before anything else registers what is to be done at the end of the process: the
    first to be registered comes last.

    Returns:
        What the exit code is to be put into; as long as it is empty, a process ends as always.
    """
    ended: list[int] = []
    atexit.register(_end, ended)
    return ended


def _end(ended: Sequence[int]) -> None:
    """End this process, if its command has ended and TensorFlow was used."""
    if ended and "tensorflow" in sys.modules:
        # A recipe may have left files open. Texts first: they are buffered twice.
        for kind in (io.TextIOWrapper, io.BufferedWriter):
            for one in gc.get_objects():
                if type(one) is kind:
                    with suppress(OSError, ValueError):
                        one.flush()
        os._exit(ended[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: What was typed after `dlrecipes`; None for the process's own arguments.

    Returns:
        0 done; 1 it failed while working; 2 the request or its input was wrong; 130 interrupted.
    """
    if arguments is None:
        streams.start_in_utf8(sys.orig_argv)
    streams.prepare()
    try:
        code = _run(arguments)
        lost = streams.flush(sys.stdout)
    except OSError as error:
        code, lost = 0, error
    # Whoever read our output, such as `head`, may have had enough: that is nothing to speak of.
    if lost and code == 0 and not isinstance(lost, BrokenPipeError):
        reason = f"Standard output cannot be written to: {lost.strerror}."
        output.print_error(streams.OutputLost(reason), as_json=False)
    for stream in (sys.stdout, sys.stderr):
        if streams.flush(stream) or (lost and stream is sys.stdout):
            streams.abandon(stream)
    return code or int(bool(lost))


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line and return the exit code.

    Raises:
        OSError: if standard output cannot be written to.
    """
    words = completion.words_so_far()
    if words is not None:
        return _complete(words)
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = words[: words.index("--")] if "--" in words else words
    as_json = "--json" in flags or "--output-format json" in " ".join(flags).replace("=", " ")
    debug = "--debug" in flags
    if debug:
        words.remove("--debug")
    try:
        app = build_app(words)
        code = int(app(args=words, prog_name="dlrecipes", standalone_mode=False) or 0)
        if code == Interrupted.exit_code:  # Typer makes that of Ctrl-C, and says nothing.
            raise Interrupted("Interrupted before anything was saved.")
        return code
    except (Exception, KeyboardInterrupt, typer.Abort) as error:
        output.stop_drawing()
        if streams.is_lost(error):
            raise
        known = _as_known_error(error, words)
        if debug:
            sys.stderr.write(layout.visible(traceback.of_users_code(error)))
        if known.message:
            is_lost = isinstance(known, streams.OutputLost)
            output.print_error(known, as_json=as_json and not is_lost)
        return known.exit_code


def _complete(words: Sequence[str]) -> int:
    """Let Typer print how a command line that a shell shows can go on, and return the exit code."""
    os.environ["COLUMNS"] = "1000"  # Typer would break the lines of what it says of each.
    try:
        app = build_app(words, is_to_run=False)
    except DlrecipesError:
        return 0  # There is no such recipe, so it cannot be told what may follow.
    return int(app(args=[], prog_name="dlrecipes", standalone_mode=False) or 0)


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
    return DlrecipesError(f"{type(error).__name__}: {error}", "For the traceback, add --debug.")


def _usage_hint(words: Sequence[str]) -> str:
    """Return which help to ask for, given what was typed."""
    commands = [word for word in words if not word.startswith("-")][:2]
    if not commands or commands[0] not in COMMANDS:
        return "See: dlrecipes --help"
    recipe = ""
    if commands[0] in ("data", "runs") and len(commands) > 1:
        recipe = f" {commands[1]}"
    if commands[0] in WITH_SETTINGS:
        from dlrecipes.cli.arguments import recipe_of_arguments

        facts = recipe_of_arguments(words[words.index(commands[0]) + 1 :])
        named = next((quote(word) for word in words if word.endswith(".py")), "")
        recipe = f" {named or facts.name}" if facts else ""
    return f"See: dlrecipes {commands[0]}{recipe} --help"
