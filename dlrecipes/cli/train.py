"""The `train` command, whose flags are the settings of the recipe that it is given."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from dlrecipes.catalog.find import Facts, find_recipe, is_path, read_facts
from dlrecipes.catalog.settings import (
    ConfigFile,
    Setting,
    read_config_file,
    resolve_settings,
    show_value,
)
from dlrecipes.cli import options, output
from dlrecipes.cli import train_plan as planning
from dlrecipes.cli.display import Display
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs.record import RECIPE_FILE, Run, find_run, find_unfinished, finite, read_run

if TYPE_CHECKING:
    from dlrecipes.datasets.ladder import DataRequest
    from dlrecipes.training.trainer import Changes

MAX_SEED = 2**32 - 1


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE|FILE.py", help="A recipe's name, or a file, whose code is run."
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="Begin with these named settings.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings from a TOML or JSON file; a run's run.json trains the same again.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="auto|full|sample|PATH",
            help="auto: the full data set, or the bundled sample if it cannot be had. Or your own "
            "files.",
            show_default="auto",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="The same seed gives the same weights, bit for bit.", show_default="0"
        ),
    ] = None,
    device: options.DeviceName = "auto",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    name: Annotated[
        str, typer.Option("--name", help="Name of the run.", show_default="date and time")
    ] = "",
    checkpoint_every: Annotated[
        str,
        typer.Option(
            "--checkpoint-every",
            metavar="EVERY",
            help="When to save what resume goes on from: epoch, 5epochs, 500steps, 30s, 5m, 1h, "
            "several with commas, or never.",
            show_default="epoch,10m",
        ),
    ] = "",
    keep_checkpoints: Annotated[
        int,
        typer.Option("--keep-checkpoints", help="How many of the last to keep, beside the best."),
    ] = 2,
    on_nan: options.OnNaN = "",
    trust_recipe: options.TrustRecipe = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Train nothing: time a few steps, and say what all would take in time, memory, "
            "disk and download.",
        ),
    ] = False,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the result alone.")] = False,
    **flags: Any,
) -> None:
    """Train a recipe on real data, test it, and leave a run.

    dlrecipes train RECIPE --help shows the settings of that recipe.
    """
    from dlrecipes.catalog.contract import require_contract
    from dlrecipes.catalog.find import all_recipes
    from dlrecipes.runs.checkpoints import EVERY, parse_every
    from dlrecipes.runs.record import check_name
    from dlrecipes.runs.trust import trusted_recipe
    from dlrecipes.system.backend import check_device_name
    from dlrecipes.training import trainer

    file = read_config_file(config) if config else None
    if preset and file and file.is_run:
        raise InputError(
            f"{config} is the record of a run, which sets everything: --preset would do nothing.",
            "Give one of the two.",
        )
    facts = find_recipe(recipe) if recipe else _recipe_of_file(file)
    if file and file.is_run and facts.path == file.path.with_name(RECIPE_FILE):
        trusted_recipe(read_run(file.path.parent), trust=trust_recipe)
    require_contract(facts)
    check_device_name(device)
    options.check_on_nan(on_nan)
    parse_every(checkpoint_every or EVERY)
    if not 1 <= keep_checkpoints <= 1000:
        raise InputError(f"--keep-checkpoints must be from 1 to 1000. Received: {keep_checkpoints}")
    if name:
        check_name(name, [known.name for known in all_recipes()])
    chosen = preset or (file.preset if file else "")
    request = trainer.Request(
        facts=facts,
        config=resolve_settings(
            facts.settings,
            preset=preset_settings(facts, chosen),
            file=file,
            flags=given_flags(flags),
        ),
        preset=chosen,
        data=_wanted_data(
            file,
            data,
            data_dir,
            options.given_files(target, text_column, label_column, encoding),
        ),
        seed=_seed(seed, file),
        device=device,
        runs_dir=runs_dir,
        name=name,
        fingerprint=file.fingerprint if file and not data else "",
        checkpoint_every=checkpoint_every or EVERY,
        keep_checkpoints=keep_checkpoints,
        on_nan=on_nan or "stop",
    )
    if plan:
        planning.show(request, as_json=json)
        return
    display = Display(output.console(stderr=json), quiet=quiet)
    with output.only_json(json):
        run = trainer.train(request, display)
    _print_run(run, facts, options.typed_run(run), as_json=json, quiet=quiet)


def resume(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's name or path, or a recipe's name: its latest run that did not finish.",
        ),
    ],
    data: options.DataNow = "",
    data_dir: options.DataDir = None,
    device: options.DeviceNow = "",
    on_nan: Annotated[
        str,
        typer.Option(
            "--on-nan",
            metavar="stop|restore",
            help="At a loss that is not a number: as for train.",
            show_default="as it was begun",
        ),
    ] = "",
    prove: Annotated[
        bool,
        typer.Option(
            "--prove",
            help="Change nothing: train its first steps straight, and interrupted and resumed, in "
            "fresh processes, and show how far they are apart.",
        ),
    ] = False,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the result alone.")] = False,
) -> None:
    """Go on with a run that was interrupted or has failed, to the same bits as without.

    Runs the recipe's code that the run was begun with. A run that is finished is shown.
    """
    from dlrecipes.catalog.find import read_facts
    from dlrecipes.system.backend import check_device_name

    options.check_on_nan(on_nan)
    check_device_name(device or "auto")
    found = find_unfinished(run, runs_dir)
    from dlrecipes.training import trainer

    changes = trainer.Changes(device, data, data_dir, on_nan, trust_recipe)
    if prove:
        _prove(found, changes, as_json=json)
        return
    if found.status == "finished":
        output.print_warning(f"The run {found.path} is finished: there is nothing to go on with.")
    else:
        display = Display(output.console(stderr=json), quiet=quiet)
        with output.only_json(json):
            found = trainer.resume(found, changes, display)
    facts = replace(read_facts(found.path / RECIPE_FILE), name=found.recipe)
    # By its path: the recipe's name may stand for a run that was begun later.
    _print_run(found, facts, quote(str(found.path)), as_json=json, quiet=quiet)


def _prove(run: Run, changes: "Changes", *, as_json: bool) -> None:
    """Show how far a training that is interrupted is from one that is not; fail if it is at all."""
    from dlrecipes.training.proof import prove

    proof = prove(run, changes)
    if as_json:
        output.print_json(
            {"run": run.run, "path": str(run.path), "same": proof.same, **asdict(proof)}
        )
    else:
        target = output.console()
        target.print(
            f"{proof.steps} steps straight, and {proof.steps} steps interrupted after "
            f"{proof.interrupted_after} and resumed, each in a fresh process:\n"
        )
        rows = [[name, f"{value:g}"] for name, value in proof.largest_difference.items()]
        output.print_table(["state", "largest difference"], rows)
        target.print(f"\nBatches of training examples that differ: {proof.other_batches}.")
        target.print("The same to the bit." if proof.same else "[red]Not the same.[/]")
        output.print_next(f"dlrecipes runs show {quote(str(run.path))}")
    if not proof.same:
        raise typer.Exit(1)


def reproduce(
    run: options.RunArgument,
    data: options.DataNow = "",
    data_dir: options.DataDir = None,
    device: options.DeviceNow = "",
    allow_changed: Annotated[
        bool,
        typer.Option(
            "--allow-changed", help="Also with a recipe or data that are not what they were."
        ),
    ] = False,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the result alone.")] = False,
) -> None:
    """Train a finished run again from its record, into a new run, and compare the two.

    Runs the recipe's code that the run was trained with.
    """
    from dlrecipes.system.backend import check_device_name

    check_device_name(device or "auto")
    found = find_run(run, runs_dir)
    from dlrecipes.runs.compare import compare
    from dlrecipes.runs.provenance import differences
    from dlrecipes.training import trainer

    changes = trainer.Changes(
        device, data, data_dir, trust_recipe=trust_recipe, allow_changed=allow_changed
    )
    display = Display(output.console(stderr=json), quiet=quiet)
    with output.only_json(json):
        again = trainer.reproduce(found, changes, display)
    comparison, reasons = compare(found, again), differences(found, again)
    if json:
        output.print_json(
            {
                "run": found.run,
                "reproduction": again.run,
                "path": str(again.path),
                "same": comparison.same,
                "largest_difference": finite(asdict(comparison)),
                "differs_in": reasons,
            }
        )
    else:
        rows = [[name, f"{value:g}"] for name, value in asdict(comparison).items()]
        output.print_table(["of the two runs", "largest difference"], rows)
        for reason in reasons:
            output.console().print(f"{reason}.", markup=False)
        output.console().print(_judgement(same=comparison.same, reasons=reasons), markup=False)
        output.console().print(f"Run: {again.path}", markup=False)
        # By their paths: the name of the recipe, which may have been typed, is the new run's too.
        paths = " ".join(quote(str(one.path)) for one in (found, again))
        output.print_next(f"dlrecipes runs compare {paths}")
    if not comparison.same and not reasons:
        raise typer.Exit(1)


def _judgement(*, same: bool, reasons: Sequence[str]) -> str:
    """Return the verdict on a reproduction, for people."""
    if same:
        return "The same to the bit."
    if reasons:
        return "Not the same to the bit, as it may be where these differ."
    return "Not the same, though nothing differs that would explain it."


def _print_run(run: Run, facts: Facts, typed: str, *, as_json: bool, quiet: bool) -> None:
    """Print a finished run, and what to type next, where `typed` stands for it."""
    if as_json:
        output.print_json(run.document())
        return
    show_result(run, default_settings=_is_default(facts, run.config, run.preset))
    if not quiet:
        output.print_next(f"dlrecipes evaluate {typed}")


def _recipe_of_file(file: ConfigFile | None) -> Facts:
    """Return the recipe that a `--config` file names; of a run, the code it was trained with."""
    if file is None or not file.recipe:
        raise InputError("Which recipe?", "See what there is: dlrecipes list")
    kept = file.path.with_name(RECIPE_FILE)
    if file.is_run and is_path(file.recipe):
        raise InputError(f"{file.path} is not the record of a run: its recipe is a path.")
    try:
        return find_recipe(file.recipe)
    except InputError:
        if not file.is_run or not kept.is_file():
            raise
        return replace(read_facts(kept), name=file.recipe)


def _wanted_data(
    file: ConfigFile | None, data: str | None, data_dir: str | None, files: Mapping[str, str]
) -> "DataRequest":
    """Return the data that flags, then a `--config` file, ask for."""
    from dlrecipes.datasets.ladder import DataRequest
    from dlrecipes.datasets.own.files import FileOptions

    return DataRequest(
        data=data or (file.data if file else None) or "auto",
        data_dir=data_dir or (file.data_dir if file else None),
        files=FileOptions(**{**(file.files if file and not data else {}), **files}),
    )


def _seed(seed: int | None, file: ConfigFile | None) -> int:
    """Return the seed that was asked for, 0 if none was."""
    chosen = seed if seed is not None else (file.seed if file and file.seed is not None else 0)
    if not 0 <= chosen <= MAX_SEED:
        raise InputError(f"--seed must be from 0 to {MAX_SEED}. Received: {chosen}")
    return chosen


def given_flags(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each flag that was given."""
    return {
        name: show_value(value) if isinstance(value, bool) else value
        for name, value in flags.items()
        if value is not None
    }


def preset_settings(facts: Facts, preset: str) -> Mapping[str, Any]:
    """Return the settings of a preset; none for no preset."""
    if not preset:
        return {}
    if preset not in facts.presets:
        raise InputError(
            f"{facts.name} has no preset {preset!r}: it has {', '.join(facts.presets) or 'none'}.",
            nearest(preset, facts.presets),
        )
    return facts.presets[preset]


def _is_default(facts: Facts, config: Mapping[str, Any], preset: str) -> bool:
    """Tell whether a run's settings are the defaults, or those of its preset unchanged."""
    default = resolve_settings(facts.settings, preset=facts.presets.get(preset, {}))
    return bool(finite(default) == finite(config))  # a record has lists for tuples


def show_result(run: Run, *, default_settings: bool) -> None:
    """Print the test metrics of a finished run, the verdict, and where it is."""
    target = output.console()
    shown = "  ".join(f"{name} {output.number(value)}" for name, value in run.metrics.items())
    target.print(f"[bold]Test[/]  {shown}")
    verdict = verdict_sentence(run, default_settings=default_settings)
    target.print(f"Verdict: {verdict}", markup=False)
    seconds = run.seconds
    target.print(
        f"Run: {run.path}  ({output.duration(seconds['total'])} in all, "
        f"{output.duration(seconds['fit'])} training)",
        markup=False,
    )


def verdict_sentence(run: Run, *, default_settings: bool) -> str:
    """Return the verdict and what it was measured against, for people."""
    if not run.expected:
        preset = f" with the preset {run.preset}" if run.preset else ""
        unknown = f"unknown: no band has been measured for {run.data['name']}{preset}."
        baseline = run.data.get("baseline")
        if baseline is None:  # which the first runs did not record
            return unknown
        value = f"{run.headline} {output.number(baseline['value'])}"
        if run.verdict == "low":
            return f"low: no better than {value} without a network ({baseline['answer']})."
        return f"{unknown} Without a network: {value} ({baseline['answer']})."
    (metric, (lowest, highest)), *_ = run.expected.items()
    band = f"{metric} {output.number(lowest)} to {output.number(highest)}"
    if not default_settings:
        band += " of the default settings (these are others)"
    words = {
        "normal": f"normal: within the expected {band}",
        "low": f"low: worse than the expected {band}",
        "suspiciously high": f"suspiciously high: better than the expected {band}; look for test "
        "examples among those trained on",
    }[run.verdict]
    return f"{words}."


def recipe_of_arguments(arguments: Sequence[str]) -> Facts | None:
    """Return the recipe that the arguments of a command name, so that its settings become flags.

    None if they name none.

    Raises:
        InputError: if they name a recipe that there is not, or whose file cannot be parsed.
    """
    words = [word for word in arguments if not word.startswith("-")]
    for word in words:
        # A word after a flag may be its value; a recipe's name or file is one wherever it stands.
        if is_path(word) and word.endswith(".py"):
            return find_recipe(word)
    values = {
        following
        for flag, following in pairwise(arguments)
        if flag.startswith("--") and "=" not in flag and flag not in ("--json", "--plan", "--quiet")
    }
    names = [word for word in words if word not in values]
    failure: InputError | None = None
    for word in [*names, *words]:
        try:
            return find_recipe(word)
        except InputError as error:
            failure = failure or error
    if failure and names:
        raise failure
    split = [part for word in arguments for part in word.split("=", 1)]
    if "--config" in split[:-1]:
        return _recipe_of_file(read_config_file(Path(split[split.index("--config") + 1])))
    return None


def _flag_parameter(setting: Setting) -> inspect.Parameter:
    """Return the parameter that makes Typer offer a setting as a flag."""
    shown = f"{setting.help}  [default: {show_value(setting.default)}]"
    if setting.type.kind == "bool":
        declaration = f"{setting.flag}/--no-{setting.flag[2:]}"
        option = typer.Option(declaration, help=shown, show_default=False)
        annotation: Any = Annotated[bool | None, option]
    else:
        option = typer.Option(
            setting.flag, help=shown, metavar=setting.type.metavar, show_default=False
        )
        annotation = Annotated[str | None, option]
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def with_settings(function: Callable[..., None], facts: Facts | None) -> Callable[..., None]:
    """Return a command with the settings of a recipe as flags of its own.

    Args:
        function: The command, whose `**flags` they become.
        facts: The recipe; None for no settings.
    """
    own = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    names = {parameter.name for parameter in own}
    # A setting with the name of one of train's own flags breaks the contract, as train will say.
    settings = [
        _flag_parameter(setting)
        for setting in (facts.settings if facts else ())
        if setting.name not in names
    ]

    def call(**arguments: Any) -> None:
        function(**arguments)

    command: Any = call  # whose signature Typer reads, as PEP 362 has it: a function has none
    command.__doc__ = function.__doc__ if not facts else f"{facts.summary}\n\n{function.__doc__}"
    command.__annotations__ = {}
    command.__signature__ = inspect.Signature(
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in [*own, *settings]]
    )
    return cast("Callable[..., None]", command)
