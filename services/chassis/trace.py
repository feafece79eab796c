"""The W3C `traceparent` of what is being done now: from request to fact to event to handler."""

from contextvars import ContextVar

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
acting: ContextVar[str | None] = ContextVar("acting", default=None)
"""The reference of whoever's request is being served; None where nobody asked."""
