"""The `predict` command. It runs no recipe's code."""

from itertools import chain
from typing import TYPE_CHECKING, Any

from dlrecipes.cli import answers, options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.result import print_run_in_use
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import Run

if TYPE_CHECKING:
    from dlrecipes.tasks.base import Answer


RANGES = {"length": (1, 100_000), "temperature": (0, 100), "seed": (0, 2**31 - 1)}
"""The lowest and the highest value of flags that take numbers."""


def predict(
    run: options.RunArgument,
    inputs: options.PredictInputs,
    length: options.Length = None,
    temperature: options.Temperature = None,
    seed: options.PredictSeed = None,
    folder: options.OutputFolder = None,
    device: options.DeviceName = "auto",
    trust_recipe: options.TrustRecipe = False,
    invert: options.Invert = "",
    encoding: options.Encoding = "",
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    strict: options.Strict = False,
    output_format: options.OutputFormat = "",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Predict with a finished run.

    Takes images, texts, rows of a table, or prompts. Runs no recipe code. Exits with 1 if some
    inputs could not be used.
    """
    chosen_format = _format(output_format, json)
    found = find_run(run, runs_dir)
    given = {"length": length, "temperature": temperature, "seed": seed, "output": folder}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    from dlrecipes.tasks import find_task

    answer, reading = find_task(found.task).answer, given_reading(found, invert)
    files = options.given_files(
        encoding=encoding,
        types=types,
        decimal=decimal,
        separator=separator,
        quoting=quoting,
        header=header,
    )
    if unused := set(chosen) - set(answer.predict_flags):
        raise InputError(f"--{min(unused)} has no effect: {found.run} does {found.task}.")
    for name, (low, high) in RANGES.items():
        if not low <= chosen.get(name, low) <= high:
            raise InputError(f"--{name} must be from {low} to {high}. Received: {chosen[name]}")
    from dlrecipes.runs.golden import form_of
    from dlrecipes.tasks.base import PredictOptions
    from dlrecipes.use import predict

    parts = predict.predict(
        found,
        predict.Asked(inputs, device, trust_recipe, strict, reading, files),
        PredictOptions(**chosen),
        FetchDisplay(quiet=False),
    )
    first = next(parts)
    print_run_in_use(found, run, runs_dir)
    tally = answers.Tally(chain([first], parts))
    _write(found, tally, answer, chosen_format, strict=strict)
    if chosen_format == "table" and (rule := form_of(found).answer.rule):
        output.console().print(f"  {rule}", markup=False)
    answers.end_if_failed(tally.failed, tally.entries)
    if chosen_format == "table":
        output.print_next(f"dlrecipes export {options.typed_run(found, run)} --format saved-model")


def given_reading(run: Run, invert: str) -> dict[str, str]:
    """Return how inputs are read, where not as the run says.

    Raises:
        InputError: if the run's task has no such flag, or it has no such value.
    """
    from dlrecipes.datasets.own.ink import INVERT
    from dlrecipes.tasks import find_task

    if invert and "invert" not in find_task(run.task).input.predict_flags:
        raise InputError(f"--invert has no effect: {run.run} does {run.task}.")
    if invert not in ("", *INVERT):
        raise InputError(f"--invert must be one of {', '.join(INVERT)}. Received: {invert!r}")
    return {"invert": invert} if invert else {}


def _format(name: str, as_json: bool) -> str:
    """Return the format of the answers that was asked for."""
    if name not in ("", *answers.FORMATS):
        raise InputError(
            f"--output-format must be {', '.join(answers.FORMATS)}. Received: {name!r}",
            nearest(name, answers.FORMATS),
        )
    if as_json and name not in ("", "json"):
        raise InputError(f"--json and --output-format {name} exclude each other.")
    return "json" if as_json else name or "table"


def _write(
    run: Run, parts: answers.Tally, answer: "Answer", format_name: str, *, strict: bool
) -> None:
    """Write the entries; if `strict`, none before all inputs are known to be usable."""
    # A document that breaks off is none: it is written when it is whole.
    with answers.complete(strict or format_name == "json") as file:
        if format_name == "json":
            data = {name: run.data[name] for name in ("rung", "name", "fingerprint")}
            document = {"run": run.run, "path": str(run.path), "recipe": run.recipe, "data": data}
            answers.write_json(document, parts, file)
        elif format_name == "jsonl":
            answers.write_json_lines(parts, file)
        elif format_name == "csv":
            answers.write_csv(parts, file)
        else:
            answers.show([[*chain.from_iterable(parts)]] if strict else parts, answer)
