"""A list that the API gives in parts, whole: for a page that shows all of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

AT_ONCE: Final = 200


class Part(Protocol):
    @property
    def next(self) -> str | None:
        """Where the next part begins; None: this is the last."""


P = TypeVar("P", bound=Part, covariant=True)
T = TypeVar("T")


class Listing(Protocol[P]):
    def __call__(self, *, after: str | None, limit: int) -> Awaitable[P]: ...


async def whole(listing: Listing[P], rows: Callable[[P], Sequence[T]]) -> list[T]:
    """All `rows` of what `listing` answers. A part may have none that this caller sees, and others may follow."""
    found: list[T] = []
    after: str | None = None
    while True:
        part = await listing(after=after, limit=AT_ONCE)
        found += rows(part)
        if (after := part.next) is None:
            return found
