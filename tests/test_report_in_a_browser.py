"""Reports in a real browser: nothing is cut off or loaded, and cells open their pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import require_readable, started_browser
from support import MNIST, RECIPES

RunOf = Callable[[str], dict[str, Any]]
pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless browser."""
    with started_browser() as started:
        yield started


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_report_is_whole_and_readable_at_any_width_and_in_both_colour_schemes(
    recipe: str, browser: Any, run_of: RunOf
) -> None:
    require_readable(browser, Path(run_of(recipe)["path"]) / "report.html")


def test_a_click_on_a_cell_of_the_confusion_matrix_shows_the_pictures_behind_it(
    browser: Any, run_of: RunOf
) -> None:
    run = run_of(MNIST)
    matrix = run["details"]["confusion_matrix"]
    count, true, called = max(
        (count, true, called)
        for true, row in enumerate(matrix)
        for called, count in enumerate(row)
        if true != called
    )
    page = browser.new_page()
    page.goto((Path(run["path"]) / "report.html").as_uri())
    cell = page.locator(f"#cell-{true}-{called}")
    assert not cell.is_visible()
    page.get_by_role("link", name=str(count), exact=True).and_(
        page.locator(f'[href="#cell-{true}-{called}"]')
    ).click()
    assert cell.is_visible()
    assert cell.locator("img").count() == min(count, 6)
    assert cell.locator("img").first.evaluate("one => one.naturalWidth") == 28
    assert f"truth {true}" in cell.inner_text()
    assert f"model {called}" in cell.inner_text()
    page.close()
