"""The application: TensorFlow Serving's REST interface, health, metrics, and the page."""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.use.serve import metrics, rest, trying
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.limits import Rate
from dlrecipes.use.serve.models import Models
from dlrecipes.use.serve.tensors import written

POLL = 2.0
"""Seconds between two looks for new versions."""
LEAVE = 5.0
"""Seconds after the last answer in which the process ends, whatever still runs."""
LOG = logging.getLogger("dlrecipes.serve")


def application(models: Models, rate: Rate, grpc: str | None = None) -> FastAPI:
    """Return the application.

    Args:
        models: The models that are served.
        rate: Counts requests over gRPC.
        grpc: Host and port of the gRPC interface; None for none.
    """
    app = FastAPI(
        title="dlrecipes serve",
        summary="Models over HTTP, as TensorFlow Serving has them.",
        lifespan=lambda _: _alive(models, rate, grpc),
        docs_url=None,  # Its scripts come from elsewhere.
        redoc_url=None,
    )
    _add_errors(app)
    _add_health(app, models)
    app.include_router(rest.router(models))
    app.include_router(trying.router(models, models.limits.timeout))
    return app


@asynccontextmanager
async def _alive(models: Models, rate: Rate, grpc: str | None) -> AsyncIterator[None]:
    """Look for new versions, and answer over gRPC, as long as the server runs."""
    await asyncio.to_thread(models.refresh)
    gc.freeze()  # TensorFlow's objects stay: looking at them again would take longer than answers.
    polling = asyncio.create_task(_poll(models))
    server = None
    if grpc:
        from dlrecipes.use.serve import rpc  # It imports TensorFlow.

        server = await rpc.started(models, rate, grpc)
    yield
    polling.cancel()
    if server:
        await server.stop(models.limits.timeout)
    # Python would wait for calls that nobody waits for: TensorFlow cannot be interrupted.
    leaving = threading.Timer(LEAVE, os._exit, (0,))
    leaving.daemon = True
    leaving.start()


async def _poll(models: Models) -> None:
    """Look for new versions again and again."""
    is_changed = False
    while True:
        for name, versions in models.versions.items():
            metrics.VERSIONS.labels(name).set(max(versions, default=0))
        await asyncio.sleep(POLL)
        if is_changed:  # What was dropped had time to give its last answers.
            free()
        try:
            is_changed = await asyncio.to_thread(models.refresh)
        except Exception:
            LOG.exception("The models could not be read again.")


def free() -> None:
    """Free the memory of versions that were dropped: theirs is among what was frozen."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _add_errors(app: FastAPI) -> None:
    """Answer every error in the shape that TensorFlow Serving's have."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _error(error.message, error.status)

    @app.exception_handler(DlrecipesError)
    async def failed(_: Request, error: Exception) -> Response:
        assert isinstance(error, DlrecipesError)
        is_mistake = error.exit_code == InputError.exit_code
        return _error(f"{error.message} {error.hint}".strip(), 400 if is_mistake else 500)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(error.detail, error.status_code, error.headers)


def _error(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error."""
    again = {"Retry-After": "1"} if status in (429, 503) else {}
    return Response(
        written({"error": message}), status, {**(headers or {}), **again}, "application/json"
    )


def _add_health(app: FastAPI, models: Models) -> None:
    """Add what an orchestrator asks for."""

    @app.get("/healthz", summary="Whether the process runs.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        summary="Whether every model has a version that answers.",
        responses={503: {"description": "One has none."}},
    )
    async def readyz() -> Response:
        lacking = [name for name in models.names() if not models.versions.get(name)]
        if lacking:
            return _error(f"No version of {', '.join(lacking)} is loaded.", 503)
        return Response(written({"status": "ok"}), media_type="application/json")

    @app.get("/metrics", summary="Numbers for Prometheus.", response_class=Response)
    async def numbers() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
