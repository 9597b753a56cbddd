"""What a training was asked to do, put together once: from flags, a file, or a run's record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from dlrecipes.catalog.config_files import ConfigFile, recorded_data, resolve_settings
from dlrecipes.catalog.contract import require_contract
from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.catalog.find import all_recipes
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.errors import InputError, nearest
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.lookup import check_name
from dlrecipes.runs.record import Run
from dlrecipes.runs.trust import trusted_recipe
from dlrecipes.system.backend import check_device_name, check_device_names
from dlrecipes.tasks import find_task
from dlrecipes.tasks.opening import DataRequest, RecipeData
from dlrecipes.training.meeting import Meeting

MAX_SEED = 2**32 - 1
ON_NAN = ("stop", "restore")


@dataclass(frozen=True)
class Flags:
    """What was typed behind a command that trains; empty or None for what was not.

    Args:
        preset: `--preset`.
        settings: Text of each flag of the recipe's own, by the setting's name.
        data: `--data`.
        data_dir: `--data-dir`.
        files: Flags that say how the user's own files are to be read, by name.
        seed: `--seed`.
        device: `--device`.
        devices: `--devices`.
        runs_dir: `--runs-dir`.
        name: `--name`.
        checkpoint_every: `--checkpoint-every`.
        keep_checkpoints: `--keep-checkpoints`.
        on_nan: `--on-nan`.
        no_baseline: `--no-baseline`.
        no_report: `--no-report`.
    """

    preset: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None
    data_dir: str | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    device: str = "auto"
    devices: str = ""
    runs_dir: Path = Path("runs")
    name: str = ""
    checkpoint_every: str = ""
    keep_checkpoints: int = checkpoints.KEEP
    on_nan: str = ""
    no_baseline: bool = False
    no_report: bool = False


@dataclass(frozen=True)
class Changes:
    """How a run is to be resumed, or trained again, where that is otherwise than it was.

    Args:
        device: Device to train on; empty for the one it was trained on.
        data: Where its data is now; empty for where it was.
        data_dir: The folder of prepared data sets now; None for where it was.
        on_nan: As `Request` has it; empty for as it was.
        trust_recipe: Whether to run the recipe of a run from elsewhere.
        allow_changed: Whether to take a recipe or data that are not what they were.
        runs_dir: The folder of all runs, for a run that is trained again; None for the run's own.
        devices: Several devices to train on; empty for those it was trained on.
        meeting: The workers that train it together; None for one process.
    """

    device: str = ""
    data: str = ""
    data_dir: str | None = None
    on_nan: str = ""
    trust_recipe: bool = False
    allow_changed: bool = False
    runs_dir: Path | None = None
    devices: str = ""
    meeting: Meeting | None = None


@dataclass(frozen=True)
class Request:
    """A training that was asked for.

    Args:
        facts: The recipe.
        config: A checked value for every setting.
        given: Names of the settings that were given by hand, as flags or in a file.
        chosen: The `settings` that were chosen to suit the data, with their values, and `why`;
            empty for none.
        preset: Name of the preset that `config` began with; empty for none.
        data: The data to train on.
        seed: From 0 to 2**32 - 1.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        devices: Several that share every batch, as `select_devices` takes them; empty for one.
        runs_dir: The folder of all runs.
        name: Name of the run; empty for the time.
        fingerprint: That of the data expected, where a run is trained again; empty for any.
        checkpoint_every: As `--checkpoint-every` has it.
        keep_checkpoints: How many of the last checkpoints are kept, beside the best.
        on_nan: What to do about a loss that is not a number: `stop`, or `restore` the last good
            checkpoint and go on with a lower learning rate.
        reproduces: Name of the run that is trained again; empty for none.
        allow_changed: Whether that may be on data with another fingerprint.
        sample: The sample of a run that is trained again; None for the recipe's own.
        no_baseline: Whether no plain baseline is to be fitted beside the training.
        no_report: Whether nothing is to be kept for a report.
        meeting: The workers that train it together; None for one process.
    """

    facts: Facts
    config: Mapping[str, Any]
    given: frozenset[str] = frozenset()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    preset: str = ""
    data: DataRequest = field(default_factory=DataRequest)
    seed: int = 0
    device: str = "auto"
    devices: str = ""
    runs_dir: Path = Path("runs")
    name: str = ""
    fingerprint: str = ""
    checkpoint_every: str = checkpoints.EVERY
    keep_checkpoints: int = checkpoints.KEEP
    on_nan: str = "stop"
    reproduces: str = ""
    allow_changed: bool = False
    sample: Path | None = None
    no_baseline: bool = False
    no_report: bool = False
    meeting: Meeting | None = None

    @classmethod
    def from_flags(cls, facts: Facts, flags: Flags, file: ConfigFile | None = None) -> Self:
        """Return the training that flags, then a `--config` file, ask for.

        Raises:
            InputError: if the recipe cannot be trained, or a flag's value cannot be used.
        """
        require_contract(facts)
        _check(flags, file)
        given = file or ConfigFile(Path())
        preset = flags.preset or given.preset
        seed = flags.seed if flags.seed is not None else given.seed or 0
        if not 0 <= seed <= MAX_SEED:
            raise InputError(f"--seed must be from 0 to {MAX_SEED}. Received: {seed}")
        return cls(
            facts=facts,
            config=resolve_settings(
                facts.settings,
                preset=preset_settings(facts, preset),
                file=file,
                flags=flags.settings,
            ),
            given=frozenset([*given.settings, *flags.settings]),
            preset=preset,
            data=DataRequest(
                data=flags.data or given.data or "auto",
                data_dir=flags.data_dir or given.data_dir,
                files=FileOptions(**{**({} if flags.data else given.files), **flags.files}),
            ),
            seed=seed,
            device=flags.device,
            devices=flags.devices,
            runs_dir=flags.runs_dir,
            name=flags.name,
            fingerprint="" if flags.data else given.fingerprint,
            checkpoint_every=flags.checkpoint_every or checkpoints.EVERY,
            keep_checkpoints=flags.keep_checkpoints,
            on_nan=flags.on_nan or "stop",
            no_baseline=flags.no_baseline,
            no_report=flags.no_report,
        )

    @classmethod
    def from_run(cls, run: Run, changes: Changes) -> Self:
        """Return the training that a run was.

        Raises:
            InputError: if its recipe is not what was recorded, or may not be run here.
        """
        recipe_file = trusted_recipe(
            run, trust=changes.trust_recipe, allow_changed=changes.allow_changed
        )
        facts = replace(read_facts(recipe_file), name=run.recipe)
        recorded = ConfigFile(run.path / record.RUN_FILE, settings=run.config)
        wanted = data_of(run, changes.data_dir)
        sample = Path(run.data["sample"]) if run.data["sample"] else None
        return cls(
            facts=facts,
            config=resolve_settings(facts.settings, file=recorded),
            given=frozenset(run.config),
            chosen=run.chosen,
            preset=run.preset,
            data=replace(wanted, data=changes.data) if changes.data else wanted,
            seed=run.seed,
            # Some variables may be beside a network on a GPU: then this says "cpu, gpu:0".
            device=changes.device or run.device.split(", ")[-1],
            devices=changes.devices or ("" if changes.device or changes.meeting else run.devices),
            runs_dir=changes.runs_dir or run.path.parent.parent,
            checkpoint_every=run.checkpoints["every"],
            keep_checkpoints=run.checkpoints["keep"],
            on_nan=changes.on_nan or run.on_nan,
            sample=sample if sample and sample.exists() else None,
            no_baseline=run.no_baseline,
            no_report=run.no_report,
            meeting=changes.meeting,
        )

    def with_settings(self, values: Mapping[str, str]) -> Self:
        """Return the same training with other settings, each as it is typed.

        Raises:
            InputError: if a value cannot be used.
        """
        before = ConfigFile(Path(), settings=self.config)
        config = resolve_settings(self.facts.settings, file=before, flags=values)
        return replace(self, config=config, given=self.given | values.keys())

    @property
    def recipe_data(self) -> RecipeData:
        """Return what the recipe says of its data."""
        return RecipeData(
            task=find_task(self.facts.task),
            dataset=self.facts.dataset,
            sample=self.sample or self.facts.sample_path,
            features=self.facts.features,
            recipes={facts.task: facts.name for facts in reversed(all_recipes())},
        )


def _check(flags: Flags, file: ConfigFile | None) -> None:
    """Raise InputError unless the flags that no setting knows have values that can be used."""
    if flags.preset and file and file.is_run:
        raise InputError(
            f"{file.path} is the record of a run and sets everything: --preset would do nothing.",
            "Give one of the two.",
        )
    check_devices(flags.device, flags.devices)
    check_on_nan(flags.on_nan)
    checkpoints.parse_every(flags.checkpoint_every or checkpoints.EVERY)
    if not 1 <= flags.keep_checkpoints <= 1000:
        raise InputError(
            f"--keep-checkpoints must be from 1 to 1000. Received: {flags.keep_checkpoints}"
        )
    if flags.name:
        check_name(flags.name, [known.name for known in all_recipes()])


def check_devices(device: str, devices: str) -> None:
    """Raise InputError unless `--device` or `--devices` can be used, and only one was given."""
    check_device_name(device or "auto")
    check_device_names(devices)
    if devices and device not in ("", "auto"):
        raise InputError(
            f"--device {device} asks for one device and --devices {devices} for several.",
            "Give one of the two.",
        )


def check_on_nan(value: str) -> None:
    """Raise InputError unless `value` is one that `--on-nan` takes, or empty."""
    if value not in ("", *ON_NAN):
        raise InputError(f"--on-nan must be {' or '.join(ON_NAN)}. Received: {value!r}")


def preset_settings(facts: Facts, preset: str) -> Mapping[str, Any]:
    """Return the settings of a preset that the recipe reads; none for no preset."""
    if not preset:
        return {}
    if preset not in facts.presets:
        raise InputError(
            f"{facts.name} has no preset {preset!r}: it has {', '.join(facts.presets) or 'none'}.",
            nearest(preset, facts.presets),
        )
    read = {setting.name for setting in facts.settings}
    return {name: value for name, value in facts.presets[preset].items() if name in read}


def data_of(run: Run, data_dir: str | None = None) -> DataRequest:
    """Return the request for the data that a run was trained on.

    Args:
        run: The run.
        data_dir: The folder of prepared data sets now; None for that of the run.
    """
    return DataRequest(
        data=str(recorded_data(run.data)),
        data_dir=data_dir or run.data["data_dir"] or None,
        files=FileOptions(**run.data["files"]),
        held_out=run.data["held_out"],
    )
