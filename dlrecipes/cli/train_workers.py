"""`train --workers`, and what a worker that is not the chief does."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.training.request import Request


def launch(count: int) -> None:
    """Start workers on this machine, and end as the chief of them does."""
    from dlrecipes.training import launch, world

    if not 2 <= count <= world.MOST:
        raise InputError(f"--workers must be from 2 to {world.MOST}. Received: {count}")
    raise typer.Exit(launch.launch(sys.argv[1:], count))


def help_chief(request: "Request") -> None:
    """Train beside the chief, which writes the run: what is written here is thrown away."""
    from dlrecipes.training import trainer
    from dlrecipes.training.listener import Silence

    with tempfile.TemporaryDirectory() as folder:
        aside = replace(request, runs_dir=Path(folder), no_baseline=True, no_report=True)
        trainer.train(aside, Silence())
    raise typer.Exit(0)
