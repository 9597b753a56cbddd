"""What a server takes at most, so that no client can wear it out."""

from dataclasses import dataclass

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
