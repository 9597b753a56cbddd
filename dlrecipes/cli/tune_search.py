"""Carry a search out and show it: for the `tune` command."""

import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrecipes.catalog.find import all_recipes
from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.cli import output
from dlrecipes.cli.runs_groups import sentence
from dlrecipes.cli.tune_display import SearchDisplay
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit.metric_names import limits_of
from dlrecipes.system.atomic import write_atomically
from dlrecipes.system.words import alike, counted, with_margin

if TYPE_CHECKING:
    from dlrecipes.catalog.facts import Facts
    from dlrecipes.runs.seed_groups import Group
    from dlrecipes.training.listener import Listener
    from dlrecipes.training.study import Plan

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
        from dlrecipes.training.study import open_study

        self.plan, self.seeds, self.as_json = plan, seeds, as_json
        screen = output.console(stderr=as_json, in_passing=True)
        self.display = SearchDisplay(screen, quiet=quiet)
        self.study = open_study(plan)
        self.shown = set[int]()
        """Numbers of the trials that have a row already."""

    def complete(self, jobs: int, *, join: bool) -> dict[str, Any]:
        """Search, show what was found, and test it; return the JSON document.

        Args:
            jobs: Processes that work on the search.
            join: Whether another process shows and tests what is found.
        """
        from dlrecipes.training import search

        self._show_plan()
        self._show_ended()
        try:
            with _others(self.plan.name, jobs - 1):
                search.search(self.plan, self.study, self)
            self._show_ended()
            if join:
                return self._document({})
            self._show()
            return self._document(self._test())
        except DlrecipesError as error:
            if error.exit_code != 2:
                error.hint = f"Continue the search: {_command(self.plan.name)}"
            raise
        finally:
            self.display.clear()

    def trial_begins(self, number: int) -> "Listener":
        """Return who hears how a trial's training goes."""
        return self.display.training(f"trial {number} (of {self.plan.trials})")

    def trial_ends(self, number: int) -> None:
        """Show how good a trial was, and those that other processes have ended since."""
        self.display.clear()
        self._show_ended()

    def _show_ended(self) -> None:
        """Show a row of each trial that has ended and has none, and the best result until then."""
        ended = [one for one in self._trials() if one.state.is_finished()]
        for trial in sorted(ended, key=lambda one: one.datetime_complete):
            if trial.number in self.shown:
                continue
            self.shown.add(trial.number)
            until = [
                one for one in self._ranked() if one.datetime_complete <= trial.datetime_complete
            ]
            shown = alike(*(one.value for one in (trial, *until[:1])))
            best = f"best {shown(until[0].value)} (trial {until[0].number})" if until else ""
            is_best = until[:1] == [trial]
            values = self._values(trial) if is_best else {}
            self.display.trial(trial.number, self._result(trial, shown), best, values)

    @property
    def metric(self) -> str:
        """Return the name of the metric that decides."""
        return str(self.plan.request.recipe_data.task.headline.name)

    def _trials(self) -> list[Any]:
        """Return the trials, but those that were begun at one moment with the last one wanted."""
        return [
            one
            for one in self.study.trials
            if one.number < self.plan.trials or one.state.is_finished()
        ]

    def _ranked(self) -> list[Any]:
        """Return the trials that were trained to their end, the best first."""
        found = [one for one in self._trials() if one.state.name == "COMPLETE"]
        return sorted(found, key=lambda one: one.value, reverse=self.plan.higher_is_better)

    def _result(self, trial: Any, shown: Callable[[float | None], str] = output.number) -> str:
        """Return how a trial ended."""
        from dlrecipes.training.study import PRUNED, REASON

        if trial.state.name == "COMPLETE":
            return f"{self.metric} {shown(trial.value)}"
        if trial.state.name == "PRUNED":
            return f"stopped after {counted(trial.user_attrs[PRUNED], 'epoch')}"
        return f"failed: {trial.user_attrs.get(REASON, 'unknown')}"

    def _values(self, trial: Any) -> dict[str, str]:
        """Return the settings of a trial, each as it is typed."""
        from dlrecipes.training.study import values_of

        return values_of(self.plan, trial)

    def _show_plan(self) -> None:
        """Show what is searched."""
        plan = self.plan
        self.display.say(
            f"Searching {plan.name}: {counted(len(plan.space), 'setting')} of "
            f"{plan.request.facts.name}, {counted(plan.trials, 'trial')}, {plan.sampler}, "
            f"pruning: {plan.pruner}"
        )
        for dimension in plan.space:
            self.display.say(f"  {dimension}")

    def _show(self) -> None:
        """Show the best trials, and which settings mattered."""
        self.display.clear()
        ranked, target = self._ranked(), output.console()
        if not ranked:
            raise DlrecipesError(f"No trial was trained to its end.{self._why_none()}")
        if self.as_json:
            return
        target.print()
        shown = alike(*(one.value for one in ranked[:SHOWN]))
        rows = [
            [str(one.number), shown(one.value), _in_a_line(self._values(one))]
            for one in ranked[:SHOWN]
        ]
        output.print_table(["trial", f"validation {self.metric}", "settings"], rows)
        target.print(f"\n{self._how_many()}")
        if shares := self._importance():
            listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            target.print(f"What made the difference: {listed}", markup=False)
        if find_spec("optuna_dashboard"):
            where = shlex.quote(self.plan.journal)
            target.print(f"Look at it: optuna-dashboard {where}", markup=False)

    def _how_many(self) -> str:
        """Return how many trials ended in which way."""
        states = Counter(one.state.name for one in self._trials())
        ended = {
            "COMPLETE": "trained to the end",
            "PRUNED": "stopped early",
            "FAIL": "failed",
            "RUNNING": "still being trained by another process",
        }
        shown = ", ".join(
            f"{states[name]} {words}" for name, words in ended.items() if states[name]
        )
        missing = self.plan.trials - len(self._trials())
        more = f" Not begun: {missing}." if missing > 0 else ""
        return f"{counted(len(self._trials()), 'trial')}: {shown}.{more}"

    def _why_none(self) -> str:
        """Return how the last trial ended, if there is one."""
        return f" The last one {self._result(self._trials()[-1])}" if self._trials() else ""

    def _importance(self) -> dict[str, float]:
        """Return which share of the differences each setting explains."""
        from dlrecipes.training.study import importance_of

        return importance_of(self.study)

    def _test(self) -> dict[str, Any]:
        """Write the best settings to a file, train and test them, and return what was found."""
        best = self._ranked()[0]
        path = self.plan.folder / f"{self.plan.name}.toml"
        write_atomically(path, self._settings_file(best).encode())
        if best.number == 0:
            output.console(stderr=self.as_json).print(
                "No trial was better on validation data than the settings without a search. "
                "There is nothing to test."
            )
            return {"config": str(path), "comparison": {}}
        if not self.as_json:
            output.console().print(f"The best settings: {path}", markup=False)
        found = self._comparison(best) if self.seeds else {}
        if not self.as_json:
            output.print_next(f"dlrecipes train --config {shlex.quote(str(path))}")
        return {"config": str(path), "comparison": found}

    def _comparison(self, best: Any) -> dict[str, Any]:
        """Train and test with and without the best settings; say whether they are better."""
        from dlrecipes.runs.seed_groups import Group, compared_groups
        from dlrecipes.training.seeds import train_seeds

        request = self.plan.request
        groups = []
        for label, one in (
            ("default", request),
            # Its number: with more trials, another may be the best, and be tested beside this one.
            (f"best{best.number}", request.with_settings(self._values(best))),
        ):
            name = f"{self.plan.name}-{label}"
            self.display.say(f"Testing {name}: {self.seeds} seeds")
            runs = train_seeds(one, self.seeds, name, partial(self.display.training, name))
            groups.append(Group(name, runs, []))
        self.display.clear()
        found = compared_groups(*groups)
        if not self.as_json:
            for group in groups:
                self._show_mean(group)
            output.console().print(sentence(found, groups[1].name), markup=False)
        return found

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
        """Return the TOML file that `train --config` takes, with the best settings.

        It has all that was typed for the search: the data, how to read it, and what a preset says.
        """
        request = self.plan.request.with_settings(self._values(best))
        data = request.data
        head: dict[str, Any] = {
            "recipe": _typed_recipe(request.facts),
            "seed": request.seed,
            "data": str(Path(data.data).resolve()) if data.is_path else data.data,
            "data_dir": data.data_dir and str(Path(data.data_dir).resolve()),
            **({name: getattr(data.files, name) for name in FILE_OPTIONS} if data.is_path else {}),
        }
        default = {one.name: one.default for one in request.facts.settings}
        settings = {
            name: value
            for name, value in sorted(request.config.items())
            if name in request.given or value != default[name]
        }
        return (
            f"# Found by dlrecipes tune: trial {best.number} of {self.plan.name}, "
            f"validation {self.metric} {output.number(best.value)}\n"
            f"{_lines({name: value for name, value in head.items() if value})}"
            f"\n[settings]\n{_lines(settings)}"
        )

    def _document(self, tested: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `--json` shows."""
        ranked = self._ranked()
        return {
            "name": self.plan.name,
            "recipe": self.plan.request.facts.name,
            "metric": self.metric,
            "space": [str(dimension) for dimension in self.plan.space],
            "trials": [self._trial_document(one) for one in self._trials()],
            "best": self._trial_document(ranked[0]) if ranked else {},
            "importance": self._importance(),
            **tested,
        }

    def _trial_document(self, trial: Any) -> dict[str, Any]:
        """Return a trial as JSON."""
        from dlrecipes.training.study import RUN

        return {
            "trial": trial.number,
            "status": trial.state.name.lower(),
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "settings": self._values(trial),
            "run": trial.user_attrs.get(RUN, ""),
        }


def _in_a_line(values: Mapping[str, str]) -> str:
    """Return settings in a line."""
    return "  ".join(f"{name}={value}" for name, value in values.items())


def _typed_recipe(facts: "Facts") -> str:
    """Return how a recipe is named in any folder: by its name, or by its file."""
    names = [one.package for one in all_recipes() if one.name == facts.name]
    is_installed = names == [facts.package] and not Path(facts.package).is_dir()
    return facts.name if is_installed else str(facts.path.resolve())


def _lines(values: Mapping[str, Any]) -> str:
    """Return values as lines of TOML, which has them as JSON has them; but it has no null."""
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n"
        for name, value in values.items()
        if value is not None
    )


def _command(name: str) -> str:
    """Return the command that continues a search."""
    typed = sys.argv[1:]
    is_named = any(word == "--name" or word.startswith("--name=") for word in typed)
    return shlex.join(["dlrecipes", *typed, *([] if is_named else ["--name", name])])


@contextmanager
def _others(name: str, count: int) -> Iterator[None]:
    """Have other processes work on the search as long as the block does, and until they end.

    Ctrl-C is for this process, which then asks the others to stop.
    """
    flags = ("--name", name, "--jobs", "1", "--join", "--quiet")
    command = [sys.executable, "-P", "-m", "dlrecipes", *sys.argv[1:], *flags]
    nowhere = subprocess.DEVNULL
    others = [
        subprocess.Popen(
            command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
        for _ in range(count)
    ]
    try:
        yield
        failed = [code for other in others if (code := other.wait())]
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.wait()
    if failed:
        output.print_warning(
            f"{len(failed)} of {count} further processes of --jobs ended with code {failed[0]}."
        )
