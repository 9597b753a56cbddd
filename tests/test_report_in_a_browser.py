"""Reports in a real browser: nothing is cut off or loaded, and cells open their pictures."""

import json
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import made_wrong, require_readable, started_browser
from support import (
    MNIST,
    RECIPES,
    REGRESSION,
    SENTIMENT,
    TEXT,
    dlrecipes,
    sample_file,
    sample_table,
    write_image,
)

from dlrecipes.runs.lookup import read_run

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


def test_pages_of_two_runs_show_what_flipped_as_texts_and_as_pictures(
    browser: Any, run_of: RunOf, tmp_path: Path
) -> None:
    texts = Path(shutil.copytree(run_of("text-ngrams")["path"], tmp_path / "ngrams"))
    dlrecipes("report", run_of(SENTIMENT)["path"], texts, cwd=tmp_path)
    digits = Path(shutil.copytree(run_of(MNIST)["path"], tmp_path / "digits"))
    made_wrong(digits, tmp_path / "other", count=3)
    dlrecipes("report", digits, tmp_path / "other", cwd=tmp_path)
    (of_texts,) = texts.glob("compared-with-*.html")
    (of_digits,) = (tmp_path / "other").glob("compared-with-*.html")
    for path in (of_texts, of_digits):
        require_readable(browser, path)
    page = browser.new_page()
    page.goto(of_digits.as_uri())
    pictures = page.locator(".card img")
    assert pictures.count() == 3
    assert pictures.first.evaluate("one => one.naturalWidth") == 28
    page.goto(of_texts.as_uri())
    assert page.locator(".card .text").count() == 48
    said = page.locator(".card").first.inner_text()
    assert "A " in said
    assert "B " in said
    # The curves of both runs are in one chart; a training of one epoch is a point.
    chart = page.locator("#curves svg").first
    assert chart.locator(".legend").count() == 4
    assert chart.locator(".series .line, .series .dot").count() >= 4
    page.close()


def test_reports_of_own_masks_and_own_rows_are_whole_and_readable(
    browser: Any, tmp_path: Path
) -> None:
    with np.load(BytesIO(sample_file("land.npz"))) as tiles:
        for number in range(40):
            for kind, name in (("images", "x_train"), ("masks", "y_train")):
                write_image(tmp_path / "land" / kind / f"{number:02}.png", tiles[name][number])
    rows = sample_table("lending_club.csv", "test")[:400]
    long = "the yearly income of the borrower before taxes as she or he has stated it"
    rows.rename(columns={"annual_inc": long}).to_csv(tmp_path / "loans.csv", index=False)
    masks = ("train", "land-unet", "--data", "land", "--filters", "4,8")
    loans = ("train", "loans-mlp", "--data", "loans.csv", "--target", "Class")
    for arguments, words in (
        (masks, ("0", "1")),
        (loans, (long, "Predict Class from the other columns", "groups that were compared")),
    ):
        run = dlrecipes(*arguments, "--epochs", "1", "--json", cwd=tmp_path, report=True).document
        shown = json.loads((tmp_path / run["path"] / "shown.json").read_text("utf-8"))
        assert shown["missing"] == {}
        path = tmp_path / run["path"] / "report.html"
        require_readable(browser, path)
        html = path.read_text(encoding="utf-8")
        for word in words:
            assert word in html


def test_reports_of_runs_that_did_not_finish_say_how_to_go_on(
    browser: Any, run_of: RunOf, tmp_path: Path
) -> None:
    too_fast = ("--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "2")
    asked = ("train", REGRESSION, "--data", "sample", *too_fast, "--name", "diverged")
    dlrecipes(*asked, cwd=tmp_path, code=1)
    failed = tmp_path / "runs" / REGRESSION / "diverged"
    stopped = tmp_path / "runs" / TEXT / "stopped"
    shutil.copytree(run_of(TEXT)["path"], stopped)
    run = read_run(stopped)
    run.status, run.error = "interrupted", "stopped by the user or the system"
    run.run, run.metrics, run.details, run.verdict = "stopped", {}, {}, "unknown"
    run.save()
    for path, words in (
        (failed, ("Lower --learning-rate (it was 1e+30)", "No epoch is complete")),
        (stopped, (f"dlrecipes resume {TEXT}/stopped", "1 of 1 epochs are complete")),
    ):
        dlrecipes("report", path, cwd=tmp_path)
        require_readable(browser, path / "report.html")
        html = (path / "report.html").read_text(encoding="utf-8")
        for word in (*words, "The model has not been tested: the training is"):
            assert word in html
