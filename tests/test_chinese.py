"""The Chinese texts: the same headings and commands as the English ones, and a lesson a recipe."""

import os
import re
from pathlib import Path

import pytest
from support import CHECKOUT, MNIST, RECIPES, dlrecipes, recipe_source

from recipes import BY_NAME

PAIRS = [
    ("README.md", "README.zh.md"),
    *((f"docs/recipes/{recipe}.md", f"docs/zh/{recipe}.md") for recipe in RECIPES),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FORMULA_WORDS = re.compile(r"\\(?:text|mathrm)\{[^}]*\}")
CHINESE = re.compile("[\N{CJK UNIFIED IDEOGRAPH-4E00}-\N{CJK UNIFIED IDEOGRAPH-9FFF}]")
PICTURES = CHECKOUT / "docs" / "pictures"
CHANGED = dict.fromkeys(("text-generation-lstm", "land-unet", "digits-gan"), 1)
"""Settings whose change was measured, at least: fewer where a training takes minutes."""
MOST_BYTES = 1_500_000
"""Of the pictures of all lessons."""


def outline(text: str) -> list[int]:
    """Return the level of each heading of a page."""
    return [len(marks) for marks in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def fences(text: str) -> list[tuple[str, list[str]]]:
    """Return the fences of a page, without comments and the words in formulas and diagrams."""
    return [
        (language, [FORMULA_WORDS.sub("", line.partition("  #")[0].rstrip()) for line in lines])
        for language, inside in FENCE.findall(text)
        for lines in [inside.splitlines()]
    ]


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_chinese_page_has_the_headings_and_commands_of_the_english_one(
    english: str, chinese: str
) -> None:
    texts = [(CHECKOUT / name).read_text("utf-8") for name in (english, chinese)]
    assert outline(texts[0]) == outline(texts[1])
    assert len(outline(texts[0])) > 5
    assert fences(texts[0]) == fences(texts[1])
    assert len(fences(texts[0])) >= 3
    headings = re.findall(r"^## (.+)$", FENCE.sub("", texts[1]), re.MULTILINE)
    assert [one for one in headings if not CHINESE.search(one)] == []
    for text, here, other in zip(texts, (english, chinese), (chinese, english), strict=True):
        assert f"]({os.path.relpath(other, Path(here).parent)})" in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_lesson_has_formulas_a_network_curves_and_what_settings_do(recipe: str) -> None:
    text = (CHECKOUT / "docs" / "recipes" / f"{recipe}.md").read_text("utf-8")
    languages = [language for language, _ in FENCE.findall(text)]
    assert "math" in languages
    assert "mermaid" in languages
    assert f"](../pictures/{recipe}-loss.svg)" in text
    changed = text.partition("| changed alone |")[2].partition("\n\n")[0].splitlines()
    assert changed[2].startswith("| nothing |")
    assert len(changed) - 4 >= CHANGED.get(recipe, 3)
    network = dict(FENCE.findall(text))["mermaid"]
    boxes = set(re.findall(r"^    (n\d+)\[", network, re.MULTILINE))
    counts = [
        int(count.replace(",", "")) for count in re.findall(r"([\d,]+) parameters, for", text)
    ]
    # The generator of a GAN stands for two: its running average has as many.
    assert sum(counts) + (counts[0] if len(counts) > 1 else 0) == BY_NAME[recipe].parameters[""]
    joined = {end for arrow in re.findall(r"(n\d+) --> (n\d+)", network) for end in arrow}
    assert joined == boxes


def test_the_pictures_of_the_lessons_are_small_and_load_nothing() -> None:
    pictures = sorted(PICTURES.glob("*.svg"))
    assert len(pictures) >= len(RECIPES)
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES
    for path in pictures:
        links = re.findall(r"(?:href|src)=\"(?!data:|#)[^\"]+|url\((?!#)[^)]+", path.read_text())
        assert links == [], path.name


@pytest.mark.parametrize("recipe", RECIPES)
def test_describe_shows_every_recipe_in_chinese(recipe: str, tmp_path: Path) -> None:
    shown = dlrecipes("describe", recipe, "--lang", "zh", cwd=tmp_path)
    document = dlrecipes("describe", recipe, "--lang", "zh", "--json", cwd=tmp_path).document
    english = dlrecipes("describe", recipe, "--json", cwd=tmp_path).document
    assert shown.err == ""
    first = document["documentation"].splitlines()[0]
    assert CHINESE.search(first)
    assert first in shown.out
    assert "设置" in shown.out
    assert [one["name"] for one in document["settings"]] == [
        one["name"] for one in english["settings"]
    ]
    for setting in document["settings"]:
        assert CHINESE.search(setting["help"]), setting["name"]
        assert setting["help"] in shown.out
    texts = [one["documentation"] for one in (english, document)]
    for command in (r"`--[^`]+`", r"(?m)^    dlrecipes.*$"):
        found = [[" ".join(words.split()) for words in re.findall(command, text)] for text in texts]
        assert found[0] == found[1]
        assert found[0]
    assert {**document, "documentation": "", "settings": []} == {
        **english,
        "documentation": "",
        "settings": [],
    }


def test_a_recipe_without_a_chinese_description_says_so_and_is_shown_in_english(
    tmp_path: Path,
) -> None:
    (tmp_path / "my_digits.py").write_text(recipe_source(MNIST), "utf-8")
    shown = dlrecipes("describe", "my_digits.py", "--lang", "zh", cwd=tmp_path)
    assert "my_digits.zh.md is missing" in " ".join(shown.err.split())
    assert "Classify handwritten digits" in shown.out
    assert "Settings" in shown.out
    (tmp_path / "my_digits.zh.md").write_text("我的数字。\n\n- `filters`: 通道数。\n", "utf-8")
    document = dlrecipes(
        "describe", "my_digits.py", "--lang", "zh", "--json", cwd=tmp_path
    ).document
    assert document["documentation"] == "我的数字。"
    (filters,) = (one for one in document["settings"] if one["name"] == "filters")
    assert filters["help"] == "通道数。"


def test_a_language_that_there_is_not_is_refused(tmp_path: Path) -> None:
    error = dlrecipes("describe", MNIST, "--lang", "fr", cwd=tmp_path, code=2).err
    assert "--lang must be one of en, zh. Received: fr" in error
    error = dlrecipes("describe", MNIST, "--lang", "zh", "--network", cwd=tmp_path, code=2).err
    assert "--lang changes nothing of the network." in error
