"""What the texts say, Vietnamese first, and how they are kept to one segment. No I/O.

One segment holds 160 characters of the GSM alphabet, which has none of `ă â đ ê ô ơ ư` nor their tones, or 70 of any.
So a text loses its diacritics when it has a link or would not fit with them; when it is too long even so, it is said
in fewer words: each template is a list of versions, longest first.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from string import Formatter

from unidecode import unidecode

from services.contracts.words import AT_KIOSK, JobKind, VoidBecause
from services.notify.messages import Template

SHORT_NAME_AT_MOST = 20
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_DOUBLE = frozenset("^{}\\[~]|€")
"""In the GSM alphabet, at the price of two characters."""

_TICKET = {
    "vi": [
        "{name}: Số {code}. Xem bao giờ đến lượt, nhờ người giúp, nhờ xe về: {link}",
        "{name}: Số {code}, xem lượt: {link}",
        "{name}: Số của bác là {code}. Đến lượt sẽ có tin nhắn.",
    ],
    "en": [
        "{name}: Number {code}. Your turn, help and a ride home: {link}",
        "{name}: Number {code}: {link}",
        "{name}: Your number is {code}. A text comes when it is your turn.",
    ],
}
_CALLED = {
    "vi": ["{name}: Mời số {code} đến quầy {counter}. Bác cần giúp xin gọi bạn áo xanh."],
    "en": ["{name}: Number {code}, please come to counter {counter}. Ask a blue shirt if you need help."],
}
_RIDE_ASSIGNED = {
    "vi": ["{name}: Đã có đoàn viên đưa bác về. Tên và mật khẩu nhận người xem trên phiếu của bác."],
    "en": ["{name}: A volunteer will drive you home. Name and code word are on your ticket page."],
}
_FETCH = {
    "vi": ["{name}: Chưa có xe đưa bác về. Nhờ gia đình đến đón bác tại trung tâm. Xin cảm ơn!"],
    "en": ["{name}: There is no ride home yet. Please come to the centre and fetch her. Thank you!"],
}
_SIGN_IN = [
    "{name}: Mã đăng nhập {digits}, dùng trong 10 phút, không đưa cho ai. Hoặc mở: {link}",
    "{name}: Mã {digits} (10 phút). {link}",
    "{name}: Mã đăng nhập {digits}, dùng trong 10 phút, không đưa cho ai.",
]
_RIDE_GIVEN = [
    "{name}: Bạn được giao chở một người về nhà. Xem nơi đến và mật khẩu: {link}",
    "{name}: Bạn được giao một chuyến xe: {link}",
    "{name}: Bạn được giao chở một người về nhà, mời bạn mở Cầu Nối.",
]
_OFFER = {
    JobKind.RIDE: [
        "{name}: Có người cần đưa về {hamlet} ({km} km). Nhận trong 2 phút: {link}",
        "{name}: Cần đưa về {hamlet}: {link}",
        "{name}: Cần người chở về: {link}",
        "{name}: Có người cần đưa về, mời bạn mở Cầu Nối trong 2 phút để nhận.",
    ],
    JobKind.ASSISTANCE: [
        "{name}: Số {code} tại trung tâm cần bạn giúp. Nhận trong 2 phút: {link}",
        "{name}: Số {code} cần giúp: {link}",
        "{name}: Số {code} cần bạn giúp, mời bạn mở Cầu Nối trong 2 phút để nhận.",
    ],
}
_VOID = {
    VoidBecause.TAKEN: "{name}: {what} vừa mời bạn đã có bạn khác nhận. Cảm ơn bạn!",
    VoidBecause.ASSIGNED_BY_HAND: "{name}: {what} vừa mời bạn đã giao cho bạn khác. Cảm ơn bạn!",
    VoidBecause.CANCELLED: "{name}: {what} đã mời bạn không còn cần nữa. Cảm ơn bạn!",
}
_WHAT = {JobKind.RIDE: "Chuyến xe", JobKind.ASSISTANCE: "Việc hỗ trợ"}


_OFFER_AT_KIOSK = [
    "{name}: Có người ở ki-ốt cần bạn giúp. Nhận trong 2 phút: {link}",
    "{name}: Ki-ốt cần người giúp: {link}",
    "{name}: Có người ở ki-ốt cần bạn giúp, mời bạn mở Cầu Nối trong 2 phút để nhận.",
]


def render(template: Template, language: str, about: Mapping[str, str | int]) -> str:
    """The text, in one segment. `about` has what sentences name in braces; `kind` and `reason` choose among them."""
    known = _as_people_say(about)
    text = ""
    for version in _versions(template, language, known):
        if all(name is None or name in known for _, name, _, _ in Formatter().parse(version)):
            text = fitted(version.format_map(known))
            if segments(text) == 1:
                break
    return text


def _versions(template: Template, language: str, known: Mapping[str, str]) -> Sequence[str]:
    match template:
        case Template.TICKET:
            return _TICKET["en" if language == "en" else "vi"]
        case Template.RIDE_GIVEN:
            return _RIDE_GIVEN
        case Template.CALLED:
            return _CALLED["en" if language == "en" else "vi"]
        case Template.RIDE_ASSIGNED:
            return _RIDE_ASSIGNED["en" if language == "en" else "vi"]
        case Template.FETCH:
            return _FETCH["en" if language == "en" else "vi"]
        case Template.SIGN_IN:
            return _SIGN_IN
        case Template.OFFER if known.get("code") == AT_KIOSK:
            return _OFFER_AT_KIOSK
        case Template.OFFER:
            return _OFFER[JobKind(known["kind"])]
        case Template.OFFER_VOID:
            return (_VOID.get(VoidBecause(known["reason"]), _VOID[VoidBecause.CANCELLED]),)


def _as_people_say(about: Mapping[str, str | int]) -> dict[str, str]:
    """2100 metres are 2,1 km; a job is a ride or help."""
    known = {name: str(value) for name, value in about.items()}
    if "metres" in known:
        known["km"] = f"{int(known['metres']) / 1000:.1f}".replace(".", ",")
    if "kind" in known:
        known["what"] = _WHAT[JobKind(known["kind"])]
    return known


def fitted(text: str) -> str:
    """With its diacritics if it fits one segment with them and has no link (links must not be broken by a phone that
    shows another alphabet); otherwise without."""
    text = unicodedata.normalize("NFC", text)
    return unidecode(text) if "://" in text or segments(text) > 1 else text


def segments(text: str) -> int:
    """How many SMS it takes."""
    if all(letter in GSM_7 or letter in GSM_7_DOUBLE for letter in text):
        length, alone, joined = len(text) + sum(letter in GSM_7_DOUBLE for letter in text), 160, 153
    else:
        length, alone, joined = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= alone else -(-length // joined)


def masked(phone: str) -> str:
    """A number as an operator sees it: 09••• ••123."""
    national = "0" + phone.removeprefix("+84")
    return f"{national[:2]}••• ••{national[-3:]}"
