"""The `describe` command. It runs no recipe's code, unless its network is asked for."""

from collections.abc import Mapping
from shlex import quote
from typing import Annotated

import typer
from rich.markup import escape

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.settings import show_value
from dlrecipes.cli import completion, options, output
from dlrecipes.cli.list import listed
from dlrecipes.cli.train import NO_SETTINGS
from dlrecipes.errors import InputError


def describe(
    recipe: options.RecipeArgument,
    network: Annotated[
        bool,
        typer.Option(
            "--network",
            help="Show the layers of its network, their output shapes, parameters, FLOPs and "
            "memory, for these settings and data. Runs the recipe's code and trains nothing.",
        ),
    ] = False,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="With --network: start from a named set of settings.",
            autocompletion=completion.presets,
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="sample|full|PATH",
            help="With --network: the data that the network is for.",
            show_default="sample, if there is one",
        ),
    ] = "",
    data_dir: options.DataDir = None,
    json: options.Json = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """Show a recipe's lesson, settings, presets and expected results; or its network."""
    facts = find_recipe(recipe)
    if network:
        from dlrecipes.cli.network import show
        from dlrecipes.training.request import Flags, Request

        wanted = data or ("sample" if facts.sample_path else "auto")
        typed = Flags(preset, settings, wanted, data_dir)
        show(Request.from_flags(facts, typed), recipe, as_json=json)
        return
    if settings or preset or data or data_dir:
        raise InputError(
            "Settings and data change nothing but the network.", "To see it, add --network."
        )
    _describe(facts, recipe, as_json=json)


def _describe(facts: Facts, recipe: str, *, as_json: bool) -> None:
    """Print what a recipe's file says.

    Args:
        facts: The recipe.
        recipe: The recipe as it was typed.
        as_json: Whether to print one JSON document.
    """
    from dlrecipes.catalog.contract import require_contract
    from dlrecipes.cli.flags import hidden_settings
    from dlrecipes.cli.train import train

    require_contract(facts)
    hidden = hidden_settings(train, facts.settings)
    flags = {
        setting.name: f"--set {setting.name}=" if setting in hidden else setting.flag
        for setting in facts.settings
    }
    described = [
        {
            "name": setting.name,
            "flag": flags[setting.name],
            "type": setting.type.describe(),
            "default": setting.default,
            "help": setting.help,
        }
        for setting in facts.settings
    ]
    if as_json:
        document = listed(facts) | {
            "documentation": facts.documentation,
            "presets": facts.presets,
            "expected": facts.expected,
            "settings": described,
        }
        output.print_json(document)
        return
    target = output.console()
    target.print(
        f"[bold]{facts.name}[/]  {facts.task} on {facts.dataset}  ({escape(str(facts.path))})\n"
    )
    output.print_prose(facts.documentation)
    _show_tables(facts, flags)
    output.print_next(f"dlrecipes train {quote(recipe)}")


def _show_tables(facts: Facts, flags: Mapping[str, str]) -> None:
    """Print the settings, the presets and the expected results of a recipe.

    Args:
        facts: The recipe.
        flags: What to type for each setting.
    """
    target = output.console()
    target.print("\n[bold]Settings[/]")
    output.print_table(
        ["flag", "default", "description"],
        [
            [flags[setting.name], show_value(setting.default), setting.help]
            for setting in facts.settings
        ],
    )
    if facts.presets:
        target.print("\n[bold]Presets[/]")
        output.print_table(
            ["preset", "settings"],
            [
                [name, "  ".join(f"{key}={show_value(value)}" for key, value in values.items())]
                for name, values in facts.presets.items()
            ],
        )
    if facts.expected:
        target.print("\n[bold]Expected test results[/] (measured with at least five seeds)")
        output.print_table(
            ["data", "metric", "from", "to"],
            [
                [_with_preset(name), metric, *map(output.number, band)]
                for name, bands in facts.expected.items()
                for metric, band in bands.items()
            ],
        )


def _with_preset(key: str) -> str:
    """Return a key of `EXPECTED` for people: `mnist:fast` is mnist with the preset fast."""
    data, _, preset = key.partition(":")
    return f"{data}, preset {preset}" if preset else data
