"""A recipe's description in another language, from a file beside it: `mnist_cnn.zh.md`.

Above its list of settings, such a file says what the docstring says, a paragraph a line, its first
line for the list of recipes. The list has a line for each setting: "- `filters`: …". Settings that
all recipes share are translated beside `TrainingConfig`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlrecipes.catalog.facts import Facts
from dlrecipes.errors import InputError

LANGUAGES = ("en", "zh")
"""English, and Chinese in simplified characters."""
SETTING = re.compile("^- `(\\w+)`(?::|\N{FULLWIDTH COLON}) *(.+)$", re.MULTILINE)
SHARED = Path(__file__).parent.parent / "kit" / "config.py"


@dataclass(frozen=True)
class Translation:
    """What a recipe says of itself in another language.

    Args:
        documentation: What stands for the docstring.
        settings: The meaning of settings, by name.
    """

    documentation: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Return the first line."""
        return self.documentation.partition("\n")[0].strip()


def file_beside(path: Path, language: str) -> Path:
    """Return where the description of a recipe's file in a language is."""
    return path.with_suffix(f".{language}.md")


def read_translation(facts: Facts, language: str) -> Translation | None:
    """Return a recipe's description in a language; None if it has none.

    Args:
        facts: The recipe.
        language: One of `LANGUAGES`, not English.

    Raises:
        InputError: if there is one that is no text in UTF-8.
    """
    own = _read(file_beside(facts.path, language))
    if own is None:
        return None
    shared = _read(file_beside(SHARED, language)) or Translation("")
    return Translation(own.documentation, {**shared.settings, **own.settings})


def _read(path: Path) -> Translation | None:
    """Return what a file says; None if there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    first = SETTING.search(text)
    return Translation(
        text[: first.start() if first else None].strip(), dict(SETTING.findall(text))
    )
