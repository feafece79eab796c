"""Metrics: bounded labels, and a loop that says when it is late."""

import asyncio
import contextlib
import time

from services.chassis import metrics
from tests.support import run


def test_a_request_is_counted_under_the_template_of_its_route() -> None:
    metrics.request_took("/queue/tickets/{ticket}", "GET", 200, 0.002)
    body, kind = metrics.exposition()
    assert b'caunoi_request_seconds_count{method="GET",route="/queue/tickets/{ticket}",status="200"}' in body
    assert kind.startswith("text/plain")


def test_a_loop_that_was_held_up_says_so() -> None:
    async def story() -> None:
        watch = asyncio.create_task(metrics.watch_the_loop(every=0.01))
        await asyncio.sleep(0.03)
        time.sleep(0.15)  # noqa: ASYNC251  (holding up the loop is what is tested)
        await asyncio.sleep(0.03)
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch

    run(story())
    lag = metrics.registry.get_sample_value("caunoi_event_loop_lag_seconds")
    assert lag is not None
    assert lag > 0.1
