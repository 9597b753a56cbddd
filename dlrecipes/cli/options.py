"""Options that several commands share."""

import re
import shlex
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.cli import completion
from dlrecipes.errors import InputError

if TYPE_CHECKING:
    from dlrecipes.runs.record import Run

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output, nothing else.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show only the result and warnings.")]
RunsDir = Annotated[
    Path, typer.Option("--runs-dir", envvar="DLRECIPES_RUNS", help="Folder that holds all runs.")
]
RUNS_DIR = Path("runs")
DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder of prepared data sets.",
        show_default="$DLRECIPES_DATA, $TFDS_DATA_DIR or ~/tensorflow_datasets",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Column to predict, in your own table.",
        show_default="the last",
    ),
]
TextColumn = Annotated[
    str,
    typer.Option(
        "--text-column",
        metavar="COLUMN",
        help="Column that holds the texts, in your own table.",
        show_default="guessed",
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option(
        "--label-column",
        metavar="COLUMN",
        help="Column that holds the labels, in your own table.",
        show_default="guessed",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Encoding of your own text files, such as latin-1.",
        show_default="utf-8",
    ),
]
StrictFiles = Annotated[
    bool,
    typer.Option(
        "--strict", help="Refuse your own files if some would be left out: damaged, of other kinds."
    ),
]
SkipDamaged = Annotated[
    bool,
    typer.Option("--skip-damaged", help="Leave out damaged images, however many there are."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="COLUMN",
        help="Column of your own table to leave out. Can be given again.",
    ),
]
Use = Annotated[
    list[str] | None,
    typer.Option(
        "--use",
        metavar="COLUMN",
        help="Column of your own table to use that would be left out, such as a number of the "
        "row. Can be given again.",
    ),
]
Types = Annotated[
    str,
    typer.Option(
        "--types",
        metavar="COLUMN=TYPE,…",
        help="What columns of your own table hold: number, category, date, day-first or "
        "month-first.",
        show_default="found in the columns",
    ),
]
Decimal = Annotated[
    str,
    typer.Option(
        "--decimal",
        metavar=".|,",
        help="What begins the decimals of the numbers in your own table.",
        show_default="found in the columns",
    ),
]
Separator = Annotated[
    str,
    typer.Option(
        "--separator",
        metavar="MARK",
        help="What parts the cells of your own CSV file: a character, tab, comma, semicolon, bar "
        "or space (any run of them).",
        show_default="found in the file",
    ),
]
Quoting = Annotated[
    str,
    typer.Option(
        "--quoting",
        metavar="none|double",
        help="Whether quotation marks in your own CSV file mean nothing, or keep cells together.",
        show_default="found in the file",
    ),
]
Header = Annotated[
    str,
    typer.Option(
        "--header",
        metavar="none|first",
        help="Whether the first line of your own CSV file is a row, whose columns are then called "
        "column_1 and so on, or names the columns.",
        show_default="a first line that looks like a row is refused",
    ),
]
DEVICES = "auto|cpu|gpu|gpu:N"
DeviceName = Annotated[
    str,
    typer.Option(
        "--device", metavar=DEVICES, help="Device to use; auto picks a GPU if there is one."
    ),
]
DataNow = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Where the run's data is now, if it was moved.",
        show_default="where it was",
    ),
]
DeviceNow = Annotated[
    str,
    typer.Option(
        "--device", metavar=DEVICES, help="Device to train on.", show_default="the run's own"
    ),
]
TrustRecipe = Annotated[
    bool,
    typer.Option(
        "--trust-recipe", help="Run the code of a recipe that came with a run from elsewhere."
    ),
]
OnNaN = Annotated[
    str,
    typer.Option(
        "--on-nan",
        metavar="stop|restore",
        help="What to do when the loss becomes NaN or infinite: stop, or restore the last good "
        "checkpoint and continue at half the learning rate.",
        show_default="stop",
    ),
]
RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name of a recipe, or a recipe file.",
        autocompletion=completion.recipes,
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's name, the beginning of its name, or its path. A recipe's name stands for its "
        "latest finished run.",
        autocompletion=completion.runs,
    ),
]


RecipeToTrain = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE|FILE.py",
        help="Name of a recipe, or a recipe file. Its code is run.",
        autocompletion=completion.recipes,
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="Start from a named set of settings.",
        autocompletion=completion.presets,
    ),
]
ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read settings from a TOML or JSON file. A run's run.json trains the same again.",
    ),
]
TrainingData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="auto|full|sample|tfds:NAME|PATH",
        help="Data to train on. auto: the full data set, or the bundled sample if it cannot be "
        "downloaded. tfds:NAME: another data set of TensorFlow Datasets. PATH: your own files.",
        show_default="auto",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="Random seed: the same seed gives bit-identical weights.",
        show_default="0",
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds",
        metavar="N",
        help="Train N times, with N seeds from --seed on; show the mean and the spread of the "
        "results, and the result of all models together.",
        show_default="one seed",
    ),
]
RunName = Annotated[
    str, typer.Option("--name", help="Name of the run.", show_default="date and time")
]
CheckpointEvery = Annotated[
    str,
    typer.Option(
        "--checkpoint-every",
        metavar="EVERY",
        help="When to write a checkpoint: epoch, 5epochs, 500steps, 30s, 5m, 1h, several "
        "separated by commas, or never.",
        show_default="epoch,10m",
    ),
]
KeepCheckpoints = Annotated[
    int,
    typer.Option(
        "--keep-checkpoints",
        help="Number of recent checkpoints to keep, in addition to the best.",
    ),
]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Do not train: time a few steps and estimate time, memory, disk and download.",
    ),
]


PredictInputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT…",
        help="Image files, texts, text files, tables, or prompts to predict; folders of them, or "
        "patterns such as 'new/*.png'. - reads standard input.",
    ),
]
Length = Annotated[
    int | None,
    typer.Option("--length", help="Number of characters to generate.", show_default="200"),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="0 always takes the likeliest character; 1 samples the model's probabilities.",
        show_default="0.8",
    ),
]
PredictSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", help="Random seed: the same seed generates the same text.", show_default="0"
    ),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Folder to write generated pictures into."),
]

Invert = Annotated[
    str,
    typer.Option(
        "--invert",
        metavar="auto|yes|no",
        help="Invert images, such as black ink on white paper. auto: grey images whose border is "
        "light where that of the training images is dark, or dark where it is light.",
        show_default="auto",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Stop at the first input that cannot be used, with no answers."),
]
OutputFormat = Annotated[
    str,
    typer.Option(
        "--output-format",
        metavar="table|json|jsonl|csv",
        help="How to print answers: a table, one JSON document, a JSON object per line, or CSV.",
        show_default="table",
    ),
]


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OfRecipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="Only the runs of this recipe.",
        show_default=False,
        autocompletion=completion.recipes,
    ),
]
UnfinishedRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's name, the beginning of its name, or its path. A recipe's name stands for "
        "its latest unfinished run.",
        autocompletion=completion.runs,
    ),
]
OnNaNNow = Annotated[
    str,
    typer.Option(
        "--on-nan",
        metavar="stop|restore",
        help="What to do when the loss becomes NaN or infinite, as for train.",
        show_default="the run's own",
    ),
]
Prove = Annotated[
    bool,
    typer.Option(
        "--prove",
        help="Do not resume: train the first steps with and without an interruption, in fresh "
        "processes, and show the difference.",
    ),
]


NoBaseline = Annotated[
    bool,
    typer.Option(
        "--no-baseline",
        help="Do not fit a plain baseline (scikit-learn) to compare the network with.",
    ),
]
NoReport = Annotated[
    bool,
    typer.Option(
        "--no-report",
        help="Write no report.html, and keep no test scores for it or for `runs compare`.",
    ),
]


TestData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="full|sample|tfds:NAME|PATH",
        help="Test on other data.",
        show_default="the run's own test split",
    ),
]


AllowChanged = Annotated[
    bool,
    typer.Option("--allow-changed", help="Continue even if the recipe or the data has changed."),
]


def given_files(**flags: Any) -> dict[str, Any]:
    """Return those of `FILE_OPTIONS` that were given, by name: how to read the user's own files."""
    assert set(flags) <= set(FILE_OPTIONS)
    found = {}
    for name, value in flags.items():
        typed = ",".join(map(_in_a_list, value)) if isinstance(value, list) else value
        if typed:  # Names of columns are compared in one form of Unicode.
            found[name] = typed if typed is True else unicodedata.normalize("NFC", typed)
    return found


def _in_a_list(value: str) -> str:
    """Return a column's name as a list that is parted by commas has it."""
    return value if "," not in value or value.startswith('"') else f'"{value}"'


def typed_run(run: "Run", typed: str = "") -> str:
    """Return what to type for a run in the next command.

    Args:
        run: The run.
        typed: What the user typed for it; empty for its recipe's name.
    """
    in_default_folder = run.path.parent.parent == RUNS_DIR
    return shlex.quote((typed or run.recipe) if in_default_folder else str(run.path))


def check_recipe_name(name: str) -> None:
    """Raise InputError unless `--recipe` can be a recipe's name, and no path to elsewhere."""
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(f"--recipe must be the name of a recipe. Received: {name!r}")


def folder_of_runs(context: typer.Context, runs_dir: Path) -> Path:
    """Return the folder of runs, which may be named before a sub-command of `runs` or after it."""
    return context.obj if runs_dir == RUNS_DIR and context.obj else runs_dir
