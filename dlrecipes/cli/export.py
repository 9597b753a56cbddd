"""The `export` command. It runs no recipe's code."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import Run
from dlrecipes.system.words import counted, numbers

if TYPE_CHECKING:
    from dlrecipes.training.request import Changes
    from dlrecipes.use.export.table import Row
    from dlrecipes.use.export.writer import Export

FORMATS = "saved-model|keras|litert|onnx|openvino"
TITLES = ("format", "size", "difference", "", "ms for 1", "ms for 32")


def export(
    run: options.RunArgument,
    format_name: Annotated[
        str, typer.Option("--format", metavar=FORMATS, help="Format to write.")
    ] = "saved-model",
    quantize: Annotated[
        str,
        typer.Option(
            metavar="float16|int8",
            help="Quantize to float16 (litert, onnx, openvino) or int8 (litert, onnx).",
            show_default="float32",
        ),
    ] = "",
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Export every supported format into the run, and compare size, test metric and "
            "speed.",
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="New or empty folder to write.",
            show_default="in the run",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Export a finished run as a model that takes raw input.

    A fresh process checks that the export predicts the same. Runs no recipe code. litert, onnx and
    openvino need extras: pip install 'dlrecipes[litert]'. int8 needs the run's data.
    """
    found = find_run(run, runs_dir)
    from dlrecipes.training.request import Changes

    display = FetchDisplay(quiet=False)
    changes = Changes(device="cpu", data_dir=data_dir, trust_recipe=trust_recipe)
    if every:
        if folder or quantize:
            raise InputError(
                "--all writes every format, quantized too, into the run: leave out --output and "
                "--quantize."
            )
        _export_all(found, changes, display, as_json=json)
        return
    from dlrecipes.use.export.writer import Wanted
    from dlrecipes.use.export.writer import export as write_export

    written = write_export(found, Wanted(format_name, quantize, folder), changes, display)
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(written.path),
                "format": written.format,
                "quantization": written.quantization,
                "bytes": written.bytes,
                "max_abs_difference": written.max_abs_difference,
            }
        )
        return
    _print_export(found, written)


def _print_export(run: Run, written: "Export") -> None:
    """Say what was written, how far it is from `predict`, and what to do with it."""
    target = output.console()
    named = ", ".join(filter(None, (written.format, written.quantization)))
    target.print(f"Exported {run.run} as {named}: {written.path}", markup=False)
    if written.format == "saved-model" and set("*?[") & set(str(written.path.resolve())):
        output.print_warning(
            "TensorFlow takes *, ? and [ in a path for a pattern: copy the export to a folder "
            "without them before you load it."
        )
    target.print(
        "Checked in a fresh process: the largest difference from predict is "
        f"{written.max_abs_difference:.1e}."
    )
    follow_up = (
        f"saved_model_cli show --dir {quote(str(written.path))} --all"
        if written.format == "saved-model"
        else f"python {quote(str(written.path / 'verify.py'))}"
    )
    output.print_next(follow_up)


def _export_all(run: Run, changes: "Changes", display: FetchDisplay, *, as_json: bool) -> None:
    """Write every format of a run, and show what each came to."""
    from dlrecipes.use.export.table import TABLE_FILE, export_all

    table = export_all(run, changes, display)
    if as_json:
        output.print_json(table.document())
        return
    titles = [title or table.metric for title in TITLES]
    output.print_table(titles, _rows([row for row in table.exports if not row.refused]))
    target = output.console()
    for why, names in _refused(table.exports).items():
        target.print(f"No {', '.join(names)}: {why}", markup=False)
    measured = (
        f"The {table.metric} is that of {counted(table.rows, 'test row')} in each format's own "
        "runtime."
    )
    drawn = f"There is no {table.metric}: what the model draws has no true answer."
    target.print(measured if table.rows else drawn, markup=False)
    target.print(f"Recorded in {run.folder('exports') / TABLE_FILE}", markup=False)


def _refused(rows: Sequence["Row"]) -> dict[str, list[str]]:
    """Return what could not be exported, by why: an extra that lacks is named once."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.refused:
            found.setdefault(row.refused, []).append(_named(row))
    return found


def _named(row: "Row") -> str:
    """Return what an export is called."""
    return " ".join(filter(None, (row.format, row.quantization)))


def _rows(exports: Sequence["Row"]) -> list[list[str]]:
    """Return the line of each export in the table."""
    metrics = numbers([row.metric for row in exports])
    return [
        [
            _named(row),
            f"{row.bytes / 1e6:,.2f} MB",
            f"{row.max_abs_difference:.1e}",
            metric,
            *(f"{time:,.2f}" for time in row.latency_ms.values()),
        ]
        for row, metric in zip(exports, metrics, strict=True)
    ]
