"""The words of the queue as people read them, Vietnamese first: states, what can be done, why somebody is next."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from services.contracts.words import Because
from services.queue.hall import State


class Action(StrEnum):
    """What can be done with a ticket."""

    RECALL = "recall"
    START = "start"
    HOLD = "hold"
    RETURN = "return"
    NO_SHOW = "no_show"
    REINSTATE = "reinstate"
    COMPLETE = "complete"
    CANCEL = "cancel"
    HELP = "help"
    WITNESS = "witness_priority"
    UNDO = "undo"
    CHECKLIST = "checklist"


Both = tuple[str, str]
"""(Vietnamese, English)."""

_STATES: Mapping[str, Both] = {
    State.WAITING: ("đang chờ", "waiting"),
    State.CALLED: ("đã được gọi", "called"),
    State.SERVING: ("đang được phục vụ", "being served"),
    State.HELD: ("đang tạm giữ tại quầy", "held at a counter"),
    State.NO_SHOW: ("vắng mặt khi được gọi", "not there when called"),
    State.COMPLETED: ("đã hoàn thành", "completed"),
    State.CANCELLED: ("đã huỷ", "cancelled"),
}

_ACTIONS: Mapping[str, Both] = {
    Action.RECALL: ("gọi lại", "recall"),
    Action.START: ("bắt đầu phục vụ", "start"),
    Action.HOLD: ("tạm giữ", "hold"),
    Action.RETURN: ("trả về hàng chờ", "return to the line"),
    Action.NO_SHOW: ("ghi vắng mặt", "mark as not there"),
    Action.REINSTATE: ("cho vào hàng lại", "reinstate"),
    Action.COMPLETE: ("hoàn thành", "complete"),
    Action.CANCEL: ("huỷ", "cancel"),
    Action.HELP: ("nhờ hỗ trợ", "ask for help"),
    Action.WITNESS: ("xác nhận diện ưu tiên", "confirm its priority"),
    Action.CHECKLIST: ("đánh dấu giấy tờ", "tick the papers"),
    Action.UNDO: ("hoàn tác trong 2 phút", "undo within 2 minutes"),
}

_REASONS: Mapping[Because, Both] = {
    Because.ONLY_ONE_WAITING: ("Người duy nhất đang chờ", "The only one waiting"),
    Because.LONGEST_WAIT: ("Chờ lâu nhất", "Has waited longest"),
    Because.PRIORITY_FIRST: ("Thuộc diện ưu tiên", "Has priority"),
    Because.RATIO: ("Đến lượt số thường sau các lượt ưu tiên liền nhau", "An ordinary turn after priority turns"),
    Because.AGEING_CAP: ("Đã chờ quá thời gian tối đa", "Has waited longer than anybody should"),
    Because.REINSTATED: ("Lỡ lượt và đã quay lại", "Missed the call and came back"),
    Because.HELD_HERE: ("Đang tạm giữ tại quầy này", "Was held at this counter"),
    Because.RECALLED: ("Gọi lại", "Called again"),
}


def state_in_words(state: str, language: str) -> str:
    return _pick(_STATES.get(state, (state, state)), language)


def action_in_words(action: str, language: str) -> str:
    return _pick(_ACTIONS.get(action, (action, action)), language)


def actions_in_words(actions: Iterable[str], language: str) -> str:
    words = ", ".join(action_in_words(action, language) for action in actions)
    return words or _pick(("không còn thao tác nào", "nothing more"), language)


def reason_in_words(because: Because, language: str) -> str:
    return _pick(_REASONS[because], language)


_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_LETTERS = """
A a, B bê, C xê, D dê, E e, F ép, G giê, H hát, I i, J gi, K ca, L e-lờ, M em-mờ, N en-nờ, O o, P pê, Q cu, R e-rờ,
S ét-xì, T tê, U u, V vê, W vê-kép, X ích-xì, Y i-dài, Z dét
"""
_LETTER = dict(one.split() for one in _LETTERS.split(","))


def call_as_spoken(code: str, counter: int) -> str:
    """What is said in the hall, in Vietnamese: each digit by itself, so that 012 is not heard as twelve."""
    letter, digits = _LETTER[code[0]], " ".join(_DIGITS[int(digit)] for digit in code[1:])
    return f"Mời số {letter}, {digits}, đến quầy {counter}."


def _pick(both: Both, language: str) -> str:
    return both[0] if language == "vi" else both[1]
