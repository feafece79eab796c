"""An event as one Vietnamese sentence, for the terminal and for the live page. References and codes only, as in events.

A template names fields in braces; enumerations are said by their word. What follows after it is said when its field is
set, as in "… cần người hỗ trợ". The page gets the same three tables as JSON and fills them in by the same rules.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.contracts.words import AT_KIOSK

N_: Final = str
"""Marks a text that the catalogue of the pages translates."""

SENTENCES: Final[Mapping[str, str]] = {
    "ticket-issued": N_("Số {code} được lấy cho dịch vụ {service}; trước đó có {ahead} người"),
    "help-wanted": N_("Số {code} xin người hỗ trợ"),
    "priority-witnessed": N_("Số {code} được xác nhận thuộc diện ưu tiên"),
    "queue-called": N_("Mời số {code} đến quầy {counter} ({selected_because})"),
    "serving-started": N_("Quầy {counter} bắt đầu phục vụ số {code}"),
    "ticket-held": N_("Số {code} tạm chờ tại quầy {counter}"),
    "ticket-returned": N_("Số {code} trở lại hàng chờ"),
    "ticket-no-show": N_("Số {code} vắng mặt khi quầy {counter} gọi"),
    "ticket-reinstated": N_("Số {code} đã đến, được xếp lên đầu hàng"),
    "ticket-cancelled": N_("Số {code} đã huỷ ({reason})"),
    "case-completed": N_("Hồ sơ của số {code} hoàn tất tại quầy {counter}: {outcome}; chờ {wait_seconds} giây"),
    "completion-undone": N_("Quầy {counter} thu hồi việc hoàn tất số {code}"),
    "counter-opened": N_("Quầy {counter} mở cửa"),
    "counter-closed": N_("Quầy {counter} đóng cửa"),
    "day-closed": N_("Kết thúc ngày {day}: lấy {issued} số, hoàn tất {completed}, huỷ {cancelled}, vắng {no_show}"),
    "centre-changed": N_("Cấu hình trung tâm {centre} thay đổi (bản {revision})"),
    "account-changed": N_("Tài khoản {account} thay đổi (bản {account_version})"),
    "member-changed": N_("Hồ sơ đoàn viên {member} cập nhật"),
    "volunteer-checked-in": N_("Đoàn viên {member} vào ca"),
    "volunteer-checked-out": N_("Đoàn viên {member} rời ca sau {minutes} phút"),
    "assistance-requested": N_("Cần người hỗ trợ số {code} tại sảnh"),
    "assistance-taken": N_("Đoàn viên {member} nhận hỗ trợ phiếu {ticket_id}"),
    "assistance-finished": N_("Hỗ trợ phiếu {ticket_id} xong: {result}"),
    "assistance-cancelled": N_("Huỷ hỗ trợ phiếu {ticket_id} ({by})"),
    "ride-planned": N_("Ghi nhận chuyến xe về nhà cho phiếu {ticket_id}"),
    "ride-home-requested": N_("Cần xe đưa số {code} về {hamlet}, {seats} người"),
    "ride-assigned": N_("Chuyến xe của phiếu {ticket_id} do đoàn viên {member} chở"),
    "ride-picked-up": N_("Đoàn viên {member} đã đón khách của phiếu {ticket_id}"),
    "ride-completed": N_("Khách của phiếu {ticket_id} đã về đến nơi; ghi {minutes} phút cho đoàn viên {member}"),
    "ride-cancelled": N_("Huỷ chuyến xe của phiếu {ticket_id} ({by})"),
    "ride-released": N_("Đoàn viên {member} trả lại chuyến xe của số {code}; tìm người khác"),
    "skill-granted": N_("Đoàn viên {member} được công nhận kỹ năng {skill} đến {expires}"),
    "offer-made": N_("Mời đoàn viên {member} nhận việc: {kind} cho số {code}"),
    "offer-accepted": N_("Đoàn viên {member} nhận lời: {kind}"),
    "offer-void": N_("Lời mời đoàn viên {member} không còn hiệu lực ({reason})"),
    "offer-escalated": N_("Chưa ai nhận việc {kind}: báo điều phối viên ({reason})"),
    "floor-thin": N_("Chỉ còn {on_floor} tình nguyện viên tại sảnh: báo điều phối viên"),
    "contact-erased": N_("Một số điện thoại đã được xoá theo yêu cầu"),
}
FOLLOWS: Final[Mapping[str, Mapping[str, str]]] = {
    "ticket-issued": {
        "needs_help": N_(", cần người hỗ trợ"),
        "ride_home": N_(", không có xe về"),
        "priority": N_(", diện ưu tiên"),
    },
    "ride-assigned": {"by_hand": N_(" (điều phối viên giao)")},
    "offer-void": {"tell": N_(", đã báo cho người ấy")},
}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "selected_because": {
        "only_one_waiting": N_("đang chờ một mình"),
        "longest_wait": N_("chờ lâu nhất"),
        "priority_first": N_("ưu tiên"),
        "ratio": N_("xen kẽ sau các lượt ưu tiên"),
        "ageing_cap": N_("đã chờ quá lâu"),
        "reinstated": N_("đã đến sau khi vắng"),
        "held_here": N_("đang tạm chờ tại quầy này"),
        "recalled": N_("gọi lại"),
    },
    "outcome": {
        "accepted": N_("đã tiếp nhận"),
        "result_returned": N_("đã trả kết quả"),
        "supplement_needed": N_("cần bổ sung"),
        "finished_online_with_help": N_("nộp trực tuyến có hỗ trợ"),
        "rejected": N_("từ chối"),
        "unfinished": N_("chưa xong khi hết ngày"),
    },
    "result": {
        "shown": N_("đã hướng dẫn"),
        "installed": N_("đã cài ứng dụng"),
        "activated": N_("đã kích hoạt"),
        "password_recovered": N_("đã lấy lại mật khẩu"),
        "filed_online": N_("đã nộp trực tuyến"),
        "paid_cashless": N_("đã thanh toán không tiền mặt"),
        "not_finished": N_("chưa xong"),
        "not_recorded": N_("chưa ghi kết quả"),
    },
    "code": {AT_KIOSK: N_("K000 (người ở ki-ốt)")},
    "kind": {"assistance": N_("hỗ trợ tại sảnh"), "ride": N_("chở về nhà")},
    "by": {
        "citizen": N_("người dân"),
        "volunteer": N_("tình nguyện viên"),
        "coordinator": N_("điều phối viên"),
        "ticket_ended": N_("phiếu đã kết thúc"),
    },
    "reason": {
        "by_citizen": N_("người dân huỷ"),
        "by_staff": N_("cán bộ huỷ"),
        "day_closed": N_("hết ngày"),
        "taken": N_("người khác đã nhận"),
        "cancelled": N_("việc đã huỷ"),
        "assigned_by_hand": N_("đã giao trực tiếp"),
        "busy": N_("đang bận việc khác"),
        "expired": N_("quá hạn"),
        "declined": N_("đã từ chối"),
        "left_the_floor": N_("đã rời sảnh"),
        "floor_too_thin": N_("sảnh thiếu người"),
        "nobody_accepted": N_("không ai nhận"),
        "nobody_on_duty": N_("không có ai trực"),
        "born_expired": N_("đến khi đã quá hạn"),
        "floor_below_minimum": N_("sảnh dưới mức tối thiểu"),
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
