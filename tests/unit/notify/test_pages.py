"""A volunteer's phone before a browser without a screen: signing in, links out of an SMS, what he is asked to do."""

from services.chassis.access import COOKIE
from services.contracts.words import CancelledBy
from tests.unit.notify.alone import Notifier
from tests.unit.notify.build import AN, BINH, arrived, changed, help_asked, ride_cancelled, ride_due
from tests.unit.notify.test_api import PHONE, play, texted, volunteer
from tests.visitor import Shown, Visitor

MINE = "/notify/volunteer"


def phone_of(ours: Notifier, member: str = "") -> Visitor:
    visitor = Visitor(ours.http)
    ours.http.cookies.clear()
    return visitor.become(ours.token("volunteer", member=member)) if member else visitor


async def offered(ours: Notifier, *members: str) -> list[str]:
    """A ride offered to each of them; the links that they are sent."""
    for number, member in enumerate(members):
        await volunteer(ours, member, f"091234567{number}")
    await ours.hear(ride_due(hamlet="an-binh"))
    await ours.pass_on()
    return [text.partition("#")[2] for text in await ours.send()]


async def opened(visitor: Visitor, link: str) -> Shown:
    await visitor.open("/o")
    return await visitor.press("/o", link=link)


# ----------------------------------------------------------------------------------------------------- sign-in


def test_a_code_is_asked_for_by_number_and_typed_on_the_next_page() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        visitor = phone_of(ours)
        await visitor.open("/v")
        shown = await visitor.press("/v", phone="0912 345 678")
        assert shown.path == "/v" and "Xem tin nhắn" in shown.text
        (text,) = await ours.send()
        digits = next(word.strip(",.") for word in text.split() if word.strip(",.").isdigit() and len(word) >= 6)
        assert (await visitor.press("/v/code", code=f" {digits[:3]} {digits[3:]} ")).path == "/volunteer"
        assert visitor.client.cookies[COOKIE]

    play(story)


def test_an_unknown_number_is_shown_the_same_page() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        visitor, seen = phone_of(ours), set()
        for phone in (PHONE, "0987654321"):
            await visitor.open("/v")
            seen.add((await visitor.press("/v", phone=phone)).text)
        assert len(seen) == 1

    play(story)


def test_what_is_no_number_is_said_at_the_number_and_stays_to_be_corrected() -> None:
    async def story(ours: Notifier) -> None:
        visitor = phone_of(ours)
        await visitor.open("/v")
        shown = await visitor.press("/v", phone="029238<b>110")
        assert shown.status == 422 and "di động" in shown.text
        assert "<b>110" not in shown.source and 'value="029238&lt;b&gt;110"' in shown.source

    play(story)


def test_a_wrong_code_says_what_to_do_and_too_many_say_how_long_to_wait() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        visitor = phone_of(ours)
        await visitor.open("/v")
        await visitor.press("/v", phone=PHONE)
        shown = await visitor.press("/v/code", code="000000")
        assert shown.status == 401 and "Vui lòng lấy mã mới" in shown.text and 'href="/v"' in shown.source
        while (shown := await visitor.press("/v/code", code="000000")).status == 401:
            pass
        assert shown.status == 429 and "thử lại sau" in shown.text

    play(story)


def test_the_link_signs_in_once_and_then_says_what_to_do() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        _, link = await texted(ours)
        visitor = phone_of(ours)
        await visitor.open("/v")
        assert (await visitor.press("/v/link", link=link)).path == "/volunteer"
        ours.http.cookies.clear()
        await visitor.open("/v")
        shown = await visitor.press("/v/link", link=link)
        assert shown.status == 401 and "Vui lòng lấy mã mới" in shown.text and shown.form("/v")

    play(story)


def test_signing_out_ends_the_session_of_this_phone() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        fields = visitor.fields(f"{(await opened(visitor, link)).path}/accept")
        assert (await visitor.send("/v/out", fields)).path == "/v"
        assert COOKIE not in visitor.client.cookies
        assert (await visitor.open(MINE)).path == "/v"

    play(story)


# ------------------------------------------------------------------------------------------------------ offers


def test_the_link_of_an_offer_opens_it_and_yes_makes_it_mine() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        shown = await opened(visitor, link)
        assert "Chở một người về An Bình" in shown.text and "km" in shown.text and "Trả lời trước 12:02" in shown.text
        assert "Việc này là của bạn" in (await visitor.press(f"{shown.path}/accept")).text

    play(story)


def test_opened_again_on_the_same_phone_it_shows_how_the_offer_stands() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        assert (await opened(visitor, link)).path == (await opened(visitor, link)).path

    play(story)


def test_opened_again_on_another_phone_the_link_is_used_up_and_says_what_to_do() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        await opened(phone_of(ours), link)
        shown = await opened(phone_of(ours), link)
        assert shown.status == 401 and "Vui lòng lấy mã mới" in shown.text and 'href="/v"' in shown.source

    play(story)


def test_what_is_no_link_of_ours_opens_nothing() -> None:
    async def story(ours: Notifier) -> None:
        for link in ("", "o" + "0" * 30, "<svg onload=alert(1)>", "\u202e" * 50, "x" * 10_000):
            shown = await opened(phone_of(ours), link)
            assert shown.status == 401 and "<svg onload" not in shown.source

    play(story)


def test_who_is_slower_hears_that_somebody_else_has_taken_it() -> None:
    async def story(ours: Notifier) -> None:
        links = await offered(ours, AN, BINH)
        slow = phone_of(ours)
        page = (await opened(slow, links[0])).path
        fields = slow.fields(f"{page}/accept")
        cookies = dict(ours.http.cookies)
        quick = phone_of(ours)
        await quick.press(f"{(await opened(quick, links[1])).path}/accept")
        ours.http.cookies = cookies
        shown = await slow.send(f"{page}/accept", fields)
        assert shown.status == 409 and "Việc này đã có bạn khác nhận" in shown.text
        assert "Đã có bạn khác nhận việc này" in (await slow.open(MINE)).text

    play(story)


def test_no_goes_back_to_my_work_and_is_not_offered_again() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        shown = await opened(visitor, link)
        assert (await visitor.press(f"{shown.path}/decline")).path == "/volunteer"
        assert "Chưa có lời mời nào" in (await visitor.open(MINE)).text
        assert "Bạn đã từ chối lời mời này" in (await visitor.open(shown.path)).text

    play(story)


def test_an_offer_that_expired_while_nobody_has_the_job_can_still_be_taken() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        shown = await opened(visitor, link)
        await ours.later(minutes=3)
        assert (await visitor.open(shown.path)).form(f"{shown.path}/accept")

    play(story)


def test_what_is_not_needed_any_more_says_so() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        visitor = phone_of(ours)
        path = (await opened(visitor, link)).path
        await ours.hear(ride_cancelled(by=CancelledBy.CITIZEN))
        assert "Việc này không còn cần nữa" in (await visitor.open(path)).text

    play(story)


def test_an_offer_of_another_is_not_shown() -> None:
    async def story(ours: Notifier) -> None:
        (link,) = await offered(ours, AN)
        path = (await opened(phone_of(ours), link)).path
        shown = await phone_of(ours, BINH).open(path)
        assert shown.status == 403 and "gửi cho bạn khác" in shown.text

    play(story)


def test_help_in_the_hall_is_offered_by_number() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN))
        await ours.hear(arrived(AN), help_asked())
        shown = await phone_of(ours, AN).open(MINE)
        assert "Giúp người có số A012 tại sảnh" in shown.text

    play(story)
