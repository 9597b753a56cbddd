"""Segmentation: masks of the sample, of a user's own folders, of published data, and exports."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from PIL import Image
from support import dlrecipes, sample_file, write_image

from dlrecipes.kit.segmentation import segmentation_metrics
from dlrecipes.system.backend import load_tensorflow

LAND = "land-unet"
CHEAP = ("--epochs", "2", "--filters", "4,8", "--steps-per-execution", "1")


@pytest.fixture(scope="module")
def tiles() -> dict[str, Any]:
    """Return the arrays of the sample."""
    from io import BytesIO

    with np.load(BytesIO(sample_file("land.npz"))) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _write_folders(folder: Path, tiles: dict[str, Any], mask: Any) -> None:
    """Write some tiles as `images/` and `masks/` of the same names, in folders of their split."""
    for split, count in (("train", 48), ("test", 12)):
        for number in range(count):
            name = f"{number:02}.png"
            write_image(folder / split / "images" / name, tiles[f"x_{split}"][number])
            write_image(folder / split / "masks" / name, mask(tiles[f"y_{split}"][number]))


def _pixels(path: Path) -> Any:
    """Return the pixels of an image file."""
    with Image.open(path) as image:
        return np.asarray(image)


def test_metrics_are_those_of_scikit_learn() -> None:
    tf = load_tensorflow()
    random = np.random.default_rng(0)
    probabilities = random.random((4, 5, 6, 3)).astype("float32")
    masks = random.integers(0, 3, (4, 5, 6)).astype("uint8")
    batches = tf.data.Dataset.from_tensor_slices((probabilities, masks)).batch(3)

    def same(outputs: Any, training: bool) -> Any:
        return outputs

    found = segmentation_metrics(same, batches, ("a", "b", "c"))
    called, true = probabilities.argmax(-1).ravel(), masks.ravel()
    expected = reference.jaccard_score(true, called, average=None)
    assert [found[f"iou_{name}"] for name in "abc"] == pytest.approx(expected)
    assert found["mean_iou"] == pytest.approx(expected.mean())
    assert found["accuracy"] == pytest.approx((called == true).mean())


def test_the_sample_is_split_by_place_and_beats_a_rule_of_colour(tiles: dict[str, Any]) -> None:
    assert tiles["classes"].tolist() == ["water", "land"]
    train, test = ({tile.tobytes() for tile in tiles[name]} for name in ("x_train", "x_test"))
    assert not train & test


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        ("grey", lambda numbers: numbers * 255),
        ("numbers", lambda numbers: numbers),
        ("colour", lambda numbers: np.stack([numbers * 200, numbers * 0, 90 - numbers], -1)),
    ],
)
def test_own_folders_of_images_and_masks_train_predict_and_export(
    kind: str, mask: Any, tiles: dict[str, Any], tmp_path: Path
) -> None:
    _write_folders(tmp_path / "mine", tiles, lambda numbers: mask(numbers).astype("uint8"))
    checked = dlrecipes("data", "check", "mine", "--task", LAND, "--json", cwd=tmp_path).document
    assert checked["rows"] == {"train": 48, "test": 12}
    run = dlrecipes("train", LAND, "--data", "mine", *CHEAP, "--json", cwd=tmp_path).document
    assert run["metrics"]["mean_iou"] > run["baseline"]["metrics"]["mean_iou"]
    assert len(run["data"]["answer"]["classes"]) == 2
    image = tmp_path / "mine" / "test" / "images" / "00.png"
    outcome = dlrecipes("predict", LAND, image, "--output", "out", "--json", cwd=tmp_path)
    (prediction,) = outcome.document["predictions"]
    assert sum(prediction["shares"].values()) == pytest.approx(1)
    assert np.array(prediction["mask"]).shape == (64, 64)
    written, given = (
        _pixels(path)
        for path in (
            tmp_path / prediction["path"],
            tmp_path / "mine" / "test" / "masks" / "00.png",
        )
    )
    assert written.ndim == given.ndim
    assert {tuple(np.atleast_1d(pixel)) for row in written for pixel in row} <= {
        tuple(np.atleast_1d(pixel)) for row in given for pixel in row
    }
    exported = dlrecipes("export", LAND, "--json", cwd=tmp_path).document
    assert exported["max_abs_difference"] < 1e-5


def test_what_is_no_mask_is_named_with_its_file(tiles: dict[str, Any], tmp_path: Path) -> None:
    _write_folders(tmp_path / "mine", tiles, lambda numbers: numbers)
    (tmp_path / "mine" / "train" / "masks" / "07.png").unlink()
    outcome = dlrecipes("train", LAND, "--data", "mine", cwd=tmp_path, code=2)
    assert re.search(r"images/07\.png has no mask .*masks/07\.png", outcome.err)
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype("uint8")
    write_image(tmp_path / "mine" / "train" / "masks" / "07.png", photo)
    outcome = dlrecipes("train", LAND, "--data", "mine", cwd=tmp_path, code=2)
    assert "more than 256 different pixels" in outcome.err
    outcome = dlrecipes("train", LAND, "--data", "mine/train/images", cwd=tmp_path, code=2)
    assert "must hold the folders images and masks" in outcome.err
