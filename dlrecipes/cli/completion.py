"""What a shell completes: recipes, their presets and settings, and runs. It runs no recipe's code.

Typer asks for it: `dlrecipes --install-completion` writes its script for your shell, which calls
`dlrecipes` with the variable below and with what was typed so far.
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import all_recipes
from dlrecipes.catalog.settings import Setting, show_value
from dlrecipes.errors import InputError

VARIABLE = "_DLRECIPES_COMPLETE"
"""Is set when a shell asks, to `complete_bash`, `complete_zsh` and the like."""

Item = tuple[str, str]
"""A completion and what it is, which some shells show."""


def words_so_far() -> list[str] | None:
    """Return the finished words after `dlrecipes` if a shell asks how they go on; else None."""
    asked = os.environ.get(VARIABLE, "")
    if not asked.startswith("complete_"):
        return None
    if asked == "complete_bash":
        words, position = _joined(
            _split(os.environ.get("COMP_WORDS", "")), int(os.environ.get("COMP_CWORD", "0"))
        )
        os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = shlex.join(words), str(position)
        return words[1:position]
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)
    return words[1:] if text[-1:].isspace() else words[1:-1]


def _split(text: str) -> list[str]:
    """Return the words of an unfinished command line, whose last quote may be open."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


def _joined(words: list[str], position: int) -> tuple[list[str], int]:
    """Return words without the "=" that bash makes a word of, and where the cursor's word is.

    `--optimizer = s` is `--optimizer s`, and `--set optimizer = s` is `--set optimizer=s`.
    """
    words = [*words, *[""] * (position + 1 - len(words))]
    joined: list[str] = []
    cursor = place = 0
    while place < len(words):
        if place == position:
            cursor = len(joined)
        joined.append(words[place])
        following = words[place + 1 : place + 3]
        if following[:1] == ["="]:
            if words[place - 1] == "--set":
                joined[-1] += "".join(following)
                if place < position <= place + 2:
                    cursor = len(joined) - 1
                place += len(following) - 1
            elif position == place + 1:
                cursor = len(joined)
                joined.append("")
            place += 1
        place += 1
    return joined, cursor


def recipes(incomplete: str) -> list[Item]:
    """Return the recipes, by name; by `package/name` where two have one name, or if that is typed.

    Args:
        incomplete: What was typed of it.
    """
    found = [facts for facts in all_recipes() if not facts.error]
    names = [facts.name for facts in found]
    return [
        (f"{facts.package}/{facts.name}" if qualified else facts.name, facts.summary)
        for facts in found
        for qualified in (names.count(facts.name) > 1 or "/" in incomplete,)
    ]


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the recipes that have runs, and the runs, by name and as paths.

    Args:
        ctx: The command as it was typed so far, maybe with a folder of runs.
        incomplete: What was typed of it.
    """
    folder = Path(ctx.params.get("runs_dir") or os.environ.get("DLRECIPES_RUNS") or "runs")
    recipes_with_runs = sorted(one.name for one in folder.glob("*") if one.is_dir())
    if not incomplete:
        return recipes_with_runs
    paths = [run for run in sorted(folder.glob("*/*")) if run.is_dir()]
    return [*recipes_with_runs, *(run.name for run in paths), *map(str, paths)]


def presets() -> list[Item]:
    """Return the presets of the recipe that was typed before, with their settings."""
    facts = _recipe()
    return [
        (name, ", ".join(f"{key} {show_value(value)}" for key, value in settings.items()))
        for name, settings in (facts.presets if facts else {}).items()
    ]


def set_values(incomplete: str) -> list[Item]:
    """Return `NAME=` of every setting of the recipe, or the values of the one that is typed.

    Args:
        incomplete: What was typed of it.
    """
    facts = _recipe()
    settings = {setting.name: setting for setting in (facts.settings if facts else ())}
    name, is_named, typed = incomplete.partition("=")
    likely = [one for one in settings if one.startswith(name)]
    if not is_named and len(likely) > 1:
        return [(f"{setting.name}=", setting.help) for setting in settings.values()]
    if not is_named:
        # With a space behind "NAME=", which bash would write, the value would be another word.
        return [(f"{one}={value}", "") for one in likely for value in setting_values(settings[one])]
    values = setting_values(settings[name]) if name in settings else []
    if os.environ.get(VARIABLE) == "complete_bash":
        # Bash goes on behind the "=", where Typer compares with what stands before it.
        _print_and_leave(value for value in values if value.startswith(typed))
    return [(f"{name}={value}", "") for value in values]


def _print_and_leave(values: Iterator[str]) -> None:
    """Print completions past Typer, and end the process."""
    typer.echo("\n".join(values))
    raise SystemExit(0)


def setting_values(setting: Setting) -> Sequence[str]:
    """Return the values that a setting can have, where they are few; without those, its default."""
    if setting.type.kind == "choice":
        return [show_value(choice) for choice in setting.type.choices]
    return ["true", "false"] if setting.type.kind == "bool" else [show_value(setting.default)]


def _recipe() -> Facts | None:
    """Return the recipe that was typed before; None if there is no such."""
    from dlrecipes.cli.arguments import recipe_of_arguments

    try:
        return recipe_of_arguments((words_so_far() or [])[1:])
    except InputError:
        return None
