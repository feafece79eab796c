"""What all screens stand on: forms that only our own pages send, refusals that people can read, files, languages."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from starlette.responses import Response

from services.chassis.access import PASS_COOKIE, Actor, may
from services.chassis.errors import Refused
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.files import address_of, files
from services.chassis.pages.routes import own_address
from services.chassis.web import Router
from tests.desk import TICKET, Desk, client
from tests.support import run
from tests.visitor import Visitor

router = Router()
sent: list[Any] = []


class ShopClosed(Refused):
    en = "The shop is closed; come back tomorrow."
    vi = "Cửa hàng đã đóng, vui lòng quay lại ngày mai."


@router.get("/ask")
async def ask(page: ThePage, who: Annotated[Actor, may("anyone")]) -> Response:
    return page.show("queue/sign-in.html", back="/", name="", refused=None)


@router.post("/sign-in")
async def take(page: ThePage, form: TheForm, who: Annotated[Actor, may("anyone")]) -> Response:
    sent.append((form.text("name"), form.once))
    return page.go("/ask")


@router.get("/closed")
async def closed(who: Annotated[Actor, may("anyone")]) -> None:
    raise ShopClosed


@router.get("/staff-only")
async def staff_only(who: Annotated[Actor, may("staff")]) -> None: ...


@router.get("/mine")
async def mine(who: Annotated[Actor, may("holder")]) -> str:
    return str(who.ticket)


@router.post("/mine")
async def change_mine(who: Annotated[Actor, may("holder")]) -> str:
    return str(who.ticket)


def visiting(story: Callable[[Visitor], Awaitable[None]], ours: Desk | None = None, **options: Any) -> None:
    async def visit() -> None:
        async with client((ours or Desk()).app(router), **options) as http:
            sent.clear()
            await story(Visitor(http))

    run(visit())


# ------------------------------------------------------------------------------------------------------ forms


def test_a_form_of_ours_arrives() -> None:
    async def story(visitor: Visitor) -> None:
        await visitor.open("/ask")
        assert (await visitor.press("/sign-in", name="  canbo.quay3 ")).path == "/ask"
        assert sent[0][0] == "canbo.quay3"

    visiting(story)


def test_a_double_press_is_one_command_and_another_content_is_another() -> None:
    async def story(visitor: Visitor) -> None:
        shown = await visitor.open("/ask")
        fields = shown.form("/sign-in").fields
        for name in ("an", "an", "binh"):
            await visitor.send("/sign-in", fields | {"name": name})
        first, second, third = [once for _, once in sent]
        assert first == second != third

    visiting(story)


@pytest.mark.parametrize(
    "given",
    [
        {"without": "form_secret"},
        {"form_secret": "guessed"},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
    ],
)
def test_a_form_from_elsewhere_does_nothing(given: Any) -> None:
    async def story(visitor: Visitor) -> None:
        await visitor.open("/ask")
        answer = await visitor.press("/sign-in", **given)
        assert answer.status == 403 and "tải lại trang" in answer.text
        assert sent == []

    visiting(story)


def test_a_form_shown_to_another_browser_does_nothing_here() -> None:
    async def story(visitor: Visitor) -> None:
        fields = (await visitor.open("/ask")).form("/sign-in").fields
        visitor.client.cookies.clear()
        await visitor.open("/ask")
        assert (await visitor.send("/sign-in", fields)).status == 403

    visiting(story)


def test_a_form_shown_before_somebody_signed_in_does_nothing_in_his_name() -> None:
    ours = Desk()

    async def story(visitor: Visitor) -> None:
        fields = (await visitor.open("/ask")).form("/sign-in").fields
        token = ours.bearer("staff")["Authorization"].split()[1]
        visitor.client.cookies.set("caunoi_session", token)
        assert (await visitor.send("/sign-in", fields)).status == 403

    visiting(story, ours)


def test_what_is_no_form_is_said_to_be_none() -> None:
    async def story(visitor: Visitor) -> None:
        for body, kind in ((b"{}", "application/json"), (b"name=\xff", "application/x-www-form-urlencoded")):
            answer = await visitor.client.post(
                "/sign-in", content=body, headers=visitor.headers | {"Content-Type": kind}
            )
            assert answer.status_code == 422
            assert "không phải là biểu mẫu" in answer.text

    visiting(story)


# --------------------------------------------------------------------------------------------------- refusals


def test_a_browser_reads_a_refusal_as_a_page_in_its_language_and_a_program_as_a_problem() -> None:
    async def story(visitor: Visitor) -> None:
        shown = await visitor.open("/closed")
        assert shown.status == 409 and "Cửa hàng đã đóng" in shown.text
        assert "come back tomorrow" in (await visitor.open("/closed", **{"Accept-Language": "en"})).text
        assert (await visitor.client.get("/closed")).json()["slug"] == "shop-closed"

    visiting(story)


def test_a_browser_that_must_sign_in_is_led_there_and_back() -> None:
    async def story(visitor: Visitor) -> None:
        answer = await visitor.client.get("/staff-only", headers=visitor.headers)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?back=/staff-only"

    visiting(story)


def test_an_unknown_address_is_a_page_too() -> None:
    async def story(visitor: Visitor) -> None:
        shown = await visitor.open("/nowhere")
        assert shown.status == 404 and "Không có gì ở địa chỉ này" in shown.text

    visiting(story)


# ---------------------------------------------------------------------------------------------------- language


def test_a_language_that_was_chosen_stays() -> None:
    async def story(visitor: Visitor) -> None:
        assert 'lang="vi"' in (await visitor.open("/ask")).source
        chosen = await visitor.open("/language/en?back=/ask")
        assert chosen.path == "/ask" and '<html lang="en"' in chosen.source
        assert (await visitor.client.get("/closed")).json()["detail"] == ShopClosed.en
        assert (await visitor.open("/language/xx")).status == 404

    visiting(story)


@pytest.mark.parametrize(
    "back", ["https://elsewhere.vn", "//elsewhere.vn", "/\\elsewhere.vn", "javascript:alert(1)", ""]
)
def test_nobody_is_led_away_from_here(back: str) -> None:
    assert own_address(back) == "/"


def test_whoever_is_led_back_gets_where_he_was() -> None:
    assert own_address("/kiosk/take/dat-dai") == "/kiosk/take/dat-dai"


# ------------------------------------------------------------------------------------------------------- pass


def test_the_cookie_of_a_ticket_s_page_opens_that_ticket_and_only_our_pages_use_it_to_change() -> None:
    ours = Desk()

    async def story(visitor: Visitor) -> None:
        visitor.client.cookies.set(PASS_COOKIE, ours.access.passes.sign(TICKET))
        assert (await visitor.client.get("/mine")).json() == TICKET
        from_us = {"Sec-Fetch-Site": "same-origin"}
        assert (await visitor.client.post("/mine", headers=from_us)).json() == TICKET
        assert (await visitor.client.post("/mine", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 401
        visitor.client.cookies.set(PASS_COOKIE, f"{TICKET}.{'a' * 26}")
        assert (await visitor.client.get("/mine")).status_code == 401

    visiting(story, ours)


# ------------------------------------------------------------------------------------------------------- files


def test_a_file_is_kept_for_ever_under_its_address_and_not_under_an_older_one() -> None:
    async def story(visitor: Visitor) -> None:
        newest = await visitor.client.get(address_of("chassis/caunoi.css"))
        assert "immutable" in newest.headers["cache-control"]
        assert newest.headers["content-type"] == "text/css; charset=utf-8"
        older = await visitor.client.get("/static/0123456789/chassis/caunoi.css")
        assert older.status_code == 200 and older.headers["cache-control"] == "no-cache"
        for missing in ("chassis/none.css", "..%2Fpage.py/x", "chassis/..%2Fpage.py"):
            assert (await visitor.client.get(f"/static/0/{missing}")).status_code == 404

    visiting(story)


def test_text_goes_packed_to_who_can_unpack_it() -> None:
    async def story(visitor: Visitor) -> None:
        address = address_of("chassis/caunoi.css")
        plain = await visitor.client.get(address, headers={"Accept-Encoding": "identity"})
        packed = await visitor.client.get(address)
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == plain.text
        assert len(files()["chassis/caunoi.css"].packed or b"") < len(plain.content) / 2

    visiting(story)
