"""What Prometheus is told of a server."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
import psutil
from prometheus_client import multiprocess

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the processes of a server add up what they count."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = prometheus.Counter(
    "dlrecipes_requests", "Requests that were answered.", ["interface", "operation", "status"]
)
LATENCY = prometheus.Histogram(
    "dlrecipes_request_seconds",
    "Seconds from a request to its answer.",
    ["interface", "operation"],
    buckets=SECONDS,
)
IN_FLIGHT = prometheus.Gauge(
    "dlrecipes_requests_in_flight",
    "Requests that are being answered.",
    multiprocess_mode="livesum",
)
BATCH_ROWS = prometheus.Histogram(
    "dlrecipes_batch_rows",
    "Rows that were answered together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
VERSIONS = prometheus.Gauge(
    "dlrecipes_model_version", "Newest version that answers.", ["model"], multiprocess_mode="max"
)


def page() -> bytes:
    """Return the numbers of all processes of the server, as text."""
    if FOLDER not in os.environ:
        return prometheus.generate_latest()
    _forget_the_dead(Path(os.environ[FOLDER]))
    registry = prometheus.CollectorRegistry()
    collector: Any = multiprocess.MultiProcessCollector  # which has no types
    collector(registry)
    return prometheus.generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """Remove what processes that are gone had in flight."""
    for file in folder.glob("gauge_live*_*.db"):
        number = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(number):
            with suppress(FileNotFoundError):  # Another process may have done so.
                mark: Any = multiprocess.mark_process_dead  # which has no types
                mark(number, str(folder))
