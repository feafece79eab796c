"""Invented people of the demo. Nothing ever reaches the numbers: the only carrier is the drawer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CENTRE: Final = "31186"
LAND: Final = "dat-dai-chuyen-quyen"
COUNTER: Final = 3
DAUGHTER: Final = "0912000999"
"""Mrs Thủy's daughter, who gets the SMS."""


@dataclass(frozen=True)
class Person:
    name: str
    phone: str
    hamlet: str
    vehicle: str = "none"
    spare_helmet: bool = False
    languages: tuple[str, ...] = ("vi",)
    skills: tuple[str, ...] = ()


MEMBERS: Final[Sequence[Person]] = (
    Person("Nguyễn Văn An", "0912000001", "khu-vuc-1", "motorbike", True, ("vi",), ("vneid",)),
    Person("Trần Thị Bích", "0912000002", "khu-vuc-2", "none", False, ("vi", "en"), ("vneid",)),
    Person("Lê Hoàng Minh", "0912000003", "khu-vuc-3", "motorbike", False, ("vi",), ()),
    Person("Thạch Thị Sô Phi", "0912000004", "khu-vuc-5", "motorbike", True, ("vi", "km"), ("vneid",)),
    Person("Phạm Quốc Duy", "0912000005", "khu-vuc-5", "motorbike", True, ("vi",), ()),
    Person("Huỳnh Ngọc Trâm", "0912000006", "thanh-my", "motorbike", True, ("vi",), ()),
    Person("Võ Minh Khang", "0912000007", "khu-vuc-4", "motorbike", True, ("vi",), ("vneid",)),
    Person("Đặng Thuỳ Dương", "0912000008", "yen-ha", "motorbike", False, ("vi",), ()),
    Person("Lâm Chí Hải", "0912000009", "yen-thuan", "car", True, ("vi", "km"), ()),
)
ON_DUTY: Final = MEMBERS[:3]
"""Who stands in the hall in the story; the others are at home."""


@dataclass(frozen=True)
class SignIn:
    name: str
    roles: tuple[str, ...]
    centres: tuple[str, ...]
    who: str


ACCOUNTS: Final[Sequence[SignIn]] = (
    SignIn("dieuphoi", ("coordinator",), (CENTRE,), "điều phối viên phường Cái Răng"),
    SignIn("canbo.quay1", ("staff",), (CENTRE,), "cán bộ quầy 1"),
    SignIn("canbo.quay3", ("staff",), (CENTRE,), "cán bộ quầy 3"),
    SignIn("canbo.quay5", ("staff",), (CENTRE,), "cán bộ quầy 5"),
    SignIn("thanhpho", ("city",), (), "cán bộ thành phố"),
    SignIn("vanhanh", ("operator",), (), "người vận hành"),
)
DEVICES: Final[Sequence[SignIn]] = (
    SignIn("kiosk.sanh", ("kiosk",), (CENTRE,), "ki-ốt ở sảnh"),
    SignIn("bang.sanh", ("display",), (CENTRE,), "bảng gọi số ở sảnh"),
)
