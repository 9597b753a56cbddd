"""`explain --attack`: the smallest change that flips an answer; `--adversarial` resists it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import (
    CHEAP,
    MNIST,
    REGRESSION,
    dlrecipes,
    mnist_test_images,
    run_python,
    write_image,
)
from test_docs import check_keys

RunOf = Callable[[str], dict[str, Any]]
STRENGTH = 32

WITHOUT_ART = """
import sys

sys.modules["art"] = None
from dlrecipes.cli import main

sys.exit(main(sys.argv[1:]))
"""


def pixels_of(path: str | Path) -> Any:
    """Return the pixels of an image file, int64 (height, width)."""
    with Image.open(path) as image:
        return np.asarray(image).astype("int64")


def accuracies(path: str, *, cwd: Path) -> dict[str, dict[int, float]]:
    """Return what `explain --attack` says of the test rows: by method, the accuracy by strength."""
    document = dlrecipes("explain", path, "--attack", "--output", "out", "--json", cwd=cwd).document
    check_keys("explain --attack", document)
    assert document["rows"] == {"attacked": 500, "test": 1000}
    html = (cwd / "out" / "attack.html").read_text("utf-8")
    assert "500 of 1,000 test rows" in html
    assert "<svg" in html
    assert "http:" not in html.replace("http://www.w3.org/", "")
    return {
        method: dict(zip(document["strengths"], values, strict=True))
        for method, values in document["accuracy"].items()
    }


@pytest.mark.robust
@pytest.mark.long
def test_a_change_of_the_strength_that_is_said_flips_the_answer(
    run_of: RunOf, tmp_path: Path
) -> None:
    run, images = run_of(MNIST)["path"], mnist_test_images()[0]
    names = ["first.png", "second.png"]
    for name, image in zip(names, images, strict=False):
        write_image(tmp_path / name, image.squeeze())
    asked = ("explain", run, *names, "--attack", "--output", "out")
    document = dlrecipes(*asked, "--json", cwd=tmp_path).document
    check_keys("explain --attack", document)
    answers = dlrecipes("predict", run, *names, "--json", cwd=tmp_path).document["predictions"]
    assert [one["input"] for one in document["attacked"]] == names
    assert [one["answer"] for one in document["attacked"]] == [one["label"] for one in answers]
    pictures = [attack["picture"] for one in document["attacked"] for attack in one["attacks"]]
    again = dlrecipes("predict", run, *pictures, "--json", cwd=tmp_path).document["predictions"]
    by_picture = {one["input"]: one for one in again}
    for one in document["attacked"]:
        before = pixels_of(tmp_path / one["input"])
        assert [attack["method"] for attack in one["attacks"]] == ["FGSM", "PGD"]
        for attack in one["attacks"]:
            apart = np.abs(pixels_of(tmp_path / attack["picture"]) - before)
            assert 0 < apart.max() == attack["epsilon"] < 128
            found = by_picture[attack["picture"]]
            assert found["label"] == attack["answer"] != one["answer"]
            probability = found["probabilities"][found["label"]]
            assert probability == pytest.approx(attack["probability"], abs=1e-4)
            beside = pixels_of(tmp_path / attack["side_by_side"])
            assert beside.shape == (8 * 28, 8 * (3 * 28 + 2))
            assert (beside[::8, : 8 * 28 : 8] == before).all()
    html = (tmp_path / "out" / "attack.html").read_text("utf-8")
    assert html.count("<img") == 2 * 2 * 3
    assert "http:" not in html
    assert "https:" not in html
    said = dlrecipes("explain", run, names[1], *asked[4:], cwd=tmp_path).out
    assert "second.png" in said
    assert str(document["attacked"][1]["attacks"][1]["epsilon"]) in said


@pytest.mark.robust
@pytest.mark.long
def test_adversarial_training_resists_attacks_and_leaves_a_plain_network(
    run_of: RunOf, tmp_path: Path
) -> None:
    flags = ("--data", "sample", *CHEAP[MNIST], "--adversarial", str(STRENGTH), "--json")
    run = dlrecipes("train", MNIST, *flags, cwd=tmp_path).document
    plain = run_of(MNIST)
    assert run["parameters"] == plain["parameters"]
    assert run["metrics"]["accuracy"] > plain["metrics"]["accuracy"] - 0.02
    trained, untrained = (
        accuracies(run["path"], cwd=tmp_path),
        accuracies(plain["path"], cwd=tmp_path),
    )
    for values in (*trained.values(), *untrained.values()):
        assert list(values.values()) == sorted(values.values(), reverse=True)
    assert untrained["PGD"][STRENGTH] < 0.5
    # The standard error of a share of 500 rows is at most 0.022.
    assert trained["PGD"][STRENGTH] > untrained["PGD"][STRENGTH] + 0.3
    assert trained["FGSM"][STRENGTH] > untrained["FGSM"][STRENGTH] + 0.1
    with zipfile.ZipFile(tmp_path / run["path"] / "serving.keras") as archive:
        network = archive.read("config.json").decode()
    assert json.loads(network)["class_name"] == "Functional"
    assert "dlrecipes" not in network, "it needs Keras alone"
    again = dlrecipes("evaluate", run["path"], "--json", cwd=tmp_path).document
    assert again["metrics"] == pytest.approx(run["metrics"])


def test_what_cannot_be_attacked_is_said(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(REGRESSION)["path"]
    outcome = dlrecipes("explain", run, "--attack", cwd=tmp_path, code=2)
    assert "flips the class of an image" in outcome.err
    assert "tabular-regression" in outcome.err
    outcome = dlrecipes("explain", run, cwd=tmp_path, code=2)
    assert "explain takes inputs" in outcome.err
    run = run_of(MNIST)["path"]
    outcome = run_python(WITHOUT_ART, "explain", run, "--attack", cwd=tmp_path, code=2)
    assert "pip install 'dlrecipes[robust]'" in outcome.err
