"""Show what a training will take: `train --plan`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from dlrecipes.catalog.settings import resolve_settings, show_value
from dlrecipes.cli import output
from dlrecipes.cli.display import Display
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.runs.record import finite

if TYPE_CHECKING:
    from dlrecipes.training.plan import Plan
    from dlrecipes.training.trainer import Request

ALWAYS_SHOWN = ("batch_size",)
"""Settings that are shown also where they are the defaults."""
PARTS = {
    "start": "start: imports, device",
    "load": "loading the data",
    "build": "building the network",
    "fit": "training",
    "evaluate": "testing",
    "save": "saving",
}


def show(request: "Request", *, as_json: bool) -> None:
    """Make a plan and print it."""
    from dlrecipes.training.plan import make_plan

    with output.only_json(as_json):
        plan = make_plan(request, Display(output.console(stderr=True), quiet=True))
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
        f"{plan.recipe} on {plan.data['name']} ({plan.data['rung']}: {rows}), "
        f"{plan.parameters:,} parameters, on {plan.device}",
        *([f"Settings: {', '.join(shown)}"] if shown else []),
        f"{plan.epochs} x {plan.steps_per_epoch:,} steps (epochs x steps of each)\n",
    ):
        target.print(line, markup=False)
    output.print_table(
        ["part", "wall time"],
        [
            *([words, output.duration(plan.seconds[part])] for part, words in PARTS.items()),
            [
                "in all, from start to exit",
                f"{output.duration(plan.seconds['total'])} "
                f"± {output.duration(plan.seconds['error'])}",
            ],
        ],
    )
    sizes = {name: shown_bytes(count) for name, count in plan.bytes.items()}
    target.print(
        f"\nMemory: {shown_bytes(plan.peak_memory_bytes)} at most\n"
        f"Disk: {sizes['disk']} for the run ({sizes['checkpoints']} of it checkpoints)\n"
        f"Download: {sizes['download'] if plan.bytes['download'] else 'nothing'}",
        markup=False,
    )
    for note in plan.notes:
        target.print(note, markup=False)
    output.print_next("the same command without --plan")
