"""Text that comes a character at a time, as server-sent events."""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from dlrecipes.tasks.base import PredictOptions
from dlrecipes.use.serve.failures import Refused
from dlrecipes.use.serve.models import Version, streamed

RANGES: dict[str, tuple[float, float]] = {
    "length": (1, 2000),
    "temperature": (0.0, 5.0),
    "seed": (0, 2**31 - 1),
}
"""The lowest and the highest value of each option."""
EVENTS = "text/event-stream"
BROKEN = "The text could not be continued: the log of the server says why."


async def generate(version: Version, document: Mapping[str, Any]) -> Response:
    """Return the text that continues a prompt, as it is written.

    Raises:
        Refused: if the request is not a prompt with options, or the model writes no text.
    """
    prompt = document.get("prompt")
    if not isinstance(prompt, str):
        raise Refused("The request must have a string 'prompt'.")
    if unknown := document.keys() - RANGES.keys() - {"prompt"}:
        raise Refused(f"There is no option {min(unknown)[:50]!r}. There are: {', '.join(RANGES)}")
    options = {name: _option(document, name) for name in RANGES if name in document}
    parts = streamed(version.loaded, prompt, PredictOptions(**options))
    limit = version.batches.limits.timeout
    return StreamingResponse(events(parts, limit), media_type=EVENTS)


def _option(document: Mapping[str, Any], name: str) -> Any:
    """Return an option of a request."""
    low, high = RANGES[name]
    value = document[name]
    kinds = (int, float) if name == "temperature" else (int,)
    if type(value) not in kinds or not math.isfinite(value) or not low <= value <= high:
        raise Refused(f"{name} must be a number from {low:g} to {high:g}.")
    return value


def events(parts: Iterator[str], seconds: float) -> Iterator[str]:
    """Yield server-sent events: a JSON string for each character, and one that says it is over.

    Args:
        parts: The text, a few characters at a time, as they are written.
        seconds: How long that may take.
    """
    until = time.monotonic() + seconds
    try:
        for part in parts:
            yield "".join(f"data: {json.dumps(character)}\n\n" for character in part)
            if time.monotonic() > until:
                late = f"The text took longer than {seconds:g} s. Ask for a shorter one."
                yield f"event: error\ndata: {json.dumps(late)}\n\n"
                return
        yield "event: end\ndata: \n\n"
    except Exception:
        logging.getLogger(__name__).exception("A text could not be continued.")
        yield f"event: error\ndata: {json.dumps(BROKEN)}\n\n"
