"""The generated parts of the lessons in docs/recipes and docs/zh, in both languages.

The lessons themselves are written by hand. What is measured or read from a recipe is put in.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import measure
import single_settings

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.settings import Setting, show_value
from dlrecipes.catalog.translation import read_translation
from generator import markdown, recipes, results
from generator.paths import DOCS
from recipes import BY_NAME

Words = Mapping[str, str]
ENGLISH: Words = {
    "head": "Task [`{task}`](../reference/tasks.md), data set `{dataset}`, sample "
    "[`{sample}`](../../data/README.md). The recipe is one file: [{file}](../../recipes/{file}).",
    "parameters of": "{count:,} parameters, for the sample.",
    "curve": "{measure} by epoch",
    "on the sample": "Default settings, seed 0, on the sample.",
}
CHINESE: Words = {
    "head": "任务 [`{task}`](../reference/tasks.md)，数据集 `{dataset}`，样本 "
    "[`{sample}`](../../data/README.md)。整个配方是一个文件：[{file}](../../recipes/{file})。",
    "parameters of": "{count:,} 个参数（用于样本）。",
    "curve": "每轮的 {measure}",
    "on the sample": "默认设置，随机种子 0，样本数据。",
    "recipe": "配方",
    "what it does": "做什么",
    "full data": "完整数据",
    "sample": "样本",
    "flag": "选项",
    "value": "取值",
    "default": "默认值",
    "meaning": "说明",
    "preset": "预设",
    "parameters": "参数个数",
    "settings": "设置",
    "none": "无",
    "the defaults": "默认值",
    "data": "数据",
    "metric": "指标",
    "from": "从",
    "to": "到",
    "command": "命令",
    "training rows": "训练样本数",
    "test result": "测试结果",
    "seeds": "种子数",
    "seconds": "秒",
    "input": "输入",
    "truth": "真值",
    "answer": "回答",
    "sure": "把握",
    "changed alone": "只改这一项",
    "nothing": "不改",
    "processor seconds": "处理器秒数",
}
TYPES = (
    ("one of ", "其中之一："),
    ("a comma-separated list, each item ", "用逗号分隔的列表，每项是"),
    ("an integer", "整数"),
    ("a number", "数"),
    ("true or false", "true 或 false"),
    (" and below ", " 且小于 "),
    (" and at most ", " 且不大于 "),
    (" at least ", "，不小于 "),
    (" at most ", "，不大于 "),
    (" above ", "，大于 "),
    (" below ", "，小于 "),
    (", or none", "，或 none"),
    ("text", "文本"),
)
"""The words of a setting's type, in Chinese."""
WORDS = {"en": ENGLISH, "zh": CHINESE}
COMMANDS = re.compile(r"^    (dlrecipes .*)$", re.MULTILINE)


@cache
def seen() -> dict[str, Any]:
    """Return what `lesson_pictures.py` has kept of each recipe."""
    found: dict[str, Any] = json.loads((DOCS / "lessons.json").read_text("utf-8"))
    return found


def places(facts: Facts) -> Iterable[tuple[str, Callable[[], str]]]:
    """Yield the places of a recipe's lessons, each with what returns its text."""
    for language, words in WORDS.items():
        end = "" if language == "en" else f" {language}"
        yield f"{facts.name} head{end}", partial(_head, facts, words)
        yield f"{facts.name} network{end}", partial(_network, facts, words)
        yield f"{facts.name} training{end}", partial(_training, facts, words)
        yield f"{facts.name} changes{end}", partial(_changes, facts, words)
        yield f"{facts.name} settings{end}", partial(_settings, facts, language)
        yield f"{facts.name} presets{end}", partial(_presets, facts, words)
        yield f"{facts.name} expected{end}", partial(_expected, facts, words)
        yield f"{facts.name} results{end}", partial(_results, facts, words)


def _table(words: Words, titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose titles are in the language."""
    return markdown.table([words.get(one, one) for one in titles], [[*row] for row in rows])


def _head(facts: Facts, words: Words) -> str:
    """Return what the recipe is for, and how to train it, with the seconds and scores."""
    head = words["head"].format(
        task=facts.task, dataset=facts.dataset, sample=facts.sample, file=facts.path.name
    )
    commands = "\n".join(COMMANDS.findall(facts.documentation))
    return f"{head}\n\n```text\n{commands}\n```"


def _network(facts: Facts, words: Words) -> str:
    """Return the network as a diagram, or its two networks."""
    parts = []
    for network in seen()[facts.name]["networks"]:
        lines = ["```mermaid", "flowchart TD"]
        for number, (box, shape) in enumerate(
            zip(network["boxes"], network["shapes"], strict=True)
        ):
            lines.append(f'    n{number}["{"<br>".join([*box, shape])}"]')
        lines += [f"    n{start} --> n{end}" for start, end in network["arrows"]]
        count = words["parameters of"].format(count=network["parameters"])
        name = f"`{network['name']}`: " if network["name"] else ""
        parts += ["\n".join([*lines, "```"]), f"{name}{count}"]
    return "\n\n".join(parts)


def _training(facts: Facts, words: Words) -> str:
    """Return the curves of a real training, and its mistakes or what it made."""
    lesson = seen()[facts.name]
    pictures = [(f"{facts.name}-{one.replace('_', '-')}", one) for one in lesson["curves"]]
    parts = [words["on the sample"]]
    parts += [
        f"![{words['curve'].format(measure=measure)}](../pictures/{name}.svg)"
        for name, measure in pictures
    ]
    for kind in ("mistakes", "epochs"):
        if (DOCS / "pictures" / f"{facts.name}-{kind}.svg").exists():
            parts.append(f"![{facts.name}](../pictures/{facts.name}-{kind}.svg)")
    if lesson["made"]:
        parts.append(f"```text\n{lesson['made'].strip()}\n```")
    if lesson["mistakes"]:
        parts.append(_mistakes(lesson["mistakes"], words))
    return "\n\n".join(parts)


def _mistakes(rows: list[dict[str, Any]], words: Words) -> str:
    """Return mistakes that are texts, or rows of a table."""
    is_sure = rows[0]["probability"] is not None
    return _table(
        words,
        ["input", "truth", "answer", *(["sure"] if is_sure else [])],
        [
            [
                markdown.escaped(row["input"]),
                _answer(row["truth"]),
                _answer(row["prediction"]),
                *([f"{100 * row['probability']:.1f} %"] if is_sure else []),
            ]
            for row in rows
        ],
    )


def _answer(value: str | float) -> str:
    """Return a class, or a number with a few digits."""
    return value if isinstance(value, str) else f"{value:,.0f}"


def _changes(facts: Facts, words: Words) -> str:
    """Return what each setting does when it is changed alone."""
    metric = measure.headline(facts.name)
    digits = 1 if facts.name == "regression-mlp" else 4
    return _table(
        words,
        ["changed alone", f"`{metric}`", "seeds", "processor seconds"],
        [
            [
                markdown.code(_flag(facts, change)) or words.get("nothing", "nothing"),
                results.range_of(values, digits),
                str(len(values)),
                f"{seconds:.0f}",
            ]
            for change, values, seconds in single_settings.rows(facts.name)
        ],
    )


def _flag(facts: Facts, change: str) -> str:
    """Return a change as it is typed."""
    name, _, value = change.partition("=")
    if value in ("true", "false"):
        return f"--{'' if value == 'true' else 'no-'}{name.replace('_', '-')}"
    return f"--{name.replace('_', '-')} {value}" if change else ""


def _settings(facts: Facts, language: str) -> str:
    """Return the table of a recipe's settings."""
    translation = read_translation(facts, language) if language != "en" else None
    meanings = translation.settings if translation else {}

    def cells(setting: Setting) -> list[str]:
        meaning = meanings.get(setting.name, setting.help)
        flag, kind, *rest = recipes.setting_row(replace(setting, help=meaning))
        for english, chinese in TYPES if language == "zh" else ():
            kind = kind.replace(english, chinese)
        return [flag, kind, *rest]

    titles = ["flag", "value", "default", "meaning"]
    return _table(WORDS[language], titles, map(cells, facts.settings))


def _presets(facts: Facts, words: Words) -> str:
    """Return the table of a recipe's presets, with the parameters that the tests pin."""
    counts = BY_NAME[facts.name].parameters if facts.name in BY_NAME else {}
    return _table(
        words,
        ["preset", "parameters", "settings"],
        [
            [
                markdown.code(name) or words.get("none", "none"),
                f"{counts[name]:,}" if name in counts else "-",
                ", ".join(f"`{key}={show_value(value)}`" for key, value in values.items())
                or words.get("the defaults", "the defaults"),
            ]
            for name, values in {"": {}, **facts.presets}.items()
        ],
    )


def _expected(facts: Facts, words: Words) -> str:
    """Return the table of the ranges that a recipe's results lie in."""
    return _table(
        words,
        ["data", "preset", "metric", "from", "to"],
        [
            [
                markdown.code(name.partition(":")[0]),
                markdown.code(name.partition(":")[2]) or words.get("none", "none"),
                metric,
                f"{band[0]:g}",
                f"{band[1]:g}",
            ]
            for name, bands in facts.expected.items()
            for metric, band in bands.items()
        ],
    )


def _results(facts: Facts, words: Words) -> str:
    """Return the table of what was measured of a recipe."""
    found = measure.table(results.measured(), only=facts.name)
    titles, rest = found.split("\n", 1)
    shown = [words.get(one, one) for one in titles.strip("| ").split(" | ")]
    return f"| {' | '.join(shown)} |\n{rest}"


def _overview() -> str:
    """Return the table of all recipes in Chinese, for README.zh.md."""

    def cells(facts: Facts) -> list[str]:
        translation = read_translation(facts, "zh")
        summary = translation.summary.rstrip("。") if translation else facts.summary
        shown = [results.score(facts.name, data) for data in ("full", "sample")]
        return [f"[`{facts.name}`](docs/zh/{facts.name}.md)", summary, *shown]

    titles = ["recipe", "what it does", "full data", "sample"]
    return _table(CHINESE, titles, map(cells, recipes.built_in()))


PLACES: dict[str, Callable[[], str]] = {
    "recipes zh": _overview,
    **{name: text for facts in recipes.built_in() for name, text in places(facts)},
}
