"""The `report` command."""

import webbrowser
from typing import Annotated

import typer

from dlrecipes.cli import completion, options, output
from dlrecipes.errors import DlrecipesError
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import Run


def report(
    run: options.RunArgument,
    other: Annotated[
        str,
        typer.Argument(
            metavar="[OTHER]",
            help="A second run, to compare the first one with.",
            autocompletion=completion.runs,
            show_default=False,
        ),
    ] = "",
    open_it: Annotated[
        bool, typer.Option("--open", help="Open the report in your web browser.")
    ] = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Write the report of a run as one HTML file: report.html in the run's folder.

    With two runs, write a page that compares them: compared-with-RUN.html in the second one's
    folder. A file is self-contained: it loads nothing from the Internet.
    """
    from dlrecipes.use.report import write_comparison, write_report

    found = find_run(run, runs_dir, finished=False)
    second = find_run(other, runs_dir, finished=False) if other else None
    try:
        path = write_comparison(found, second) if second else write_report(found)
    except OSError as error:
        written = second or found
        raise DlrecipesError(
            f"The report of {written.run} cannot be written: {error.strerror}."
        ) from error
    if json:
        names = {"run": found.run} | ({"other": second.run} if second else {})
        output.print_json({**names, "path": str(path), "bytes": path.stat().st_size})
    else:
        output.console().print(f"Report: {path}", markup=False)
        if not open_it:
            typed = [options.typed_run(found, run)]
            typed += [options.typed_run(second, other)] if second else []
            output.print_next(f"dlrecipes report {' '.join(typed)} --open")
    if open_it and not webbrowser.open(path.resolve().as_uri()):
        output.print_warning("No web browser could be opened.")


def leave_report(run: Run, *, wanted: bool = True) -> None:
    """Write the report of a finished training, unless none is wanted; warn if that fails."""
    if not wanted:
        return
    try:
        from dlrecipes.use.report import write_report

        write_report(run)
    except Exception as error:  # The run is whole without it.
        output.print_warning(f"The report could not be written: {type(error).__name__}: {error}")
