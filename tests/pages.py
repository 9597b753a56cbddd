"""What tests of pages share: a real browser, the page to try a model, and two runs to compare."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from support import COMMAND, environment

from dlrecipes.runs.lookup import read_run

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
    const read = 'p, td, th, h1, h2, h3, figcaption, dt, dd, span, pre';
    for (const one of document.querySelectorAll(read)) {
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


@contextmanager
def started_browser() -> Iterator[Any]:
    """Give the block a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield started
        started.close()


def require_readable(browser: Any, path: Path) -> None:
    """Fail unless a page is whole and readable at any width and in both colour schemes.

    It must say nothing on the console, and load nothing from anywhere.
    """
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


ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


@contextmanager
def tried(
    *runs: str | Path, command: Sequence[str | Path] = (COMMAND,), **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the block the address of the page of `dlrecipes try`, and the server's process.

    Args:
        runs: The runs to try.
        command: How dlrecipes is started.
        variables: Variables of its environment; without a screen, no browser is opened.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION")
    unset = {name: value for name, value in environment().items() if name not in screens}
    with subprocess.Popen(
        [*command, "try", *runs],
        stdout=subprocess.PIPE,
        text=True,
        env=unset | variables,
        cwd="/",  # The checkout has a folder dlrecipes, which lacks what is installed with it.
    ) as process:
        assert process.stdout is not None
        try:
            found = next(filter(None, map(ADDRESS.search, process.stdout)), None)
            assert found, "it ended, and says why on standard error"
            yield found[0], process
        finally:
            process.terminate()


def made_wrong(first: Path, other: Path, count: int) -> list[int]:
    """Make a copy of a run that is wrong about a few more examples, and return their places."""
    shutil.copytree(first, other)
    with np.load(first / "scores.npz") as kept:
        arrays = {name: kept[name].copy() for name in kept}
    shown = json.loads((first / "shown.json").read_text(encoding="utf-8"))
    of_cells = {row["example"] - 1 for cell in shown["cells"].values() for row in cell}
    rows = [row for row in np.flatnonzero(arrays["right"]).tolist() if row not in of_cells][:count]
    arrays["parts"][rows], arrays["right"][rows] = 0, False
    arrays["answer"][rows] = (arrays["truth"][rows] + 1) % (arrays["truth"].max() + 1)
    arrays["loss"][rows] = np.arange(1, count + 1)
    arrays["probability"][rows] = 0.75
    np.savez_compressed(other / "scores.npz", **arrays)
    run = read_run(other)
    run.run = "other"
    run.add_file("scores.npz")
    run.save()
    return rows
