"""The W3C `traceparent` of what is being done now: from request to fact to event to handler."""

from contextvars import ContextVar

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
