"""Pictures from noise: two optimizers, a judge, snapshots of every epoch, own pictures, exports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import dlrecipes, mnist_test_images, write_image, write_image_folders

from dlrecipes.kit.generated_images import frechet_distance

pytestmark = pytest.mark.long

GAN = "digits-gan"
CHEAP = ("--epochs", "2", "--filters", "8", "--batch-size", "128", "--steps-per-execution", "1")


def test_the_frechet_distance_is_that_of_gaussians() -> None:
    random = np.random.default_rng(0)
    one = random.standard_normal((4000, 3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    # Means 2 apart, deviations of 1 and 3 in one of three directions: 4 + (3 - 1)^2.
    other = random.standard_normal((4000, 3)) * [3, 1, 1] + [0, 2, 0]
    assert frechet_distance(one, other) == pytest.approx(8, rel=0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a short training on the sample."""
    folder = tmp_path_factory.mktemp("gan")
    arguments = ("train", GAN, "--data", "sample", *CHEAP, "--json")
    document = dlrecipes(*arguments, cwd=folder, report=True).document
    return document | {"cwd": folder}


def test_a_run_has_a_grid_for_each_epoch_and_no_baseline(run: dict[str, Any]) -> None:
    folder = run["cwd"] / run["path"] / "samples"
    grids = sorted(folder.iterdir())
    assert [path.name for path in grids] == ["epoch-001.png", "epoch-002.png"]
    with Image.open(grids[0]) as grid:
        assert grid.size == (8 * 28, 8 * 28)
    assert grids[0].read_bytes() != grids[1].read_bytes()
    assert run["baseline"] == {}
    assert set(run["metrics"]) == {"frechet_distance", "class_coverage", "confidence"}


def test_evaluate_finds_what_training_found(run: dict[str, Any]) -> None:
    found = dlrecipes("evaluate", GAN, "--json", cwd=run["cwd"]).document
    assert found["metrics"] == pytest.approx(run["metrics"])


def test_predict_draws_the_same_picture_for_a_seed_and_exports(run: dict[str, Any]) -> None:
    shown = dlrecipes("predict", GAN, "7", cwd=run["cwd"])
    assert "seed 7" in shown.out
    arguments = ("predict", GAN, "5", "7-8", "--output", "drawn", "--json")
    first, second, third = dlrecipes(*arguments, cwd=run["cwd"]).document["predictions"]
    assert (first["input"], third["input"]) == ("seed 5", "seed 8")
    with Image.open(run["cwd"] / second["path"]) as image:
        pixels = np.asarray(image)
    assert (pixels == np.array(second["picture"])[..., 0]).all()
    outcome = dlrecipes("predict", GAN, "many", cwd=run["cwd"], code=2)
    assert "must be a whole number" in outcome.err
    assert dlrecipes("export", GAN, "--json", cwd=run["cwd"]).document["max_abs_difference"] < 1e-3


def test_own_pictures_with_and_without_classes_can_be_imitated(tmp_path: Path) -> None:
    images, labels = mnist_test_images()
    write_image_folders(tmp_path / "classes", images[:300], labels[:300])
    for number, pixels in enumerate(images[:300]):
        write_image(tmp_path / "plain" / f"{number:03}.png", pixels)
    for folder, metrics in (
        ("classes", {"frechet_distance", "class_coverage", "confidence"}),
        ("plain", {"frechet_distance"}),
    ):
        arguments = ("train", GAN, "--data", folder, *CHEAP, "--epochs", "1", "--json")
        document = dlrecipes(*arguments, cwd=tmp_path).document
        assert set(document["metrics"]) == metrics
