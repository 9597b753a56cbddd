"""How good a result is: compared with what the recipe leads to expect, or with the baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import is_installed
from dlrecipes.runs.record import finite, shown_data

AS_EXPECTED, WORSE, BETTER = "as expected", "worse than expected", "better than expected"
BEATS_BASELINE = "better than the baseline"
TIES_BASELINE = "a tie with the baseline"
LOSES_TO_BASELINE = "worse than the baseline"
UNKNOWN = "unknown"
BAD = (WORSE, LOSES_TO_BASELINE)
"""Verdicts that `--fail-on worse` fails on."""


@dataclass(frozen=True)
class Expectation:
    """What the headline metric is expected to be.

    Args:
        band: Lowest and highest value; empty if nothing is expected.
        why_none: Why nothing is expected, in a clause; empty if something is.
    """

    band: tuple[float, ...] = ()
    why_none: str = ""


def expectation(
    facts: Facts, preset: str, config: Mapping[str, Any], data: Mapping[str, Any], headline: str
) -> Expectation:
    """Return what a recipe leads to expect of the headline metric.

    The ranges in a recipe were measured with its own code, settings and data, and hold for
    nothing else.

    Args:
        facts: The recipe.
        preset: Name of the preset; empty for none.
        config: The value of every setting.
        data: The stamp of the data: its `rung`, its `name`, and whether rows were `held_out`.
        headline: Name of the metric.
    """
    if data.get("held_out"):
        return Expectation(why_none="this is a trial of a search, tested on validation data")
    if data["rung"] not in ("full", "sample"):
        return Expectation(why_none="this is your own data")
    if not is_installed(facts.path.read_bytes()):
        return Expectation(why_none="this recipe is your own, or changed")
    if data["rung"] == "full" and not _is_measured(facts, data["name"]):
        return Expectation(why_none=f"none has been measured for {shown_data(data)}")
    if finite(resolve_settings(facts.settings, preset=facts.presets.get(preset, {}))) != finite(
        dict(config)
    ):  # a record has lists for tuples
        these = f"the settings of the preset {preset}" if preset else "the default settings"
        return Expectation(why_none=f"these are not {these}")
    band = _measured(facts, preset, data, headline)
    if not band:
        of = f"{shown_data(data)} with the preset {preset}" if preset else shown_data(data)
        return Expectation(why_none=f"none has been measured for {of}")
    return Expectation(band)


def _is_measured(facts: Facts, name: str) -> bool:
    """Tell whether `EXPECTED` has a range for a data set, with whatever preset."""
    return any(known == name or known.startswith(f"{name}:") for known in facts.expected)


def _measured(
    facts: Facts, preset: str, data: Mapping[str, Any], headline: str
) -> tuple[float, ...]:
    """Return the range in the recipe's `EXPECTED`; empty if there is none."""
    name = "sample" if data["rung"] == "sample" else data["name"]
    key = f"{name}:{preset}" if preset else name
    return tuple(facts.expected.get(key, {}).get(headline, ()))


def judge(
    value: float | None,
    band: tuple[float, ...] | list[float],
    baseline: float | None,
    *,
    higher_is_better: bool,
    plain: str = "",
) -> str:
    """Return the verdict on a test metric.

    Args:
        value: The metric; None if there is no result.
        band: Lowest and highest value expected; empty if nothing is expected.
        baseline: The value without a model; None if there is no such thing.
        higher_is_better: Whether a larger value is a better one.
        plain: How the model compares with a plain baseline: `better`, `tie`, `worse`; empty if
            there is none.

    Returns:
        `as expected`, `worse than expected` or `better than expected`; without a band `better than
        the baseline`, `a tie with the baseline` or `worse than the baseline`; `unknown` if there is
        no result, or nothing to compare it with.
    """
    if value is None:
        return UNKNOWN
    sign = 1.0 if higher_is_better else -1.0
    if band:
        lowest, highest = band
        if lowest <= value <= highest:
            return AS_EXPECTED
        return BETTER if sign * value > max(sign * lowest, sign * highest) else WORSE
    words = {1: BEATS_BASELINE, 0: TIES_BASELINE, -1: LOSES_TO_BASELINE}
    found = [] if baseline is None else [(value > baseline) - (value < baseline)]
    found = [int(sign) * one for one in found]
    if plain:
        found.append({"better": 1, "tie": 0, "worse": -1}[plain])
    # A plain baseline may itself be worse than no model: whoever is the better one counts.
    return words[min(found)] if found else UNKNOWN
