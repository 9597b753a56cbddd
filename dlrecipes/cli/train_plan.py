"""Show what a training will take: `train --plan`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import output
from dlrecipes.cli.display import StartDisplay
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.runs.record import finite, shown_data
from dlrecipes.system.words import counted

if TYPE_CHECKING:
    from dlrecipes.training.plan import Plan
    from dlrecipes.training.request import Request

ALWAYS_SHOWN = ("batch_size",)
"""Settings that are shown also where they are the defaults."""
PARTS = {
    "start": "start TensorFlow",
    "load": "load the data",
    "build": "build the model",
    "fit": "train",
    "evaluate": "test",
    "save": "save",
}


def show(request: "Request", workers: int, *, as_json: bool) -> None:
    """Make a plan and print it."""
    from dlrecipes.training.plan_workers import make_plan_for

    with output.only_json(as_json):
        plan = make_plan_for(request, workers, StartDisplay(quiet=False))
    if as_json:
        output.print_json(finite(asdict(plan)))
        return
    _show(plan, request)


def _show(plan: "Plan", request: "Request") -> None:
    """Print a plan for people."""
    target = output.console()
    rows = ", ".join(f"{count:,} {split}" for split, count in plan.rows.items())
    defaults = resolve_settings(request.facts.settings)
    shown = [
        f"{name} {show_value(value)}"
        for name, value in plan.config.items()
        if name in ALWAYS_SHOWN or (name != "epochs" and value != defaults[name])
    ]
    for line in (
        f"{plan.recipe} on {shown_data(plan.data)}: {rows}; "
        f"{plan.parameters:,} parameters, on {plan.device}",
        *([f"Settings: {', '.join(shown)}"] if shown else []),
        f"{counted(plan.epochs, 'epoch')} of {counted(plan.steps_per_epoch, 'step')}\n",
    ):
        target.print(line, markup=False)
    output.print_table(
        ["part", "time"],
        [
            *([words, output.duration(plan.seconds[part])] for part, words in PARTS.items()),
            [
                "total, from start to exit",
                f"{output.duration(plan.seconds['total'])} "
                f"± {output.duration(plan.seconds['error'])}",
            ],
        ],
    )
    sizes = {name: shown_bytes(count) for name, count in plan.bytes.items()}
    target.print(
        f"\nMemory: up to {shown_bytes(plan.peak_memory_bytes)}\n"
        f"Disk: {sizes['disk']} for the run, including {sizes['checkpoints']} of checkpoints\n"
        f"Download: {sizes['download'] if plan.bytes['download'] else 'nothing'}",
        markup=False,
    )
    for note in plan.notes:
        target.print(note, markup=False)
    output.print_next("the same command without --plan")
