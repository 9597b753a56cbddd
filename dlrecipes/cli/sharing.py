"""Options of trainings that several devices share."""

from typing import Annotated

import typer

SeveralDevices = Annotated[
    str,
    typer.Option(
        "--devices",
        metavar="N|0,1|all|cpu:N",
        help="GPUs that share every batch: how many, their numbers, or all. cpu:N: the processor "
        "as if it were N devices, to try it without GPUs.",
        show_default="one device",
    ),
]
DevicesNow = Annotated[
    str,
    typer.Option(
        "--devices",
        metavar="N|0,1|all|cpu:N",
        help="Devices that share every batch.",
        show_default="the run's own",
    ),
]
