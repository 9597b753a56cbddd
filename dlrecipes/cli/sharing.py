"""Options of trainings that several devices or processes share."""

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
WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes on this machine that share every batch.",
        show_default="one process",
    ),
]
Rank = Annotated[
    int | None,
    typer.Option(
        "--rank",
        metavar="R",
        help="Number of this worker, from 0, where something else starts them.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
WorldSize = Annotated[
    int | None,
    typer.Option(
        "--world-size",
        metavar="N",
        help="How many workers there are.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
JOIN_SECONDS = 30
JoinTimeout = Annotated[
    int,
    typer.Option(
        "--join-timeout", metavar="SECONDS", help="How long to wait for all workers to come."
    ),
]
WorkersNow = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes on this machine that share every batch; the run may have had others.",
        show_default="one process",
    ),
]
Coordinator = Annotated[
    str,
    typer.Option(
        "--coordinator",
        metavar="HOST:PORT",
        help="Where worker 0 meets the others.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
