"""`report`: one page of what a run has learned, without the Internet."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from pages import made_wrong
from support import (
    EACH,
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    WITHOUT_TENSORFLOW,
    dlrecipes,
    mnist_test_images,
    prose_test_text,
    run_python,
    same_weights,
    weights_of,
)

from dlrecipes.tasks.pictures import png_url

RunOf = Callable[[str], dict[str, Any]]

ADDRESS = re.compile(
    r"""(?:src|href|action|poster)\s*=\s*["']?\s*(https?:|//)|url\(\s*["']?https?:"""
)
"""What makes a browser load something from elsewhere."""
VOID = {"meta", "link", "img", "br"}
SECTIONS = {
    "mnist-cnn": (
        "test",
        "curves",
        "confusion",
        "classes",
        "charts",
        "mistakes",
        "data",
        "network",
    ),
    "sentiment-lstm": ("test", "curves", "confusion", "classes", "charts", "mistakes", "network"),
    "text-ngrams": ("test", "curves", "confusion", "classes", "charts", "mistakes"),
    "loans-mlp": ("test", "curves", "confusion", "classes", "charts", "mistakes", "network"),
    "regression-mlp": ("test", "curves", "charts", "mistakes", "data", "network", "settings"),
    "text-generation-lstm": ("test", "curves", "snapshots", "data", "network", "card", "repeat"),
    "land-unet": ("test", "curves", "mistakes", "data", "network"),
    "digits-gan": ("test", "curves", "snapshots", "data", "network"),
}


class Page(HTMLParser):
    """What is on a page: the ids, the links and the images; fails if a tag is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [named["href"] or ""] if tag == "a" and "href" in named else []
        self.images += [named["src"] or ""] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "id" in dict(attrs):
            self.ids.append(dict(attrs)["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("recipe", EACH)
def test_a_training_leaves_a_page_that_needs_nothing_else(recipe: str, run_of: RunOf) -> None:
    path = Path(run_of(recipe)["path"]) / "report.html"
    html = path.read_text(encoding="utf-8")
    assert not ADDRESS.search(html)
    assert "<script" not in html
    page = Page(html)
    assert set(SECTIONS[recipe]) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    charts = re.findall(r'<svg [^>]*\bid="(chart-[^"]+)"', html)
    assert len(charts) == html.count("<svg ") >= 1
    # The style of a chart is for that chart alone.
    assert re.search(r"[}>\n]\s*\.(series|title|axis)\b", html) is None
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert all(re.match("data:image/(png|jpeg);base64,", image) for image in page.images)
    assert len(html) < 3_000_000
    shown = json.loads((path.parent / "shown.json").read_text(encoding="utf-8"))
    assert shown["missing"] == {}


def test_a_cell_of_the_confusion_matrix_leads_to_pictures_of_that_mistake(run_of: RunOf) -> None:
    run = run_of(MNIST)
    html = (Path(run["path"]) / "report.html").read_text(encoding="utf-8")
    matrix = run["details"]["confusion_matrix"]
    wrong = {
        (true, called)
        for true, row in enumerate(matrix)
        for called, count in enumerate(row)
        if count and true != called
    }
    assert wrong
    shown = json.loads((Path(run["path"]) / "shown.json").read_text(encoding="utf-8"))
    for true, called in wrong:
        assert f'href="#cell-{true}-{called}"' in html
        behind = shown["cells"][f"{true},{called}"]
        assert 1 <= len(behind) <= matrix[true][called]
        for row in behind:
            assert (row["truth"], row["prediction"]) == (str(true), str(called))
            assert row["input"]["image"].startswith("data:image/png")


def test_the_mistakes_are_those_that_evaluate_shows(run_of: RunOf, tmp_path: Path) -> None:
    for recipe in (MNIST, SENTIMENT, REGRESSION):
        path = Path(run_of(recipe)["path"])
        shown = json.loads((path / "shown.json").read_text(encoding="utf-8"))["mistakes"][:5]
        asked = dlrecipes("evaluate", path, "--mistakes", "5", "--json", cwd=tmp_path).document
        for one, other in zip(shown, asked["mistakes"], strict=True):
            assert one["example"] == other["example"]
            assert one["truth"] == other["truth"]
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


def test_report_writes_it_again_without_tensorflow(run_of: RunOf, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / REGRESSION / "copy"
    shutil.copytree(run_of(REGRESSION)["path"], copy)
    before = (copy / "report.html").read_text(encoding="utf-8")
    (copy / "report.html").unlink()
    said = run_python(WITHOUT_TENSORFLOW, "report", str(copy), "--json", cwd=tmp_path).document
    assert said == {
        "run": run_of(REGRESSION)["run"],
        "path": str(copy / "report.html"),
        "bytes": (copy / "report.html").stat().st_size,
    }
    assert (copy / "report.html").read_text(encoding="utf-8") == before
    outcome = dlrecipes("report", str(copy), cwd=tmp_path)
    first, last = outcome.out.splitlines()
    assert first == f"Report: {copy / 'report.html'}"
    assert last == f"Next: dlrecipes report {copy} --open"


def test_no_report_leaves_none_and_the_report_of_such_a_run_says_so(tmp_path: Path) -> None:
    asked = ("train", REGRESSION, "--data", "sample", "--epochs", "1", "--json")
    run = dlrecipes(*asked, cwd=tmp_path).document
    assert not (tmp_path / run["path"] / "report.html").exists()
    assert not (tmp_path / run["path"] / "shown.json").exists()
    again = dlrecipes("reproduce", REGRESSION, "--json", cwd=tmp_path).document
    assert not (tmp_path / again["path"] / "report.html").exists()
    dlrecipes("report", REGRESSION, cwd=tmp_path)
    html = (tmp_path / again["path"] / "report.html").read_text(encoding="utf-8")
    assert "trained with --no-report" in html
    assert {"test", "curves", "settings"} <= set(Page(html).ids)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return a folder with two runs on the same data, one of which was trained longer."""
    folder = tmp_path_factory.mktemp("two")
    asked = ("train", MNIST, "--data", "sample", "--filters", "8,8", "--json")
    names = {"short": ("--epochs", "1"), "long": ("--epochs", "3")}
    return folder, {
        name: dlrecipes(*asked, *flags, "--name", name, cwd=folder, report=True).document
        for name, flags in names.items()
    }


def test_two_runs_are_compared_on_the_same_test_examples(
    two_runs: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    folder, runs = two_runs
    found = dlrecipes("runs", "compare", "short", "long", "--json", cwd=folder).document
    apart = found["difference"]
    values = [runs[name]["metrics"]["accuracy"] for name in ("short", "long")]
    assert apart["metric"] == "accuracy"
    assert apart["difference"] == pytest.approx(values[1] - values[0])
    assert apart["difference"] == pytest.approx((apart["won"] - apart["lost"]) / 1000)
    assert apart["test"] == "exact McNemar"
    assert apart["verdict"] == "better"
    assert apart["interval"][0] > 0
    said = dlrecipes("runs", "compare", "short", "long", cwd=folder).out
    assert "long is better: its accuracy is" in said
    assert f"long alone is right about {apart['won']}, and " in said
    same = dlrecipes("runs", "compare", "long", "long", cwd=folder).out
    assert "may be noise" in same
    # Runs of one name are told apart by their recipes.
    assert re.search(rf"test metric +{MNIST}/long +{MNIST}/long", same)
    shutil.copytree(folder / "runs", tmp_path / "runs")
    (tmp_path / "runs" / MNIST / "long" / "scores.npz").write_bytes(b"")
    unknown = dlrecipes("runs", "compare", "short", "long", cwd=tmp_path).out
    assert "It is unknown whether the difference is more than noise" in unknown
    dlrecipes("report", "short", "long", cwd=tmp_path)
    page = tmp_path / "runs" / MNIST / "long" / "compared-with-short.html"
    html = page.read_text(encoding="utf-8")
    assert "It is unknown whether the difference is more than noise" in html
    assert "flips" not in Page(html).ids


def test_a_page_of_two_runs_shows_what_differs_both_curves_and_what_flipped(
    two_runs: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    folder, runs = two_runs
    asked = ("report", "short", "long", "--json")
    said = run_python(WITHOUT_TENSORFLOW, *asked, cwd=folder).document
    path = folder / "runs" / MNIST / "long" / "compared-with-short.html"
    assert (said["run"], said["other"]) == ("short", "long")
    assert folder / said["path"] == path
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert {"glance", "test", "differs", "curves", "flips", "lost", "won"} <= set(page.ids)
    assert not ADDRESS.search(html)
    assert page.links == []
    apart = dlrecipes("runs", "compare", "short", "long", "--json", cwd=folder).document
    flipped = apart["difference"]
    assert f"long is better: its accuracy is {flipped['difference']:.4f} higher" in html
    assert f"Right in A, wrong in B: {flipped['lost']}<" in html
    assert f"Wrong in A, right in B: {flipped['won']}<" in html
    shown = [min(flipped[name], 24) for name in ("lost", "won")]
    assert html.count('<figure class="card">') == sum(shown) == len(page.images)
    assert "<td>epochs</td><td>1</td><td>3</td>" in html
    assert "<td>filters</td>" not in html
    for label in ("A training", "A validation", "B training", "B validation"):
        assert f">{label}<" in html
    for run in runs.values():
        assert f'<td class="n">{run["metrics"]["accuracy"]:.4f}<br>' in html


def test_examples_that_flipped_are_those_of_the_data_and_what_each_run_says(
    run_of: RunOf, tmp_path: Path
) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    shutil.copytree(run_of(MNIST)["path"], first)
    wrong = made_wrong(first, other, count=3)
    dlrecipes("report", first, other, cwd=tmp_path)
    (path,) = other.glob("compared-with-*.html")
    html = path.read_text(encoding="utf-8")
    assert "Right in A, wrong in B: 3<" in html
    assert "Wrong in A, right in B: 0<" in html
    images, labels = mnist_test_images()
    # The surest mistake first: the loss of the last is the highest.
    expected = [png_url(images[row]) for row in reversed(wrong)]
    assert Page(html).images == expected
    for row in wrong:
        digit = int(labels[row])
        assert f"truth <b>{digit}</b>" in html
        assert f"<b>{(digit + 1) % 10}</b> 75.0 %" in html


def test_a_page_of_runs_that_cannot_be_compared_says_so_first(
    run_of: RunOf, tmp_path: Path
) -> None:
    copies = []
    for recipe in (REGRESSION, MNIST):
        copies.append(tmp_path / recipe)
        shutil.copytree(run_of(recipe)["path"], copies[-1])
    dlrecipes("report", *copies, cwd=tmp_path)
    (path,) = copies[1].glob("compared-with-*.html")
    html = path.read_text(encoding="utf-8")
    header = html[html.index("<header>") : html.index("</header>")]
    assert "Different recipes: regression-mlp and mnist-cnn." in header
    assert "Different data: diamonds (sample) and mnist (sample)." in header
    assert "trained for different tasks" in header
    ids = Page(html).ids
    assert {"glance", "test", "differs"} <= set(ids)
    assert not {"curves", "flips"} & set(ids)
    assert "B less A" not in html


def test_examples_whose_data_is_gone_are_said_to_be_missing(tmp_path: Path) -> None:
    rows = [f"{word} {number},{word}" for number in range(40) for word in ("good", "bad")]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    asked = ("train", "text-ngrams", "--data", "texts.csv", "--epochs", "1", "--name", "first")
    dlrecipes(*asked, cwd=tmp_path, report=True)
    first = tmp_path / "runs" / "text-ngrams" / "first"
    made_wrong(first, first.with_name("other"), count=2)
    dlrecipes("report", "first", "other", cwd=tmp_path)
    page = first.with_name("other") / "compared-with-first.html"
    html = page.read_text(encoding="utf-8")
    assert html.count('<figure class="card">') == 2
    (tmp_path / "texts.csv").unlink()
    dlrecipes("report", "first", "other", cwd=tmp_path)
    html = page.read_text(encoding="utf-8")
    assert "Some examples cannot be shown: There is no file or folder" in html
    assert html.count('<figure class="card">') == 0


def test_a_run_that_failed_has_a_report_of_what_there_is(run_of: RunOf, tmp_path: Path) -> None:
    from dlrecipes.runs.lookup import read_run

    copy = tmp_path / "runs" / REGRESSION / "failed"
    shutil.copytree(run_of(REGRESSION)["path"], copy)
    run = read_run(copy)
    run.status, run.error, run.metrics, run.files = "failed", "The loss is <NaN> & gone.", {}, {}
    run.details, run.plain_baseline, run.verdict = {}, {}, "unknown"
    run.save()
    header = 'epoch,loss,val_loss,"x""><img src=x onerror=alert(1)>"'
    (copy / "history.csv").write_text(f"{header}\n1,0.5,inf,0.1\n2,0.4,0.6,0.2\n")
    dlrecipes("report", str(copy), cwd=tmp_path)
    html = (copy / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "Status: failed" in html
    assert "The loss is &lt;NaN&gt; &amp; gone." in html
    assert "curves" in Page(html).ids


def test_texts_of_the_data_cannot_act_on_the_page(tmp_path: Path) -> None:
    rows = [
        f"<img src=x onerror=alert({number})><script>alert(1)</script> {word},{label}"
        for number in range(60)
        for word, label in (("good film", "</style><b>yes"), ("bad film", "no & <i>no</i>"))
    ]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    asked = ("train", "text-ngrams", "--data", "texts.csv", "--epochs", "1", "--json")
    run = dlrecipes(*asked, cwd=tmp_path, report=True).document
    html = (tmp_path / run["path"] / "report.html").read_text(encoding="utf-8")
    for markup in ("<script", "<img src=x", "<b>yes", "<i>no"):
        assert markup not in html
    assert "&lt;i&gt;no&lt;/i&gt;" in html
    Page(html)


def test_a_text_is_written_after_each_epoch_and_changes_nothing(tmp_path: Path) -> None:
    text = prose_test_text()[:20_000]
    (tmp_path / "text.txt").write_text(text)
    asked = ("train", TEXT, "--data", "text.txt", "--epochs", "2", "--lstm-units", "8", "--json")
    run = dlrecipes(*asked, cwd=tmp_path, report=True).document
    path = tmp_path / run["path"]
    html = (path / "report.html").read_text(encoding="utf-8")
    samples = sorted((path / "samples").iterdir())
    assert [sample.name for sample in samples] == ["epoch-001.txt", "epoch-002.txt"]
    prompt = text[int(len(text) * 0.95) :][:20]
    for sample in samples:
        written = sample.read_text(encoding="utf-8")
        assert len(written) == 20 + 80
        assert written.startswith(prompt)
        assert f"{escape(prompt)}</span>{escape(written[20:])}</span>" in html
    # Without a report, nothing is written while training: the weights are the same to the bit.
    plain = dlrecipes(*asked, cwd=tmp_path).document
    assert not (tmp_path / plain["path"] / "samples").exists()
    assert same_weights(weights_of(run, tmp_path), weights_of(plain, tmp_path))
