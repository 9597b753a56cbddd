"""Why a request is refused, with the status that TensorFlow Serving gives it."""

from dataclasses import dataclass

CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The name of the gRPC status for each status of HTTP."""


@dataclass
class Refused(Exception):
    """A request that is not answered.

    Args:
        message: Why, in a sentence.
        status: The status of HTTP.
    """

    message: str
    status: int = 400

    @property
    def code(self) -> str:
        """Return the name of the status of gRPC."""
        return CODES[self.status]
