"""The page to try a model, in a real browser: you draw, type, fill in and drop; it answers."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import CONTRAST, CUT_OFF, started_browser, tried
from support import (
    MNIST,
    REGRESSION,
    SENTIMENT,
    SHARED,
    TEXT,
    dlrecipes,
    mnist_test_images,
    sample_table,
    write_image,
)

RunOf = Callable[[str], dict[str, Any]]
pytestmark = [pytest.mark.browser, pytest.mark.serve, pytest.mark.long]
EACH_WIDGET = (MNIST, "land-unet", SENTIMENT, TEXT, REGRESSION, "digits-gan")
STROKES = json.loads(Path(__file__).with_name("strokes.json").read_text())
"""Thirty digits drawn by hand: `digit`, `pen` and places per cent of the side, and `paper`."""
IDLE = '#answer[aria-busy="false"]'
OPEN = '#input[aria-busy="false"]'
HOSTILE = "<img src=x onerror=document.title='broken'>"


@dataclass
class Tab:
    """A tab of a browser, with what it said and whom it asked."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def choose(self, name: str) -> str:
        """Choose a model, by the name of its recipe, and return its name."""
        chooser = self.page.locator("#model")
        chooser.locator("option").first.wait_for(state="attached")
        option = chooser.locator("option", has_text=name).get_attribute("value")
        chooser.select_option(option)
        return str(option)

    def open(self, name: str) -> None:
        """Show a model, by the name of its recipe."""
        self.page.locator("#task", has_text=f"{self.choose(name)} ·").wait_for()
        self.page.locator(OPEN).wait_for()

    def settle(self) -> None:
        """Wait until the last question is answered."""
        self.page.locator(IDLE).wait_for()

    def answer(self, act: Callable[[], Any]) -> Any:
        """Return the body of the answer to the first question that follows an act."""
        with self.page.expect_response(lambda one: one.request.method == "POST") as found:
            act()
        self.settle()
        return found.value.json()

    def draw(self, drawing: dict[str, Any]) -> None:
        """Draw strokes with the mouse."""
        self.page.get_by_role("button", name="Clear").click()
        self.page.locator("#paper").select_option(drawing["paper"])
        self.page.locator("#pen").fill(str(drawing["pen"]))
        box = self.page.locator("canvas").bounding_box()
        for stroke in drawing["strokes"]:
            for number, (right, down) in enumerate(stroke):
                place = (
                    box["x"] + right * box["width"] / 100,
                    box["y"] + down * box["height"] / 100,
                )
                self.page.mouse.move(*place)
                if number == 0:
                    self.page.mouse.down()
            self.page.mouse.up()
        self.settle()

    def shares(self) -> dict[str, float]:
        """Return the probabilities in per cent that the bars show."""
        rows = self.page.locator(".bars li").all_inner_texts()
        return {name: float(share.rstrip("%")) for name, share in map(str.split, rows)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless browser."""
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of what is said to be the user's browser, and what it opens."""
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def server(run_of: RunOf, folder: Path) -> Iterator[str]:
    """Return the address of a page on which there is every widget."""
    program, opened = folder / "browser", folder / "opened"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    program.chmod(0o755)
    runs = [folder / "runs" / recipe for recipe in EACH_WIDGET]
    for run in runs:  # Its export is written into it.
        shutil.copytree(run_of(run.name)["path"], run)
    with tried(*runs, BROWSER=str(program)) as (address, _):
        yield address


@pytest.fixture
def tab(browser: Any, server: str) -> Iterator[Tab]:
    """Return a tab with the page, which must say nothing on the console, and ask nobody else."""
    with opened(browser, server) as one:
        yield one


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Tab]:
    """Open the page in a tab."""
    one = Tab(browser.new_page(**{"viewport": {"width": 1000, "height": 900}, **options}))
    one.page.on("console", lambda message: one.said.append(message.text))
    one.page.on("pageerror", lambda error: one.said.append(str(error)))
    one.page.on("request", lambda request: one.asked.append(request.url))
    one.page.goto(address)
    yield one
    assert one.said == []
    assert [url for url in one.asked if not url.startswith((address, "data:", "blob:"))] == []
    one.page.close()


def predicted(run: dict[str, Any], *words: str | Path, cwd: Path) -> dict[str, Any]:
    """Return what `predict --json` answers."""
    (found,) = dlrecipes("predict", run["path"], *words, "--json", cwd=cwd).document["predictions"]
    return dict(found)


@pytest.mark.shared
def test_digits_thick_and_thin_off_centre_and_of_either_ink_are_told(
    browser: Any, tmp_path: Path
) -> None:
    full = ("--data", "full", "--data-dir", SHARED, "--preset", "fast", "--name", "digits")
    dlrecipes("train", MNIST, *full, cwd=tmp_path)
    with (
        tried(tmp_path / "runs" / MNIST / "digits") as (address, _),
        opened(browser, address) as tab,
    ):
        tab.page.locator("canvas").wait_for()
        told = []
        for drawing in STROKES:
            tab.draw(drawing)
            told.append(tab.page.locator("#label").inner_text() == str(drawing["digit"]))
    assert len(told) == 30
    assert sum(told) >= 27, [
        one["digit"] for one, is_right in zip(STROKES, told, strict=True) if not is_right
    ]


@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)
def test_the_page_of_every_widget_is_whole_and_readable(
    width: int, scheme: str, browser: Any, server: str
) -> None:
    size = {"width": width, "height": 900}
    with opened(browser, server, viewport=size, color_scheme=scheme) as tab:
        for recipe in EACH_WIDGET:
            tab.open(recipe)
            tab.page.locator("#examples button").first.click()
            tab.page.locator("#answer > *").first.wait_for()
            tab.settle()
            assert tab.page.locator("#trouble").inner_text() == ""
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.page.evaluate(CUT_OFF) == []
            contrast, where = tab.page.evaluate(CONTRAST)
            assert contrast >= 4.5, where
            assert tab.page.evaluate(UNNAMED) == []


UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea, canvas, img')]
    .filter(one => !one.hidden && !one.labels?.length && !one.textContent.trim() && !one.ariaLabel
        && !one.alt && !one.querySelector?.('img[alt]')).map(one => one.outerHTML)"""
"""Controls and pictures without a name that is read aloud."""


def test_a_drawing_is_answered_as_it_grows_and_as_predict_answers_its_file(
    tab: Tab, run_of: RunOf, tmp_path: Path
) -> None:
    tab.open(MNIST)
    three, four = (next(one for one in STROKES if one["digit"] == digit) for digit in (3, 4))
    tab.draw({**four, "strokes": four["strokes"][:1]})
    before = tab.shares()
    tab.draw(four)
    assert tab.shares() != before, "the second stroke of the 4 changes the answer"
    tab.answer(tab.page.get_by_role("button", name="Undo").click)
    assert tab.shares() == before
    tab.page.get_by_role("button", name="Clear").click()
    tab.page.get_by_text("There is no input yet.").wait_for()
    posted: list[str] = []
    tab.page.on("request", lambda one: posted.append(one.post_data or ""))
    tab.draw({**three, "paper": "light"})
    assert "swapped" in tab.page.locator("#note").inner_text()
    file = json.loads(posted[-1])["input"]["file"]
    (tmp_path / "drawing.png").write_bytes(base64.b64decode(file["content"]))
    found = predicted(run_of(MNIST), "drawing.png", cwd=tmp_path)
    assert tab.page.locator("#label").inner_text() == found["label"]
    shown = {name: round(100 * share, 1) for name, share in found["probabilities"].items()}
    assert tab.shares() == pytest.approx(shown, abs=0.11)


def test_the_keyboard_draws(tab: Tab) -> None:
    tab.open(MNIST)
    tab.page.locator("canvas").focus()
    for keys, least in (
        ((*["ArrowUp"] * 8, " "), 0.5),  # a dot
        ((*["ArrowDown"] * 16, " ", "ArrowRight"), 2),  # a line from above to below
    ):
        for key in keys:
            tab.page.keyboard.press(key)
        tab.page.locator("#label").wait_for()
        tab.settle()
        seen = tab.page.locator("img.pixels").evaluate(INK)
        assert seen["height"] > least * seen["width"] > 0, keys


def test_of_two_models_that_are_chosen_one_after_the_other_the_last_is_shown(tab: Tab) -> None:
    tab.open(MNIST)
    held: list[Any] = []
    tab.page.route("**/try/land-unet", lambda route: held.append(route))
    with tab.page.expect_request("**/try/land-unet"):
        tab.choose("land-unet")
    tab.open(SENTIMENT)
    held[0].continue_()
    tab.page.get_by_label("Text").fill("What a fine film.")
    tab.page.locator("#label").wait_for()
    tab.settle()
    assert tab.page.locator("#task").inner_text().startswith(SENTIMENT)


def test_a_finger_draws_and_does_not_scroll(browser: Any, server: str) -> None:
    size = {"width": 390, "height": 700}
    with opened(browser, server, viewport=size, has_touch=True, is_mobile=True) as tab:
        tab.open(MNIST)
        box = tab.page.locator("canvas").bounding_box()
        finger = tab.page.context.new_cdp_session(tab.page)
        x = box["x"] + box["width"] / 2
        for number in range(20):
            y = box["y"] + box["height"] * (0.9 - 0.04 * number)
            kind = "touchMove" if number else "touchStart"
            places = [{"x": x, "y": y}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        tab.page.locator("#label").wait_for()
        tab.settle()
        assert tab.page.evaluate("scrollY") == 0
        seen = tab.page.locator("img.pixels").evaluate(INK)
        assert seen["height"] > 2 * seen["width"] > 0, "a line from below to above"


INK = """async one => {
    await one.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [one.naturalWidth, one.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(one, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const places = [...Array(data.length / 4).keys()].filter(place => data[4 * place] > 128);
    const extent = all => Math.max(...all) - Math.min(...all) + 1;
    return { width: extent(places.map(one => one % canvas.width)),
             height: extent(places.map(one => Math.floor(one / canvas.width))) };
}"""
"""The extent of the bright pixels of a picture."""


def test_a_photo_is_chosen_or_dropped_and_answered_as_predict_does(
    tab: Tab, run_of: RunOf, tmp_path: Path
) -> None:
    tab.open(MNIST)
    images, _ = mnist_test_images()
    photo = tmp_path / "photo.png"
    write_image(photo, np.kron(images[0], np.ones((9, 9), "uint8")))
    answer = tab.answer(lambda: tab.page.locator("#file").set_input_files(photo))
    found = predicted(run_of(MNIST), photo, cwd=tmp_path)
    assert answer["prediction"]["input"] == "photo.png"
    assert answer["prediction"]["probabilities"] == pytest.approx(found["probabilities"], abs=1e-5)
    write_image(tmp_path / "other.png", images[1])
    content = base64.b64encode((tmp_path / "other.png").read_bytes()).decode()
    dropped = tab.answer(lambda: tab.page.locator(".drop").evaluate(DROP, content))
    other = predicted(run_of(MNIST), tmp_path / "other.png", cwd=tmp_path)
    assert dropped["prediction"]["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    (tmp_path / "note.png").write_text("This is no picture.")
    with tab.page.expect_response(lambda one: one.status == 400):
        tab.page.locator("#file").set_input_files(tmp_path / "note.png")
    tab.page.get_by_text("note.png is not an image").wait_for()
    assert tab.page.locator("#label").count() == 0, "no answer stands beside an error"
    tab.said[:] = [line for line in tab.said if "400" not in line]  # Chromium's own


DROP = """(one, content) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], 'other.png', { type: 'image/png' }));
    const about = { dataTransfer: given, bubbles: true, cancelable: true };
    one.dispatchEvent(new DragEvent('drop', about));
}"""


def test_a_sentence_is_answered_as_it_is_typed_and_shown_word_by_word(
    tab: Tab, run_of: RunOf, tmp_path: Path
) -> None:
    tab.open(SENTIMENT)
    box = tab.page.get_by_role("textbox", name="Text")
    shares = []
    for words in ("A dull", " and boring", " xqzzyv film"):
        box.press_sequentially(words)
        tab.page.locator("#words span", has_text=words.split()[-1]).wait_for()
        tab.settle()
        shares.append(tuple(tab.shares().values()))
    assert len(set(shares)) > 1
    text = "A dull and boring xqzzyv film"
    found = predicted(run_of(SENTIMENT), text, cwd=tmp_path)
    shown = {name: round(100 * share, 1) for name, share in found["probabilities"].items()}
    assert tab.shares() == pytest.approx(shown, abs=0.11)
    assert tab.page.locator("#words").inner_text() == text
    assert tab.page.locator("#words .unknown").all_inner_texts() == ["xqzzyv "]
    # A text is never taken for a file of the server, nor for HTML.
    secret = tmp_path / "secret.txt"
    secret.write_text("wonderful")
    for text in (str(secret), HOSTILE):
        box.fill(text)
        tab.page.locator("#words", has_text=text.split()[-1]).wait_for()
        tab.settle()
        assert tab.page.locator("#words").inner_text() == text
    assert tab.page.locator("#answer img").count() == 0


def test_a_text_streams_in_and_is_what_predict_writes(
    tab: Tab, run_of: RunOf, tmp_path: Path
) -> None:
    tab.open(TEXT)
    tab.page.get_by_role("textbox", name="Prompt").fill("She was ")
    tab.page.get_by_label("length").fill("60")
    tab.page.get_by_label("temperature").fill("0.5")
    tab.page.get_by_label("seed").fill("7")
    tab.page.evaluate(GROWTH)
    tab.page.get_by_role("button", name="Continue").click()
    tab.page.locator("#written").wait_for()
    tab.settle()
    flags = ("--length", "60", "--temperature", "0.5", "--seed", "7")
    found = predicted(run_of(TEXT), "She was ", *flags, cwd=tmp_path)
    assert tab.page.locator("#written").text_content() == found["text"]
    lengths = tab.page.evaluate("window.lengths")
    assert len(set(lengths)) > 10, "it comes a few characters at a time"
    tab.page.get_by_label("length").fill("2000")
    tab.page.evaluate(STOP)
    tab.page.get_by_role("button", name="Continue").click()
    tab.page.locator("body[data-stopped]").wait_for()
    tab.settle()
    assert 8 < len(tab.page.locator("#written").text_content()) < 2008
    tab.page.get_by_label("length").fill("5000")
    tab.page.get_by_role("button", name="Continue").click()
    tab.page.get_by_text("length must be a number from 1 to 2000").wait_for()
    tab.said[:] = [line for line in tab.said if "400" not in line]


GROWTH = """() => {
    window.lengths = [];
    new MutationObserver(() => window.lengths.push(
        document.querySelector('#written')?.textContent.length ?? 0
    )).observe(document.querySelector('#answer'), { childList: true, subtree: true });
}"""


STOP = """() => {
    new MutationObserver((_, observer) => {
        const written = document.querySelector('#written')?.textContent.length ?? 0;
        if (written < 12) return;
        observer.disconnect();
        [...document.querySelectorAll('button')].find(one => one.textContent === 'Stop').click();
        document.body.dataset.stopped = '';
    }).observe(document.querySelector('#answer'), { childList: true, subtree: true });
}"""
"""Stops a text as soon as some of it is written."""


def test_a_row_is_filled_in_and_the_price_moves(tab: Tab, run_of: RunOf, tmp_path: Path) -> None:
    tab.open(REGRESSION)
    tab.page.locator("#label").wait_for()
    tab.settle()
    form = run_of(REGRESSION)["data"]["input"]
    labels = tab.page.locator(".field label").all_inner_texts()
    assert labels == [form["called"][name] for name in form["kinds"]]
    table = sample_table("diamonds.csv", "train")
    carat = tab.page.get_by_label("carat, slider")
    assert float(carat.get_attribute("min")) == pytest.approx(table["carat"].min(), abs=1e-6)
    assert float(carat.get_attribute("max")) == pytest.approx(table["carat"].max(), abs=1e-6)
    choices = tab.page.get_by_label("cut", exact=True).locator("option").all_inner_texts()
    assert choices == ["(missing)", *sorted(set(table["cut"]))]
    before = tab.page.locator("#label").inner_text()
    tab.answer(lambda: carat.fill("2.5"))
    assert tab.page.get_by_label("carat", exact=True).input_value() == "2.5"
    after = tab.page.locator("#label").inner_text()
    assert after != before
    answer = tab.answer(lambda: tab.page.get_by_label("cut", exact=True).select_option("Fair"))
    cells = tab.page.locator(".field input:not([type=range]), .field select")
    values = [one.input_value() for one in cells.all()]
    (tmp_path / "row.csv").write_text(f"{','.join(labels)}\n{','.join(values)}\n")
    found = predicted(run_of(REGRESSION), "row.csv", cwd=tmp_path)
    assert answer["prediction"]["value"] == pytest.approx(found["value"], rel=1e-4)
    tab.page.get_by_label("carat", exact=True).fill("")
    tab.settle()
    assert tab.page.locator("#label").inner_text() != "", "a missing value is answered, too"


def test_a_photo_gets_a_mask_that_fades_and_a_legend(
    tab: Tab, run_of: RunOf, tmp_path: Path
) -> None:
    tab.open("land-unet")
    sizes = np.linspace(0, 255, 90, dtype="uint8")
    pixels = np.stack([np.tile(sizes, (60, 1))] * 3, axis=-1)
    write_image(tmp_path / "photo.png", pixels)
    answer = tab.answer(lambda: tab.page.locator("#file").set_input_files(tmp_path / "photo.png"))
    found = predicted(run_of("land-unet"), tmp_path / "photo.png", cwd=tmp_path)
    legend = {one["name"]: one["share"] for one in answer["shown"]["legend"]}
    assert legend == {name: share for name, share in found["shares"].items() if share}
    below, above = tab.page.locator(".layers img").all()
    loaded = "one => one.decode().then(() => one.naturalWidth)"  # waits for the promise
    assert below.evaluate(loaded) == 90
    assert below.bounding_box() == above.bounding_box()
    assert above.evaluate("one => getComputedStyle(one).opacity") == "0.5"
    tab.page.get_by_label("Opacity of the mask").fill("80")
    assert above.evaluate("one => getComputedStyle(one).opacity") == "0.8"
    assert tab.page.locator(".legend li").count() == len(legend)


def test_a_seed_draws_the_same_picture_every_time(tab: Tab) -> None:
    tab.open("digits-gan")
    sources = []
    for seed in ("5", "6", "5"):
        tab.page.get_by_label("Seed").fill(seed)
        tab.answer(tab.page.get_by_role("button", name="Draw", exact=True).click)
        sources.append(tab.page.locator("img.made").get_attribute("src"))
    assert sources[0] == sources[2] != sources[1]
    tab.answer(tab.page.get_by_role("button", name="Another seed").click)
    assert tab.page.locator("img.made").count() == 1


def test_names_from_a_server_are_never_read_as_html(browser: Any, server: str) -> None:
    with opened(browser, server) as tab:
        row = {"columns": {HOSTILE: HOSTILE}}
        field = {"name": HOSTILE, "kind": "texts", "choices": [HOSTILE, "other"]}
        about = {
            "model": HOSTILE,
            "task": HOSTILE,
            "widget": {"kind": "form", "target": HOSTILE, "fields": [field]},
            "display": "classes",
            "options": {},
            "examples": [{"input": row, "shown": row}],
        }
        answer = {
            "prediction": {"note": HOSTILE},
            "shown": {"label": HOSTILE, "probabilities": [[HOSTILE, 1.0]]},
        }
        tab.page.route("**/try", lambda one: one.fulfill(json={"models": [HOSTILE, "x"]}))
        tab.page.route(
            "**/try/*",
            lambda one: one.fulfill(json=answer if one.request.method == "POST" else about),
        )
        tab.page.reload()
        tab.page.locator("#label").wait_for()
        tab.settle()
        assert tab.page.locator("img").count() == 0
        for place in ("#task", "#label", "#note", ".field label", ".bars li span >> nth=0"):
            assert HOSTILE in tab.page.locator(place).inner_text()
        assert tab.page.title() != "broken"


def test_the_users_browser_is_opened(server: str, folder: Path) -> None:
    for _ in range(600):
        if (folder / "opened").exists():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert (folder / "opened").read_text() == f"{server}\n"


BAD = {
    MNIST: (
        None,
        [],
        {},
        {"input": None},
        {"input": {}},
        {"input": {"file": "x"}},
        {"input": {"file": {"name": "x.png", "content": "no base64!"}}},
        {"input": {"file": {"name": "../../x.png", "content": "AAAA"}}},
        {"input": {"example": 8}},
        {"input": {"example": -1}},
        {"input": {"example": True}},
        {"input": {"example": 0}, "options": {"length": 5}},
        {"input": {"example": 0}, "options": []},
    ),
    REGRESSION: (
        {"input": {"columns": {}}},
        {"input": {"columns": {"carat": "1"}}},
        {"input": {"columns": {"carat": "many"}}},
        {"input": {"columns": [1]}},
    ),
    SENTIMENT: ({"input": {"text": 5}}, {"input": {"text": None}}),
    TEXT: (
        {"input": {"text": "a"}, "options": {"length": 0}},
        {"input": {"text": "a"}, "options": {"length": 1.5}},
        {"input": {"text": "a"}, "options": {"temperature": "hot"}},
        {"input": {"text": "a"}, "options": {"output": "file.txt"}},
    ),
    "digits-gan": (
        {"input": {"seed": -1}},
        {"input": {"seed": "0-9"}},
        {"input": {"seed": 10**12}},
    ),
}
"""What is posted to the models, and cannot be answered."""


def test_what_cannot_be_answered_gets_a_sentence(browser: Any, server: str) -> None:
    context = browser.new_context()
    names = context.request.get(f"{server}try").json()["models"]
    for recipe, bodies in BAD.items():
        (name,) = (one for one in names if recipe in one)
        for body in bodies:
            answer = context.request.post(f"{server}try/{name}", data=json.dumps(body))
            assert 400 <= answer.status < 500, (recipe, body)
            said = answer.json()
            assert said.get("error") or said.get("detail"), (recipe, body)
    for path in ("try/none", "page/none.js", "page/..%2ftrying.py", "page/%2e%2e/trying.py"):
        assert context.request.get(f"{server}{path}").status == 404
    context.close()


def test_the_page_says_when_the_server_is_gone(browser: Any, server: str, folder: Path) -> None:
    with tried(folder / "runs" / REGRESSION) as (address, process), opened(browser, address) as tab:
        policy = tab.page.request.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        tab.page.locator("#label").wait_for()
        tab.settle()
        process.terminate()
        process.wait()
        tab.page.get_by_label("carat", exact=True).fill("1")
        tab.page.get_by_text("The server does not answer").wait_for()
        tab.said.clear()  # Chromium says that a request failed.
