"""`runs compare` of two groups of seeds: their means, and whether the difference is noise."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from support import REGRESSION, dlrecipes

from dlrecipes.kit.metric_names import FUNCTIONS, limits_of
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import Run
from dlrecipes.runs.seed_groups import difference_of_means, margin_of_mean
from dlrecipes.system.words import number, numbers, with_margin
from dlrecipes.use.report.charts import short

RunOf = Callable[[str], dict[str, Any]]
BASE, BETTER, ALIKE = (330.0, 334.0, 329.0), (301.0, 304.0, 299.0, 303.0), (333.0, 327.0, 335.0)


def place(run: dict[str, Any], folder: Path, group: str, values: Sequence[float]) -> list[Run]:
    """Copy the record of a finished run under the names of a group, each with another result."""
    placed = []
    for seed, value in enumerate(values):
        path = folder / "runs" / REGRESSION / f"{group}-seed{seed}"
        path.mkdir(parents=True)
        shutil.copy(Path(run["path"]) / "run.json", path)
        copied = read_run(path)
        copied.run, copied.seed, copied.metrics["mae"] = path.name, seed, value
        copied.save()
        placed.append(copied)
    return placed


@pytest.fixture
def folder(run_of: RunOf, tmp_path: Path) -> Path:
    """Return a folder with three groups: the second is better than the first, the third is not."""
    for group, values in {"base": BASE, "wide": BETTER, "alike": ALIKE}.items():
        for run in place(run_of(REGRESSION), tmp_path, group, values):
            if group == "wide":
                run.config["batch_size"] = 17
                run.save()
    return tmp_path


def test_intervals_are_those_of_student_and_welch() -> None:
    first, second = [*BETTER], [*BASE]
    welch = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert difference_of_means(first, second).interval == pytest.approx((welch.low, welch.high))
    low, high = stats.t.interval(0.95, 2, loc=331, scale=stats.sem(BASE))
    assert (331 - margin_of_mean(BASE), 331 + margin_of_mean(BASE)) == pytest.approx((low, high))
    assert difference_of_means([2.0, 2.0], [1.0, 1.0]).interval == (1.0, 1.0)


def test_the_better_group_is_better_by_the_difference_of_the_means(folder: Path) -> None:
    shown = dlrecipes("runs", "compare", "base", "wide", cwd=folder).out
    assert "wide is better by 29.2 ± 5.3" in shown
    assert "its mean mae is lower (95 % interval of Welch's t, 3 and 4 seeds)." in shown
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("mae ")]
    assert row == ["mae", "331.0", "301.8"]
    assert next(line for line in shown.splitlines() if line.startswith("batch_size")).endswith("17")
    found = dlrecipes("runs", "compare", "wide", "base", "--json", cwd=folder).document
    assert found["difference"]["verdict"] == "worse"
    assert found["difference"]["seeds"] == [4, 3]
    assert found["warnings"] == []
    assert [*found["settings"]] == ["batch_size"]


def test_groups_that_differ_by_no_more_than_their_seeds_are_within_noise(folder: Path) -> None:
    shown = dlrecipes("runs", "compare", "base", "alike", cwd=folder).out
    assert "All settings but the seeds are the same." in shown
    assert "Within noise: the mean mae differs by 0.6667 ± " in shown


def test_an_unfinished_run_is_left_out_and_single_runs_are_compared_as_before(
    folder: Path,
) -> None:
    run = read_run(folder / "runs" / REGRESSION / "wide-seed3")
    run.status = "failed"
    run.save()
    found = dlrecipes("runs", "compare", "base", "wide", "--json", cwd=folder).document
    assert found["warnings"] == ["Left out, as they are not finished: wide-seed3."]
    assert found["difference"]["seeds"] == [3, 3]
    single = dlrecipes("runs", "compare", "base-seed0", "base-seed1", "--json", cwd=folder)
    assert single.document["metrics"]["mae"] == [330.0, 334.0]
    mixed = dlrecipes("runs", "compare", "base", "wide-seed0", cwd=folder, code=2).err
    assert "base is a group of several seeds, and wide-seed0 is not." in mixed


@pytest.mark.parametrize(
    ("metric", "value", "margin", "shown"),
    [
        ("recall", 0.451, 0.8437, "0.4510 (0.0000 to 1.0000)"),
        ("iou_water", 0.9, 0.2, "0.9000 (0.7000 to 1.0000)"),
        ("recall", 0.451, 0.1, "0.4510 ± 0.1000"),
        ("mae", 29.2, 40.0, "29.2 (0.0 to 69.2)"),
        ("r2", -0.5, 2.0, "-0.5000 (-2.5000 to 1.0000)"),
        ("loss", 0.5, 1.0, "0.5000 ± 1.0000"),
    ],
)
def test_an_interval_of_a_mean_ends_where_the_metric_does(
    metric: str, value: float, margin: float, shown: str
) -> None:
    assert with_margin(value, margin, limits_of(metric)) == shown


def test_numbers_that_are_compared_have_as_many_decimals_and_a_year_has_no_separator() -> None:
    assert numbers([0.9, 0.8123, None]) == ["0.9000", "0.8123", "-"]
    assert numbers([9.8765, 12.25]) == ["9.9", "12.2"]
    assert [number(value) for value in (2019, -1999, 12_345)] == ["2019", "-1999", "12,345"]
    assert short(2019) == "2019"


@pytest.mark.parametrize("function", ["classification_metrics", "rare_class_metrics"])
def test_metrics_of_classes_but_the_loss_are_from_0_to_1(function: str) -> None:
    assert {name for name in FUNCTIONS[function] if limits_of(name) != (0, 1)} == {"loss"}
