"""Training on your own data: its length and batches follow the rows, and what you give stays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import REGRESSION, SENTIMENT, dlrecipes, sample_table

from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import find_recipe
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.holding_out import FEW_VALUES, MOST_HELD_OUT
from dlrecipes.runs.lookup import read_run
from dlrecipes.tasks.answers.category import CategoryForm
from dlrecipes.training.request import Flags, Request
from dlrecipes.training.suited import MOST_EPOCHS, suited


def source(rows: int, rung: str = "own", name: str = "mine", rare: int = 0) -> Source:
    """Return data of so many training rows; of classes, so many in the rarer one."""
    labels = np.zeros(rows, "int64")
    labels[:rare] = 1
    examples = Examples(np.zeros(rows, "float32"), labels)
    return Source(
        name, rung, "", examples, examples.take(np.arange(1)), answer=CategoryForm(("ham", "spam"))
    )


def chosen(facts: Facts, data: Source, **flags: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return every setting of a training, and what was chosen for its data."""
    request = suited(Request.from_flags(facts, Flags(**flags)), data)
    return request.config, request.chosen


@pytest.mark.parametrize("rows", [30, 300, 3_000, 30_000, 300_000, 3_000_000])
def test_length_follows_the_rows(rows: int) -> None:
    facts = find_recipe(REGRESSION)
    config, choice = chosen(facts, source(rows))
    batch, epochs = config["batch_size"], config["epochs"]
    trained = rows - round(rows * config["validation_fraction"])
    steps = -(-trained // batch) * epochs
    assert 16 <= batch <= 4 * 256
    assert epochs == MOST_EPOCHS or 0.7 < steps / facts.own_steps <= 1.3 * max(
        1, (rows / 50_000) ** 0.5
    )
    assert config["early_stopping"] >= 3, "the best weights are kept"
    assert round(rows * config["validation_fraction"]) >= min(rows // 10, 1000)
    assert f"{trained:,} training rows" in choice["why"]
    for name, value in choice["settings"].items():
        assert config[name] == value


@pytest.mark.parametrize("rows", [20, 170, 251, 432, 480, 499, 700])
def test_as_many_rows_validate_as_the_diagnosis_asks_for(rows: int) -> None:
    data = source(rows)
    fraction = chosen(find_recipe(REGRESSION), data)[0]["validation_fraction"]
    _, validation = data.train_and_validation(fraction)
    can_be_reached = rows * MOST_HELD_OUT >= FEW_VALUES
    assert len(validation) >= FEW_VALUES if can_be_reached else fraction == 0.1
    assert fraction <= MOST_HELD_OUT
    masks = replace(data.train, labels=np.zeros((rows, 8, 8), "int64"))
    of_pixels = chosen(find_recipe(REGRESSION), replace(data, train=masks, answer=None))[0]
    assert of_pixels["validation_fraction"] <= 0.1, "each pixel is an answer to compare with"


def test_a_threshold_is_chosen_on_more_rows_than_three_classes_need() -> None:
    facts, data = find_recipe("loans-mlp"), source(4_000, rare=1_000)
    assert chosen(facts, data)[0]["validation_fraction"] == 0.2
    three = replace(data, answer=CategoryForm(("ham", "spam", "news")))
    assert chosen(facts, three)[0]["validation_fraction"] == 0.1


def test_what_is_given_by_hand_stays() -> None:
    facts = find_recipe(REGRESSION)
    config, choice = chosen(facts, source(300), settings={"epochs": "3", "batch_size": "256"})
    assert (config["epochs"], config["batch_size"], config["early_stopping"]) == (3, 256, 0)
    assert set(choice["settings"]) == {"validation_fraction", "wave_frequency"}
    every = {setting.name: str(setting.default) for setting in facts.settings}
    every |= {"hidden_units": "8"}
    assert chosen(facts, source(300), settings=every)[1] == {}


def test_a_preset_keeps_its_share_of_the_length_and_its_network() -> None:
    facts = find_recipe(REGRESSION)
    whole, fast = (chosen(facts, source(20_000), preset=preset)[0] for preset in ("", "fast"))
    assert fast["epochs"] == pytest.approx(whole["epochs"] * 2 / 30, abs=1)
    preset, choice = chosen(facts, source(300), preset="dense-32")
    assert preset["hidden_units"] == (32,)
    assert "learning_rate" not in choice["settings"]


def test_the_recipes_own_data_keeps_its_settings() -> None:
    facts = find_recipe(SENTIMENT)
    for rung, name in (
        ("sample", "movie-reviews-sample"),
        ("full", "imdb_reviews"),
        ("full", "imdb_reviews:1.0.0"),
    ):
        assert chosen(facts, source(300, rung, name))[1] == {}
    assert chosen(facts, source(300, "full", "glue/sst2"))[1] != {}


def test_rare_classes_weigh_more_from_ten_times_on() -> None:
    facts = find_recipe(SENTIMENT)
    config, choice = chosen(facts, source(1100, rare=100))
    assert config["balance_classes"]
    assert "class spam is 10 times rarer than ham" in choice["why"]
    assert not chosen(facts, source(1100, rare=200))[0]["balance_classes"]
    given = {"balance_classes": "false"}
    assert not chosen(facts, source(1100, rare=100), settings=given)[0]["balance_classes"]


@pytest.mark.parametrize(
    ("recipe", "rows", "classes", "name", "wanted"),
    [
        ("mnist-cnn", 3_000, 3, "early_stopping", 0),
        ("mnist-cnn", 3_000, 3, "learning_rate", 2e-3),
        ("mnist-cnn", 6_000, 3, "early_stopping", 9),
        ("mnist-cnn", 6_000, 3, "learning_rate", 4e-3),
        ("loans-mlp", 5_000, 3, "wave_frequency", 0.3),
        ("loans-mlp", 5_000, 2, "wave_frequency", 1.0),
        ("loans-mlp", 20_000, 3, "wave_frequency", 1.0),
        (REGRESSION, 500, 2, "wave_frequency", 0.1),
        (REGRESSION, 700, 2, "wave_frequency", 1.0),
    ],
)
def test_what_the_recipes_choose(
    recipe: str, rows: int, classes: int, name: str, wanted: float
) -> None:
    names = ("ham", "spam", "news")[:classes]
    data = replace(source(rows, rare=rows // 3), answer=CategoryForm(names))
    assert chosen(find_recipe(recipe), data)[0][name] == wanted
    given = {name: str(wanted + 1)}
    assert chosen(find_recipe(recipe), data, settings=given)[0][name] == wanted + 1


@pytest.mark.parametrize("optimizer", ["sgd", "lion"])
def test_another_optimizer_brings_its_rate(optimizer: str) -> None:
    facts = find_recipe("mnist-cnn")
    rate = Request.from_flags(facts, Flags(settings={"optimizer": optimizer})).config
    config, choice = chosen(facts, source(1_000), settings={"optimizer": optimizer})
    assert config["learning_rate"] == rate["learning_rate"] != 2e-3
    assert choice["settings"]["dropout"] == 0.5


def test_settings_of_the_recipe_for_few_rows() -> None:
    limits = {100: {"dropout": 0.5}, 1000: {"dropout": 0.2, "epochs": 7}}
    facts = replace(find_recipe(REGRESSION), own_settings=limits)
    values = [chosen(facts, source(rows))[0]["dropout"] for rows in (50, 500, 5000)]
    assert values == [0.5, 0.2, 0.0]
    assert chosen(facts, source(500))[0]["epochs"] == 7


def test_settings_of_the_recipe_for_several_classes_come_first() -> None:
    limits = {100: {"dropout": 0.5}, 1000: {"dropout": 0.2}, (1000, 2): {"dropout": 0.1}}
    facts = replace(find_recipe(SENTIMENT), own_settings=limits)
    assert [chosen(facts, source(rows))[0]["dropout"] for rows in (50, 500)] == [0.1, 0.1]
    facts = replace(facts, own_settings={100: {"dropout": 0.5}, (1000, 3): {"dropout": 0.1}})
    assert chosen(facts, source(50))[0]["dropout"] == 0.5


@pytest.mark.long
def test_the_choice_is_said_recorded_and_kept(tmp_path: Path) -> None:
    dlrecipes("copy", REGRESSION, "mine.py", cwd=tmp_path)
    text = (tmp_path / "mine.py").read_text()
    assert "OWN_STEPS = " in text
    line = next(line for line in text.splitlines() if line.startswith("OWN_STEPS"))
    (tmp_path / "mine.py").write_text(text.replace(line, "OWN_STEPS = 60"))
    sample_table("diamonds.csv", "train").head(300).to_csv(tmp_path / "mine.csv", index=False)
    asked = ("train", "./mine.py", "--data", "mine.csv", "--hidden-units", "8", "--json")
    outcome = dlrecipes(*asked, cwd=tmp_path)
    run = outcome.document
    settings = run["chosen"]["settings"]
    assert settings == {name: run["config"][name] for name in settings}
    assert settings.keys() >= {"epochs", "batch_size", "early_stopping", "validation_fraction"}
    assert f"--epochs {run['config']['epochs']}" in outcome.err
    assert "216 training rows" in outcome.err
    assert run["status"] == "finished"
    again = dlrecipes("reproduce", run["path"], "--json", cwd=tmp_path).document
    assert read_run(tmp_path / again["path"]).chosen == run["chosen"]
    assert again["same"]
