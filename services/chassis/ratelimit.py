"""Token buckets: so many at once, refilled over time, per key, in bounded memory."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from services.chassis import metrics
from services.chassis.errors import Unavailable


class TooManyRequests(Unavailable):
    status = 429
    en = "Too many attempts; try again in {retry_after} s."
    vi = "Quá nhiều lần thử, vui lòng thử lại sau {retry_after} giây."


@dataclass(slots=True)
class _Bucket:
    left: float
    at: datetime


class RateLimit:
    """`most` in `per`, then one each `per / most`. Beyond `keys` keys the one unused for longest is forgotten."""

    def __init__(self, name: str, most: int, per: timedelta, keys: int = 10_000) -> None:
        self._name = name
        self._most = most
        self._per_second = most / per.total_seconds()
        self._keys = keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, now: datetime) -> None:
        """One of `key`; raises `TooManyRequests` when it has none left."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(float(self._most), now)
            if len(self._buckets) > self._keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            passed = max(0.0, (now - bucket.at).total_seconds())
            bucket.left = min(float(self._most), bucket.left + passed * self._per_second)
            bucket.at = now
        if bucket.left < 1:
            metrics.rate_limited.labels(self._name).inc()
            raise TooManyRequests(retry_after=max(1, ceil((1 - bucket.left) / self._per_second)))
        bucket.left -= 1
