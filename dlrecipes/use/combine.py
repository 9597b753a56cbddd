"""Make a run of several: one model that answers the mean of what their models say."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.facts import read_facts
from dlrecipes.errors import DlrecipesError, InputError, Interrupted
from dlrecipes.runs import record
from dlrecipes.runs.pairs import compared
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import load_tensorflow, select_device
from dlrecipes.system.clock import Clock
from dlrecipes.system.signals import StopRequest
from dlrecipes.tasks.opening import settle
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Request, data_of
from dlrecipes.training.session import Session
from dlrecipes.training.trainer import begin_run, prepare, require_same_data
from dlrecipes.use.predict import load_serving

RECIPE = "ensemble"
"""What the recipe of an ensemble is called: the folder that its run is in."""
BATCH_SIZE = 256
TESTS = {
    "image-classification": "classification_metrics(model, data.test, data.classes)",
    "image-segmentation": "segmentation_metrics(model, data.test, data.classes)",
    "tabular-classification": (
        "rare_class_metrics(model, data.test, data.validation, data.classes)"
    ),
    "tabular-regression": "regression_metrics(model, data.test)",
    "text-classification": "classification_metrics(model, data.test, data.classes)",
}
"""How the answers of an ensemble are tested, of each task whose answers have a mean."""
TEMPLATE = Path(__file__).with_name("ensemble_recipe.txt")


@dataclass(frozen=True)
class Combined:
    """The ensemble that was asked for.

    Args:
        name: Name of its run; empty for the time.
        runs_dir: The folder of all runs.
        trust: Whether to run the code that runs from elsewhere bring along.
    """

    name: str = ""
    runs_dir: Path = field(default_factory=lambda: Path("runs"))
    trust: bool = False


def combine(members: Sequence[Run], wanted: Combined, listener: Listener) -> Run:
    """Return a finished run whose model answers the mean of what those of other runs say.

    It has the models of its members in it, each with its preprocessing: it needs none of their
    files any more.

    Args:
        members: The runs, all of them finished.
        wanted: Its name and place.
        listener: Hears how it goes.

    Raises:
        InputError: if the runs cannot be put together; nothing was written.
        Interrupted: if the user or the system stopped it; nothing is kept.
        DlrecipesError: if it cannot be tested or saved; nothing is kept.
    """
    require_alike(members)
    clock = Clock(listener=listener)
    with tempfile.TemporaryDirectory() as folder:
        request = _request(members, wanted, Path(folder))
        found = settle(request.recipe_data, request.data, listener)
        with clock.part("members"):
            select_device("auto")
            model = _mean_of(members, trust=wanted.trust)
            model.save(Path(folder) / record.MODEL_FILE)
        work = prepare(request, found, clock, listener)
        require_same_data(members[0], work.source)
        run, lock = begin_run(work)
        run.not_expected = "it is an ensemble"
        try:
            return Combination(run, lock, work, members).complete(listener)
        except DlrecipesError as error:
            shutil.rmtree(run.path)
            if error.exit_code == Interrupted.exit_code:
                raise Interrupted("Interrupted. No ensemble was made.") from None
            error.hint = ""
            raise


class Combination(Session):
    """A session in which nothing is trained: the mean of trained models is tested and saved.

    Args:
        run: The record of the run.
        lock: The lock of the run, which is held until it is over.
        work: The ensemble and its data.
        members: Its members.
    """

    def __init__(self, run: Run, lock: Any, work: Any, members: Sequence[Run]) -> None:
        super().__init__(run, lock, work)
        self.members = members
        self.doing = "Testing the ensemble failed"

    def _train(self, listener: Listener, stop: StopRequest) -> None:
        """Test the ensemble: there are no epochs."""
        (self.run.path / record.HISTORY_FILE).write_text("epoch\n")
        with self.work.clock.part("fit"):
            pass
        self._test()

    def _diagnose(self) -> None:
        """Find nothing: there was no training that could have gone wrong."""

    def _advice(self) -> list[str]:
        """Return no flags to try: what could be trained otherwise is the members."""
        return []

    def _finish(self) -> None:
        """Record the members, and how the ensemble compares with the best of them."""
        run = self.run
        best = best_of(self.members)
        run.ensemble = {
            "members": [_entry(one) for one in self.members],
            "best": f"{best.recipe}/{best.run}",
            "comparison": compared(best, run),
        }
        super()._finish()


def best_of(members: Sequence[Run]) -> Run:
    """Return the run with the best headline metric on the test rows."""
    known = [run for run in members if run.metrics.get(run.headline) is not None]
    sign = 1 if members[0].higher_is_better else -1
    return max(known or members, key=lambda run: sign * (run.metrics.get(run.headline) or 0.0))


def _entry(member: Run) -> dict[str, Any]:
    """Return what is recorded of a member."""
    return {
        "run": member.run,
        "recipe": member.recipe,
        "seed": member.seed,
        "metrics": member.metrics,
        "sha256": member.files[record.SERVING_FILE],
    }


def require_alike(members: Sequence[Run]) -> None:
    """Raise InputError unless runs can be put together. Needs no TensorFlow.

    Args:
        members: The runs, all of them finished.
    """
    if len(members) < 2:
        raise InputError("An ensemble needs at least two runs.", "List your runs: dlrecipes runs")
    first, names = members[0], [f"{run.recipe}/{run.run}" for run in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"An ensemble has each run once: {twice[0]} is named twice.")
    for run in members:
        if why := _unfit(run) or _apart(first, run):
            raise InputError(f"These runs are no ensemble: {why}.")


def _unfit(run: Run) -> str:
    """Return why a run can be in no ensemble, in a clause; empty if it can."""
    if run.task not in TESTS:
        return (
            f"{run.run} is of the task {run.task}, whose answers have no mean; there are ensembles "
            f"of {', '.join(TESTS)}"
        )
    if run.ensemble:
        return f"{run.run} is an ensemble itself; name its members"
    if record.SERVING_FILE not in run.files:
        return f"the model of {run.run} has layers of its recipe's own and is stored as a program"
    if run.data["held_out"]:
        return f"{run.run} is a trial of a search, which was not tested on the test rows"
    return ""


def _apart(first: Run, run: Run) -> str:
    """Return what two runs do not share, in a clause; empty if they can be put together."""
    names = f"{first.run} and {run.run}"
    if run.task != first.task:
        return f"{names} have different tasks, {first.task} and {run.task}"
    if run.data["fingerprint"] != first.data["fingerprint"]:
        return f"{names} were trained on different data"
    for split in ("validation", "test"):
        one, other = (each.data["rows"].get(split, 0) for each in (first, run))
        if one != other:
            return f"{names} split the data differently: {one:,} and {other:,} {split} rows"
    if first.data["answer"].get("classes") != run.data["answer"].get("classes"):
        return f"{names} have different classes"
    if first.data["input"] != run.data["input"]:
        return f"{names} read the inputs differently, such as images of another size"
    return ""


def _request(members: Sequence[Run], wanted: Combined, folder: Path) -> Request:
    """Return the request for the ensemble, whose recipe is written into a folder."""
    first = members[0]
    path = folder / record.RECIPE_FILE
    path.write_text(_recipe(members), encoding="utf-8")
    facts = replace(read_facts(path), name=RECIPE)
    config = resolve_settings(facts.settings)
    sample = Path(first.data["sample"]) if first.data["sample"] else None
    return Request(
        facts=facts,
        config=config,
        given=frozenset(config),
        data=data_of(first),
        runs_dir=wanted.runs_dir,
        name=wanted.name,
        sample=sample if sample and sample.exists() else None,
        no_baseline=all(run.no_baseline for run in members),
    )


def _recipe(members: Sequence[Run]) -> str:
    """Return the recipe of the ensemble, which says how it is tested."""
    first = members[0]
    facts = read_facts(first.path / record.RECIPE_FILE)
    constants: dict[str, Any] = {"TASK": first.task, "DATASET": facts.dataset}
    if facts.features:
        constants["FEATURES"] = dict(facts.features)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        count=len(members),
        members="\n".join(f"- {run.recipe}, seed {run.seed}" for run in members),
        constants="\n".join(f"{name} = {value!r}" for name, value in constants.items()),
        fraction=repr(float(first.config.get("validation_fraction", 0.0))),
        batch_size=BATCH_SIZE,
        test=TESTS[first.task],
    )


def _mean_of(members: Sequence[Run], *, trust: bool) -> Any:
    """Return a model that answers the mean of what the members' models say of raw inputs."""
    load_tensorflow()
    import keras

    models = [load_serving(run, trust=trust) for run in members]
    inputs = {
        one.name: keras.Input(one.shape[1:], dtype=one.dtype, name=one.name)
        for one in models[0].inputs
    }
    answers = []
    for number, (run, model) in enumerate(zip(members, models, strict=True), start=1):
        if {one.name for one in model.inputs} != inputs.keys():
            raise InputError(f"These runs are no ensemble: {run.run} reads other columns.")
        model.name = f"ensemble_member_{number}"
        answers.append(model(keras.tree.map_structure(lambda one: inputs[one.name], model.input)))
    answers = _of_one_form(answers)
    mean = keras.layers.Average(dtype=answers[0].dtype, name="ensemble_mean")(answers)
    nested = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    return keras.Model(nested, mean)


def _of_one_form(answers: Sequence[Any]) -> list[Any]:
    """Return answers of one shape: a lone probability becomes those of both of two classes."""
    from keras import ops

    widest = max(one.shape[-1] for one in answers)
    return [
        ops.concatenate([1 - one, one], axis=-1) if one.shape[-1] == 1 < widest else one
        for one in answers
    ]
