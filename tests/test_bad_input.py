"""Bad input: one clear sentence, exit code 2, no traceback, and nothing written."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import (
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    WITHOUT_TENSORFLOW,
    Outcome,
    dlrecipes,
    files_below,
    mnist_test_images,
    recipe_source,
    run_python,
    side_by_side,
    write_image,
)

from dlrecipes.runs.lookup import read_run

RunOf = Callable[[str], dict[str, Any]]

SAMPLE = ("--data", "sample")
COLUMNS = "carat,depth,table,x,y,z,cut,color,clarity"
ROW = "0.5,61,55,5.1,5.1,3.1,Ideal,E,VS1"


@dataclass(frozen=True)
class Case:
    """One bad request.

    Args:
        name: What is wrong with it.
        arguments: What is typed; `RUN:recipe` stands for the path of that recipe's run.
        says: What the error must say, in this order.
        files: Files that are there, by path.
        stdin: Standard input.
        lines: Most lines that the error may take.
    """

    name: str
    arguments: tuple[str, ...]
    says: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""
    lines: int = 2


def train(*arguments: str) -> tuple[str, ...]:
    """Return a command that would train on the sample."""
    return ("train", MNIST, *SAMPLE, *arguments)


def case(name: str, arguments: tuple[str, ...], *says: str, **options: Any) -> Case:
    """Return a case."""
    return Case(name, arguments, says, **options)


REQUESTS = [
    case("unknown command", ("trian", MNIST), "No such command 'trian'"),
    case("unknown recipe", ("train", "mnist-cmn"), "There is no recipe 'mnist-cmn'", "mnist-cnn"),
    case("nothing like a recipe", ("train", "zzz"), "There is no recipe 'zzz'", "dlrecipes list"),
    case("no recipe", ("train",), "recipe"),
    case("no recipe but a flag", ("train", "--quiet"), "recipe"),
    case("unknown flag", train("--epoch", "3"), "No such option", "--epoch"),
    case("flag of another recipe", train("--hidden-units", "3"), "No such option"),
    case("flag without a value", train("--epochs"), "--epochs"),
    case("text for an integer", train("--epochs", "three"), "--epochs must be an integer"),
    case("fraction for an integer", train("--epochs", "1.5"), "--epochs must be an integer"),
    case("zero epochs", train("--epochs", "0"), "--epochs must be an integer at least 1", "'0'"),
    case("negative rate", train("--learning-rate", "-1"), "--learning-rate must be a number above"),
    case("rate that is no number", train("--learning-rate", "nan"), "--learning-rate must be"),
    case("dropout of 1", train("--dropout", "1"), "--dropout must be a number at least 0 and bel"),
    case("unknown choice", train("--optimizer", "adem"), "--optimizer must be one of adam"),
    case("bad list", train("--filters", "16,x"), "--filters must be a comma-separated list"),
    case("value for a yes or no", train("--augmentation=maybe"), "--augmentation"),
    case("unknown preset", train("--preset", "two-cnv"), "no preset 'two-cnv'", "two-conv"),
    case("bad device", train("--device", "tpu"), "--device must be auto, cpu, gpu or gpu:N"),
    case("bad device number", train("--device", "gpu:x"), "--device must be auto, cpu, gpu"),
    case("name with a path", train("--name", "../x"), "--name takes up to 100 letters, digits"),
    case("name with a space", train("--name", "my run"), "--name takes up to 100 letters, digits"),
    case("name of a recipe", train("--name", REGRESSION), "is the name of a recipe"),
    case("negative seed", train("--seed", "-1"), "--seed must be from 0 to 4294967295"),
    case("large seed", train("--seed", "4294967296"), "--seed must be from 0 to 4294967295"),
    case("text for a seed", train("--seed", "x"), "--seed"),
    case("missing config", train("--config", "no.toml"), "--config no.toml cannot be read"),
    case(
        "invalid TOML",
        train("--config", "bad.toml"),
        "bad.toml is neither valid TOML nor valid JSON",
        files={"bad.toml": b"epochs = ["},
    ),
    case(
        "invalid JSON",
        train("--config", "bad.json"),
        "bad.json is neither valid TOML nor valid JSON",
        files={"bad.json": b'{"epochs": }'},
    ),
    case(
        "config that is not UTF-8",
        train("--config", "bad.toml"),
        "bad.toml",
        files={"bad.toml": b"\xff\xfe"},
    ),
    case(
        "unknown setting in a config",
        train("--config", "mine.toml"),
        "mine.toml: this recipe has no setting 'epoch'",
        "Did you mean epochs?",
        files={"mine.toml": b"epoch = 3\n"},
    ),
    case(
        "wrong type in a config",
        train("--config", "mine.json"),
        "mine.json: epochs must be an integer at least 1. Received: '3'",
        files={"mine.json": b'{"epochs": "3"}'},
    ),
    case(
        "config for another recipe",
        train("--config", "mine.toml"),
        "mine.toml",
        files={"mine.toml": b"hidden_units = [3]\n"},
    ),
    case("missing recipe file", ("train", "./no.py"), "There is no recipe file ./no.py"),
    case(
        "recipe file that is not Python",
        ("train", "./notes.txt"),
        "its name must end in .py",
        files={"notes.txt": b"x"},
    ),
    case(
        "recipe file with a syntax error",
        ("train", "./broken.py", *SAMPLE),
        "broken.py: syntax error, line 2",
        "dlrecipes check",
        files={"broken.py": b"x = 1\ndef build(:\n"},
    ),
    case(
        "recipe file without build",
        ("train", "./partial.py", *SAMPLE),
        "it has no function build(config, data)",
        "dlrecipes check",
        files={"partial.py": recipe_source(MNIST).replace("def build(", "def make(").encode()},
    ),
    case("checking a missing file", ("check", "no.py"), "no.py"),
    case("no runs at all", ("evaluate", MNIST), "There is no run 'mnist-cnn' in runs."),
    case("a run that there is not", ("predict", "runs/x/y", "a.png"), "There is no run"),
    case("a run outside", ("evaluate", "../../etc"), "There is no run at ../../etc"),
    case("copy to a file in use", ("copy", MNIST, "a.py"), "already exists", files={"a.py": b""}),
    case("copy to no Python file", ("copy", MNIST, "a.txt"), "must end in .py"),
    case("copy into a missing folder", ("copy", MNIST, "no/a.py"), "cannot be written"),
    case("show without a run", ("runs", "show"), "Missing argument"),
    case("predict without input", ("predict", f"RUN:{MNIST}"), "Missing argument"),
    case(
        "generation option for an image run",
        ("predict", f"RUN:{MNIST}", "a.png", "--length", "3"),
        "--length has no effect",
    ),
    case(
        "files of a run's own data",
        ("evaluate", f"RUN:{MNIST}", "--decimal", ","),
        "--decimal has no effect without --data",
    ),
    case("no length", ("predict", f"RUN:{TEXT}", "a", "--length", "0"), "--length must be from 1"),
    case(
        "negative temperature",
        ("predict", f"RUN:{TEXT}", "a", "--temperature", "-1"),
        "--temperature must be from 0",
    ),
    case(
        "unknown export format",
        ("export", f"RUN:{MNIST}", "--format", "onyx"),
        "--format must be one of saved-model, keras, litert, onnx, openvino. Received: 'onyx'",
    ),
]

IMAGE = f"RUN:{MNIST}"
TABLE = f"RUN:{REGRESSION}"


def table(*lines: str) -> dict[str, bytes]:
    """Return a file of rows."""
    return {"rows.csv": "\n".join(lines).encode() + b"\n"}


def png() -> bytes:
    """Return the bytes of a good image."""
    from io import BytesIO

    from PIL import Image

    content = BytesIO()
    Image.fromarray(mnist_test_images()[0][0]).save(content, "PNG")
    return content.getvalue()


INPUTS = [
    case("missing image", ("predict", IMAGE, "no.png"), "There is no file no.png"),
    case("empty image", ("predict", IMAGE, "a.png"), "a.png is empty", files={"a.png": b""}),
    case(
        "cut image",
        ("predict", IMAGE, "a.png"),
        "a.png is a damaged image",
        files={"a.png": png()[:150]},
    ),
    case(
        "text as an image",
        ("predict", IMAGE, "a.png"),
        "a.png is not an image",
        files={"a.png": b"hello"},
    ),
    case(
        "several bad images are all listed",
        ("predict", IMAGE, "a.png", "no.png"),
        "2 problems",
        "a.png is empty",
        "There is no file no.png",
        files={"a.png": b""},
        lines=3,
    ),
    case(
        "folder without images",
        ("predict", IMAGE, "folder"),
        "folder has no images",
        files={"folder/a.txt": b"x"},
    ),
    case(
        "missing columns",
        ("predict", TABLE, "rows.csv"),
        "rows.csv has no column",
        "it has carat, cut.",
        "The columns needed are carat",
        files=table("carat,cut", "0.5,Ideal"),
    ),
    case(
        "text in a column of numbers",
        ("predict", TABLE, "rows.csv"),
        "rows.csv, line 2: carat is 'heavy', not a finite number",
        files=table(COLUMNS, ROW.replace("0.5", "heavy")),
    ),
    case(
        "column that stands twice",
        ("predict", TABLE, "rows.csv"),
        "duplicate column carat",
        files=table("carat," + COLUMNS, "0.5," + ROW),
    ),
    case("missing table", ("predict", TABLE, "no.csv"), "There is no file no.csv"),
    case(
        "misspelled table",
        ("predict", TABLE, "row.csv"),
        "There is no file row.csv.",
        "Did you mean rows.csv?",
        files=table(COLUMNS, ROW),
    ),
    case(
        "misspelled image",
        ("predict", IMAGE, "some/diigt.png"),
        "There is no file some/diigt.png.",
        "Did you mean some/Digit.png?",
        files={"some/Digit.png": png(), "some/other.png": png()},
    ),
    case(
        "misspelled text file",
        ("predict", f"RUN:{SENTIMENT}", "reviws.txt"),
        "There is no text file reviws.txt.",
        "Did you mean reviews.txt?",
        files={"reviews.txt": b"good"},
    ),
    case(
        "other data with a misspelled name",
        ("evaluate", TABLE, "--data", "row.csv"),
        "There is no file or folder row.csv: --data must be auto, full, sample, tfds:NAME or a",
        "Did you mean rows.csv?",
        files=table(COLUMNS, ROW),
    ),
    case(
        "misspelled rung",
        ("train", MNIST, "--data", "sampel"),
        "There is no file or folder sampel: --data must be auto, full, sample, tfds:NAME or a",
        "Did you mean sample?",
    ),
    case(
        "misspelled target",
        ("train", REGRESSION, "--data", "rows.csv", "--target", "prize"),
        "rows.csv has no column prize: it has metres, price, floor.",
        "Did you mean price?",
        files=table("metres,price,floor", *["1,2,3", "2,3,4"] * 20),
    ),
    case(
        "misspelled column of texts",
        ("train", SENTIMENT, "--data", "rows.csv", "--text-column", "riview"),
        "rows.csv has no column riview: it has Review, label. Did you mean Review?",
        files=table("Review,label", "good,yes", "bad,no"),
    ),
    case(
        "misspelled column of labels",
        ("train", SENTIMENT, "--data", "rows.csv", "--label-column", "sentimnt"),
        "rows.csv has no column sentimnt: it has text, sentiment. Did you mean sentiment?",
        files=table("text,sentiment", "good,yes", "bad,no"),
    ),
    case("empty table", ("predict", TABLE, "rows.csv"), "rows.csv", files={"rows.csv": b""}),
    case(
        "table without rows",
        ("predict", TABLE, "rows.csv"),
        "rows.csv has no rows",
        files=table(COLUMNS),
    ),
    case(
        "table with a row that is too long",
        ("predict", TABLE, "rows.csv"),
        "rows.csv, line 2: it has 11 cells, and the header 9",
        files=table(COLUMNS, ROW + ",1,2"),
    ),
    case(
        "table that is not UTF-8",
        ("predict", TABLE, "rows.csv"),
        "rows.csv, line 2: byte 1 is not UTF-8 text (0xff)",
        files={"rows.csv": COLUMNS.encode() + b"\n\xff"},
    ),
    case(
        "text that is not UTF-8",
        ("predict", f"RUN:{SENTIMENT}", "a.txt"),
        "a.txt, line 1: byte 4 is not UTF-8 text (0xe9)",
        files={"a.txt": b"caf\xe9"},
    ),
    case(
        "standard input that is not UTF-8",
        ("predict", f"RUN:{SENTIMENT}", "-"),
        "Standard input is not UTF-8 text",
        stdin=b"caf\xe9",
    ),
    case(
        "nothing on standard input",
        ("predict", f"RUN:{SENTIMENT}", "-"),
        "There is no text to read",
    ),
    case("empty text", ("predict", f"RUN:{SENTIMENT}", "  "), "There is no text to read"),
    case("missing text file", ("predict", f"RUN:{SENTIMENT}", "no.txt"), "There is no", "no.txt"),
    case("empty prompt", ("predict", f"RUN:{TEXT}", ""), "There is no text to read"),
    case(
        "device that is not there",
        ("predict", IMAGE, "a.png", "--device", "gpu:9"),
        "gpu:9",
        files={"a.png": png()},
    ),
    case(
        "other data that is not there",
        ("evaluate", IMAGE, "--data", "nowhere"),
        "There is no file or folder nowhere: --data must be auto, full, sample, tfds:NAME or a",
    ),
    case(
        "other data with classes that the network does not know",
        ("evaluate", IMAGE, "--data", "mine"),
        "unknown label 'cat'. The model was trained on",
        files={"mine/cat/1.png": png(), "mine/3/1.png": png()},
    ),
    case(
        "other data without the target",
        ("evaluate", TABLE, "--data", "rows.csv"),
        "rows.csv has no column",
        files=table(COLUMNS, ROW),
    ),
    case(
        "own data that is not there",
        ("train", MNIST, "--data", "nowhere"),
        "There is no file or folder nowhere: --data must be auto, full, sample, tfds:NAME or a",
    ),
    case(
        "own images of one class",
        ("train", MNIST, "--data", "mine"),
        "one class only (cat)",
        files={"mine/cat/1.png": png()},
    ),
    case(
        "own images with a damaged one",
        ("train", MNIST, "--data", "mine"),
        "1.png is empty",
        files={"mine/cat/1.png": b""}
        | {f"mine/{name}/{number}.png": png() for name in ("cat", "dog") for number in range(2, 9)},
    ),
    case(
        "own images with a damaged one, which is all that a class has",
        ("train", MNIST, "--data", "mine"),
        "mine has 2 problems",
        "1.png is empty",
        "one class only (dog)",
        files={"mine/cat/1.png": b"", "mine/dog/1.png": png()},
        lines=4,
    ),
    case(
        "own images too few to test on",
        ("train", MNIST, "--data", "mine"),
        "too few examples",
        files={"mine/cat/1.png": png(), "mine/dog/1.png": png()},
    ),
    case(
        "own folder that is empty",
        ("train", MNIST, "--data", "mine"),
        "mine has no folder for each class",
        files={"mine/readme.md": b"x"},
    ),
    case(
        "own texts without labels",
        ("train", SENTIMENT, "--data", "rows.csv"),
        "rows.csv has no column of labels: it has text",
        files=table("text", "good"),
    ),
    case(
        "own texts in no known form",
        ("train", SENTIMENT, "--data", "texts.doc"),
        "texts.doc must be a folder",
        files={"texts.doc": b"x"},
    ),
    case(
        "own text that is too short",
        ("train", TEXT, "--data", "a.txt"),
        "a.txt is too short",
        files={"a.txt": b"to be or not to be"},
    ),
    case(
        "own table whose target is text",
        ("train", REGRESSION, "--data", "rows.csv"),
        "the target colour holds text, not numbers",
        files=table("metres,colour", *["1,red", "2,blue"] * 20),
    ),
    case(
        "network that cannot be built",
        train("--filters", "8,8,8,8,8"),
        "The model cannot be built with these settings",
    ),
]


@dataclass(frozen=True)
class Tried:
    """What came of a case, and whether anything was written."""

    outcome: Outcome
    wrote: bool


def prepare_case(tried: Case, run_of: RunOf, folder: Path) -> list[str]:
    """Write a case's files into an empty folder, and return its arguments with the runs' paths."""
    for name, content in tried.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [
        str(run_of(word.removeprefix("RUN:"))["path"]) if word.startswith("RUN:") else word
        for word in tried.arguments
    ]


def try_case(tried: Case, run_of: RunOf, folder: Path, *flags: str) -> Tried:
    """Run a case in an empty folder."""
    arguments = prepare_case(tried, run_of, folder)
    of_runs = [word for word in tried.arguments if word.startswith("RUN:")]
    folders = [folder, *(Path(run_of(word.removeprefix("RUN:"))["path"]) for word in of_runs)]
    before = [files_below(path) for path in folders]
    outcome = dlrecipes(*arguments, *flags, cwd=folder, stdin=tried.stdin, code=None)
    return Tried(outcome, wrote=before != [files_below(path) for path in folders])


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, run_of: RunOf, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tried]:
    """Return what came of each case that is to be tested, by its name.

    Networks that they need are trained before, one after the other: a training uses all cores.
    """
    callspecs = [getattr(item, "callspec", None) for item in request.session.items]
    cases: dict[str, Case] = {
        callspec.params["tried"].name: callspec.params["tried"]
        for callspec in callspecs
        if callspec is not None and "tried" in callspec.params
    }
    words = {word for tried in cases.values() for word in tried.arguments if "RUN:" in word}
    for word in words:
        run_of(word.removeprefix("RUN:"))
    folders = {name: tmp_path_factory.mktemp("case") for name in cases}
    return side_by_side(lambda name: try_case(cases[name], run_of, folders[name]), cases)


def require_in_order(fragments: tuple[str, ...], text: str) -> None:
    """Fail unless every fragment stands in the text, in this order."""
    place = 0
    for fragment in fragments:
        assert fragment in text[place:], text
        place = text.index(fragment, place) + len(fragment)


@pytest.mark.parametrize("tried", [*REQUESTS, *INPUTS], ids=lambda tried: tried.name)
def test_bad_input_gets_one_clear_error_and_writes_nothing(
    tried: Case, results: dict[str, Tried]
) -> None:
    outcome = results[tried.name].outcome
    assert outcome.code == 2, outcome
    assert not results[tried.name].wrote
    if tried.arguments[0] == "check":  # its report is what was asked for
        require_in_order(tried.says, outcome.out)
        return
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.error.startswith("Error: ")
    assert len(outcome.error.splitlines()) <= tried.lines
    require_in_order(tried.says, outcome.error)


WITHOUT = (
    *("missing image", "missing table", "missing columns", "missing text file", "empty prompt"),
    *("other data that is not there", "other data without the target"),
    "other data with classes that the network does not know",
)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_users_files_are_looked_at_before_tensorflow_is_imported(
    name: str, run_of: RunOf, tmp_path: Path
) -> None:
    (tried,) = (tried for tried in INPUTS if tried.name == name)
    arguments = prepare_case(tried, run_of, tmp_path)
    outcome = run_python(WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path, code=2)
    require_in_order(tried.says, outcome.err)


AS_JSON = (
    *("unknown command", "unknown recipe", "unknown flag", "zero epochs"),
    *("recipe file with a syntax error", "no runs at all", "unknown export format"),
    *("predict without input", "missing columns", "missing image"),
)


@pytest.mark.parametrize("name", AS_JSON)
def test_the_same_error_as_json_is_one_document_with_the_same_exit_code(
    name: str, run_of: RunOf, tmp_path: Path
) -> None:
    (tried,) = (tried for tried in [*REQUESTS, *INPUTS] if tried.name == name)
    result = try_case(tried, run_of, tmp_path, "--json")
    outcome = result.outcome
    assert outcome.code == 2
    assert not result.wrote
    assert outcome.document.keys() == {"error", "hint"}
    require_in_order(tried.says, f"{outcome.document['error']}\n{outcome.document['hint']}")
    assert outcome.error == ""


def edit_record(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a run's record by hand, as somebody might who wants a better result."""
    document = json.loads((path / "run.json").read_text())
    change(document)
    (path / "run.json").write_text(json.dumps(document))


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unfinish(path: Path, status: str) -> None:
    """Record another status, as dlrecipes itself would."""
    run = read_run(path)
    run.status = status
    run.save()


TAMPERED: dict[str, tuple[Callable[[Path], Any], tuple[str, ...], str]] = {
    "better metrics": (
        lambda run: edit_record(run, lambda record: record["metrics"].update(mae=1.0)),
        ("evaluate", "mine"),
        "run.json was changed after training",
    ),
    "another setting": (
        lambda run: edit_record(run, lambda record: record["config"].update(epochs=1)),
        ("runs", "show", "mine"),
        "run.json was changed after training",
    ),
    "record that is not JSON": (
        lambda run: (run / "run.json").write_text('{"run": '),
        ("evaluate", "mine"),
        "run.json is damaged: it is not valid JSON",
    ),
    "record of something else": (
        lambda run: (run / "run.json").write_text('["a", "b"]'),
        ("evaluate", "mine"),
        "is not the record of a run",
    ),
    "record of a newer version": (
        lambda run: edit_record(run, lambda record: record.update(schema=3)),
        ("evaluate", "mine"),
        "was written by a newer dlrecipes",
    ),
    "changed network": (
        lambda run: (run / "model.keras").write_bytes(b"x"),
        ("evaluate", "mine"),
        "model.keras was changed after training",
    ),
    "changed recipe": (
        lambda run: (run / "recipe.py").write_text("raise SystemExit('owned')\n"),
        ("evaluate", "mine"),
        "recipe.py was changed after training",
    ),
    "missing network": (
        lambda run: (run / "model.keras").unlink(),
        ("evaluate", "mine"),
        "model.keras is missing",
    ),
    "half of the serving network": (
        lambda run: cut(run / "serving.keras"),
        ("predict", "mine", "rows.csv"),
        "serving.keras was changed after training",
    ),
    "changed golden inputs": (
        lambda run: (run / "golden.npz").write_bytes(b"x"),
        ("export", "mine"),
        "golden.npz was changed after training",
    ),
    **{
        f"{command} of a run that is {status}": (
            lambda run, status=status: unfinish(run, status),
            (command, "mine", *more),
            f"is not finished: it is {shown}",
        )
        for command, status, shown, *more in (
            ("evaluate", "interrupted", "interrupted"),
            # Nobody holds its lock.
            ("predict", "running", "interrupted: its process was killed", "rows.csv"),
            ("export", "failed", "failed"),
        )
    },
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_run_that_is_unfinished_or_was_tampered_with_is_refused(
    name: str, run_of: RunOf, tmp_path: Path
) -> None:
    tamper, arguments, sentence = TAMPERED[name]
    run = tmp_path / "runs" / REGRESSION / "mine"
    shutil.copytree(run_of(REGRESSION)["path"], run)
    (tmp_path / "rows.csv").write_text(f"{COLUMNS}\n{ROW}\n")
    tamper(run)
    before = files_below(tmp_path)
    outcome = dlrecipes(*arguments, cwd=tmp_path, code=2)
    assert re.match("Error: ", outcome.error)
    assert sentence in outcome.error
    assert len(outcome.error.splitlines()) <= 2
    assert "Traceback" not in outcome.err
    assert "owned" not in outcome.out + outcome.err
    assert files_below(tmp_path) == before


def test_runs_lists_the_good_ones_and_names_one_that_cannot_be_read(
    run_of: RunOf, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / REGRESSION
    for name in ("good", "bad"):
        shutil.copytree(run_of(REGRESSION)["path"], folder / name)
    (folder / "bad" / "run.json").write_text("{")
    shown = dlrecipes("runs", cwd=tmp_path)
    assert "finished" in shown.out
    assert "bad/run.json is damaged" in shown.err
    document = dlrecipes("runs", "--json", cwd=tmp_path).document
    assert [entry["status"] for entry in document] == ["finished", "unreadable"]


def test_a_prompt_with_unknown_characters_is_no_error(run_of: RunOf, tmp_path: Path) -> None:
    arguments = ("predict", run_of(TEXT)["path"], "日本", "--length", "5", "--json")
    (entry,) = dlrecipes(*arguments, cwd=tmp_path).document["predictions"]
    assert entry["text"].startswith("日本")
    assert len(entry["text"]) == 7


def test_a_recipe_too_large_to_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text("# comment\n" * 200_000)
    assert "larger than a recipe" in dlrecipes("train", "./large.py", cwd=tmp_path, code=2).err


def test_the_image_that_was_damaged_above_can_be_read_whole(tmp_path: Path) -> None:
    from dlrecipes.datasets.own.images import read_image

    write_image(tmp_path / "a.png", mnist_test_images()[0][0])
    assert (tmp_path / "a.png").read_bytes() == png()
    assert read_image(tmp_path / "a.png", (28, 28, 1)).shape == (28, 28, 1)
