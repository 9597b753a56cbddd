"""`runs compare` of two groups: trainings that differ in their seeds alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import options, output
from dlrecipes.errors import InputError
from dlrecipes.system.words import numbers, with_margin

if TYPE_CHECKING:
    from dlrecipes.runs.seed_groups import Group


def compare_groups(
    groups: Sequence["Group | None"], typed: Sequence[str], *, as_json: bool
) -> None:
    """Print what differs in two groups, their means, and whether the difference is noise.

    Args:
        groups: The two groups; None for what is a single run.
        typed: What the user typed for them.
        as_json: Whether to print one JSON document.

    Raises:
        InputError: if one of them is a single run.
    """
    from dlrecipes.runs.seed_groups import compared_groups

    one, other = groups
    if one is None or other is None:
        group, single = (typed[0], typed[1]) if one else (typed[1], typed[0])
        raise InputError(
            f"{group} is a group of several seeds, and {single} is not.",
            "Compare two groups, or two runs.",
        )
    settings = _both(
        *({"recipe": group.runs[0].recipe, **_chosen(group)} for group in (one, other))
    )
    differing = {name: pair for name, pair in settings.items() if pair[0] != pair[1]}
    names = {**one.runs[0].metrics, **other.runs[0].metrics}
    means = {name: [_mean(group.values(name)) for group in (one, other)] for name in names}
    found, warnings = compared_groups(one, other), _warnings(one, other)
    if as_json:
        output.print_json(
            {
                "warnings": warnings,
                "runs": list(typed),
                "settings": differing,
                "metrics": means,
                "difference": found,
            }
        )
        return
    target = output.console()
    for warning in warnings:
        target.print(f"[bold yellow]Caution:[/] {escape(warning)}")
    counts = [f"{name}, {len(g.runs)} seeds" for name, g in zip(typed, (one, other), strict=True)]
    if differing:
        output.print_table(
            ["setting", *typed],
            [[name, *map(show_value, pair)] for name, pair in differing.items()],
        )
    else:
        target.print("All settings but the seeds are the same.")
    target.print()
    output.print_table(["mean", *counts], [[name, *numbers(pair)] for name, pair in means.items()])
    target.print(f"\n{sentence(found, typed[1])}", markup=False)
    output.print_next(f"dlrecipes runs show {options.typed_run(other.runs[0], other.runs[0].run)}")


def sentence(found: Mapping[str, Any], name: str) -> str:
    """Return whether the second of two groups is better."""
    if "why_none" in found:
        return f"It is unknown whether the difference is more than noise: {found['why_none']}."
    low, high = found["interval"]
    size = with_margin(abs(found["difference"]), (high - low) / 2)
    basis = "95 % interval of {}, {} and {} seeds".format(found["test"], *found["seeds"])
    if found["verdict"] == "tie":
        return f"Within noise: the mean {found['metric']} differs by {size} ({basis})."
    way = "higher" if found["difference"] > 0 else "lower"
    return f"{name} is {found['verdict']} by {size}: its mean {found['metric']} is {way} ({basis})."


def _chosen(group: "Group") -> dict[str, Any]:
    """Return what was chosen for the runs of a group, but their seeds."""
    run = group.runs[0]
    return {"preset": run.preset or None, "device": run.device, **run.config}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return both values of every name that either has, None where one lacks it."""
    return {name: [one.get(name), other.get(name)] for name in {**one, **other}}


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean of values; None without any."""
    return sum(values) / len(values) if values else None


def _warnings(one: "Group", other: "Group") -> list[str]:
    """Return why the means of two groups are not what they seem, a sentence each."""
    warnings = []
    if one.runs[0].recipe != other.runs[0].recipe:
        warnings.append(f"Different recipes: {one.runs[0].recipe} and {other.runs[0].recipe}.")
    if one.runs[0].path == other.runs[0].path:
        warnings.append(f"Both names mean the same group, {one.name}.")
    for group in (one, other):
        if any(
            (run.config, run.preset) != (group.runs[0].config, group.runs[0].preset)
            for run in group.runs
        ):
            warnings.append(f"The runs of {group.name} have different settings, not only seeds.")
        if group.unfinished:
            names = ", ".join(group.unfinished)
            warnings.append(f"Left out, as they are not finished: {names}.")
    return warnings
