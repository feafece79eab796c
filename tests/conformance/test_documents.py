"""The heart on every store: what a caller of `change` and `read` may rely on, whatever happens underneath.

On a store that is not exclusive two hearts share it, as two processes do.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.chassis.documents import Broken, Documents, KeyReused, MailboxFull, OutcomeUnknown, StorageFull, the
from services.chassis.errors import Unavailable
from services.chassis.ids import token
from services.chassis.once import Once
from services.chassis.ports import Store
from services.contracts.events import VolunteerCheckedIn
from services.contracts.words import Origin
from tests.conformance import tally
from tests.conformance.memory_store import MemoryStore, Shelf
from tests.conformance.tally import FACTS, KIND, BellRang, Counted, Tally, TallyFull, arrive, count, projector
from tests.conformance.test_store import BACKENDS, Opener
from tests.support import run

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def beating(
    store: Store, clock: Callable[[], datetime] | None = None, woken: Callable[[], None] = lambda: None
) -> AsyncIterator[Documents]:
    documents = Documents("tests", {Tally: KIND}, FACTS, store, clock or Hands(), woken, mailbox=300)
    await documents.start()
    try:
        yield documents
    finally:
        await documents.stop()


@asynccontextmanager
async def heart_on(opened: Opener) -> AsyncIterator[Documents]:
    async with opened() as store, beating(store) as documents:
        yield documents


@pytest.fixture(params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return BACKENDS[request.param](tmp_path)


def add(documents: Documents, once: Once | None = None, id: str = "a") -> Awaitable[list[object]]:
    return documents[Tally].change(id, count, now=NOW, once=once)  # type: ignore[return-value]


async def insist(documents: Documents, key: Once | None = None) -> list[object]:
    """As a client does: again, with the same key, until it is answered."""
    key = key or Once("insists", token(), b"")
    while True:
        try:
            return await add(documents, key)
        except Unavailable:
            await asyncio.sleep(0.05)


def total(documents: Documents, id: str = "a") -> Awaitable[int]:
    return documents[Tally].read(id, lambda found: found.count)


def checked_in(number: int = 1, at: datetime = NOW) -> VolunteerCheckedIn:
    event = VolunteerCheckedIn(centre="31186", member="31186-m-000001")
    return event.from_origin(Origin(f"e{number}", "/volunteers/member/31186-m-000001", number, at))


def test_commands_at_once_are_decided_one_after_another(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            facts = await asyncio.gather(*(add(documents) for _ in range(200)))
            assert sorted(the(found, Counted).to for found in facts) == list(range(1, 201))  # type: ignore[arg-type]

    run(story())


def test_what_was_answered_is_there_after_a_restart(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            await add(documents)
        async with heart_on(opened) as documents:
            assert await total(documents) == 1

    run(story())


def test_a_refused_command_changes_nothing_and_publishes_nothing(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store, beating(store) as documents:
            with pytest.raises(TallyFull):
                await documents[Tally].change("a", partial(count, limit=0), now=NOW)
            assert await total(documents) == 0
            assert await store.load([("tally", "a")]) == {}
            assert (await store.journal(None, 10))[0] == []

    run(story())


def test_a_look_may_refuse_cold_or_held(opened: Opener) -> None:
    async def story() -> None:
        def refuse(_: Tally) -> None:
            raise TallyFull(limit=0)

        async with heart_on(opened) as documents:
            for _ in range(2):
                with pytest.raises(TallyFull):
                    await documents[Tally].read("a", refuse)

    run(story())


def test_a_repeated_key_gives_the_first_answer_again_even_after_a_restart(opened: Opener) -> None:
    async def story() -> None:
        key = Once("kiosk", "k1", b"body")
        async with heart_on(opened) as documents:
            answers = await asyncio.gather(*(add(documents, key) for _ in range(8)))
            assert all(the(found, Counted).to == 1 for found in answers)  # type: ignore[arg-type]
        async with heart_on(opened) as documents:
            assert the(await add(documents, key), Counted).to == 1  # type: ignore[arg-type]
            assert await total(documents) == 1

    run(story())


def test_the_same_key_with_another_body_is_refused(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            await add(documents, Once("kiosk", "k1", b"body"))
            with pytest.raises(KeyReused):
                await add(documents, Once("kiosk", "k1", b"other"))
            await add(documents, Once("another", "k1", b"other"))
            assert await total(documents) == 2

    run(story())


def test_a_refusal_does_not_use_up_its_key(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            key = Once("kiosk", "k1", b"")
            with pytest.raises(TallyFull):
                await documents[Tally].change("a", partial(count, limit=0), now=NOW, once=key)
            assert the(await add(documents, key), Counted).to == 1  # type: ignore[arg-type]

    run(story())


def test_an_event_is_applied_once_however_often_it_comes(opened: Opener) -> None:
    async def story() -> None:
        event = checked_in()
        async with heart_on(opened) as documents:
            change = partial(documents[Tally].change, "a", count, now=NOW, because=event)
            await asyncio.gather(*(change() for _ in range(5)))
        async with heart_on(opened) as documents:
            assert await documents[Tally].change("a", count, now=NOW, because=event) == []
            await documents[Tally].change("a", count, now=NOW, because=checked_in(2))
            assert await total(documents) == 2

    run(story())


def test_an_event_that_the_rule_refused_is_not_decided_again(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            with pytest.raises(TallyFull):
                await documents[Tally].change("a", partial(count, limit=0), now=NOW, because=checked_in())
        async with heart_on(opened) as documents:
            assert await documents[Tally].change("a", count, now=NOW, because=checked_in()) == []
            assert await total(documents) == 0

    run(story())


def test_a_mark_is_kept_forty_five_days_and_no_longer(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            change = partial(documents[Tally].change, "a", count)
            await change(now=NOW, because=checked_in(1))
            await change(now=NOW + timedelta(days=44), because=checked_in(2))
            assert await change(now=NOW + timedelta(days=44), because=checked_in(1)) == []
            await change(now=NOW + timedelta(days=50), because=checked_in(3))
            assert await change(now=NOW + timedelta(days=50), because=checked_in(2)) == []
            assert await total(documents) == 3

    run(story())


def test_a_bug_in_one_rule_is_its_own_and_its_neighbours_are_decided(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            change = documents[Tally].change
            commands = [change("a", rule, now=NOW) for rule in (count, tally.stumble, count)]
            first, second, third = await asyncio.gather(*commands, return_exceptions=True)
            assert isinstance(second, Broken)
            assert [the(found, Counted).to for found in (first, third)] == [1, 2]  # type: ignore[arg-type]

    run(story())


def test_a_mailbox_is_bounded(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            commands = [add(documents) for _ in range(305)]
            answers = await asyncio.gather(*commands, return_exceptions=True)
            assert sum(isinstance(answer, MailboxFull) for answer in answers) == 5
            assert await total(documents) == 300

    run(story())


def test_time_never_goes_back_for_a_document(opened: Opener) -> None:
    async def story() -> None:
        seen: list[datetime] = []

        def look(_: Tally, *, now: datetime) -> list[Counted]:
            seen.append(now)
            return [Counted(to=1)]

        async with heart_on(opened) as documents:
            for at in (NOW, NOW - timedelta(hours=1), NOW + timedelta(seconds=1)):
                await documents[Tally].change("a", look, now=at)
        assert seen == [NOW, NOW, NOW + timedelta(seconds=1)]

    run(story())


def test_a_timer_fires_before_any_command_decided_after_it(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            change = documents[Tally].change
            await change("a", partial(tally.set_bell, seconds=5), now=NOW)
            await change("a", count, now=NOW + timedelta(seconds=6))
            assert await documents[Tally].read("a", lambda found: (found.rings, found.bell)) == (1, None)

    run(story())


def test_a_timer_survives_a_restart(opened: Opener) -> None:
    async def story() -> None:
        async with heart_on(opened) as documents:
            await documents[Tally].change("a", partial(tally.set_bell, seconds=5), now=NOW)
        late = Hands()
        late.now = NOW + timedelta(minutes=1)
        async with opened() as store, beating(store, late):
            for _ in range(200):
                await asyncio.sleep(0.01)
                facts = (await store.journal(None, 10))[0]
                if len(facts) == 2:
                    break
            assert [found.type for found in facts] == ["BellSet", BellRang.__name__]

    run(story())


def test_facts_of_one_document_are_numbered_without_gaps(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store, beating(store) as documents:
            rules = [arrive, partial(count, limit=0), count]
            commands = [documents[Tally].change("a", random.choice(rules), now=NOW) for _ in range(100)]
            await asyncio.gather(*commands, return_exceptions=True)
            facts = await store.facts("/tests/tally/a", 1, 1_000)
            assert [found.sequence for found in facts] == list(range(1, len(facts) + 1))
            assert len({found.id for found in facts}) == len(facts)

    run(story())


def test_the_relay_is_woken_only_for_what_is_owed_to_the_world(opened: Opener) -> None:
    async def story() -> None:
        woken = asyncio.Event()
        async with opened() as store, beating(store, woken=woken.set) as documents:
            await add(documents)
            assert not woken.is_set()
            await documents[Tally].change("a", arrive, now=NOW)
            assert woken.is_set()

    run(story())


def test_folding_all_facts_gives_the_stored_state(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store, beating(store) as documents:
            rules = [arrive, count, partial(tally.set_bell, seconds=1), partial(count, limit=0)]
            for second in range(50):
                at = NOW + timedelta(seconds=second)
                await asyncio.gather(documents[Tally].change("a", random.choice(rules), now=at), return_exceptions=True)
            folded = Tally("a")
            for found in await store.facts("/tests/tally/a", 1, 1_000):
                tally.evolve(folded, documents.parse(found), found.time)
        async with heart_on(opened) as documents:
            assert await documents[Tally].read("a", lambda found: found == folded)

    run(story())


# ------------------------------------------------------------------------------- two processes on one document


SHARED = [name for name in BACKENDS if name != "sqlite"]


@asynccontextmanager
async def two_processes(name: str, folder: Path) -> AsyncIterator[tuple[Documents, Documents]]:
    opened = BACKENDS[name](folder)
    async with opened() as one, opened() as other, beating(one) as first, beating(other) as second:
        yield first, second


@asynccontextmanager
async def two_hearts() -> AsyncIterator[tuple[MemoryStore, Documents, Documents]]:
    shelf = Shelf()
    one, other = MemoryStore(projector(), shelf), MemoryStore(projector(), shelf)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(beating(one))
        second = await stack.enter_async_context(beating(other))
        yield one, first, second


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_on_one_document_give_each_number_once(name: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with two_processes(name, tmp_path) as (first, second):
            facts = await asyncio.gather(*(add(random.choice([first, second])) for _ in range(300)))
            assert sorted(the(found, Counted).to for found in facts) == list(range(1, 301))  # type: ignore[arg-type]

    run(story())


@pytest.mark.parametrize("name", SHARED)
def test_a_stale_copy_neither_refuses_nor_reads_what_is_no_longer_so(name: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with two_processes(name, tmp_path) as (first, second):
            await add(first)
            assert await total(second) == 1
            await add(first)
            assert await total(second) == 2
            with pytest.raises(TallyFull):
                await second[Tally].change("a", partial(count, limit=2), now=NOW)
            await add(first)
            facts = await second[Tally].change("a", partial(count, limit=4), now=NOW)
            assert the(facts, Counted).to == 4

    run(story())


def test_a_lost_reply_of_a_write_that_was_done_is_settled_and_done_once() -> None:
    async def story() -> None:
        async with two_hearts() as (store, first, second):
            store.lose_replies = 1
            assert the(await add(first), Counted).to == 1  # type: ignore[arg-type]
            assert await total(second) == 1

    run(story())


def test_a_lost_reply_that_stays_unknown_tells_nobody_that_nothing_was_done() -> None:
    async def story() -> None:
        async with two_hearts() as (store, first, second):
            store.lose_replies, store.unsettled = 1, 8
            with pytest.raises(OutcomeUnknown):
                await add(first, Once("kiosk", "k1", b""))
            with pytest.raises(Unavailable):  # nor is anybody let in to wait for it
                await add(first)
            assert the(await insist(first, Once("kiosk", "k1", b"")), Counted).to == 1  # type: ignore[arg-type]
            assert await total(second) == 1

    run(story())


def test_a_document_that_the_store_will_not_have_fails_alone() -> None:
    async def story() -> None:
        store = MemoryStore(projector())
        async with beating(store) as documents:

            def swell(_: Tally, *, now: datetime) -> list[Counted]:
                return [Counted(to=10**300)]

            store.refuse_over = 250
            big, small = await asyncio.gather(
                documents[Tally].change("big", swell, now=NOW), add(documents, id="small"), return_exceptions=True
            )
            assert isinstance(big, Unavailable)
            assert the(small, Counted).to == 1  # type: ignore[arg-type]
            assert await total(documents, "big") == 0

    run(story())


def test_a_full_store_refuses_before_acknowledging_and_goes_on_when_there_is_room() -> None:
    async def story() -> None:
        store = MemoryStore(projector())
        async with beating(store) as documents:
            await add(documents)
            store.full = True
            with pytest.raises(StorageFull):
                await add(documents)
            assert await total(documents) == 1
            store.full = False
            assert the(await add(documents), Counted).to == 2  # type: ignore[arg-type]

    run(story())


def test_a_store_that_is_away_is_said_at_once_and_comes_back_by_itself() -> None:
    async def story() -> None:
        store = MemoryStore(projector())
        async with beating(store) as documents:
            store.away = True
            with pytest.raises(Unavailable):
                await add(documents)
            store.away = False
            assert the(await add(documents), Counted).to == 1  # type: ignore[arg-type]

    run(story())
