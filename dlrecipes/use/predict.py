"""Use a finished run: raw inputs in, answers out. Runs no recipe's code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain, count
from typing import Any

from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.files import FileOptions, Report
from dlrecipes.errors import InputError
from dlrecipes.runs import record
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.runs.trust import trusted_program
from dlrecipes.system.backend import check_device_name, load_tensorflow, select_device
from dlrecipes.system.clock import Clock, PhaseListener
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Inputs, PredictOptions, Task
from dlrecipes.tasks.serving import SavedServing

MOSTLY_UNKNOWN = 0.5
"""Share of a text's words that the model does not know, above which its answer has a note."""


def load_serving(run: Run, *, trust: bool) -> Any:
    """Return the run's serving model, once its file is what was recorded.

    Args:
        run: The run.
        trust: Whether to run the program that the serving model of a run from elsewhere may be.
    """
    if record.PROGRAM_FILE in run.files:
        return SavedServing(trusted_program(run, trust=trust))
    path = run.checked_file(record.SERVING_FILE)
    load_tensorflow()
    import keras

    import_module("dlrecipes.kit.tokens")  # It registers the layer that texts go through.
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be loaded: {reason}") from error


@dataclass(frozen=True)
class Asked:
    """What was asked of `predict`.

    Args:
        arguments: Files, folders, patterns, texts, or `-` for standard input, as the run's task
            takes them.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        trust: Whether to run the program that the serving model of a run from elsewhere may be.
        strict: Whether to stop at the first input that cannot be used.
        reading: How inputs are read, where not as the run says: fields of the form of its inputs.
        files: How files are laid out, where not as those that it was trained on: fields of
            `FileOptions`.
    """

    arguments: Sequence[str]
    device: str = "auto"
    trust: bool = False
    strict: bool = False
    reading: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def predict(
    run: Run, asked: Asked, options: PredictOptions, listener: PhaseListener | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield an entry for each input that the arguments stand for, some at a time, in order.

    An entry is an answer, or has an `error`: why the input cannot be used.

    Args:
        run: The run.
        asked: The inputs, and how they are to be answered.
        options: Flags of `predict` that some answers take.
        listener: Hears that TensorFlow is started; None for nobody.

    Raises:
        InputError: if no input can be used; if `strict`, if one cannot.
    """
    task = find_task(run.task)
    check_device_name(asked.device)
    answer_form, parts = form_of(run).answer, given_inputs(run, asked)
    with Clock(listener=listener).part("start"):
        chosen = select_device(asked.device)
        serving = load_serving(run, trust=asked.trust)
    for part in parts:
        with load_tensorflow().device(chosen.scope):
            entries = answered(task, serving, part, answer_form, options)
        yield entries


@dataclass(frozen=True)
class Unusable:
    """An input that cannot be used.

    Args:
        input: What it is called.
        error: Why, in a sentence.
        place: Where it stands in a file of many: `file`, `row`, `line`.
    """

    input: str
    error: str
    place: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return its entry among the answers."""
        return {"input": self.input, **self.place, "error": self.error}


def given_inputs(run: Run, asked: Asked) -> Iterator[Inputs]:
    """Return the inputs that are asked for, some at a time.

    They are read up to the first that can be used at once: who has mistyped a name hears of it
    before TensorFlow is imported.

    Raises:
        InputError: if no input can be used; if `strict`, at the first that cannot.
    """
    form: Any = replace(form_of(run).input, **dict[str, Any](asked.reading))
    options = FileOptions(**{**run.data["files"], **asked.files})
    parts = find_task(run.task).input.parse(asked.arguments, form, options)
    if asked.strict:
        parts = map(_all_usable, parts)
    return chain(_up_to_the_first_usable(parts), parts)


def one_by_one(parts: Iterable[Inputs]) -> Iterator[tuple[Inputs, int] | Unusable]:
    """Yield each input: the usable ones of its part, and its place among them; or why it is none.

    Args:
        parts: Inputs, some at a time.
    """
    for part in parts:
        usable, places = part.usable, count()
        for number in range(len(part.names)):
            yield unusable(part, number) if number in part.errors else (usable, next(places))


def unusable(part: Inputs, number: int) -> Unusable:
    """Return the input of a number, which has an error."""
    place = part.places[number] if part.places else {}
    return Unusable(part.names[number], part.errors[number].message, place)


def answered(
    task: Task, serving: Any, part: Inputs, form: Form, options: PredictOptions
) -> list[dict[str, Any]]:
    """Return an entry for each of some inputs: its answer, or its error.

    Args:
        task: The task of the model.
        serving: The serving model.
        part: The inputs.
        form: The form of the answers.
        options: Flags of `predict` that some answers take.
    """
    answers: list[dict[str, Any]] = []
    if usable := part.usable.names:
        answers = task.answer.predict(serving, part.usable, form, options)
        if task.input.name == "text":
            answers = _with_unknown_words(answers, serving, part.usable.features)
    assert len(answers) == len(usable)
    return _entries(part, answers)


def _up_to_the_first_usable(parts: Iterator[Inputs]) -> list[Inputs]:
    """Return the inputs up to the first that can be used.

    Raises:
        InputError: if there is none.
    """
    held: list[Inputs] = []
    for part in parts:
        held.append(part)
        if part.usable.names:
            return held
    errors = [error for part in held for error in part.errors.values()]
    if len(errors) == 1:
        raise errors[0]
    report = Report()
    for error in errors:
        report.problem(error.message.splitlines()[0], error.hint)
    report.require_usable("The input")
    raise InputError("There are no inputs.")


def _with_unknown_words(
    answers: Sequence[dict[str, Any]], serving: Any, texts: Any
) -> list[dict[str, Any]]:
    """Return the answers with the share of each text's words that the model does not know."""
    from dlrecipes.kit.tokens import unknown_words

    shares = unknown_words(serving, texts)
    if not shares:
        return list(answers)
    return [
        {**answer, "unknown_words": share} for answer, share in zip(answers, shares, strict=True)
    ]


def _all_usable(part: Inputs) -> Inputs:
    """Return some inputs; raise the error of the first that cannot be used."""
    for error in part.errors.values():
        raise error
    return part


def _entries(part: Inputs, answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an entry for each of some inputs: its answer, or its error."""
    rest, entries = iter(answers), []
    for number in range(len(part.names)):
        if number in part.errors:
            entries.append(unusable(part, number).document())
            continue
        answer, place = next(rest), part.places[number] if part.places else {}
        called = next(iter(answer))  # `input`, or `prompt`
        note = {"note": part.notes[number]} if number in part.notes else _unknown(answer)
        entries.append({called: answer[called], **place, **answer, **note})
    return entries


def _unknown(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the note of an answer to a text of which the model knows less than half."""
    share = answer.get("unknown_words", 0.0)
    if share <= MOSTLY_UNKNOWN:
        return {}
    return {"note": f"{share:.0%} of its words were not in the training data"}
