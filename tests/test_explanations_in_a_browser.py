"""Pages of `explain` in a real browser: nothing is cut off or loaded, whatever they explain."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import require_readable, started_browser
from support import (
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    dlrecipes,
    mnist_test_images,
    sample_table,
    write_image,
)

RunOf = Callable[[str], dict[str, Any]]
pytestmark = [pytest.mark.browser, pytest.mark.long]
LONG_WORD = "un" * 60 + "believable"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless browser."""
    with started_browser() as started:
        yield started


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with an input of each kind."""
    write_image(tmp_path / "digit.png", mnist_test_images()[0][0].squeeze())
    with np.load(files("dlrecipes.data") / "land.npz") as data:
        write_image(tmp_path / "land.png", data["x_test"][0])
    rows = sample_table("diamonds.csv", "test").head(2).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


@pytest.mark.explain
@pytest.mark.parametrize(
    ("recipe", "given", "shown"),
    [
        (MNIST, ("digit.png",), "figure img"),
        ("land-unet", ("land.png",), "figure img"),
        (REGRESSION, ("rows.csv",), "td .bar"),
        (SENTIMENT, (f"A dull film, <b>and</b> {LONG_WORD}.", "好电影"), ".text span"),
        (TEXT, ("She was\tnot",), ".text span"),
        (REGRESSION, ("--global",), "svg .series"),
        ("text-ngrams", ("--global",), "td .bar"),
    ],
)
def test_an_explanation_is_whole_and_readable_at_any_width_and_in_both_colour_schemes(
    recipe: str, given: tuple[str, ...], shown: str, browser: Any, run_of: RunOf, inputs: Path
) -> None:
    dlrecipes("explain", run_of(recipe)["path"], *given, "--output", "out", cwd=inputs)
    path = inputs / "out" / "explanation.html"
    require_readable(browser, path)
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator(shown).first.is_visible()
    for folded in page.locator("details").all():
        folded.locator("summary").click()
        assert folded.locator("img").first.evaluate("one => one.naturalWidth") > 1
    page.close()


@pytest.mark.robust
@pytest.mark.parametrize("given", [("digit.png",), ()])
def test_a_page_of_attacks_is_whole_and_readable_at_any_width_and_in_both_colour_schemes(
    given: tuple[str, ...], browser: Any, run_of: RunOf, inputs: Path
) -> None:
    asked = ("explain", run_of(MNIST)["path"], *given, "--attack", "--output", "out")
    dlrecipes(*asked, cwd=inputs)
    require_readable(browser, inputs / "out" / "attack.html")
