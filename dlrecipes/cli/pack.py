"""The `pack` command. It runs no recipe's code."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.packing import pack as write_pack
from dlrecipes.system.words import counted


def pack(
    run: options.RunArgument,
    file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="New file to write.", show_default="RUN.zip"
        ),
    ] = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Pack a run into one file, to carry it to another machine.

    Exports are left out. The file lists the packages that dlrecipes needs.
    """
    found = find_run(run, runs_dir, finished=False)
    packed = write_pack(found, file or Path(f"{found.run}.zip"))
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(packed.path),
                "files": packed.files,
                "bytes": packed.bytes,
                "sha256": packed.sha256,
            }
        )
        return
    target = output.console()
    size = f"{counted(packed.files, 'file')}, {shown_bytes(packed.bytes)}"
    target.print(f"Packed {found.run} into {packed.path} ({size}).", markup=False)
    target.print(f"SHA-256: {packed.sha256}")
    output.print_next(f"dlrecipes unpack {quote(str(packed.path))}")
