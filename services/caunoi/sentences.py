"""An event as one Vietnamese sentence, for the terminal and for the live page. References and codes only, as in events.

A template names fields in braces; enumerations are said by their word. What follows after it is said when its field is
set, as in "… cần người hỗ trợ". The page gets the same three tables as JSON and fills them in by the same rules.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.contracts.words import AT_KIOSK

SENTENCES: Final[Mapping[str, str]] = {
    "ticket-issued": "Số {code} được lấy cho dịch vụ {service}; trước đó có {ahead} người",
    "help-wanted": "Số {code} xin người hỗ trợ",
    "priority-witnessed": "Số {code} được xác nhận thuộc diện ưu tiên",
    "queue-called": "Mời số {code} đến quầy {counter} ({selected_because})",
    "serving-started": "Quầy {counter} bắt đầu phục vụ số {code}",
    "ticket-held": "Số {code} tạm chờ tại quầy {counter}",
    "ticket-returned": "Số {code} trở lại hàng chờ",
    "ticket-no-show": "Số {code} vắng mặt khi quầy {counter} gọi",
    "ticket-reinstated": "Số {code} đã đến, được xếp lên đầu hàng",
    "ticket-cancelled": "Số {code} đã huỷ ({reason})",
    "case-completed": "Hồ sơ của số {code} hoàn tất tại quầy {counter}: {outcome}; chờ {wait_seconds} giây",
    "completion-undone": "Quầy {counter} thu hồi việc hoàn tất số {code}",
    "counter-opened": "Quầy {counter} mở cửa",
    "counter-closed": "Quầy {counter} đóng cửa",
    "day-closed": "Kết thúc ngày {day}: lấy {issued} số, hoàn tất {completed}, huỷ {cancelled}, vắng {no_show}",
    "centre-changed": "Cấu hình trung tâm {centre} thay đổi (bản {revision})",
    "account-changed": "Tài khoản {account} thay đổi (bản {account_version})",
    "member-changed": "Hồ sơ đoàn viên {member} cập nhật",
    "volunteer-checked-in": "Đoàn viên {member} vào ca",
    "volunteer-checked-out": "Đoàn viên {member} rời ca sau {minutes} phút",
    "assistance-requested": "Cần người hỗ trợ số {code} tại sảnh",
    "assistance-taken": "Đoàn viên {member} nhận hỗ trợ phiếu {ticket_id}",
    "assistance-finished": "Hỗ trợ phiếu {ticket_id} xong: {result}",
    "assistance-cancelled": "Huỷ hỗ trợ phiếu {ticket_id} ({by})",
    "ride-planned": "Ghi nhận chuyến xe về nhà cho phiếu {ticket_id}",
    "ride-home-requested": "Cần xe đưa số {code} về {hamlet}, {seats} người",
    "ride-assigned": "Chuyến xe của phiếu {ticket_id} do đoàn viên {member} chở",
    "ride-picked-up": "Đoàn viên {member} đã đón khách của phiếu {ticket_id}",
    "ride-completed": "Khách của phiếu {ticket_id} đã về đến nơi; ghi {minutes} phút cho đoàn viên {member}",
    "ride-cancelled": "Huỷ chuyến xe của phiếu {ticket_id} ({by})",
    "ride-released": "Đoàn viên {member} trả lại chuyến xe của số {code}; tìm người khác",
    "skill-granted": "Đoàn viên {member} được công nhận kỹ năng {skill} đến {expires}",
    "offer-made": "Mời đoàn viên {member} nhận việc: {kind} cho số {code}",
    "offer-accepted": "Đoàn viên {member} nhận lời: {kind}",
    "offer-void": "Lời mời đoàn viên {member} không còn hiệu lực ({reason})",
    "offer-escalated": "Chưa ai nhận việc {kind}: báo điều phối viên ({reason})",
    "floor-thin": "Chỉ còn {on_floor} tình nguyện viên tại sảnh: báo điều phối viên",
    "contact-erased": "Một số điện thoại đã được xoá theo yêu cầu",
}
FOLLOWS: Final[Mapping[str, Mapping[str, str]]] = {
    "ticket-issued": {
        "needs_help": ", cần người hỗ trợ",
        "ride_home": ", không có xe về",
        "priority": ", diện ưu tiên",
    },
    "ride-assigned": {"by_hand": " (điều phối viên giao)"},
    "offer-void": {"tell": ", đã báo cho người ấy"},
}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "selected_because": {
        "only_one_waiting": "đang chờ một mình",
        "longest_wait": "chờ lâu nhất",
        "priority_first": "ưu tiên",
        "ratio": "xen kẽ sau các lượt ưu tiên",
        "ageing_cap": "đã chờ quá lâu",
        "reinstated": "đã đến sau khi vắng",
        "held_here": "đang tạm chờ tại quầy này",
        "recalled": "gọi lại",
    },
    "outcome": {
        "accepted": "đã tiếp nhận",
        "result_returned": "đã trả kết quả",
        "supplement_needed": "cần bổ sung",
        "finished_online_with_help": "nộp trực tuyến có hỗ trợ",
        "rejected": "từ chối",
        "unfinished": "chưa xong khi hết ngày",
    },
    "result": {
        "shown": "đã hướng dẫn",
        "installed": "đã cài ứng dụng",
        "activated": "đã kích hoạt",
        "password_recovered": "đã lấy lại mật khẩu",
        "filed_online": "đã nộp trực tuyến",
        "paid_cashless": "đã thanh toán không tiền mặt",
        "not_finished": "chưa xong",
        "not_recorded": "chưa ghi kết quả",
    },
    "code": {AT_KIOSK: "K000 (người ở ki-ốt)"},
    "kind": {"assistance": "hỗ trợ tại sảnh", "ride": "chở về nhà"},
    "by": {
        "citizen": "người dân",
        "volunteer": "tình nguyện viên",
        "coordinator": "điều phối viên",
        "ticket_ended": "phiếu đã kết thúc",
    },
    "reason": {
        "by_citizen": "người dân huỷ",
        "by_staff": "cán bộ huỷ",
        "day_closed": "hết ngày",
        "taken": "người khác đã nhận",
        "cancelled": "việc đã huỷ",
        "assigned_by_hand": "đã giao trực tiếp",
        "busy": "đang bận việc khác",
        "expired": "quá hạn",
        "declined": "đã từ chối",
        "left_the_floor": "đã rời sảnh",
        "floor_too_thin": "sảnh thiếu người",
        "nobody_accepted": "không ai nhận",
        "nobody_on_duty": "không có ai trực",
        "born_expired": "đến khi đã quá hạn",
        "floor_below_minimum": "sảnh dưới mức tối thiểu",
    },
}
_FIELD = re.compile(r"\{(\w+)\}")
_REFERENCE = re.compile(r"\d{5}-[0-9a-z-]{8,}")


def sentence(topic: str, event: Mapping[str, Any], known: Mapping[str, str] | None = None) -> str:
    """`event` is the JSON of one event; `known` how to say a reference (a ticket's code, a demo member's name), which
    is otherwise shortened to its end. A topic that is not known here is named as it is."""

    def said(match: re.Match[str]) -> str:
        value = event.get(match[1], "?")
        return _said(match[1], value, known or {}) if isinstance(value, str) else str(value)

    main = _FIELD.sub(said, SENTENCES.get(topic, topic))
    return main + "".join(more for field, more in FOLLOWS.get(topic, {}).items() if event.get(field))


def _said(field: str, value: str, known: Mapping[str, str]) -> str:
    short = f"…{value[-4:]}" if _REFERENCE.fullmatch(value) else value
    return WORDS.get(field, {}).get(value) or known.get(value, short)
