"""The examples in docs/examples do what the guides say of them."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import started_browser, tried
from support import (
    CHECKOUT,
    Outcome,
    build_wheel,
    dlrecipes,
    install,
    mnist_test_images,
    run_process,
    write_image_folders,
)

EXAMPLES = CHECKOUT / "docs" / "examples"
INK = "ink-cnn"


@pytest.mark.long
def test_the_recipe_of_the_guide_is_valid_and_trains(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "my_recipe.py", tmp_path)
    (report,) = dlrecipes("check", "my_recipe.py", "--json", cwd=tmp_path).document
    assert report["problems"] == []
    images, labels = mnist_test_images()
    write_image_folders(tmp_path / "digits", images[:300], labels[:300])
    trained = dlrecipes(
        *("train", "./my_recipe.py", "--data", "digits", "--units", "32", "--json"), cwd=tmp_path
    ).document
    assert trained["recipe"] == "my-recipe"
    assert trained["verdict"] == "better than the baseline"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment into which the example's wheel was installed."""
    folder = tmp_path_factory.mktemp("ink")
    shutil.copytree(EXAMPLES / "ink", folder / "source")
    return install(build_wheel(folder / "source", folder), folder / "environment")


@pytest.fixture(scope="module")
def ink(environment: Path) -> Callable[..., Outcome]:
    """Return the command of that environment."""
    folder = environment.parents[2]

    def run(*words: str | Path) -> Outcome:
        data = {"DLRECIPES_DATA": str(folder / "data")}
        return run_process([environment, "-m", "dlrecipes", *words], cwd=folder, env=data)

    return run


def test_the_example_package_is_listed_and_checked(ink: Callable[..., Outcome]) -> None:
    listed = {entry["name"]: entry for entry in ink("list", "--json").document}
    assert listed[INK]["task"] == "signal-classification"
    assert listed[INK]["dataset"] == "ink_profiles"
    reports = {report["name"]: report for report in ink("check", "--json").document}
    assert reports[INK]["problems"] == []
    assert "--filters" in ink("train", INK, "--help").out


@pytest.mark.long
def test_the_example_package_trains_on_its_data_set_with_its_task(
    ink: Callable[..., Outcome], tmp_path: Path
) -> None:
    flags = ("--data", "full", "--epochs", "8", "--name", "full", "--json")
    trained = ink("train", INK, *flags).document
    assert trained["data"]["rows"]["test"] == 1000
    assert trained["metrics"]["accuracy"] > 0.6
    assert trained["data"]["input"] == {"shape": [56, 1]}
    assert ink("data", "info", "ink_profiles", "--json").document["package"] == "dlrecipes_ink"

    rows = tmp_path / "new.csv"
    with rows.open("w", newline="") as file:
        csv.writer(file).writerows([[f"ink_{place}" for place in range(56)], [1.0] * 56])
    (prediction,) = ink("predict", INK, rows, "--json").document["predictions"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    exported = ink("export", INK, "--json").document
    assert exported["max_abs_difference"] < 1e-5
    assert ink("resume", "full", "--json").document["status"] == "finished"


@pytest.mark.long
def test_the_example_package_brings_a_kind_of_answer(
    ink: Callable[..., Outcome], tmp_path: Path
) -> None:
    trained = ink("train", "ink-counter", "--data", "sample", "--json").document
    assert trained["task"] == "signal-counting"
    assert trained["verdict"] == "better than the baseline"
    rows = tmp_path / "new.csv"
    with rows.open("w", newline="") as file:
        csv.writer(file).writerows([[f"ink_{place}" for place in range(56)], [1.0] * 56])
    (prediction,) = ink("predict", "ink-counter", rows, "--json").document["predictions"]
    assert prediction["count"] >= 0
    assert ink("export", "ink-counter", "--json").document["max_abs_difference"] < 1e-5


@pytest.mark.long
def test_the_example_package_trains_on_its_sample(ink: Callable[..., Outcome]) -> None:
    flags = ("--data", "sample", "--epochs", "1", "--name", "sample", "--json")
    trained = ink("train", INK, *flags).document
    assert trained["data"]["name"] == "ink-sample"
    assert trained["data"]["rows"]["test"] == 100


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.serve
def test_the_example_package_gets_a_page_to_try_it(
    ink: Callable[..., Outcome], environment: Path, tmp_path: Path
) -> None:
    flags = ("--data", "sample", "--epochs", "1", "--name", "tried", "--json")
    trained = ink("train", "ink-counter", *flags).document
    rows = tmp_path / "new.csv"
    with rows.open("w", newline="") as file:
        csv.writer(file).writerows([[f"ink_{place}" for place in range(56)], [1.0] * 56])
    (found,) = ink("predict", "tried", rows, "--json").document["predictions"]
    folder = environment.parents[2]
    command = (environment, "-m", "dlrecipes")
    with (
        tried(folder / trained["path"], command=command) as (address, _),
        started_browser() as browser,
    ):
        page = browser.new_page()
        page.goto(address)
        page.get_by_label("Choose a file, or drop one here").set_input_files(rows)
        page.get_by_role("cell", name=f"{found['count']:.1f}", exact=True).wait_for()
        assert page.get_by_role("cell", name="new.csv", exact=False).is_visible()
        page.get_by_role("button", name="Example 2").click()
        page.get_by_role("cell", name="example 2", exact=True).wait_for()
