"""`caunoi story`: the main job of `mission.md`, played against a running demo system through its public HTTP API.

Each step is somebody pressing something; the events that it leads to are printed as the feed brings them, and waited
for. Times are true seconds. It can be told again on the same system, whoever else waits in the hall.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from rich.markup import escape

from services.caunoi import feed, shown
from services.caunoi.client import Answered, Caller, connected
from services.caunoi.commands import report
from services.caunoi.demo.kept import Kept
from services.caunoi.demo.people import CENTRE, COUNTER, DAUGHTER, LAND, MEMBERS, ON_DUTY
from services.caunoi.failures import Failed
from services.caunoi.feed import Told
from services.caunoi.pages.sentences import sentence
from services.chassis.clock import local_day, system_clock
from services.chassis.datadir import CannotStart
from services.chassis.settings import Settings
from services.notify.texts import masked

PATIENCE: Final = 15.0
"""Seconds to wait for an event that a step leads to."""
DESTINATION: Final = "Nhà văn hoá khu vực 5, hẻm 12"
HAMLET: Final = "khu-vuc-5"


class StoryFailed(Failed):
    """`step` counts from 1."""

    def __init__(self, step: int, vi: str, why: str) -> None:
        super().__init__(f"Câu chuyện dừng ở bước {step} ({vi}): {why}", f"The story failed at step {step}.")
        self.step = step


async def tell(settings: Settings, *, centre: str, as_json: bool) -> None:
    """Against the system that runs on `settings.data`. Raises `StoryFailed`."""
    async with connected(settings) as operator:
        if not operator.over_http:
            raise CannotStart(
                f"{settings.data}: câu chuyện cần một hệ thống đang chạy; hãy mở `caunoi up --demo` trước.",
                f"{settings.data}: the story wants a running system; start `caunoi up --demo` first.",
            )
        kept = Kept.of(settings)
        if not kept.ready or centre != CENTRE:
            raise CannotStart(
                f"Câu chuyện chỉ diễn được trên dữ liệu minh hoạ đã nạp xong, tại trung tâm {CENTRE}.",
                f"The story is played on demo data only, once it is ready, at centre {CENTRE}.",
            )
        try:
            await play(operator, kept, AsJson() if as_json else OnScreen(kept))
        finally:
            latest = Kept.of(settings)  # the system itself may have written meanwhile
            latest.tokens |= kept.tokens
            latest.keep(settings)


# ------------------------------------------------------------------------------------------------------ narrators


class Narrator(Protocol):
    def begins(self, step: int, vi: str, en: str) -> None: ...
    def happened(self, told: Told, after: float) -> None: ...
    def adds(self, vi: str) -> None: ...
    def reports(self, evening: Mapping[str, Any]) -> None: ...
    def ends(self, seconds: float, events: int) -> None: ...


class OnScreen:
    """For people: on this screen the demo's members have names and tickets their codes; events have neither."""

    def __init__(self, kept: Kept) -> None:
        self._names = {ref: person.name for ref, person in zip(kept.members, MEMBERS, strict=True)}

    def begins(self, step: int, vi: str, en: str) -> None:
        shown.out.print(f"\n[bold cyan]{step:>2}[/] [bold]{escape(vi)}[/]  [dim]{escape(en)}[/]")

    def happened(self, told: Told, after: float) -> None:
        event = told.event
        if "code" in event and "ticket_id" in event:
            self._names[event["ticket_id"]] = event["code"]
        said = sentence(told.topic, event, self._names)
        shown.out.print(f"   [dim]+{after:5.2f}s[/] [green]{told.topic:<21}[/] {escape(said)}")

    def adds(self, vi: str) -> None:
        shown.out.print(f"           {escape(vi)}")

    def reports(self, evening: Mapping[str, Any]) -> None:
        shown.out.print(report.table(evening))

    def ends(self, seconds: float, events: int) -> None:
        shown.out.print(
            f"\n[bold green]✓[/] Hết chuyện: {events} sự kiện trong {seconds:.1f} giây. [dim]true seconds[/]"
        )


class AsJson:
    """For machines: one JSON document a line."""

    def __init__(self) -> None:
        self._step = 0

    def begins(self, step: int, vi: str, en: str) -> None:
        self._step = step
        shown.line_of_json({"step": step, "vi": vi, "en": en})

    def happened(self, told: Told, after: float) -> None:
        event = {"topic": told.topic, "after": round(after, 3), "event": told.event}
        shown.line_of_json({"step": self._step, **event})

    def adds(self, vi: str) -> None:
        shown.line_of_json({"step": self._step, "note": vi})

    def reports(self, evening: Mapping[str, Any]) -> None:
        shown.line_of_json({"step": self._step, "report": evening})

    def ends(self, seconds: float, events: int) -> None:
        shown.line_of_json({"done": True, "seconds": round(seconds, 2), "events": events})


# ---------------------------------------------------------------------------------------------------------- stage


_AROUND_IT: Final = ({"centre", "member"}, {"centre", "counter"})
"""Fields of what happens around it: somebody comes on duty, a counter opens."""


@dataclass
class Stage:
    """What has been told of this story so far, and the wait for what must still come."""

    narrator: Narrator
    step: int = 0
    vi: str = ""
    began: float = 0.0
    ticket: str = ""
    told: list[Told] = field(default_factory=list)
    _not_ours_yet: list[Told] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, vi: str, en: str) -> None:
        self.step, self.vi, self.began = self.step + 1, vi, time.monotonic()
        self.narrator.begins(self.step, vi, en)

    def is_about(self, ticket: str) -> None:
        """Events of it may have come before the answer that named it."""
        self.ticket = ticket
        waiting, self._not_ours_yet = self._not_ours_yet, []
        for told in waiting:
            self.hear(told)

    def hear(self, told: Told) -> None:
        """From the feed: what belongs to this story is printed and kept; what others do is not ours to tell."""
        if self._ours(told.event):
            self.told.append(told)
            self.narrator.happened(told, time.monotonic() - self.began)
            self._news.set()
        elif not self.ticket:
            self._not_ours_yet.append(told)

    def _ours(self, event: Mapping[str, Any]) -> bool:
        about = [str(event[name]) for name in ("ticket_id", "job") if event.get(name)]
        if about:
            return bool(self.ticket) and any(one.startswith(self.ticket) for one in about)
        return event.get("centre") == CENTRE and set(event) in _AROUND_IT

    async def sees(self, topic: str, **fields: Any) -> dict[str, Any]:
        """The first event like that, told already or still to come."""
        return (await self.sees_many(1, topic, **fields))[0]

    async def sees_many(self, count: int, topic: str, **fields: Any) -> list[dict[str, Any]]:
        until = time.monotonic() + PATIENCE
        while True:
            found = [told.event for told in self.told if told.topic == topic and _like(told.event, fields)]
            if len(found) >= count:
                return found[:count]
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), until - time.monotonic())
            except TimeoutError:
                raise Failed(f"không thấy sự kiện {topic} trong {PATIENCE:.0f} giây", "") from None


def _like(event: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(event.get(name) == value for name, value in fields.items())


# ----------------------------------------------------------------------------------------------------------- play


async def play(operator: Caller, kept: Kept, narrator: Narrator) -> None:
    """From check-in to evening report. Raises `StoryFailed`."""
    stage = Stage(narrator)
    began = time.monotonic()
    try:
        async with _listening(operator, stage):
            await _Morning(operator, kept, stage).all()
    except Failed as failed:
        raise StoryFailed(stage.step, stage.vi, failed.vi) from None
    narrator.ends(time.monotonic() - began, len(stage.told))


@asynccontextmanager
async def _listening(operator: Caller, stage: Stage) -> AsyncIterator[None]:
    """The feed of the centre, from before the first step on."""
    ready = asyncio.Event()

    async def listen() -> None:
        async for told in feed.follow(operator, centre=CENTRE):
            if told.topic == feed.OPEN:
                ready.set()
            elif told.topic != "reset":
                stage.hear(told)

    listening = asyncio.create_task(listen())
    try:
        done, _ = await asyncio.wait(
            {listening, asyncio.create_task(ready.wait())}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        if listening in done:
            listening.result()
        if not ready.is_set():
            raise Failed("không theo dõi được sự kiện", "")
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@dataclass
class _Morning:
    """The people of the story at the API, each with his own token."""

    operator: Caller
    kept: Kept
    stage: Stage
    ticket: dict[str, Any] = field(default_factory=dict)

    async def all(self) -> None:
        await self.members_come_on_duty()
        await self.mrs_thuy_takes_a_number()
        await self.a_blue_shirt_helps()
        await self.the_counter_calls()
        await self.she_is_served()
        await self.she_says_where_home_is()
        await self.somebody_drives_her()
        await self.she_gets_home()
        await self.evening()

    # ------------------------------------------------------------------------------------------------ the scenes

    async def members_come_on_duty(self) -> None:
        self.stage.begin("Đầu giờ: ba đoàn viên áo xanh điểm danh vào ca", "Three members check in")
        coordinator = await self.staff("dieuphoi")
        today = local_day(system_clock()).isoformat()
        for number, person in enumerate(ON_DUTY):
            member = self.kept.members[number]
            duty = coordinator.post(f"/volunteers/centres/{CENTRE}/duties", {"day": today, "member": member})
            await _unless(duty, "on-duty-already", "day-is-full")
            volunteer = await self.volunteer(member)
            arrived = await _unless(volunteer.post(f"/volunteers/centres/{CENTRE}/check-in"), "already-checked-in")
            if arrived:
                await self.stage.sees("volunteer-checked-in", member=member)
            else:
                self.stage.narrator.adds(f"{person.name} đã có mặt từ trước")

    async def mrs_thuy_takes_a_number(self) -> None:
        self.stage.begin(
            "Bà Thủy, 71 tuổi, lấy số ở ki-ốt: chuyển quyền sử dụng đất, “tôi cần giúp”, “tôi không có xe về”",
            "Mrs Thủy takes a number, asks for help and for a ride home",
        )
        kiosk = self.operator.as_(self.kept.devices["kiosk.sanh"])
        contact = await kiosk.post("/notify/contacts", {"phone": DAUGHTER, "purposes": ["queue_sms", "ride"]})
        wishes = {"service": LAND, "needs_help": True, "ride_home": True, "contact_ref": contact["contact_ref"]}
        self.ticket = await kiosk.post(f"/queue/centres/{CENTRE}/tickets", wishes)
        self.stage.is_about(self.ticket["ticket_id"])
        wait = self.ticket["wait_minutes"]
        told = f"chờ khoảng {wait[0]}-{wait[1]} phút" if wait else "chưa ước lượng được thời gian chờ"
        self.stage.narrator.adds(f"Phiếu {self.ticket['code']}: trước bà còn {self.ticket['ahead']} người, {told}")
        await self.stage.sees("ticket-issued", needs_help=True, ride_home=True)
        await self.stage.sees("assistance-requested")
        await self.stage.sees("ride-planned")

    async def a_blue_shirt_helps(self) -> None:
        self.stage.begin("Một đoàn viên nhận lời và giúp bà điền đơn", "A volunteer accepts and helps with the form")
        made = await self.stage.sees("offer-made", kind="assistance")
        volunteer = await self.volunteer(made["member"])
        self.stage.narrator.adds(f"{self.name(made['member'])} thấy lời mời trên điện thoại và nhận")
        await self.accept(volunteer, made["job"])
        await self.stage.sees("offer-accepted", kind="assistance", member=made["member"])
        await self.stage.sees("assistance-taken", member=made["member"])

    async def the_counter_calls(self) -> None:
        code = self.ticket["code"]
        self.stage.begin(f"Quầy {COUNTER} gọi số {code}", f"Counter {COUNTER} calls {code}")
        clerk = await self.staff(f"canbo.quay{COUNTER}")
        await clerk.post(f"{_COUNTER}/open")
        await self.finish_what_is_at_the_counter(clerk)
        while (called := await clerk.post(f"{_COUNTER}/call-next"))["ticket_id"] != self.ticket["ticket_id"]:
            self.stage.narrator.adds(f"{called['code']} đứng trước: phục vụ xong rồi gọi tiếp")
            await self.serve(clerk, called["ticket_id"])
        self.stage.narrator.adds(f"Vì sao là {code}: {called['selected_because']}")
        await self.stage.sees("queue-called", counter=COUNTER)
        sms = await self.message(lambda message: message["id"] == f"{self.ticket['ticket_id']}-called")
        self.stage.narrator.adds(f"SMS cho con gái bà ({sms['to']}): {sms['text']}")

    async def she_is_served(self) -> None:
        self.stage.begin("Tại quầy: nhận hồ sơ, xong phần hướng dẫn, hoàn tất", "Served, helped, completed")
        clerk = await self.staff(f"canbo.quay{COUNTER}")
        await clerk.post(f"{self.at_queue}/start")
        await self.stage.sees("serving-started", counter=COUNTER)
        taken = await self.stage.sees("assistance-taken")
        helper = await self.volunteer(taken["member"])
        await helper.post(f"/volunteers/assistances/{taken['assistance_id']}/finish", {"result": "shown"})
        await self.stage.sees("assistance-finished", result="shown")
        await clerk.post(f"{self.at_queue}/complete", {"outcome": "accepted"})
        await self.stage.sees("case-completed", outcome="accepted")

    async def she_says_where_home_is(self) -> None:
        self.stage.begin("Bà cho biết nơi về trên trang phiếu của mình", "She says where home is, on her ticket's page")
        wanted = {"ticket": self.ticket["pass"], "destination": DESTINATION, "hamlet": HAMLET}
        await self.operator.as_nobody().post("/volunteers/rides", wanted)
        await self.stage.sees("ride-home-requested", hamlet=HAMLET)

    async def somebody_drives_her(self) -> None:
        self.stage.begin(
            "Mời ba đoàn viên ngoài ca có xe máy và mũ bảo hiểm thừa; người đầu bận, người thứ hai nhận",
            "Three off duty are asked; the first declines, the second accepts, the others are told",
        )
        asked = await self.stage.sees_many(3, "offer-made", kind="ride")
        first, second, third = asked[:3]
        await self.decline(await self.volunteer(first["member"]), first["job"])
        self.stage.narrator.adds(f"{self.name(first['member'])} từ chối")
        await self.stage.sees("offer-void", offer_id=first["offer_id"], reason="declined")
        await self.accept(await self.volunteer(second["member"]), second["job"])
        self.stage.narrator.adds(f"{self.name(second['member'])} nhận lời")
        await self.stage.sees("offer-accepted", kind="ride", member=second["member"])
        await self.stage.sees("offer-void", offer_id=third["offer_id"], reason="taken", tell=True)
        await self.stage.sees("ride-assigned", member=second["member"])
        ride = await self.operator.with_pass(self.ticket["pass"]).get(f"/volunteers/rides/{second['job']}")
        self.stage.narrator.adds(f"Trên phiếu của bà: {ride['driver_name']} đến đón, mật khẩu “{ride['code_word']}”")

    async def she_gets_home(self) -> None:
        self.stage.begin("Đón bà và đưa về đến nhà", "Picked up, dropped off, minutes credited")
        assigned = await self.stage.sees("ride-assigned")
        driver = await self.volunteer(assigned["member"])
        await driver.post(f"/volunteers/rides/{assigned['ride_id']}/pick-up")
        await self.stage.sees("ride-picked-up", member=assigned["member"])
        home = await driver.post(f"/volunteers/rides/{assigned['ride_id']}/drop-off")
        await self.stage.sees("ride-completed", member=assigned["member"], minutes=home["minutes"])

    async def evening(self) -> None:
        self.stage.begin("Báo cáo cuối ngày của phường", "The evening report of the ward")
        evening = await report.read(await self.staff("dieuphoi"), CENTRE)
        self.stage.narrator.reports(evening)
        if not (evening["volunteers"]["people_helped"] and evening["volunteers"]["rides_completed"]):
            raise Failed("báo cáo chưa tính người được giúp và chuyến xe", "")

    # ------------------------------------------------------------------------------------------------ what they do

    @property
    def at_queue(self) -> str:
        return f"/queue/tickets/{self.ticket['ticket_id']}"

    def name(self, member: str) -> str:
        return MEMBERS[self.kept.members.index(member)].name

    async def staff(self, name: str) -> Caller:
        """Signed in with name and password; the session is kept for the next story, since signing in is limited."""
        token = self.kept.tokens.get(name)
        if token is None or not await self.still_signed_in(token):
            session = await self.operator.as_nobody().post("/session", {"name": name, "password": self.kept.password})
            token = self.kept.tokens[name] = session["token"]
        return self.operator.as_(token)

    async def volunteer(self, member: str) -> Caller:
        """Signed in with the phone: the code comes by SMS, which here means out of the drawer. Kept likewise."""
        token = self.kept.tokens.get(member)
        if token is None or not await self.still_signed_in(token):
            phone = MEMBERS[self.kept.members.index(member)].phone
            nobody = self.operator.as_nobody()
            asked_at = system_clock()
            await nobody.post("/notify/sign-in", {"phone": phone})
            sms = await self.message(lambda message: _is_code(message, phone, asked_at))
            digits = re.search(r"\b\d{6}\b", sms["text"])
            session = await nobody.post("/session/code", {"phone": phone, "code": digits[0] if digits else ""})
            token = self.kept.tokens[member] = session["token"]
        return self.operator.as_(token)

    async def still_signed_in(self, token: str) -> bool:
        try:
            await self.operator.as_(token).get("/session")
        except Answered:
            return False
        return True

    async def message(self, wanted: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Out of the drawer, as an operator reads it; waits for it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            page = await self.operator.get("/notify/messages", centre=CENTRE, limit=200)
            found = next((message for message in page["messages"] if message["text"] and wanted(message)), None)
            if found:
                return dict(found)
            await asyncio.sleep(0.1)
        raise Failed("tin nhắn không đến ngăn kéo", "")

    async def accept(self, volunteer: Caller, job: str) -> None:
        await volunteer.post(f"/notify/offers/{await self.offer_for(volunteer, job)}/accept")

    async def decline(self, volunteer: Caller, job: str) -> None:
        await volunteer.post(f"/notify/offers/{await self.offer_for(volunteer, job)}/decline")

    async def offer_for(self, volunteer: Caller, job: str) -> str:
        """As the volunteer sees it among his offers."""
        mine = await volunteer.get("/notify/me/offers")
        found = next((offer for offer in mine["offers"] if offer["job"] == job), None)
        if found is None:
            raise Failed("lời mời không có trong danh sách của đoàn viên", "")
        return str(found["offer_id"])

    async def finish_what_is_at_the_counter(self, clerk: Caller) -> None:
        """Somebody may have played here before."""
        there = (await clerk.get(_COUNTER))["now"]
        if there:
            self.stage.narrator.adds(f"{there['code']} còn ở quầy: phục vụ xong trước")
            await self.serve(clerk, there["ticket_id"], started=there["state"] == "serving")

    async def serve(self, clerk: Caller, ticket: str, *, started: bool = False) -> None:
        if not started:
            await clerk.post(f"/queue/tickets/{ticket}/start")
        await clerk.post(f"/queue/tickets/{ticket}/complete", {"outcome": "accepted"})


_COUNTER: Final = f"/queue/centres/{CENTRE}/counters/{COUNTER}"


def _is_code(message: Mapping[str, Any], phone: str, asked_at: datetime) -> bool:
    after = datetime.fromisoformat(message["planned"]) >= asked_at - timedelta(seconds=1)
    return bool(message["template"] == "sign_in" and message["to"] == masked(f"+84{phone[1:]}") and after)


async def _unless(command: Awaitable[Any], *slugs: str) -> Any:
    """Its answer; None when it is refused for one of these reasons, because it is so already."""
    try:
        return await command
    except Answered as answered:
        if answered.slug not in slugs:
            raise
        return None
