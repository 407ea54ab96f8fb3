"""What is counted, for Prometheus. Labels are few and closed: never an id, never a person."""

import os
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LAG_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)

DELIVERIES: Final = Counter("bihuan_deliveries", "Deliveries by what became of the attempt.", ["kind", "outcome"])
DELIVERY_SECONDS: Final = Histogram(
    "bihuan_delivery_seconds", "Time that a receiver took for one delivery.", buckets=_SECONDS
)
DELIVERY_LAG: Final = Histogram(
    "bihuan_delivery_lag_seconds", "From writing a delivery to its being accepted.", buckets=_LAG_SECONDS
)
JOBS: Final = Counter("bihuan_jobs", "Jobs by what became of the attempt.", ["kind", "outcome"])
JOB_SECONDS: Final = Histogram("bihuan_job_seconds", "Time that a job's handler took.", ["kind"], buckets=_SECONDS)
CLOCKS_FIRED: Final = Counter("bihuan_clocks_fired", "Limits that passed and were acted on.", ["kind"])
CLOCK_LAG: Final = Histogram(
    "bihuan_clock_lag_seconds", "From a clock's due time to the act of the system.", buckets=_LAG_SECONDS
)
CLOCKS_RECALCULATED: Final = Counter(
    "bihuan_clocks_recalculated", "Running limits that a release has moved, by what of it.", ["cause"]
)
CALENDAR_HORIZON: Final = Gauge(
    "bihuan_calendar_horizon_timestamp_seconds",
    "Until when official lists cover a calendar; alarm when it is less than 60 days away. 0: no year is covered.",
    ["jurisdiction", "calendar"],
    multiprocess_mode="mostrecent",
)
WORKER_FAILURES: Final = Counter("bihuan_worker_failures", "Steps of the worker that failed.", ["step"])
WORKER_HEARTBEAT: Final = Gauge(
    "bihuan_worker_heartbeat_timestamp_seconds",
    "When each loop of the worker last came round.",
    ["step"],
    multiprocess_mode="mostrecent",
)
BACKLOG: Final = Gauge(
    "bihuan_backlog",
    "Rows that wait for the worker or, when dead or held, for a person.",
    ["what"],
    multiprocess_mode="mostrecent",
)


def exposition() -> bytes:
    """All metrics as Prometheus reads them; of all processes together where ``PROMETHEUS_MULTIPROC_DIR`` is set."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # ships without this annotation
    return generate_latest(registry)
