"""A list that is read to its end."""

from dataclasses import dataclass, field

from services.chassis.pages.lists import whole
from tests.support import run


@dataclass
class Part:
    rows: list[int] = field(default_factory=list)
    next: str | None = None


def test_a_list_is_read_to_its_end_and_past_a_part_of_which_nothing_is_seen() -> None:
    parts = {None: Part([1, 2], "b"), "b": Part([], "c"), "c": Part([3])}

    async def listing(*, after: str | None, limit: int) -> Part:
        return parts[after]

    assert run(whole(listing, lambda part: part.rows)) == [1, 2, 3]
