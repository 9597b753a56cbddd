"""What a server takes at most, so that no client can wear it out."""

import time
from dataclasses import dataclass

from dlrecipes.use.serve.failures import Refused

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Limits of a server process.

    Args:
        max_batch: Rows that are answered together at most; 1 answers each request by itself.
        max_wait: Seconds that a request waits for others at most, to be answered with them.
        max_body: Bytes of a request, also after it was decompressed.
        max_queue: Requests that wait at most; any more are refused with 503.
        rate: Requests a second; any more are refused with 429. 0 for no limit.
        timeout: Seconds that a request may take, and that a client may take to send it.
    """

    max_batch: int = 32
    max_wait: float = 0.002
    max_body: int = 32 * MEGABYTE
    max_queue: int = 1000
    rate: float = 0.0
    timeout: float = 30.0


class Rate:
    """Lets so many requests a second pass, and as many at once.

    Args:
        most: Requests a second; 0 for no limit.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self.left = max(most, 1.0)
        self.since = time.monotonic()

    def take(self) -> None:
        """Count a request.

        Raises:
            Refused: if there were too many.
        """
        if not self.most:
            return
        now = time.monotonic()
        self.left = min(max(self.most, 1.0), self.left + (now - self.since) * self.most)
        self.since = now
        if self.left < 1:
            raise Refused(f"The server takes {self.most:g} requests a second.", 429)
        self.left -= 1
