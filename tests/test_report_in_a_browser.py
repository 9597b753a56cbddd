"""Reports in a real browser: nothing is cut off or loaded, and cells open their pictures."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import MNIST, RECIPES

RunOf = Callable[[str], dict[str, Any]]
pytestmark = [pytest.mark.browser, pytest.mark.long]

CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(one => {
    if (one.closest('svg') || one.closest('.scroll') || one.closest('.cell')) return false;
    const box = one.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map(one => one.tagName + ' ' + one.textContent.slice(0, 40))"""
CONTRAST = """() => {
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = one => {
        for (; one; one = one.parentElement) {
            const colour = parts(getComputedStyle(one).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    let lowest = 21, where = '';
    for (const one of document.querySelectorAll('p, td, th, h1, h2, h3, figcaption, dt, dd')) {
        if (!one.textContent.trim() || one.closest('.matrix') || one.closest('.cell')) continue;
        const both = [light(parts(getComputedStyle(one).color)), light(behind(one))];
        const [a, b] = both.sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        const name = one.tagName + ' ' + one.textContent.slice(0, 40);
        if (ratio < lowest) [lowest, where] = [ratio, name];
    }
    return [lowest, where];
}"""
"""The contrast that is least on the page (WCAG 2.1), and where."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_report_is_whole_and_readable_at_any_width_and_in_both_colour_schemes(
    recipe: str, browser: Any, run_of: RunOf
) -> None:
    path = Path(run_of(recipe)["path"]) / "report.html"
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(path.as_uri())
            assert said == []
            assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CUT_OFF) == []
            contrast, where = page.evaluate(CONTRAST)
            assert contrast >= 4.5, where
            page.close()


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
