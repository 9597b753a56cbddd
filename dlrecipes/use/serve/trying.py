"""The page to try a model: a widget for its kind of input, and its answer as you use it.

`GET /` is the page, `GET /try` the names of the models, `GET /try/NAME` what the page must know of
one, and `POST /try/NAME` answers what its widget gives as `predict` does: the input is read by the
same kind of input, and answered by the same kind of answer. A text that continues a prompt comes a
character at a time, as server-sent events.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from dlrecipes.datasets.examples import Examples, Rows, Source
from dlrecipes.datasets.own.files import shortened
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.tasks.base import Inputs, PredictOptions, Task
from dlrecipes.tasks.inputs.image import INVERTED
from dlrecipes.tasks.inputs.text import text_array
from dlrecipes.tasks.pictures import png_url
from dlrecipes.use.explain.parts import joined, words_of
from dlrecipes.use.predict import answered
from dlrecipes.use.serve.generation import EVENTS, RANGES, events
from dlrecipes.use.serve.tensors import parsed

FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "widgets.js": "text/javascript",
    "drawing.js": "text/javascript",
    "answers.js": "text/javascript",
    "make.js": "text/javascript",
}
"""The files of the page, and what they are."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
MOST_WORDS = 60
"""Words of a text whose share in the answer is shown: each costs one more answer."""
SWAPPED = "Ink and paper are swapped, as the model was trained on images of the opposite ink."
MISSING = "This export cannot be tried: the run that it was made of is not beside it."


class Tried(Protocol):
    """A model that is tried."""

    @property
    def task(self) -> Task:
        """Return its task."""

    @property
    def data(self) -> Source:
        """Return the form of the data that it was trained on."""

    @property
    def serving(self) -> Any:
        """Return what takes raw inputs and answers."""

    @property
    def golden(self) -> Rows:
        """Return a few inputs to begin with."""

    def stream(self, prompt: str, options: PredictOptions) -> Iterator[str]:
        """Yield the text that continues a prompt, a few characters at a time."""


class Models(Protocol):
    """The models that are served."""

    def names(self) -> list[str]:
        """Return their names."""

    def tried(self, name: str) -> Tried | None:
        """Return the newest version of a model; None if there is no such model."""


def router(models: Models, timeout: float) -> APIRouter:
    """Return the routes of the page.

    Args:
        models: The models that are served, as they are at each request.
        timeout: Seconds that a text may take.
    """
    routes = APIRouter(include_in_schema=False)
    _add_page(routes)

    def find(name: str) -> Tried:
        found = models.tried(name)
        if found is None:
            raise HTTPException(404, MISSING if name in models.names() else f"No model {name!r}.")
        return found

    @routes.get("/try")
    def names() -> JSONResponse:
        return JSONResponse({"models": models.names()}, headers=HEADERS)

    @routes.get("/try/{name}")
    def describe(name: str) -> JSONResponse:
        return JSONResponse(description(name, find(name)), headers=HEADERS)

    @routes.post("/try/{name}")
    async def answer(name: str, request: Request) -> Response:
        body = await request.body()
        model, posted = await run_in_threadpool(lambda: (find(name), parsed(body)))
        if model.task.answer.display.kind == "text" and request.headers.get("accept") == EVENTS:
            return await run_in_threadpool(_stream, model, posted, timeout)
        return await run_in_threadpool(_answer, model, posted)

    return routes


def _add_page(routes: APIRouter) -> None:
    """Add the page and its files."""

    @routes.get("/")
    def page() -> Response:
        return _file("page.html", "text/html")

    @routes.get("/page/{name}")
    def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, f"The page has no file {name!r}.")
        return _file(name, FILES[name])


def _file(name: str, media_type: str) -> Response:
    """Return a file of the page."""
    content = files("dlrecipes.use.serve").joinpath("page", name).read_bytes()
    return Response(content, media_type=media_type, headers=HEADERS)


def _answer(model: Tried, posted: Mapping[str, Any]) -> Response:
    """Return the answer to what was posted."""
    inputs, options = given(model, posted.get("input")), chosen(model, posted.get("options"))
    found = answer_of(model, inputs, options)
    try:
        return JSONResponse(found, headers=HEADERS)
    except ValueError:  # JSON has no such numbers, and a page could not show them.
        raise DlrecipesError("The model's answer is not a finite number.") from None


def _stream(model: Tried, posted: Mapping[str, Any], timeout: float) -> Response:
    """Return the text that continues the prompt that was posted, as it is written."""
    inputs, options = given(model, posted.get("input")), chosen(model, posted.get("options"))
    parts = model.stream(str(np.asarray(inputs.features)[0]), options)
    return StreamingResponse(events(parts, timeout), media_type=EVENTS, headers=HEADERS)


def description(name: str, model: Tried) -> dict[str, Any]:
    """Return what the page must know to show a model: its widget, its display and its examples."""
    kind, form, golden = model.task.input, model.data.input, Examples(model.golden)
    return {
        "model": name,
        "task": model.task.name,
        "widget": kind.widget.describe(form, golden),
        "display": model.task.answer.display.kind,
        "options": _options(model),
        "examples": kind.widget.examples(kind, golden, form),
    }


def _options(model: Tried) -> dict[str, Any]:
    """Return the options of a model's answers: their default, lowest and highest values."""
    return {
        name: {"value": getattr(PredictOptions(), name), "low": low, "high": high}
        for name, (low, high) in RANGES.items()
        if name in model.task.answer.predict_flags
    }


def given(model: Tried, posted: Any) -> Inputs:
    """Return the input that was posted: what the widget gives, or one of the examples.

    Raises:
        InputError: if it cannot be used.
    """
    if not isinstance(posted, Mapping):
        raise InputError("The request must have an object `input`: what the widget gives.")
    if "example" in posted:
        return _example(model, posted["example"])
    kind = model.task.input
    return _first(kind.widget.inputs(kind, posted, model.data.input))


def _first(inputs: Inputs) -> Inputs:
    """Return the first of some inputs; a file may hold many.

    Raises:
        InputError: if it cannot be used.
    """
    if error := inputs.errors.get(0):
        raise error
    count, notes = len(inputs.names), {0: inputs.notes[0]} if 0 in inputs.notes else {}
    if count > 1:
        notes = {0: f"The file holds {count:,} inputs: this is the answer to the first."}
    return Inputs([inputs.names[0]], _row(inputs.features, 0), notes=notes)


def _row(features: Rows, number: int) -> Rows:
    """Return one row of some features."""
    return Examples(features).take(np.array([number])).arrays()


def _example(model: Tried, number: Any) -> Inputs:
    """Return one of the examples by its number, from 0."""
    count = len(Examples(model.golden))
    if type(number) is not int or not 0 <= number < count:
        raise InputError(f"The example must be a number from 0 to {count - 1}.")
    return Inputs([f"example {number + 1}"], _row(model.golden, number))


def chosen(model: Tried, posted: Any) -> PredictOptions:
    """Return the options that were posted.

    Raises:
        InputError: if one is unknown, or out of its range.
    """
    options, names = {} if posted is None else posted, _options(model)
    if not isinstance(options, Mapping) or options.keys() - names.keys():
        taken = f"an object with {', '.join(names)}" if names else "left out for this model"
        raise InputError(f"The options must be {taken}. Received: {shortened(str(posted))}")
    for name, value in options.items():
        low, high = RANGES[name]
        if type(value) not in (type(low), int) or not low <= value <= high:
            raise InputError(f"{name} must be a number from {low} to {high}. Received: {value!r}")
    return PredictOptions(**dict[str, Any](options))


def answer_of(model: Tried, inputs: Inputs, options: PredictOptions) -> dict[str, Any]:
    """Return the answer to one input: as `predict --json` has it, and as the page shows it.

    Returns:
        `prediction` without what is shown as a picture; `shown`; of an image, `seen`, what the
        model takes of it; of a text, `words`.
    """
    answer, form = model.task.answer, model.data.answer
    (entry,) = answered(model.task, model.serving, inputs, form, options)
    found: dict[str, Any] = {
        "prediction": {name: one for name, one in entry.items() if not isinstance(one, list)},
        "shown": answer.display.show(answer, entry, form),
    }
    if model.task.input.name == "image":
        found["seen"] = png_url(np.asarray(inputs.features)[0])
        if entry.get("note") == INVERTED:  # There, the note names a flag.
            found["prediction"]["note"] = SWAPPED
    if model.task.input.name == "text" and answer.name == "category":
        found["words"] = words(model, str(np.asarray(inputs.features)[0]), entry)
    return found


def words(model: Tried, text: str, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the words of a text, and what each adds to the probability of the answer.

    That is how much lower the probability is without the word, which is left out. A longer text
    than `MOST_WORDS` has none.
    """
    parts = words_of(text)
    if not text.strip() or len(parts) > MOST_WORDS:
        return []
    without = joined(parts, ~np.eye(len(parts), dtype=bool), " ")
    alone = text_array([part.strip() for part in parts])
    both = Inputs([""] * 2 * len(parts), text_array([*without, *alone]))
    form = model.data.answer
    entries = answered(model.task, model.serving, both, form, PredictOptions())
    label = entry["label"]
    return [
        {
            "word": part,
            "adds": entry["probabilities"][label] - less["probabilities"][label],
            "is_unknown": one.get("unknown_words", 0.0) == 1.0,
        }
        for part, less, one in zip(parts, entries[: len(parts)], entries[len(parts) :], strict=True)
    ]
