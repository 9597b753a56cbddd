"""TensorFlow Serving's REST interface: the same paths, and the same JSON."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from dlrecipes.datasets.storage import Array
from dlrecipes.use.serve import examples, quick, status
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.generation import generate
from dlrecipes.use.serve.models import Models, Version
from dlrecipes.use.serve.signatures import Signature
from dlrecipes.use.serve.tensors import (
    INSTANCES,
    answer_document,
    parsed,
    read_inputs,
    signature_name,
    written,
)

PLACES = ("", "/versions/{version}", "/labels/{label}")
"""How an address names a version: the newest, one by its number, one by its label."""
JSON = "application/json"
LARGE = 256 * 1024
"""Bytes of a body from which on it is read in a thread, so that others are answered meanwhile."""
Answer = Callable[[Version, bytes], Awaitable[dict[str, Any]]]
Read = TypeVar("Read")


class Plain(APIRoute):
    """A route whose function reads its request itself.

    FastAPI would look for what else it depends on, at every request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function."""
        return self.endpoint


def router(models: Models) -> APIRouter:
    """Return the paths under `/v1`."""
    app = APIRouter(route_class=Plain)
    for place in PLACES:
        _add_verbs(app, models, place)
        _add_descriptions(app, models, place)

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def malformed(request: Request) -> Response:
        path = request.url.path
        raise Refused(f"Malformed request: {request.method} {path[:200]}")

    return app


def _add_verbs(app: APIRouter, models: Models, place: str) -> None:
    """Add what models answer with, for one way to name a version."""
    posters = dict.fromkeys(VERBS, _described_only)
    for verb, post in {**posters, "generate": _generator(models)}.items():
        app.add_api_route(
            f"/v1/models/{{name}}{place}:{verb}",
            post,
            methods=["POST"],
            operation_id=f"{verb}{_suffix(place)}",
            summary=SUMMARIES[verb],
            openapi_extra=_described(place, REQUESTS[verb]),
        )


def _add_descriptions(app: APIRouter, models: Models, place: str) -> None:
    """Add what is told of a model, for one way to name a version."""
    described = {"metadata": ("/metadata", status.metadata), "status": ("", status.model_status)}
    for name, (end, describe) in described.items():
        app.add_api_route(
            f"/v1/models/{{name}}{place}{end}",
            _getter(models, describe),
            operation_id=f"{name}{_suffix(place)}",
            summary=SUMMARIES[name],
            openapi_extra=_described(place),
        )


def _suffix(place: str) -> str:
    """Return how the operations are called that name a version in a way."""
    return f"_by_{place.split('/')[1].removesuffix('s')}" if place else ""


def _found(models: Models, request: Request) -> Version:
    """Return the version that the address of a request names."""
    given = request.path_params
    return models.find(given["name"], version_number(given.get("version")), given.get("label", ""))


def version_number(text: str | None) -> int | None:
    """Return the number of a version in an address."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Refused(f"Failed to convert version: {text[:50]} to numeric.")
    return int(text)


class Front:
    """Answers `predict`, `classify` and `regress`, and leaves the rest to the application.

    FastAPI and Starlette would put eleven calls around each of these answers, which take as long as
    a small model. They only describe them.

    Args:
        application: What answers everything else.
        models: The models.
    """

    def __init__(self, application: ASGIApp, models: Models) -> None:
        self.application = application
        self.models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whose body comes in one piece.

        Raises:
            Refused: if it is not right.
        """
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        address = VERB.fullmatch(scope["path"]) if is_post else None
        if address is None:
            await self.application(scope, receive, send)
            return
        name, number, label, verb = address.groups()
        version = self.models.find(name, version_number(number), label or "")
        content = written(await VERBS[verb](version, (await receive())["body"]))
        await Response(content, media_type=JSON)(scope, receive, send)


async def _described_only(request: Request) -> Response:
    """Stand in OpenAPI for what `Front` answers."""
    raise Refused(f"Malformed request: POST {request.url.path[:200]}")


def _generator(models: Models) -> Callable[[Request], Awaitable[Response]]:
    """Return what continues texts."""

    async def post(request: Request) -> Response:
        version = _found(models, request)
        return await generate(version, await read(await request.body(), parsed))

    return post


def _getter(
    models: Models, describe: Callable[[Models, str, Version | None], Mapping[str, Any]]
) -> Callable[[Request], Awaitable[Response]]:
    """Return what describes a model, or a version of it."""

    async def get(request: Request) -> Response:
        given = request.path_params
        chosen = _found(models, request) if given.keys() & {"version", "label"} else None
        return Response(written(describe(models, given["name"], chosen)), media_type=JSON)

    return get


async def read(body: bytes, reader: Callable[[bytes], Read]) -> Read:
    """Return what a body holds."""
    return reader(body) if len(body) < LARGE else await asyncio.to_thread(reader, body)


async def predict(version: Version, body: bytes) -> dict[str, Any]:
    """Return the outputs of a signature."""
    arrays, rows, signature = await read(body, partial(_inputs, version))
    return answer_document(await version.batches.answer(signature, arrays), rows=rows)


def _inputs(version: Version, body: bytes) -> tuple[dict[str, Array], bool, Signature]:
    """Return the inputs of a `predict` request, whether they are in rows, and the signature."""
    request = quick.request_of(body)
    if request is not None:
        signature = version.loaded.signature(request.signature_name)
        found = quick.read_only_input(request, signature)
        if found is not None:
            return found, bool(request.instances), signature
    document = parsed(body)
    signature = version.loaded.signature(signature_name(document))
    return read_inputs(document, signature), INSTANCES in document, signature


async def classify(version: Version, body: bytes) -> dict[str, Any]:
    """Return the classes of each example with their probabilities."""
    outputs, signature = await _of_examples(version, body)
    return {"results": examples.classes(outputs, signature, version.classes)}


async def regress(version: Version, body: bytes) -> dict[str, Any]:
    """Return the number for each example."""
    outputs, signature = await _of_examples(version, body)
    return {"results": examples.values(outputs, signature)}


async def _of_examples(version: Version, body: bytes) -> tuple[dict[str, Array], Signature]:
    """Return the outputs for the examples of a request, and the signature that gave them."""
    arrays, signature = await read(body, partial(_examples, version))
    return await version.batches.answer(signature, arrays), signature


def _examples(version: Version, body: bytes) -> tuple[dict[str, Array], Signature]:
    """Return the examples of a request as inputs, and the signature that takes them."""
    document = parsed(body)
    signature = version.loaded.signature(signature_name(document))
    return examples.arrays(examples.given(document), signature), signature


VERBS: dict[str, Answer] = {"predict": predict, "classify": classify, "regress": regress}
VERB = re.compile(rf"/v1/models/([^/]+)(?:/versions/([^/]+)|/labels/([^/]+))?:({'|'.join(VERBS)})")
SUMMARIES = {
    "predict": "Call a signature of a model, with inputs in rows or in columns.",
    "classify": "Return the classes of examples, with their probabilities.",
    "regress": "Return a number for each of some examples.",
    "generate": "Continue a text; it comes a character at a time, as server-sent events.",
    "metadata": "What the signatures of a model take and return.",
    "status": "Which versions of a model there are.",
}
_EXAMPLES = {
    "type": "object",
    "required": ["examples"],
    "properties": {
        "signature_name": {"type": "string"},
        "context": {"type": "object"},
        "examples": {"type": "array", "minItems": 1, "items": {"type": "object"}},
    },
}
REQUESTS: dict[str, dict[str, Any]] = {
    "predict": {
        "type": "object",
        "properties": {"signature_name": {"type": "string"}, "instances": {}, "inputs": {}},
    },
    "classify": _EXAMPLES,
    "regress": _EXAMPLES,
    "generate": {
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string"},
            "length": {"type": "integer", "minimum": 1, "maximum": 2000, "default": 200},
            "temperature": {"type": "number", "minimum": 0, "maximum": 5, "default": 0.8},
            "seed": {"type": "integer", "minimum": 0, "maximum": 2147483647, "default": 0},
        },
    },
}
"""The JSON schema of the body of each request."""


def _described(place: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what OpenAPI is told of a request, which FastAPI does not read from the function."""
    names = ["name", *(part.strip("{}") for part in place.split("/") if part.startswith("{"))]
    parameters = [
        {"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in names
    ]
    if body is None:
        return {"parameters": parameters}
    content = {"required": True, "content": {JSON: {"schema": body}}}
    return {"parameters": parameters, "requestBody": content}
