"""Prometheus metrics: the registry, the names, and how late the event loop runs. No reference, no person in a label.

README explains each name to operators. What only one service knows is registered here by its own `gauges.py`.
"""

import asyncio
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]  # each counter would say twice as much, and nobody asks when it began
registry: Final = CollectorRegistry()
ProcessCollector(registry=registry)

ready: Final = Gauge("caunoi_ready", "1: the service takes commands", ("service",), registry=registry)
degraded: Final = Gauge(
    "caunoi_degraded",
    "1: this does not work although commands are taken (the words of /readyz)",
    ("trouble",),
    registry=registry,
)
free: Final = Gauge("caunoi_data_free_bytes", "Room on the volume of the data directory", registry=registry)
backup_age: Final = Gauge(
    "caunoi_backup_age_seconds", "Since the last backup began; +Inf: there is none", registry=registry
)
backup_age.set(float("inf"))
errors: Final = Counter(
    "caunoi_errors_total", "Lines of level error in the log: each asks for somebody", ("event",), registry=registry
)

requests: Final = Histogram(
    "caunoi_request_seconds",
    "HTTP requests by route template, method and status",
    ("route", "method", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=registry,
)
refusals: Final = Counter(
    "caunoi_refusals_total", "Commands and requests that were refused, by slug", ("slug",), registry=registry
)
rate_limited: Final = Counter(
    "caunoi_rate_limited_total", "Requests that came too fast, by limit", ("limit",), registry=registry
)
auth_failures: Final = Counter(
    "caunoi_auth_failures_total",
    "Credentials that were not taken: a password, a code, a token, a pass, a session from another site",
    ("kind",),
    registry=registry,
)
openings: Final = Counter(
    "caunoi_opened_for_somebody_total", "Openings of a citizen's data for whoever asked", registry=registry
)
commit_group: Final = Histogram(
    "caunoi_commit_group_documents",
    "Documents written by one commit",
    ("service",),
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
    registry=registry,
)
commit_seconds: Final = Histogram(
    "caunoi_commit_seconds",
    "How long a commit took until it would survive a power cut",
    ("service",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=registry,
)
repeated: Final = Counter(
    "caunoi_events_repeated_total",
    "Deliveries that a document had applied before, and that therefore changed nothing",
    ("service", "topic"),
    registry=registry,
)
repeated_commands: Final = Counter(
    "caunoi_commands_repeated_total",
    "Commands whose Idempotency-Key was answered before: the same answer was given again",
    ("service",),
    registry=registry,
)
mailbox_depth: Final = Gauge(
    "caunoi_mailbox_commands", "Commands waiting for their document", ("service",), registry=registry
)
documents_held: Final = Gauge("caunoi_documents_held", "Documents in memory", ("service",), registry=registry)
conflicts: Final = Counter(
    "caunoi_version_conflicts_total", "Writes that came after another process's", ("service",), registry=registry
)
loop_lag: Final = Gauge(
    "caunoi_event_loop_lag_seconds", "How late the event loop woke up, worst of the last 10 s", registry=registry
)
open_feeds: Final = Gauge("caunoi_sse_clients", "Clients that follow the event feed", registry=registry)
dropped_feeds: Final = Counter(
    "caunoi_sse_dropped_total", "Clients let go because they read too slowly", registry=registry
)

received: Final = Counter("caunoi_events_received_total", "Records read", ("group", "topic"), registry=registry)
done: Final = Counter(
    "caunoi_events_done_total", "Events whose effects are durable", ("group", "topic"), registry=registry
)
refused: Final = Counter("caunoi_events_refused_total", "Events a rule refused", ("group", "topic"), registry=registry)
retried: Final = Counter("caunoi_events_retried_total", "Tries that failed", ("group", "topic"), registry=registry)
dead_letters: Final = Counter(
    "caunoi_dead_letters_total", "Dead letters written, by reason", ("group", "topic", "reason"), registry=registry
)
letters_left: Final = Gauge(
    "caunoi_dead_letters_left",
    "Dead letters that nobody has replayed or discarded, as of a minute ago at most",
    ("topic",),
    registry=registry,
)
parked: Final = Gauge("caunoi_parked_subjects", "Subjects that wait for another try", ("group",), registry=registry)
lag: Final = Gauge(
    "caunoi_lag_seconds", "Age of the oldest record that is not finished", ("group", "topic"), registry=registry
)
reader_up: Final = Gauge("caunoi_reader_up", "1: the group reads the bus; 0: it ended", ("group",), registry=registry)
bus_silence: Final = Gauge("caunoi_bus_silent_seconds", "Since the bus last answered this process", registry=registry)
published: Final = Counter(
    "caunoi_events_published_total", "Events the bus has", ("service", "topic"), registry=registry
)
owed: Final = Gauge(
    "caunoi_events_owed",
    "Events that the bus does not have yet, of a thousand documents at most",
    ("service",),
    registry=registry,
)
owed_oldest: Final = Gauge(
    "caunoi_events_owed_oldest_seconds", "Age of the oldest event owed", ("service",), registry=registry
)

_children: dict[tuple[str, str, int], Histogram] = {}


def request_took(route: str, method: str, status: int, seconds: float) -> None:
    """Note one request. `route` is a template out of a bounded set, never a path."""
    child = _children.get((route, method, status))
    if child is None:
        child = _children[route, method, status] = requests.labels(route, method, status)
    child.observe(seconds)


def exposition() -> tuple[bytes, str]:
    """What `/metrics` answers: the body and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


async def watch_the_loop(every: float = 0.25, window: int = 40) -> None:
    """Runs until cancelled."""
    loop = asyncio.get_running_loop()
    lags: list[float] = []
    while True:
        asked = loop.time()
        await asyncio.sleep(every)
        lags = [*lags[-window:], max(0.0, loop.time() - asked - every)]
        loop_lag.set(max(lags))
