"""The board of the hall: now calling, last calls, waits. What is called is shown and spoken by its module, one after
the other; without a Vietnamese voice in the browser the sound of a call comes from here.
"""

from typing import Annotated, Final
from weakref import WeakKeyDictionary

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import NotFound
from services.chassis.pages import ThePage
from services.chassis.web import Now, Router, System
from services.contracts.words import CounterNumber, TicketCode
from services.queue.api import Centres, Halls, OurViews
from services.queue.api_centre import show_board
from services.queue.hall import State
from services.queue.shapes import Board
from services.queue.voice import Voice
from services.queue.wording import call_as_spoken

router = Router(prefix="/board", tags=["pages"], include_in_schema=False)

Onlooker = Annotated[Actor, may("display", "staff", "coordinator")]
_voices: Final[WeakKeyDictionary[System, Voice]] = WeakKeyDictionary()
"""One a running system; there is one, but in tests."""


class NoSuchCall(NotFound):
    en = "The board shows no such call."
    vi = "Bảng không có lượt gọi này."


class NobodySpeaks(NotFound):
    en = "There is no voice here: install espeak-ng on the server, or a Vietnamese voice in the browser."
    vi = "Ở đây chưa có giọng nói: hãy cài espeak-ng trên máy chủ, hoặc giọng tiếng Việt trong trình duyệt."


@router.get("")
async def board_page(
    request: Request, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Onlooker, now: Now
) -> HTMLResponse:
    board = await _board(halls, centres, views, who, now)
    on_the_way = {(call.code, call.counter) for call in board.called if call.state is State.CALLED}
    priority = {call.code for call in board.called if call.priority}
    return page.show(
        "queue/board.html",
        board=board,
        on_the_way=on_the_way,
        priority=priority,
        as_spoken=call_as_spoken,
        voice=voice_of(request).can_speak,
    )


@router.get("/voice/{code}/{counter}")
async def voice(
    code: TicketCode,
    counter: CounterNumber,
    request: Request,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Onlooker,
    now: Now,
) -> Response:
    """The sound of a call that this board shows, and of nothing else."""
    board = await _board(halls, centres, views, who, now)
    if (code, counter) not in {(call.code, call.counter) for call in board.last_calls}:
        raise NoSuchCall
    sound = await voice_of(request).say(call_as_spoken(code, counter))
    if sound is None:
        raise NobodySpeaks
    return Response(sound, media_type="audio/wav")


def voice_of(request: Request) -> Voice:
    system: System = request.app.state.system
    return _voices.setdefault(system, Voice())


async def _board(halls: Halls, centres: Centres, views: OurViews, who: Actor, now: Now) -> Board:
    return await show_board(min(who.centres), halls, centres, views, who, now)
