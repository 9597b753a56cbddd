"""The plain baseline: what scikit-learn reaches on the same rows, and whether that is noise."""

import math
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from support import (
    COMMAND,
    Array,
    dlrecipes,
    environment,
    mnist_test_images,
    prose_test_text,
    read_own,
    write_image,
    write_image_folders,
)
from test_docs import check_keys

from dlrecipes.baselines.base import Fitted, PlainBaseline, Problem, Rows
from dlrecipes.baselines.characters import CharacterNgrams
from dlrecipes.baselines.images import histograms, pixels
from dlrecipes.baselines.masks import surroundings
from dlrecipes.baselines.tables import TableClassifier
from dlrecipes.baselines.texts import TextClassifier, units_of
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.kit.scores import RankedScores, Scores
from dlrecipes.runs.noise import difference_of
from dlrecipes.runs.verdict import judge
from dlrecipes.tasks import Metric, Task, find_task
from dlrecipes.training.advice import flags_to_try
from dlrecipes.training.rival import Rival

KEYS = {
    *("name", "setting", "metrics", "seconds", "rows", "left_out", "tried", "complete"),
    "comparison",
}


def write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write named columns as a CSV file."""
    pd.DataFrame(columns).to_csv(path, index=False)


def table_of(examples: Examples) -> tuple[pd.DataFrame, Array]:
    """Return examples of named columns as a table, and their targets."""
    columns = {name: column[:] for name, column in examples.columns.items()}
    return pd.DataFrame(columns), np.asarray(examples.labels)


def splits_of(run: dict[str, Any], path: Path) -> tuple[Examples, Examples]:
    """Return the rows that a run was trained on, and its test rows."""
    source = read_own(run["task"], path)
    return source.train_and_validation(run["config"]["validation_fraction"])[0], source.test


@pytest.mark.long
def test_a_linear_table_is_worse_than_the_ridge_regression_that_scikit_learn_fits_by_hand(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    length, colour = random.normal(size=600), random.choice(["red", "blue", "green"], 600)
    price = 3 * length + (colour == "red") + random.normal(size=600) / 10
    write_table(tmp_path / "mine.csv", {"length": length, "colour": colour, "price": price})
    arguments = ("train", "regression-mlp", "--data", "mine.csv", "--epochs", "3")
    run = dlrecipes(
        *arguments, "--fail-on", "worse", "--json", cwd=tmp_path, code=1, baseline=True
    ).document
    plain = run["plain_baseline"]
    assert plain.keys() == {*KEYS, "advice"}
    check_keys("train, resume, runs", run)
    assert plain["name"] == "ridge regression"
    assert run["no_plain_baseline"] == ""
    assert run["no_baseline"] is False

    train, test = splits_of(run, tmp_path / "mine.csv")
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["length"]), (OneHotEncoder(), ["colour"])),
        RidgeCV((0.1, 1, 10, 100)),
    )
    model.fit(*table_of(train))
    table, truth = table_of(test)
    error = reference.mean_absolute_error(truth, model.predict(table))
    assert plain["metrics"]["mae"] == pytest.approx(error, rel=1e-6)
    assert plain["rows"] == run["data"]["rows"]
    assert set(plain["left_out"].values()) == {0}

    found = plain["comparison"]
    assert found["test"] == "paired bootstrap"
    assert found["network"] == pytest.approx(run["metrics"]["mae"])
    assert found["difference"] == pytest.approx(run["metrics"]["mae"] - error)
    assert 0 < found["interval"][0] < found["difference"] < found["interval"][1]
    assert found["verdict"] == "worse"
    assert run["verdict"] == "worse than the baseline"

    shown = dlrecipes("runs", "show", run["run"], cwd=tmp_path).out
    assert re.search(
        r"Verdict: worse than the baseline: mae [\d.]+; a plain baseline \(ridge regression\) "
        r"reaches [\d.]+: the baseline does better on this data \(difference \+[\d.]+, 95 % "
        r"interval \+[\d.]+ to \+[\d.]+\)\. Try --epochs 9\b.*There is no expected range",
        shown,
    )
    assert f"{error:.4f} (worse)" in dlrecipes("runs", cwd=tmp_path).out
    tested = dlrecipes("evaluate", run["run"], "--json", cwd=tmp_path).document
    assert tested["plain_baseline"] == plain
    write_table(
        tmp_path / "new.csv",
        {"length": [1, 2, 3] * 9, "price": [3, 6, 9] * 9} | {"colour": ["blue"] * 27},
    )
    other = dlrecipes(
        "evaluate", run["run"], "--data", "new.csv", "--target", "price", "--json", cwd=tmp_path
    ).document
    expected = model.predict(pd.read_csv(tmp_path / "new.csv"))
    error = np.abs(expected - np.array([3, 6, 9] * 9)).mean()
    assert other["plain_baseline"]["metrics"]["mae"] == pytest.approx(error, rel=1e-4)
    assert other["plain_baseline"]["rows"]["test"] == 27
    assert other["verdict"] == "worse than the baseline"


@pytest.mark.long
def test_a_network_that_beats_a_linear_model_and_trees_is_better_than_the_baseline(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(1500, 12))
    columns = {f"x{place}": column for place, column in enumerate(numbers.T)}
    write_table(tmp_path / "mine.csv", columns | {"y": np.abs(numbers.sum(axis=1))})
    arguments = ("train", "regression-mlp", "--data", "mine.csv", "--preset", "fast")
    run = dlrecipes(
        *arguments, "--epochs", "60", "--batch-size", "64", "--json", cwd=tmp_path, baseline=True
    ).document
    plain = run["plain_baseline"]
    assert plain["name"] == "histogram gradient boosting"
    train, test = splits_of(run, tmp_path / "mine.csv")
    model = HistGradientBoostingRegressor(loss="absolute_error", random_state=0)
    model.fit(*table_of(train))
    table, truth = table_of(test)
    error = reference.mean_absolute_error(truth, model.predict(table))
    assert plain["metrics"]["mae"] == pytest.approx(error, rel=1e-6)
    assert plain["comparison"]["interval"][1] < 0
    assert "advice" not in plain
    assert run["verdict"] == "better than the baseline"
    shown = dlrecipes("runs", "show", run["run"], cwd=tmp_path).out
    assert "this network is better (difference -" in shown


def write_texts(path: Path, count: int = 200) -> None:
    """Write texts of two classes that a word tells apart."""
    random = np.random.default_rng(0)
    labels = random.choice(["food", "law"], count)
    words = np.where(labels == "law", "court", "soup")
    noise = random.choice(["red", "blue", "green", "old"], (count, 3))
    texts = [f"{' '.join(some)} {word}" for some, word in zip(noise, words, strict=True)]
    write_table(path, {"text": texts, "label": labels})


@pytest.mark.long
def test_texts_that_both_get_right_are_a_tie_and_the_tool_says_that_the_network_adds_nothing(
    tmp_path: Path,
) -> None:
    write_texts(tmp_path / "mine.csv")
    arguments = ("train", "sentiment-lstm", "--data", "mine.csv", "--epochs", "8")
    outcome = dlrecipes(*arguments, "--batch-size", "8", cwd=tmp_path, baseline=True)
    assert "Verdict: a tie with the baseline: accuracy" in outcome.out
    assert "this network adds nothing on this data" in outcome.out
    (run,) = dlrecipes("runs", "--json", cwd=tmp_path).document
    plain = run["plain_baseline"]
    train, test = splits_of(run, tmp_path / "mine.csv")
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=200)
    )
    model.fit(train.columns["features"][:], np.asarray(train.labels))
    probabilities = model.predict_proba(test.columns["features"][:])
    truth = np.asarray(test.labels)
    assert plain["name"] == "tf-idf of words and pairs of words, logistic regression"
    assert plain["setting"] == "C=1"
    assert plain["metrics"]["accuracy"] == 1.0
    assert plain["metrics"]["loss"] == pytest.approx(reference.log_loss(truth, probabilities))
    # Its test rows stand in the order of their lengths in the network's batches.
    assert plain["comparison"]["test"] == "exact McNemar"
    assert run["verdict"] == "a tie with the baseline"


@pytest.mark.long
def test_a_baseline_that_fails_does_not_fail_the_training_and_is_said(tmp_path: Path) -> None:
    write_texts(tmp_path / "mine.csv", 60)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sklearn.py").write_text('raise RuntimeError("this one is broken")\n')
    outcome = dlrecipes(
        *("train", "sentiment-lstm", "--data", "mine.csv", "--epochs", "1", "--json"),
        cwd=tmp_path,
        baseline=True,
        env={"PYTHONPATH": str(tmp_path / "broken")},
    )
    run = outcome.document
    assert run["status"] == "finished"
    assert run["plain_baseline"] == {}
    assert run["no_plain_baseline"] == "it failed: RuntimeError: this one is broken"
    assert "There is no plain baseline to compare with: it failed: RuntimeError" in outcome.err
    assert run["verdict"].endswith("the baseline")
    assert (
        "There is no plain baseline: it failed"
        in dlrecipes("runs", "show", run["run"], cwd=tmp_path).out
    )


@pytest.mark.long
def test_no_baseline_leaves_it_out_and_is_recorded_and_followed_by_reproduce(
    tmp_path: Path,
) -> None:
    write_texts(tmp_path / "mine.csv", 60)
    arguments = ("train", "sentiment-lstm", "--data", "mine.csv", "--epochs", "1", "--json")
    run = dlrecipes(*arguments, "--no-baseline", cwd=tmp_path, baseline=True).document
    assert run["no_baseline"] is True
    assert run["plain_baseline"] == {}
    assert run["no_plain_baseline"] == "--no-baseline"
    assert "baseline" not in run["seconds"]
    dlrecipes("reproduce", run["run"], cwd=tmp_path)
    again = dlrecipes("runs", "--json", cwd=tmp_path).document[-1]
    assert again["run"] != run["run"]
    assert again["no_baseline"] is True
    shown = dlrecipes("runs", "show", run["run"], cwd=tmp_path).out
    assert "plain baseline" not in shown


@pytest.mark.long
def test_images_are_compared_with_logistic_regression_on_their_pixels_or_histograms(
    tmp_path: Path,
) -> None:
    images, digits = mnist_test_images()
    write_image_folders(tmp_path / "mine", images[:600], digits[:600])
    arguments = ("train", "mnist-cnn", "--data", "mine", "--epochs", "1", "--json")
    run = dlrecipes(*arguments, cwd=tmp_path, baseline=True).document
    plain = run["plain_baseline"]
    train, test = splits_of(run, tmp_path / "mine")
    features = {
        "logistic regression on pixels": pixels,
        "logistic regression on histograms of gradients and colours": histograms,
    }[plain["name"]]
    penalty = float(plain["setting"].removeprefix("C="))
    model = LogisticRegression(C=penalty, max_iter=100, tol=1e-3)
    model.fit(features(train.columns["features"][:]), np.asarray(train.labels))
    right = model.predict(features(test.columns["features"][:])) == np.asarray(test.labels)
    assert plain["metrics"]["accuracy"] == pytest.approx(right.mean())
    assert plain["metrics"]["accuracy"] > 0.8
    assert len(plain["tried"]) == 6


def test_histograms_are_of_the_directions_of_edges() -> None:
    stripes = np.zeros((2, 32, 32, 1), "uint8")
    stripes[0, ::4] = stripes[1, :, ::4] = 255
    down, across = histograms(stripes)[:, : 7 * 7 * 9].reshape(2, 49, 9).sum(axis=1)
    assert down.argmax() in (4, 5)
    assert across.argmax() in (0, 8)
    colours = histograms(np.full((1, 8, 8, 3), (255, 0, 0), "uint8"))[0, 441:465].reshape(3, 8)
    assert colours.argmax(axis=1).tolist() == [7, 0, 0]


@pytest.mark.long
def test_a_rare_class_is_judged_by_average_precision(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(2000, 3))
    is_bad = numbers[:, 0] * numbers[:, 1] + random.normal(size=2000) / 3 > 1.8
    columns = {"a": numbers[:, 0], "b": numbers[:, 1], "c": numbers[:, 2]}
    write_table(tmp_path / "mine.csv", columns | {"state": np.where(is_bad, "bad", "good")})
    arguments = ("train", "loans-mlp", "--data", "mine.csv", "--epochs", "2", "--json")
    run = dlrecipes(*arguments, cwd=tmp_path, baseline=True).document
    plain = run["plain_baseline"]
    source = read_own("tabular-classification", tmp_path / "mine.csv")
    train, _ = source.train_and_validation(run["config"]["validation_fraction"])
    model = HistGradientBoostingClassifier(random_state=0).fit(*table_of(train))
    table, truth = table_of(source.test)
    bad = source.classes.index("bad")
    expected = reference.average_precision_score(truth == bad, model.predict_proba(table)[:, bad])
    assert plain["name"] == "histogram gradient boosting"
    assert plain["metrics"]["average_precision"] == pytest.approx(expected)
    assert plain["comparison"]["verdict"] == "worse"
    assert plain["comparison"]["test"] == "paired bootstrap"


@pytest.mark.long
def test_masks_are_compared_with_single_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(40):
        image = random.integers(0, 256, (16, 16, 3), "uint8")
        mask = (image[..., 0] > 127).astype("uint8")
        write_image(tmp_path / "mine" / "images" / f"{number}.png", image)
        write_image(tmp_path / "mine" / "masks" / f"{number}.png", mask * 255)
    arguments = ("train", "land-unet", "--data", "mine", "--epochs", "1", "--json")
    run = dlrecipes(*arguments, cwd=tmp_path, baseline=True).document
    plain = run["plain_baseline"]
    train, test = splits_of(run, tmp_path / "mine")
    features, truth = (
        np.concatenate([surroundings(image) for image in train.columns["features"][:]]),
        np.asarray(train.labels).reshape(-1),
    )
    model = HistGradientBoostingClassifier(random_state=0).fit(features, truth)
    tested = np.concatenate([surroundings(image) for image in test.columns["features"][:]])
    expected = reference.jaccard_score(
        np.asarray(test.labels).reshape(-1), model.predict(tested), average="macro"
    )
    assert plain["name"] == "histogram gradient boosting of a pixel and its surroundings"
    assert plain["metrics"]["mean_iou"] == pytest.approx(expected, abs=0.01)
    assert plain["metrics"]["mean_iou"] > run["baseline"]["metrics"]["mean_iou"] + 0.2
    assert run["verdict"] == "worse than the baseline"


@pytest.mark.long
def test_prose_is_compared_with_character_n_grams_and_the_interrupted_run_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.txt").write_text(prose_test_text())
    arguments = ("text-generation-lstm", "--data", "mine.txt", "--epochs", "2")
    run = dlrecipes("train", *arguments, "--json", cwd=tmp_path, baseline=True).document
    plain = run["plain_baseline"]
    assert plain["name"] == "character n-grams with backing off"
    text = prose_test_text()
    known, tested = text[: int(len(text) * 0.9)], text[int(len(text) * 0.95) :]
    length = int(plain["setting"].removeprefix("n=")) - 1
    assert plain["metrics"]["loss"] == pytest.approx(witten_bell(known, tested, length))
    assert plain["comparison"]["network"] == pytest.approx(run["metrics"]["loss"])


def witten_bell(train: str, test: str, length: int) -> float:
    """Return the mean of -log p of the characters of a text but the first, counted one by one."""
    size = len(set(train)) + 1
    follow: dict[str, Counter[str]] = defaultdict(Counter)
    for place, character in enumerate(train):
        for before in range(min(place, length) + 1):
            follow[train[place - before : place]][character] += 1
    nats = []
    for place, character in enumerate(test):
        p = 1 / size
        for before in range(min(place, length) + 1):
            counts = follow.get(test[place - before : place])
            if counts:
                p = (counts[character] + len(counts) * p) / (counts.total() + len(counts))
        nats.append(-math.log(p))
    return float(np.mean(nats[1:]))


@pytest.mark.long
def test_an_interrupted_training_is_compared_once_it_is_resumed_as_if_nothing_had_been(
    tmp_path: Path,
) -> None:
    write_texts(tmp_path / "mine.csv", 60)
    arguments = ("train", "sentiment-lstm", "--data", "mine.csv", "--epochs", "40")
    straight = dlrecipes(*arguments, "--json", cwd=tmp_path, baseline=True).document
    with subprocess.Popen(
        [COMMAND, *arguments, "--name", "stopped"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        process.terminate()
        process.communicate(timeout=120)
    assert process.returncode == 130
    stopped = dlrecipes("runs", "--json", cwd=tmp_path).document[-1]
    assert stopped["status"] == "interrupted"
    assert stopped["plain_baseline"] == {}
    resumed = dlrecipes("resume", "stopped", "--json", cwd=tmp_path).document
    assert resumed["metrics"] == straight["metrics"]
    assert resumed["verdict"] == straight["verdict"]
    for run in (resumed, straight):
        assert run["plain_baseline"].pop("seconds") > 0
    assert resumed["plain_baseline"] == straight["plain_baseline"]


class Foreign(PlainBaseline):
    """A baseline of a task that a package brings, with metrics of its own."""

    most = 1e6

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return what each row costs."""
        return np.ones(len(examples))

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield two results, of which the worse one is better on the test rows."""
        yield Fitted("first", {"score": 0.5}, {"score": 0.9})
        yield Fitted("second", {"score": 0.6}, {"score": 0.7})


class InThisProcess:
    """Fits a baseline in this process."""

    def __init__(self, baseline: PlainBaseline, problem: Problem) -> None:
        self.found = list(baseline.fit(problem))

    def results(self, seconds: float) -> tuple[list[Fitted], bool]:
        """Return what was fitted, and that this is all."""
        return self.found, True


@pytest.mark.parametrize(("score", "verdict"), [(0.8, "better"), (0.7, "tie"), (0.6, "worse")])
def test_a_foreign_baseline_is_chosen_on_validation_and_compared_without_an_interval(
    score: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrecipes.training.rival.Process", InThisProcess)
    rows = Examples(np.zeros((30, 2)), np.zeros(30))
    source = Source("mine", "own", "files", rows, rows, rows)
    known = find_task("text-classification")
    task = Task("tagging", known.input, known.answer, Metric("score"), Foreign())
    plain = Rival(task, source, config=None).compared({"score": score}, seconds=1)
    assert plain["name"] == "second"
    assert plain["tried"] == {"first": 0.5, "second": 0.6}
    assert plain["comparison"]["interval"] == [None, None]
    assert plain["comparison"]["test"] == "none"
    assert plain["comparison"]["verdict"] == verdict
    without = replace(task, plain=None)
    rival = Rival(without, source, config=None)
    assert rival.compared({"score": score}, seconds=1) == {}
    assert rival.why_none == "none is known for tagging"
    assert not rival.has_failed


def text_rows(texts: list[str]) -> Examples:
    """Return texts as examples."""
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return Examples(column, np.arange(len(texts)) % 2)


def test_large_data_is_cut_down_to_the_same_random_rows_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = text_rows(["word " * 10] * 1000)
    baseline = TextClassifier()
    monkeypatch.setattr(TextClassifier, "most", 20_000)
    rows, again = (baseline.choose(examples, 2, "train") for _ in range(2))
    assert len(rows) == 400
    assert rows.total == 1000
    assert (rows.numbers == again.numbers).all()
    assert (rows.labels == rows.numbers % 2).all()
    assert len(baseline.choose(examples, 2, "test")) == 200
    table = Examples({"a": np.zeros(10_000), "b": np.zeros(10_000)}, np.zeros(10_000, "int32"))
    monkeypatch.setattr(TableClassifier, "most", 9_000)
    assert len(TableClassifier().choose(table, 3, "train")) == 2000, "as many as are always taken"


@pytest.mark.parametrize(
    ("texts", "analyzer"),
    [
        (["a red house", "the blue sea"], "word"),
        (["这部电影很好看", "太差了浪费时间"], "char"),
        (["หนังเรื่องนี้สนุกมาก", "แย่มากเสียเวลา"], "char"),
        (["この映画は面白い", "時間の無駄"], "char"),
        (["Это хороший фильм", "Плохо"], "word"),
    ],
)
def test_texts_are_read_by_words_where_spaces_part_them(texts: list[str], analyzer: str) -> None:
    _, options = units_of(texts)
    assert options.get("analyzer", "word") == analyzer
    TfidfVectorizer(**options).fit(texts)


def test_n_grams_are_those_counted_one_by_one_and_know_a_character_that_training_lacks() -> None:
    train, validation, test = "abracadabra " * 40, "abra " * 20, "cadabra? abra! " * 3

    def rows(text: str) -> Rows:
        codes = np.frombuffer(text.encode("utf-32-le"), "uint32")
        return Rows(codes, None, np.arange(len(codes)), len(codes))

    problem = Problem(rows(train), rows(validation), rows(test), (), "loss")
    found = list(CharacterNgrams().fit(problem))
    assert len(found) > 2
    for length, fitted in enumerate(found):
        assert fitted.setting == f"n={length + 1}"
        assert fitted.test["loss"] == pytest.approx(witten_bell(train, test, length))


def right(*answers: int) -> Scores:
    """Return the scores of answers that are right, 1, or wrong, 0."""
    return Scores(np.array(answers, "float64")[:, np.newaxis], np.zeros(len(answers)))


def test_mcnemar_counts_the_answers_that_only_one_model_gets_right() -> None:
    # Of 10 such answers the first is right about 8: P(8 or more of 10) = 56 / 1024 > 2.5 %.
    first, second = right(*[1] * 8, *[0] * 2, *[1] * 90), right(*[0] * 8, *[1] * 2, *[1] * 90)
    found = difference_of(first, second, are_right_or_wrong=True)
    assert found.difference == pytest.approx(0.06)
    assert found.verdict(higher_is_better=True) == "tie"
    # Clopper and Pearson's interval of 8 of 10 is 0.4439 to 0.9748.
    assert found.interval == pytest.approx(((2 * 0.4439 - 1) / 10, (2 * 0.9748 - 1) / 10), abs=1e-4)
    # Of 10 such answers the first is right about 9: P(9 or more of 10) = 11 / 1024 < 2.5 %.
    first, second = right(*[1] * 9, 0, *[1] * 90), right(*[0] * 9, 1, *[1] * 90)
    found = difference_of(first, second, are_right_or_wrong=True)
    assert found.verdict(higher_is_better=True) == "better"
    assert (
        difference_of(second, first, are_right_or_wrong=True).verdict(higher_is_better=True)
        == "worse"
    )
    same = difference_of(first, first, are_right_or_wrong=True)
    # Both are right about the same 100: of others, 1 - 0.025 ** (1 / 100) may be told apart.
    assert same.difference == 0
    assert same.interval == pytest.approx((-0.0362, 0.0362), abs=1e-4)


def test_a_paired_bootstrap_sees_what_an_unpaired_one_does_not() -> None:
    random = np.random.default_rng(1)
    errors = random.exponential(size=(300, 1))
    worse = Scores(errors + 0.05 + random.normal(size=(300, 1)) / 10, np.zeros(300))
    better = Scores(errors, np.zeros(300))
    paired, unpaired = difference_of(worse, better), difference_of(worse.value(), better)
    assert paired.verdict(higher_is_better=False) == "worse"
    assert unpaired.verdict(higher_is_better=False) == "tie"
    assert paired.difference == pytest.approx(unpaired.difference)
    low, high = paired.interval
    spread = float((worse.parts - better.parts).std()) / math.sqrt(300)
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    few = difference_of(worse.take(np.arange(5)), better.take(np.arange(5)))
    assert few.interval == (-math.inf, math.inf)
    assert few.verdict(higher_is_better=False) == "tie"


def test_average_precision_of_weighted_examples_is_that_of_repeated_ones() -> None:
    random = np.random.default_rng(2)
    positive, ranks = random.random(200) < 0.2, random.integers(0, 30, 200) / 30
    weights = random.integers(0, 4, 200)
    scores = RankedScores(ranks[:, np.newaxis], positive[:, np.newaxis])
    repeated = np.repeat(positive, weights), np.repeat(ranks, weights)
    assert scores.value() == pytest.approx(reference.average_precision_score(positive, ranks))
    assert scores.value(weights.astype("float64")) == pytest.approx(
        reference.average_precision_score(*repeated)
    )


@pytest.mark.parametrize(
    ("value", "without", "plain", "verdict"),
    [
        (0.9, 0.5, "better", "better than the baseline"),
        (0.9, 0.5, "tie", "a tie with the baseline"),
        (0.9, 0.5, "worse", "worse than the baseline"),
        # A plain baseline may do worse than guessing.
        (0.4, 0.5, "better", "worse than the baseline"),
        (0.9, None, "tie", "a tie with the baseline"),
        (0.9, 0.5, "", "better than the baseline"),
    ],
)
def test_the_verdict_is_against_the_better_of_guessing_and_the_plain_baseline(
    value: float, without: float | None, plain: str, verdict: str
) -> None:
    assert judge(value, (), without, higher_is_better=True, plain=plain) == verdict
    assert judge(value, (0.8, 1), without, higher_is_better=True, plain=plain) == (
        "as expected" if value > 0.8 else "worse than expected"
    )


def test_advice_follows_what_training_showed() -> None:
    config = {"epochs": 4, "batch_size": 64, "dropout": 0.0, "early_stopping": 0, "l2": 0.0}
    falling = [{"val_loss": 1 / epoch} for epoch in range(1, 5)]
    assert flags_to_try(config, falling, steps=10) == ["--epochs 12", "--batch-size 16"]
    rising = [{"val_loss": loss} for loss in (0.5, 0.3, 0.5, 0.7)]
    advice = flags_to_try(config, rising, steps=1000)
    assert advice == ["--early-stopping 3", "--dropout 0.3", "--l2 1e-4"]
    settled = [{"val_loss": loss} for loss in (0.5, 0.3, 0.3001, 0.3001)]
    assert flags_to_try({"learning_rate": 3e-3}, settled, steps=1000) == ["--learning-rate 0.001"]
