"""What the queue refuses, in words that say what to do. Parameters are codes and numbers, never a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.chassis.clock import LOCAL
from services.chassis.errors import NotFound, Refused
from services.queue.hall import Span, State
from services.queue.wording import Action, action_in_words, actions_in_words, state_in_words

ALLOWED: Mapping[State, tuple[Action, ...]] = {
    State.WAITING: (Action.CANCEL, Action.HELP, Action.WITNESS, Action.CHECKLIST),
    State.CALLED: (
        Action.RECALL,
        Action.START,
        Action.HOLD,
        Action.RETURN,
        Action.NO_SHOW,
        Action.CANCEL,
        Action.HELP,
        Action.WITNESS,
        Action.CHECKLIST,
    ),
    State.SERVING: (Action.HOLD, Action.RETURN, Action.COMPLETE, Action.HELP, Action.WITNESS, Action.CHECKLIST),
    State.HELD: (
        Action.RECALL,
        Action.START,
        Action.RETURN,
        Action.NO_SHOW,
        Action.CANCEL,
        Action.HELP,
        Action.WITNESS,
        Action.CHECKLIST,
    ),
    State.NO_SHOW: (Action.REINSTATE,),
    State.COMPLETED: (),
    State.CANCELLED: (),
}
"""The life of a ticket: what may be done in which state."""


class NoSuchCentre(NotFound):
    en = "There is no centre {centre} here."
    vi = "Không có trung tâm {centre} trong hệ thống này."


class NoSuchCounter(NotFound):
    en = "This centre has no counter {counter}; it has {known}."
    vi = "Trung tâm không có quầy {counter}; chỉ có các quầy {known}."


class NoSuchTicket(NotFound):
    en = "There is no such ticket."
    vi = "Không có phiếu này."


class UnknownService(NotFound):
    en = "This centre has no service {service}; it has {known}."
    vi = "Trung tâm không có dịch vụ {service}; chỉ có {known}."


class UnknownPaper(NotFound):
    en = "The procedure of {code} does not ask for such a paper; look at its list again."
    vi = "Thủ tục của số {code} không cần giấy tờ ấy; hãy xem lại danh mục."


class HallNotOpened(NotFound):
    en = "Today's queue of this centre was not opened yet."
    vi = "Hàng chờ hôm nay của trung tâm chưa được mở."


class DayIsClosed(Refused):
    en = "The day has been closed; the next numbers are given tomorrow."
    vi = "Ngày làm việc đã kết thúc, vui lòng lấy số vào ngày làm việc tới."


class CentreClosedToday(Refused):
    en = "The centre is closed today."
    vi = "Hôm nay trung tâm nghỉ."


class CentreClosedNow(Refused):
    en = "The centre is closed at this hour; today it is open {hours}."
    vi = "Trung tâm chưa làm việc vào giờ này; hôm nay làm việc {hours}."

    @classmethod
    def on(cls, hours: Sequence[Span]) -> "CentreClosedNow":
        return cls(hours=", ".join(f"{_clock(span.opens)}-{_clock(span.closes)}" for span in hours))


class ServiceClosed(Refused):
    en = "The service {service} is closed today."
    vi = "Dịch vụ {service} hôm nay không tiếp nhận."


class QuotaUsedUp(Refused):
    en = "All {quota} numbers of {service} for today have been given."
    vi = "Đã phát hết {quota} số của dịch vụ {service} trong hôm nay."


class CounterNotOpen(Refused):
    en = "Counter {counter} is not open; open it first."
    vi = "Quầy {counter} chưa mở; hãy mở quầy trước."


class CounterBusy(Refused):
    en = "Counter {counter} still has {code}: complete it, hold it or return it to the line first."
    vi = "Quầy {counter} đang có số {code}: hãy hoàn thành, tạm giữ hoặc trả về hàng chờ trước."


class NotInThisState(Refused):
    """`state`, `action` and `allowed` are the enumerations; the sentence says them in words."""

    en = "{code} is {state}, so this is not possible: {action}. Possible now: {allowed}."
    vi = "Số {code} {state} nên không thể {action}. Có thể: {allowed}."

    @classmethod
    def of(cls, code: str, state: State, action: Action, allowed: Sequence[Action] | None = None) -> "NotInThisState":
        possible = ALLOWED[state] if allowed is None else allowed
        return cls(code=code, state=state.value, action=action.value, allowed=[each.value for each in possible])

    def says(self, language: str = "vi") -> str:
        allowed = self.parameters["allowed"]
        return (self.vi if language == "vi" else self.en).format(
            code=self.parameters["code"],
            state=state_in_words(self.parameters["state"], language),
            action=action_in_words(self.parameters["action"], language),
            allowed=allowed if isinstance(allowed, str) else actions_in_words(allowed, language),
        )


class CalledJustNow(Refused):
    en = "{code} was called a moment ago; call again in {seconds} s."
    vi = "Số {code} vừa được gọi; có thể gọi lại sau {seconds} giây."


class CalledOftenEnough(Refused):
    en = "{code} has been called {calls} times: start, hold, return it, or mark it as not there."
    vi = "Số {code} đã được gọi {calls} lần: hãy bắt đầu, tạm giữ, trả về hàng chờ hoặc ghi vắng mặt."


class NothingToUndo(Refused):
    en = "Counter {counter} has completed nothing in the last 2 minutes."
    vi = "Quầy {counter} không có hồ sơ nào hoàn thành trong 2 phút vừa qua."


class PeopleStillThere(Refused):
    en = "{waiting} are waiting and {at_counters} are at a counter; say `send_home` to close all the same."
    vi = "Còn {waiting} người đang chờ và {at_counters} người tại quầy; nếu vẫn muốn đóng, hãy xác nhận `send_home`."


def _clock(moment: datetime) -> str:
    return moment.astimezone(LOCAL).strftime("%H:%M")
