"""The `train` command, whose flags are the settings of the recipe that it is given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dlrecipes.catalog.config_files import ConfigFile, read_config_file
from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.metrics import metrics_of
from dlrecipes.cli import limits, options, output, sharing, train_plan, train_seeds
from dlrecipes.cli import workers as several
from dlrecipes.cli.arguments import recipe_of_file
from dlrecipes.cli.display import Display
from dlrecipes.cli.report import leave_report
from dlrecipes.cli.result import print_run
from dlrecipes.cli.watch import Watch, watched
from dlrecipes.runs.lookup import read_run, require_training
from dlrecipes.runs.record import RECIPE_FILE, Run

if TYPE_CHECKING:
    from dlrecipes.training.request import Request

NO_SETTINGS: Mapping[str, str] = {}


def train(
    recipe: options.RecipeToTrain = None,
    preset: options.Preset = "",
    config: options.ConfigPath = None,
    data: options.TrainingData = None,
    data_dir: options.DataDir = None,
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    strict: options.StrictFiles = False,
    skip_damaged: options.SkipDamaged = False,
    ignore: options.Ignore = None,
    use: options.Use = None,
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    seed: options.Seed = None,
    seeds: options.Seeds = None,
    jobs: train_seeds.Jobs = 1,
    device: options.DeviceName = "auto",
    devices: sharing.SeveralDevices = "",
    workers: sharing.WorkerCount = None,
    rank: sharing.Rank = None,
    world_size: sharing.WorldSize = None,
    coordinator: sharing.Coordinator = "",
    join_timeout: sharing.JoinTimeout = sharing.JOIN_SECONDS,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    name: options.RunName = "",
    checkpoint_every: options.CheckpointEvery = "",
    keep_checkpoints: options.KeepCheckpoints = 2,
    on_nan: options.OnNaN = "",
    no_baseline: options.NoBaseline = False,
    no_report: options.NoReport = False,
    watch: Watch = False,
    trust_recipe: options.TrustRecipe = False,
    plan: options.Plan = False,
    fail_below: limits.Below = None,
    fail_above: limits.Above = None,
    fail_on: limits.On = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """Train a recipe, test it, and save everything as a run.

    dlrecipes train RECIPE --help shows the settings of that recipe.
    """
    from dlrecipes.training.request import Flags, Request

    asked = several.Asked(workers, rank, world_size, coordinator, join_timeout)
    refused = {"--devices": bool(devices), "--seeds": seeds is not None, "--jobs": jobs > 1}
    world = asked.world(refused)
    train_seeds.check_jobs(jobs, seeds)
    file = read_config_file(config) if config else None
    facts = chosen_recipe(recipe, file, trust=trust_recipe)
    wanted = limits.parse(fail_below, fail_above, fail_on)
    wanted.check_names(metrics_of(facts), facts.name)
    typed = Flags(
        preset=preset,
        settings=settings,
        data=data,
        data_dir=data_dir,
        files=options.given_files(
            target=target,
            text_column=text_column,
            label_column=label_column,
            encoding=encoding,
            strict=strict,
            skip_damaged=skip_damaged,
            ignore=ignore,
            use=use,
            types=types,
            decimal=decimal,
            separator=separator,
            quoting=quoting,
            header=header,
        ),
        seed=seed,
        device=device,
        devices=devices,
        runs_dir=runs_dir,
        name=name,
        checkpoint_every=checkpoint_every,
        keep_checkpoints=keep_checkpoints,
        on_nan=on_nan,
        no_baseline=no_baseline,
        no_report=no_report,
    )
    request = Request.from_flags(facts, typed, file)
    if plan:
        train_plan.show(request, world.size if world else workers or 1, as_json=json)
        return
    asked.launch(device)
    facts_of_all = several.facts_of(request) if world else {}
    with several.joined(world, facts_of_all, join_timeout, as_json=json) as meeting:
        request = replace(request, meeting=meeting)
        if meeting and not meeting.world.is_chief:
            several.help_to_train(request)
            return
        progress = output.console(stderr=json, in_passing=True)
        with watched(watch, progress) as follow:
            if seeds is not None:
                spread = train_seeds.Several(request, seeds, jobs, quiet=quiet, as_json=json)
                spread.train(wanted, follow)
                return
            run = _train(request, Display(progress, quiet=quiet, follow=follow), as_json=json)
    print_run(run, options.typed_run(run), as_json=json, quiet=quiet)
    wanted.enforce(run.metrics, run.verdict)


def _train(request: "Request", display: Display, *, as_json: bool) -> Run:
    """Return the run of one training, with its report."""
    from dlrecipes.training import trainer

    with output.only_json(as_json):
        run = trainer.train(request, display)
        leave_report(run, wanted=not request.no_report)
    return run


def chosen_recipe(recipe: str | None, file: ConfigFile | None, *, trust: bool) -> Facts:
    """Return the recipe to train; that of a run from elsewhere is refused unless it is trusted."""
    from dlrecipes.runs.trust import trusted_recipe

    facts = find_recipe(recipe) if recipe else recipe_of_file(file)
    if file and file.is_run and facts.path == file.path.with_name(RECIPE_FILE):
        run = read_run(file.path.parent)
        require_training(run)
        trusted_recipe(run, trust=trust)
    return facts
