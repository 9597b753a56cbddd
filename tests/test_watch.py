"""`--watch`: a page that shows a training as it goes, and changes nothing about the training."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pages import CONTRAST, CUT_OFF
from support import COMMAND, REGRESSION, WITHOUT_TENSORFLOW, dlrecipes, environment

from dlrecipes.cli.sparkline import LONG, SHORT, Losses
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import HISTORY_FILE, RUN_FILE, Run

RunOf = Callable[[str], dict[str, Any]]
ADDRESS = re.compile(r"Watch the training: (http://127\.0\.0\.1:(\d+)/)\n")


@contextmanager
def served(**variables: str) -> Iterator[Any]:
    """Start the server of the page, as a training does; what it is told is written to its input."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "dlrecipes.use.watching"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(variables),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def tell(process: Any, path: Path) -> None:
    """Name a run to the server."""
    process.stdin.write(json.dumps(str(path)) + "\n")
    process.stdin.flush()


def ask(port: int, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Return the status of an answer, its content and its headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


@pytest.fixture
def begun(run_of: RunOf, tmp_path: Path) -> Run:
    """Return a run whose first two epochs are trained."""
    path = tmp_path / "run"
    shutil.copytree(run_of(REGRESSION)["path"], path)
    lines = (path / HISTORY_FILE).read_text().splitlines(keepends=True)
    (path / HISTORY_FILE).write_text("".join(lines[:3]))
    run = read_run(path)
    run.status, run.config["epochs"] = "failed", 40
    run.error = "The loss became NaN."
    run.save()
    return run


def test_the_page_is_for_this_machine_alone_and_serves_nothing_else(begun: Run) -> None:
    with served() as (process, port):
        waiting, content, headers = ask(port)
        assert (waiting, "Preparing the training" in content) == (200, True)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert ask(port, "/report")[0] == 404, "there is no run yet"
        tell(process, begun.path)
        for path in ("/run.json", "/../run.json", "/report/", "/?x", "/favicon.ico"):
            assert ask(port, path)[0] == 404
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", ""):
            assert ask(port, Host=host)[:2] == (403, "")
        assert ask(port, Host=f"localhost:{port}")[0] == 200
        listening = subprocess.run(
            [sys.executable, "-c", LISTENING, str(process.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert listening.stdout.split() == ["127.0.0.1"]


LISTENING = """
import sys, psutil
for one in psutil.Process(int(sys.argv[1])).net_connections():
    if one.status == psutil.CONN_LISTEN:
        print(one.laddr.ip)
"""


def test_the_server_imports_no_tensorflow(begun: Run) -> None:
    program = WITHOUT_TENSORFLOW.replace(
        "from dlrecipes.cli import main\n\ncode = main(sys.argv[1:])",
        "from pathlib import Path\nfrom dlrecipes.use.watching import Watched\n"
        "watched = Watched()\nwatched.folder, code = Path(sys.argv[1]), 0\n"
        "assert b'The loss became NaN.' in watched.content()",
    )
    subprocess.run([sys.executable, "-P", "-c", program, begun.path], check=True)


def test_the_browser_is_opened_where_there_is_one(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    browser.chmod(0o755)
    with served(BROWSER=str(browser)) as (_, port):
        for _ in range(600):
            if opened.exists():
                break
            subprocess.run(["sleep", "0.1"], check=True)
        assert opened.read_text() == f"http://127.0.0.1:{port}/\n"


@pytest.mark.browser
@pytest.mark.long
def test_the_page_follows_a_training_to_its_result_in_every_tab(
    begun: Run, run_of: RunOf, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    whole = Path(run_of(REGRESSION)["path"])
    with served() as (process, port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        asked: list[str] = []
        said: list[str] = []
        tabs = []
        for width, scheme in ((390, "light"), (1280, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"http://127.0.0.1:{port}/")
            tabs.append((page, width))
        tabs[0][0].get_by_text("Preparing the training").wait_for()
        tell(process, begun.path)
        for page, width in tabs:
            page.get_by_text("The loss became NaN.").wait_for()
            assert page.locator("#curves svg").count() == 2, "the loss and the metric"
            assert page.get_by_role("heading", name="Epoch 2", exact=True).is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CUT_OFF) == []
            contrast, where = page.evaluate(CONTRAST)
            assert contrast >= 4.5, where
        for name in (HISTORY_FILE, RUN_FILE):
            shutil.copy(whole / name, begun.path / f"{name}.new")
            (begun.path / f"{name}.new").replace(begun.path / name)
        tabs[1][0].reload()
        process.stdin.close()
        for page, _ in tabs:
            page.get_by_role("link", name="Read the report").wait_for()
            result = run_of(REGRESSION)["metrics"]["mae"]
            assert page.get_by_role("cell", name=f"{result:.1f}", exact=True).count() >= 1
        tabs[0][0].get_by_role("link", name="Read the report").click()
        tabs[0][0].get_by_role("heading", name="Model card").wait_for()
        assert said == []
        assert {url.split(":")[0] + ":" + url.split(":")[1] for url in asked} <= {
            "http://127.0.0.1",
            "data:",
        }
        browser.close()


@pytest.mark.long
def test_a_watched_training_is_interrupted_and_resumed_as_one_that_is_not(tmp_path: Path) -> None:
    words = ("train", REGRESSION, "--data", "sample", "--epochs", "60", "--no-baseline")
    variables = environment()
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        variables.pop(name, None)
    with subprocess.Popen(
        [COMMAND, *words, "--no-report", "--name", "one", "--watch"],
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = ADDRESS.fullmatch(process.stdout.readline())
        assert first
        port = int(first[2])
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        content = ask(port)[1]
        assert "of 60 epochs are done." in content
        process.terminate()
        process.communicate()
    assert process.returncode == 130
    # The server lives on for those who look at the page, and says what became of the training.
    content = ask(port)[1]
    assert "Status: interrupted" in content
    assert "dlrecipes resume regression-mlp/one" in content
    resumed = dlrecipes("resume", "one", "--watch", "--json", cwd=tmp_path, env=variables)
    assert resumed.document["status"] == "finished"
    again = ADDRESS.search(resumed.stderr)
    assert again
    content = ask(int(again[2]))[1]
    assert "Verdict: " in content
    assert "Read the report" not in content, "there is none, as the training was to leave none"


def test_a_sparkline_falls_with_the_loss_however_many_there_are() -> None:
    losses = Losses()
    assert losses.sparkline(LONG) == ""
    losses.add(2.0)
    assert losses.sparkline(LONG) == "", "one loss is no curve"
    for loss in (1.0, float("nan"), 0.0):
        losses.add(loss)
    assert losses.sparkline(LONG) == "▇▄▁"
    for step in range(1000):
        losses.add(-step / 10)
    for width in (LONG, SHORT):
        shown = losses.sparkline(width)
        assert len(shown) in range(width // 2, width + 1)
        assert [*shown] == sorted(shown, reverse=True)
        assert (shown[0], shown[-1]) == ("▇", "▁")
