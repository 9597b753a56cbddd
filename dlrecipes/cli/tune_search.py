"""Carry a search out and show it: for the `tune` command."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrecipes.cli import output
from dlrecipes.cli.display import Display
from dlrecipes.cli.runs_groups import sentence
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit.metric_names import limits_of
from dlrecipes.system.atomic import write_atomically
from dlrecipes.system.words import alike, counted, with_margin

if TYPE_CHECKING:
    from dlrecipes.runs.seed_groups import Group
    from dlrecipes.training.listener import Listener
    from dlrecipes.training.search import Plan

SHOWN = 10
"""Of the best trials."""


class Tuning:
    """Carries a search out, and shows it; a `SearchListener`.

    Args:
        plan: The search.
        seeds: How many seeds the best settings are tested with.
        quiet: Whether to show the result and warnings alone.
        as_json: Whether the result is one JSON document.
    """

    def __init__(self, plan: "Plan", seeds: int, *, quiet: bool, as_json: bool) -> None:
        from dlrecipes.training import search

        self.plan, self.seeds, self.quiet = plan, seeds, quiet
        self.progress = output.console(stderr=as_json)
        self.study = search.open_study(plan)
        self.as_json = as_json

    def complete(self, jobs: int, *, join: bool) -> dict[str, Any]:
        """Search, show what was found, and test it; return the JSON document.

        Args:
            jobs: Processes that work on the search.
            join: Whether another process shows and tests what is found.
        """
        from dlrecipes.training import search

        if not self.quiet:
            self._show_plan()
        try:
            with _others(self.plan.name, jobs - 1):
                search.search(self.plan, self.study, self)
            if join:
                return self._document({})
            self._show()
            return self._document(self._test())
        except DlrecipesError as error:
            if error.exit_code != 2:
                error.hint = f"Continue the search: {_command(self.plan.name)}"
            raise

    def trial_begins(self, number: int) -> "Listener":
        """Return who hears how a trial's training goes: nobody, as many of them go by."""
        from dlrecipes.training.listener import Silence

        return Silence()

    def trial_ends(self, number: int) -> None:
        """Show how good a trial was, and the best so far."""
        if self.quiet:
            return
        trial, best = self.study.trials[number], self._ranked()[:1]
        shown = alike(*(one.value for one in (trial, *best)))
        so_far = f"best {shown(best[0].value)} (trial {best[0].number})" if best else ""
        self.progress.print(
            f"trial {number} ({number + 1} of {self.plan.trials})  {self._result(trial, shown)}  "
            f"{so_far}  {self._values(trial)}",
            markup=False,
            highlight=False,
        )

    @property
    def metric(self) -> str:
        """Return the name of the metric that decides."""
        return str(self.plan.request.recipe_data.task.headline.name)

    def _ranked(self) -> list[Any]:
        """Return the trials that were trained to their end, the best first."""
        found = [one for one in self.study.trials if one.state.name == "COMPLETE"]
        return sorted(found, key=lambda one: one.value, reverse=self.plan.higher_is_better)

    def _result(self, trial: Any, shown: Callable[[float | None], str] = output.number) -> str:
        """Return how a trial ended."""
        from dlrecipes.training.search import REASON

        if trial.state.name == "COMPLETE":
            return f"{self.metric} {shown(trial.value)}"
        if trial.state.name == "PRUNED":
            return f"stopped early, after {counted(len(trial.intermediate_values), 'epoch')}"
        return f"failed: {trial.user_attrs.get(REASON, 'unknown')}"

    def _values(self, trial: Any) -> str:
        """Return the settings of a trial, in a line."""
        from dlrecipes.training.search import values_of

        return "  ".join(f"{name} {value}" for name, value in values_of(self.plan, trial).items())

    def _show_plan(self) -> None:
        """Show what is searched."""
        plan = self.plan
        self.progress.print(
            f"Searching {plan.name}: {counted(len(plan.space), 'setting')} of "
            f"{plan.request.facts.name}, {counted(plan.trials, 'trial')}, {plan.sampler}, "
            f"pruning: {plan.pruner}",
            markup=False,
        )
        for dimension in plan.space:
            self.progress.print(f"  {dimension}", markup=False, highlight=False)

    def _show(self) -> None:
        """Show the best trials, and which settings mattered."""
        target, ranked = self.progress, self._ranked()
        if not ranked:
            raise DlrecipesError(f"No trial was trained to its end.{self._why_none()}")
        if self.as_json:
            return
        target.print()
        shown = alike(*(one.value for one in ranked[:SHOWN]))
        rows = [[str(one.number), shown(one.value), self._values(one)] for one in ranked[:SHOWN]]
        output.print_table(["trial", f"validation {self.metric}", "settings"], rows)
        if shares := self._importance():
            listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            target.print(f"What made the difference: {listed}", markup=False)
        if find_spec("optuna_dashboard"):
            where = shlex.quote(self.plan.journal)
            target.print(f"Look at it: optuna-dashboard {where}", markup=False)

    def _why_none(self) -> str:
        """Return how the last trial ended, if there is one."""
        return f" The last one {self._result(self.study.trials[-1])}" if self.study.trials else ""

    def _importance(self) -> dict[str, float]:
        """Return which share of the differences each setting explains."""
        from dlrecipes.training.search import importance_of

        return importance_of(self.study)

    def _test(self) -> dict[str, Any]:
        """Write the best settings to a file, train and test them, and return what was found."""
        best = self._ranked()[0]
        path = self.plan.folder / f"{self.plan.name}.toml"
        write_atomically(path, self._settings_file(best).encode())
        if best.number == 0:
            output.console(stderr=self.as_json).print(
                "No trial was better on validation data than the settings that you have now."
            )
            return {"config": str(path), "comparison": {}}
        found = self._comparison(best) if self.seeds else {}
        if not self.as_json:
            output.console().print(f"The best settings: {path}", markup=False)
            output.print_next(f"dlrecipes train --config {shlex.quote(str(path))}")
        return {"config": str(path), "comparison": found}

    def _comparison(self, best: Any) -> dict[str, Any]:
        """Train and test with and without the best settings; say whether they are better."""
        from dlrecipes.runs.seed_groups import Group, compared_groups
        from dlrecipes.training.search import values_of
        from dlrecipes.training.seeds import train_seeds

        request = self.plan.request
        groups = []
        for label, one in (
            ("default", request),
            ("best", request.with_settings(values_of(self.plan, best))),
        ):
            name = f"{self.plan.name}-{label}"
            runs = train_seeds(one, self.seeds, name, self._seed_display)
            groups.append(Group(name, runs, []))
        found = compared_groups(*groups)
        if not self.as_json:
            for group in groups:
                self._show_mean(group)
            output.console().print(sentence(found, groups[1].name), markup=False)
        return found

    def _seed_display(self) -> "Listener":
        """Return what shows how a training of the final test goes."""
        return Display(output.console(stderr=True, in_passing=True), quiet=True)

    def _show_mean(self, group: "Group") -> None:
        """Show the mean test result of a group of seeds."""
        from dlrecipes.runs.seed_groups import margin_of_mean

        values = group.values(self.metric)
        if values:
            mean = with_margin(
                sum(values) / len(values), margin_of_mean(values), limits_of(self.metric)
            )
            output.console().print(
                f"Test {self.metric}, {group.name}, {counted(len(values), 'seed')}: {mean}",
                markup=False,
            )

    def _settings_file(self, best: Any) -> str:
        """Return the TOML file that `train --config` takes, with the best settings."""
        from dlrecipes.training.search import values_of

        request = self.plan.request.with_settings(values_of(self.plan, best))
        head = (
            f"# Found by dlrecipes tune: trial {best.number} of {self.plan.name}, "
            f"validation {self.metric} {output.number(best.value)}\n"
            f"recipe = {_toml(request.facts.name)}\n"
        )
        if request.data.is_path:
            head += f"data = {_toml(str(Path(request.data.data).resolve()))}\n"
        lines = [f"{name} = {_toml(request.config[name])}\n" for name in sorted(request.given)]
        return f"{head}\n[settings]\n{''.join(lines)}"

    def _document(self, tested: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `--json` shows."""
        ranked = self._ranked()
        return {
            "name": self.plan.name,
            "recipe": self.plan.request.facts.name,
            "metric": self.metric,
            "space": [str(dimension) for dimension in self.plan.space],
            "trials": [self._trial_document(one) for one in self.study.trials],
            "best": self._trial_document(ranked[0]) if ranked else {},
            "importance": self._importance(),
            **tested,
        }

    def _trial_document(self, trial: Any) -> dict[str, Any]:
        """Return a trial as JSON."""
        from dlrecipes.training.search import RUN, values_of

        return {
            "trial": trial.number,
            "status": trial.state.name.lower(),
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "settings": values_of(self.plan, trial),
            "run": trial.user_attrs.get(RUN, ""),
        }


def _toml(value: Any) -> str:
    """Return a value as TOML has it, which is as JSON has it."""
    return json.dumps(value)


def _command(name: str) -> str:
    """Return the command that continues a search."""
    typed = sys.argv[1:]
    is_named = any(word == "--name" or word.startswith("--name=") for word in typed)
    return shlex.join(["dlrecipes", *typed, *([] if is_named else ["--name", name])])


@contextmanager
def _others(name: str, count: int) -> Iterator[None]:
    """Have other processes work on the search as long as the block does, and until they end."""
    flags = ("--name", name, "--jobs", "1", "--join", "--quiet")
    command = [sys.executable, "-P", "-m", "dlrecipes", *sys.argv[1:], *flags]
    others = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
        for other in others:
            other.wait()
    finally:
        for other in others:
            other.terminate()
