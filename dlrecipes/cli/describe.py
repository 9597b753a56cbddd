"""The `describe` command. It runs no recipe's code, unless its network is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Annotated

import typer
from rich.markup import escape

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.settings import Setting, show_value
from dlrecipes.catalog.translation import LANGUAGES, Translation, file_beside, read_translation
from dlrecipes.cli import completion, options, output
from dlrecipes.cli.list import listed
from dlrecipes.cli.train import NO_SETTINGS
from dlrecipes.errors import InputError

HEADINGS = {
    "zh": {
        "on": "数据集",
        "Settings": "设置",
        "flag": "选项",
        "default": "默认值",
        "description": "说明",
        "Presets": "预设",
        "preset": "预设",
        "settings": "设置",
        "Expected test results": "预期的测试结果",
        "(measured with at least five seeds)": "(用至少五个随机种子测得)",
        "data": "数据",
        "metric": "指标",
        "from": "从",
        "to": "到",
    }
}
"""What stands above the tables, by language."""


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
    lang: Annotated[
        str,
        typer.Option(
            "--lang",
            metavar="|".join(LANGUAGES),
            help="Language of the description. A recipe without one in it is shown in English.",
            autocompletion=lambda: list(LANGUAGES),
        ),
    ] = LANGUAGES[0],
    json: options.Json = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """Show a recipe's lesson, settings, presets and expected results; or its network."""
    if lang not in LANGUAGES:
        raise InputError(f"--lang must be one of {', '.join(LANGUAGES)}. Received: {lang}")
    facts = find_recipe(recipe)
    if network:
        if lang != LANGUAGES[0]:
            raise InputError("--lang changes nothing of the network.", "Leave out one of the two.")
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
    _describe(facts, recipe, lang, as_json=json)


def _described(facts: Facts, language: str) -> tuple[Translation, tuple[Setting, ...]]:
    """Return a recipe's description, and its settings with their meaning, in a language.

    Where there is none in that language, it is the English one, and a note says so.
    """
    english = Translation(facts.documentation)
    found = read_translation(facts, language) if language != LANGUAGES[0] else english
    if found is None:
        name = file_beside(facts.path, language).name
        output.print_warning(
            f"{facts.name} has no description in this language: {name} is missing. "
            "This is the English one."
        )
    found = found or english
    settings = (
        replace(setting, help=found.settings.get(setting.name, setting.help))
        for setting in facts.settings
    )
    return found, tuple(settings)


def _describe(facts: Facts, recipe: str, language: str, *, as_json: bool) -> None:
    """Print what a recipe's file says.

    Args:
        facts: The recipe.
        recipe: The recipe as it was typed.
        language: One of `LANGUAGES`.
        as_json: Whether to print one JSON document.
    """
    from dlrecipes.catalog.contract import require_contract
    from dlrecipes.cli.flags import hidden_settings
    from dlrecipes.cli.train import train

    require_contract(facts)
    text, settings = _described(facts, language)
    hidden = {setting.name for setting in hidden_settings(train, facts.settings)}
    flags = {
        setting.name: f"--set {setting.name}=" if setting.name in hidden else setting.flag
        for setting in settings
    }
    described = [
        {
            "name": setting.name,
            "flag": flags[setting.name],
            "type": setting.type.describe(),
            "default": setting.default,
            "help": setting.help,
        }
        for setting in settings
    ]
    if as_json:
        document = listed(facts) | {
            "documentation": text.documentation,
            "presets": facts.presets,
            "expected": facts.expected,
            "settings": described,
        }
        output.print_json(document)
        return
    target = output.console()
    words = {} if text.documentation == facts.documentation else HEADINGS[language]
    target.print(
        f"[bold]{facts.name}[/]  {facts.task} {words.get('on', 'on')} {facts.dataset}  "
        f"({escape(str(facts.path))})\n"
    )
    if words:  # Lines of Chinese break anywhere, as a terminal does it.
        target.print(text.documentation, markup=False, soft_wrap=True)
    else:
        output.print_prose(text.documentation)
    _show_tables(facts, settings, flags, words)
    output.print_next(f"dlrecipes train {quote(recipe)}")


def _show_tables(
    facts: Facts,
    settings: Sequence[Setting],
    flags: Mapping[str, str],
    words: Mapping[str, str],
) -> None:
    """Print the settings, the presets and the expected results of a recipe.

    Args:
        facts: The recipe.
        settings: Its settings, with their meaning in the language.
        flags: What to type for each setting.
        words: Headings in the language; empty for English.
    """
    target = output.console()

    def titles(*names: str) -> list[str]:
        return [words.get(name, name) for name in names]

    def heading(*names: str) -> None:
        first, *more = titles(*names)
        target.print(" ".join([f"\n[bold]{first}[/]", *more]))

    heading("Settings")
    output.print_table(
        titles("flag", "default", "description"),
        [[flags[setting.name], show_value(setting.default), setting.help] for setting in settings],
    )
    if facts.presets:
        heading("Presets")
        output.print_table(
            titles("preset", "settings"),
            [
                [name, "  ".join(f"{key}={show_value(value)}" for key, value in values.items())]
                for name, values in facts.presets.items()
            ],
        )
    if facts.expected:
        heading("Expected test results", "(measured with at least five seeds)")
        output.print_table(
            titles("data", "metric", "from", "to"),
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
