"""`/device`: a kiosk or a board is told by its token who it is, once; it then opens its screen by itself.

The token comes by a link `/device#<token>` (the part behind `#` reaches no server and no log) or is pasted.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, Issued, SignInNeeded, keep_session, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.page import screen_of
from services.chassis.web import Now, Router, TheAccess

router = Router(tags=["pages"], include_in_schema=False)

Anyone = Annotated[Actor, may("anyone")]
DEVICES: Final = frozenset({"kiosk", "display"})


class NotADevice(SignInNeeded):
    en = "This token is not one of a kiosk or a board, or it was replaced. Ask the coordinator for a new one."
    vi = "Mã này không phải của ki-ốt hay bảng gọi số, hoặc đã được thay. Hãy nhờ điều phối viên cấp mã mới."


@router.get("/device")
async def device_page(page: ThePage, who: Anyone) -> HTMLResponse:
    return page.show("queue/device.html")


@router.post("/device")
async def become_a_device(
    request: Request, page: ThePage, form: TheForm, access: TheAccess, who: Anyone, now: Now
) -> Response:
    token = form.text("token").rpartition("#")[2]
    verified = access.tokens.verify(token)
    screen = screen_of(verified.actor.roles) if verified and verified.actor.roles <= DEVICES else None
    try:
        if verified is None or screen is None or not await access.accounts.stands(verified):
            raise NotADevice
    except Refusal as refused:
        return page.refuse("queue/device.html", refused)
    expires = datetime.fromtimestamp(verified.expires, UTC)
    answer = page.go(screen)
    keep_session(answer, request, Issued(token, expires, int((expires - now).total_seconds())))
    return answer
