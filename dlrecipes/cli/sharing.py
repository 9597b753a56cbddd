"""Options of trainings that several devices or processes share."""

from typing import Annotated

import typer

SeveralDevices = Annotated[
    str,
    typer.Option(
        "--devices",
        metavar="N|0,1|all|cpu:N",
        help="GPUs that share every batch: how many, their numbers, or all. cpu:N splits "
        "the CPU into N virtual devices, to try this without GPUs.",
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
        help="Rank of this worker, from 0; needed if you start each worker yourself.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
WorldSize = Annotated[
    int | None,
    typer.Option(
        "--world-size",
        metavar="N",
        help="Total number of workers.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
JOIN_SECONDS = 25
JoinTimeout = Annotated[
    int,
    typer.Option(
        "--join-timeout", metavar="SECONDS", help="How long to wait for all workers to connect."
    ),
]
WorkersNow = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes on this machine that share every batch; may differ from the run's.",
        show_default="one process",
    ),
]
Coordinator = Annotated[
    str,
    typer.Option(
        "--coordinator",
        metavar="HOST:PORT",
        help="Address of worker 0, to which the other workers connect.",
        show_default="from TF_CONFIG or Slurm",
    ),
]
