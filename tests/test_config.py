"""Settings: their types and ranges, and where their values come from."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlrecipes.catalog.config_files import ConfigFile, read_config_file, resolve_settings
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.settings import Setting, ValueType, parse_annotation, show_value
from dlrecipes.errors import InputError

AT_LEAST_ONE = "Annotated[int, Interval(minimum=1)]"
ABOVE_ZERO = "Annotated[float, Interval(minimum=0, open_minimum=True)]"
FRACTION = "Annotated[float, Interval(minimum=0, maximum=1, open_maximum=True)]"


def value_type(annotation: str) -> ValueType:
    """Return the setting type of an annotation as a recipe writes it."""
    return parse_annotation(ast.parse(annotation, mode="eval").body)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("int", "-3", -3),
        ("float", "3e-3", 0.003),
        ("float", "2", 2.0),
        ("str", "a, b", "a, b"),
        ("bool", "true", True),
        ("bool", "False", False),
        (AT_LEAST_ONE, "1", 1),
        (ABOVE_ZERO, "1e-30", 1e-30),
        (FRACTION, "0", 0.0),
        (FRACTION, "0.999", 0.999),
        ("Literal['adam', 'sgd']", "sgd", "sgd"),
        ("Literal[1, 2]", "2", 2),
        ("tuple[int, ...]", "32", (32,)),
        (f"tuple[{AT_LEAST_ONE}, ...]", "32, 64,128", (32, 64, 128)),
        ("tuple[float, ...]", "", ()),
        ("int | None", "none", None),
        ("int | None", "3", 3),
        ("tuple[int, ...] | None", "None", None),
        ("str | None", "nothing", "nothing"),
    ],
)
def test_a_flags_text_becomes_a_value_of_the_settings_type(
    annotation: str, text: str, value: Any
) -> None:
    parsed = value_type(annotation).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        ("int", "3.5", "an integer"),
        ("int", "three", "an integer"),
        ("int", "none", "an integer"),
        ("float", "fast", "a number"),
        ("float", "nan", "a number"),
        ("float", "inf", "a number"),
        ("float", "1e999", "a number"),
        ("bool", "maybe", "true or false"),
        (AT_LEAST_ONE, "0", "an integer at least 1"),
        (ABOVE_ZERO, "0", "a number above 0"),
        (FRACTION, "1", "a number at least 0 and below 1"),
        (FRACTION, "-0.1", "a number at least 0 and below 1"),
        ("Literal['adam', 'sgd']", "Adam", "one of adam, sgd"),
        (f"tuple[{AT_LEAST_ONE}, ...]", "32,0", "a comma-separated list, each item an integer"),
        ("int | None", "null", "an integer, or none"),
    ],
)
def test_a_flags_text_of_the_wrong_type_or_range_is_refused_with_what_was_expected(
    annotation: str, text: str, expected: str
) -> None:
    setting = Setting("some_setting", value_type(annotation), None)
    with pytest.raises(InputError, match=re.escape(f"--some-setting must be {expected}")) as caught:
        setting.parse(text)
    assert f"Received: {text!r}" in caught.value.message


@pytest.mark.parametrize(
    ("annotation", "value", "accepted"),
    [
        ("int", 3, True),
        ("int", 3.0, False),
        ("int", True, False),
        ("int", "3", False),
        ("float", 3, True),
        ("float", True, False),
        ("float", float("nan"), False),
        ("bool", True, True),
        ("bool", 1, False),
        ("str", "a", True),
        ("str", 3, False),
        ("tuple[int, ...]", [1, 2], True),
        ("tuple[int, ...]", 1, False),
        ("tuple[int, ...]", [1, "2"], False),
        ("tuple[int, ...]", "12", False),
        ("Literal['adam', 'sgd']", "sgd", True),
        ("Literal['adam', 'sgd']", ["sgd"], False),
        ("Literal[1, 2]", True, False),
        ("int | None", None, True),
        ("int", None, False),
    ],
)
def test_a_files_value_is_held_against_the_settings_type(
    annotation: str, value: Any, accepted: bool
) -> None:
    setting = Setting("some_setting", value_type(annotation), None)
    if accepted:
        expected = tuple(value) if isinstance(value, list) else value
        assert setting.check(value, "file.toml") == expected
    else:
        with pytest.raises(InputError, match=r"file\.toml: some_setting must be"):
            setting.check(value, "file.toml")


@pytest.mark.parametrize(
    "annotation",
    ["list[int]", "dict", "tuple[int, int]", "int | str", "Path", "'int'", "Any", "PositiveInt"],
)
def test_a_type_that_no_flag_can_have_is_refused(annotation: str) -> None:
    with pytest.raises(ValueError, match="cannot be the type of a setting"):
        value_type(annotation)


@pytest.mark.parametrize("value", [3, 0.003, 1e-30, 0.1234567890123, True, "adam", (32, 64), None])
def test_a_value_is_shown_as_it_can_be_typed_again(value: Any) -> None:
    kinds = {int: "int", float: "float", bool: "bool", str: "str", tuple: "tuple[int, ...]"}
    again = value_type(kinds.get(type(value), "int") + " | None").parse(show_value(value))
    assert again == value


SETTINGS = (
    Setting("epochs", value_type(AT_LEAST_ONE), 3),
    Setting("rate", value_type(ABOVE_ZERO), 0.1),
    Setting("filters", value_type("tuple[int, ...]"), (16,)),
    Setting("dropout", value_type(FRACTION), 0.0),
)


def test_flags_come_before_files_files_before_presets_and_presets_before_defaults() -> None:
    resolved = resolve_settings(
        SETTINGS,
        preset={"rate": 0.2, "filters": (32,), "dropout": 0.2},
        file=ConfigFile(Path("file.toml"), settings={"filters": [64], "dropout": 0.3}),
        flags={"dropout": "0.4"},
    )
    assert resolved == {"epochs": 3, "rate": 0.2, "filters": (64,), "dropout": 0.4}


def test_an_unknown_setting_in_a_file_is_refused_with_the_nearest() -> None:
    file = ConfigFile(Path("file.toml"), settings={"epoch": 3})
    with pytest.raises(
        InputError, match=r"file\.toml: this recipe has no setting 'epoch'"
    ) as caught:
        resolve_settings(SETTINGS, file=file)
    assert caught.value.hint == "Did you mean epochs?"


def test_toml_and_json_files_say_the_same(tmp_path: Path) -> None:
    toml, json_file = tmp_path / "file.toml", tmp_path / "file.json"
    toml.write_text('recipe = "mnist-cnn"\nseed = 7\ndata = "sample"\nfilters = [8, 16]\n')
    document = {"recipe": "mnist-cnn", "seed": 7, "data": "sample", "filters": [8, 16]}
    json_file.write_text(json.dumps(document))
    one, other = read_config_file(toml), read_config_file(json_file)
    assert one.recipe == other.recipe == "mnist-cnn"
    assert one.seed == other.seed == 7
    assert one.data == other.data == "sample"
    assert one.settings == other.settings == {"filters": [8, 16]}


def test_a_runs_own_record_asks_for_all_that_the_run_was_asked_for(tmp_path: Path) -> None:
    settings = {"epochs": 2, "rate": 0.5, "filters": [8], "dropout": 0.25}
    record = {
        "schema": 1,
        "recipe": "mnist-cnn",
        "preset": "one-conv",
        "seed": 11,
        "config": settings,
        "data": {"requested": "sample", "data_dir": "/prepared", "rung": "sample"},
        "metrics": {"accuracy": 0.9},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    for path in (tmp_path / "run.json", tmp_path):
        file = read_config_file(path)
        assert (file.recipe, file.preset, file.seed) == ("mnist-cnn", "one-conv", 11)
        assert (file.data, file.data_dir) == ("sample", "/prepared")
        assert resolve_settings(SETTINGS, file=file) == {**settings, "filters": (8,)}


@pytest.mark.parametrize(
    ("requested", "rung", "data"),
    [
        ("auto", "sample", "sample"),
        ("auto", "full", "full"),
        ("full", "full", "full"),
        ("tfds:cifar10", "full", "tfds:cifar10"),
        ("/home/me/photos", "own", "/home/me/photos"),
    ],
)
def test_a_runs_own_record_asks_for_the_data_that_it_was_trained_on(
    requested: str, rung: str, data: str, tmp_path: Path
) -> None:
    stamp = {"requested": requested, "rung": rung, "fingerprint": "0123456789abcdef"}
    record = {"schema": 1, "recipe": "mnist-cnn", "config": {}, "data": stamp}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_config_file(tmp_path).data == data


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("file.toml", "epochs = = 3", "neither valid TOML nor valid JSON"),
        ("file.json", '{"epochs": 3', "neither valid TOML nor valid JSON"),
        ("file.json", "[1, 2]", "must hold a table of settings"),
        ("file.json", "[" * 100_000, "neither valid TOML nor valid JSON"),
        ("file.toml", 'seed = "seven"', "seed must be an integer"),
        ("file.toml", "seed = true", "seed must be an integer"),
        ("file.toml", "data = 3", "data must be text"),
        ("file.toml", "x = 1\n" * 200_000, "larger than a configuration file"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    name: str, text: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_config_file(tmp_path / name)


def test_every_default_and_preset_of_a_recipe_can_be_typed_as_flags() -> None:
    facts = find_recipe("mnist-cnn")
    for preset in ({}, *facts.presets.values()):
        values = resolve_settings(facts.settings, preset=preset)
        typed = {name: show_value(value) for name, value in values.items()}
        assert resolve_settings(facts.settings, flags=typed) == values
