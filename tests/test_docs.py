"""The documentation: generated pages are up to date, commands parse, names are in the reference."""

import ast
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer
from support import (
    CHECKOUT,
    EACH,
    MNIST,
    REGRESSION,
    TEXT,
    dlrecipes,
    mnist_test_images,
    recipe_source,
    run_process,
    sample_table,
    write_image,
    write_image_folders,
)

from dlrecipes.cli.app import build_app

DOCS = CHECKOUT / "docs"
REFERENCE = DOCS / "reference"
COMMANDS = REFERENCE / "commands.md"
"""Its fences of text say how commands are typed, with OPTIONS and the like."""
PAGES = (
    *sorted(CHECKOUT.glob("README*.md")),
    CHECKOUT / "data" / "README.md",
    *sorted(DOCS.rglob("*.md")),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)\s]+)\)")
MOST_LINES = 120
"""Of the README."""
TWO_COMMANDS = (
    "python -m pip install . && dlrecipes train mnist-cnn --data sample",
    "python -m pip install '.[test]' && python -m pytest",
)
EXAMPLES = DOCS / "examples"
PACKAGE = EXAMPLES / "ink"
OWN_RECIPES = ("my_digits.py",)
"""Copies of a recipe that the reader of the documentation has made."""


def name_of(page: Path) -> str:
    """Return a page's path in the checkout."""
    return str(page.relative_to(CHECKOUT))


def fences(page: Path, *languages: str) -> Iterator[str]:
    """Yield the fenced texts of a page in some languages."""
    for language, text in FENCE.findall(page.read_text("utf-8")):
        if language in languages:
            yield text


def command_lines() -> dict[str, str]:
    """Return every fenced line that calls dlrecipes, with the page that it stands on.

    What follows two spaces is no part of it: the docstrings of recipes have results there.
    """
    found = {}
    for page in PAGES:
        for text in fences(page, "sh", *(["text"] if page != COMMANDS else [])):
            for line in text.splitlines():
                command = re.split(r" {2,}", line.strip().rpartition("&& ")[2])[0]
                if command.startswith("dlrecipes "):
                    found[command] = name_of(page)
    return found


def parse(words: list[str]) -> None:
    """Have the real command line parse words, and run nothing; raise what it raises."""
    command: Any = typer.main.get_command(build_app(words, is_to_run=False))
    name, rest = "dlrecipes", words
    while hasattr(command, "commands"):
        context = command.make_context(name, [*rest])
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, [*rest])


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the recipes and the runs that the documentation supposes."""
    folder = tmp_path_factory.mktemp("reader")
    for name in OWN_RECIPES:
        (folder / name).write_text(recipe_source(MNIST), "utf-8")
    shutil.copy(EXAMPLES / "my_recipe.py", folder)
    (folder / "recipes").mkdir()
    for path in (PACKAGE / "dlrecipes_ink" / "recipes").glob("ink_*.py"):
        shutil.copy(path, folder / "recipes")
    (folder / "runs" / MNIST / "first").mkdir(parents=True)
    (folder / "runs" / MNIST / "first" / "run.json").write_text(json.dumps({"recipe": MNIST}))
    (folder / "runs" / MNIST / "digits.toml").write_text(f'recipe = "{MNIST}"\n')
    return folder


@pytest.mark.parametrize("line", command_lines())
def test_every_command_in_the_documentation_can_be_typed(
    line: str, readers_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(readers_folder)
    parse(shlex.split(line, comments=True)[1:])


def test_a_command_that_cannot_be_typed_would_be_found() -> None:
    with pytest.raises(typer.TyperException):
        parse(["train", MNIST, "--no-such-flag"])


def test_generated_pages_are_up_to_date() -> None:
    run_process([sys.executable, DOCS / "generate.py", "--check"], cwd=CHECKOUT)


DOCSTRINGS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import measure
results = json.loads(measure.RESULTS.read_text())
for name in ("mnist_cnn", "regression_mlp", "sentiment_lstm", "text_generation_lstm"):
    text = (measure.ROOT / "recipes" / f"{name}.py").read_text()
    assert text.count(" s  ") >= 2, f"{name}: on the full data, and on the sample"
    assert measure.docstring_with(results, text.replace(" s  ", "9 s  ")) == text
"""


def test_a_recipes_docstring_gives_the_seconds_and_scores_that_were_measured() -> None:
    run_process([sys.executable, "-c", DOCSTRINGS, CHECKOUT / "benchmarks"], cwd=CHECKOUT)


def test_ci_checks_the_generated_pages() -> None:
    assert "python docs/generate.py --check" in (CHECKOUT / ".ci" / "run").read_text()


def test_the_readme_is_a_page_and_has_the_two_commands() -> None:
    text = (CHECKOUT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for command in TWO_COMMANDS:
        assert f"```sh\n{command}\n```" in text
    assert TWO_COMMANDS[1] in (CHECKOUT / ".ci" / "run").read_text()


def test_the_readme_has_a_tour_of_ten_commands() -> None:
    (tour,) = (
        text for text in fences(CHECKOUT / "README.md", "sh") if text.startswith("dlrecipes list")
    )
    assert len(tour.splitlines()) == 10


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    picture = (DOCS / "session.svg").read_text("utf-8")
    assert len(picture) < 60_000
    assert re.findall(r"https?://[^\"'\s]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "dlrecipes" in picture


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {target}"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target} has no such heading"


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_snippet_is_valid(page: Path) -> None:
    for text in fences(page, "python"):
        if page != REFERENCE / "python-api.md":  # whose fences are signatures
            ast.parse(dedent(text))


def options() -> Iterator[tuple[str, str]]:
    """Yield every command with each of its options."""

    def below(name: str, command: Any) -> Iterator[tuple[str, str]]:
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-") and option not in ("--help", "-h"):
                    yield name, option
        for inner, sub in getattr(command, "commands", {}).items():
            yield from below(f"{name} {inner}", sub)

    yield from below("dlrecipes", typer.main.get_command(build_app([])))


def test_every_command_and_option_is_in_the_reference() -> None:
    sections = dict(sections_of(COMMANDS))
    found = list(options())
    assert len(found) > 100
    for command, option in found:
        assert f"`{option}`" in sections[command], f"{command} {option}"


def sections_of(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the second-level headings of a page, and the text below each."""
    parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def test_every_environment_variable_is_in_the_reference() -> None:
    read = re.compile(r"(?:environ(?:\.\w+\(|\[)|getenv\(|envvar=|_VARIABLE = )\"(\w+)\"")
    named = {
        variable
        for path in (CHECKOUT / "dlrecipes").rglob("*.py")
        for variable in read.findall(path.read_text("utf-8"))
    }
    table = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "environment.md").read_text(), re.MULTILINE)
    assert {"DLRECIPES_DATA", "DLRECIPES_MIRROR", "DLRECIPES_RUNS"} <= named
    internal = {
        *("COMP_WORDS", "COMP_CWORD", "_TYPER_COMPLETE_ARGS", "TERM", "HOME"),
        "PROMETHEUS_MULTIPROC_DIR",
    }
    assert named - internal - set(table) == set()
    ours = {variable for variable in table if variable.startswith("DLRECIPES_")}
    assert ours <= named


def documented_keys(heading: str) -> list[str]:
    """Return the keys in the tables below a heading of the page on JSON documents, as patterns."""
    section = dict(sections_of(REFERENCE / "json.md"))[heading]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]


def key_paths(document: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every key in a document; the objects in an array count as one."""
    for item in document if isinstance(document, list) else [document]:
        if isinstance(item, dict):
            for key, value in item.items():
                inner = f"{path}\0{key}" if path else key
                yield inner
                yield from key_paths(value, inner)


def is_documented(path: str, keys: list[str]) -> bool:
    """Tell whether a key is one of those, or on the way to one."""
    names = path.split("\0")
    for key in keys:
        parts = key.split(".")
        same = all(
            part == name or part.startswith("{") or part == "…"
            for part, name in zip(parts, names, strict=False)
        )
        if same and (len(names) <= len(parts) or parts[-1] == "…"):
            return True
    return False


def check_keys(heading: str, document: Any, *more: str) -> None:
    """Fail unless every key of a document is in the reference, below some headings."""
    keys = [key for name in (heading, *more) for key in documented_keys(name)]
    unknown = {path for path in key_paths(document) if not is_documented(path, keys)}
    shown = sorted(path.replace("\0", ".") for path in unknown)
    assert shown == [], f"{heading}: these keys are not in docs/reference/json.md"


Ask = Callable[..., Any]


@pytest.fixture
def ask(runs_dir: Path) -> Ask:
    """Return a function that runs a command with --json on the shared runs."""

    def run(*words: str, code: int = 0) -> Any:
        return dlrecipes(*words, "--json", cwd=runs_dir.parent, code=code).document

    return run


def test_json_keys_of_listings_are_in_the_reference(ask: Ask, tmp_path: Path) -> None:
    check_keys("list", ask("list"))
    check_keys("describe", ask("describe", MNIST), "list")
    check_keys("check", ask("check"))
    check_keys("doctor", ask("doctor"))
    check_keys("errors", ask("describe", "no-such-recipe", code=2))
    check_keys("copy", ask("copy", MNIST, str(tmp_path / "mine.py")))


def test_json_keys_of_data_are_in_the_reference(ask: Ask, tmp_path: Path) -> None:
    heading = "data list, data info, data fetch"
    folder = ("--data-dir", str(tmp_path))
    check_keys(heading, ask("data", "list", *folder))
    check_keys(heading, ask("data", "info", "mnist", *folder))
    check_keys("data clear", ask("data", "clear", "mnist", "--yes", *folder))
    images, labels = mnist_test_images()
    write_image_folders(tmp_path / "digits", images[:20], labels[:20] % 2)
    check_keys("data check", ask("data", "check", str(tmp_path / "digits"), "--task", MNIST))


@pytest.mark.parametrize("recipe", EACH)
def test_json_keys_of_a_run_are_in_the_reference(
    recipe: str, run_of: Callable[[str], dict[str, Any]]
) -> None:
    check_keys("train, resume, runs", run_of(recipe))


@pytest.mark.parametrize(
    ("recipe", "given"), [(MNIST, "digit.png"), (REGRESSION, "rows.csv"), (TEXT, "A word")]
)
def test_json_keys_of_predictions_are_in_the_reference(
    recipe: str, given: str, run_of: Callable[[str], dict[str, Any]], ask: Ask, tmp_path: Path
) -> None:
    write_image(tmp_path / "digit.png", mnist_test_images()[0][0])
    sample_table("diamonds.csv", "test")[:1].to_csv(tmp_path / "rows.csv", index=False)
    path = tmp_path / given
    given = str(path) if path.exists() else given
    check_keys("predict", ask("predict", run_of(recipe)["path"], given))


@pytest.mark.long
def test_json_keys_of_other_commands_are_in_the_reference(
    run_of: Callable[[str], dict[str, Any]], ask: Ask, tmp_path: Path
) -> None:
    path = run_of(REGRESSION)["path"]
    check_keys("train, resume, runs", ask("runs", "show", path))
    check_keys("evaluate", ask("evaluate", path, "--mistakes", "2", "--by", "cut"))
    check_keys("export", ask("export", path))
    check_keys("eject", ask("eject", path, str(tmp_path / "script.py")))
    check_keys("pack", ask("pack", path, "-o", str(tmp_path / "run.zip")))
    check_keys("unpack", ask("unpack", str(tmp_path / "run.zip"), "--runs-dir", str(tmp_path)))
    check_keys("runs compare", ask("runs", "compare", path, path))
    check_keys("report", ask("report", path))
    sample_table("diamonds.csv", "test")[:1].to_csv(tmp_path / "row.csv", index=False)
    row = ("row.csv", "--output", str(tmp_path / "explained"))
    check_keys("explain", ask("explain", path, str(tmp_path / row[0]), *row[1:]))
    sample = ("--data", "sample")
    check_keys("describe --network", ask("describe", REGRESSION, "--network"))
    check_keys("train --plan", ask("train", REGRESSION, *sample, "--plan"))
    check_keys("benchmark", ask("benchmark", REGRESSION, *sample, "--seconds", "0.2"))
    runs = ("--runs-dir", str(tmp_path))
    check_keys("reproduce", ask("reproduce", path, *runs))
    check_keys("resume --prove", ask("resume", path, "--prove"))
    name = json.loads((next(tmp_path.rglob("run.json"))).read_text())["run"]
    check_keys("runs note", ask("runs", "note", name, "again", *runs))
    check_keys("runs prune", ask("runs", "prune", "--checkpoints", "--yes", *runs))
    check_keys("runs rm", ask("runs", "rm", name, "--yes", *runs))


@pytest.mark.long
def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    page = (DOCS / "tutorial.md").read_text("utf-8")
    steps = re.findall(r"^```sh\n(.*?)^```$|<!-- test: (.*?) -->", page, re.MULTILINE | re.DOTALL)
    assert len(steps) > 10
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for fence, hidden in steps:
        run_process(["bash", "-ec", fence or hidden], cwd=tmp_path, env={"PATH": path})
