"""The errors, as a tree. A `kind` decides the HTTP status and the fate of a delivery; a slug is what faces translate.

    Refusal                  (kind, slug, en and vi sentences with the parameters in braces)
    ├── Invalid              422  dead letter at once, no mark
    ├── Forbidden            403  dead letter at once, no mark
    ├── NotFound             404  retried for 60 s, then dead letter
    ├── Refused              409  marked, counted, done
    ├── Stale                409  marked, counted, done
    └── Unavailable          503  retried without limit; carries `retry_after`
        └── Misconfigured         at start nothing is waited for: exit code 2

Only `chassis.web` knows HTTP beyond the number here. Parameters never hold personal data: they reach logs.
"""

import re
from typing import Any, ClassVar, Literal

ErrorKind = Literal["invalid", "forbidden", "not_found", "refused", "stale", "unavailable"]


class Refusal(Exception):
    """A command that is not carried out: it changed nothing and published nothing."""

    kind: ClassVar[ErrorKind] = "refused"
    status: ClassVar[int] = 409
    en: ClassVar[str] = "Not possible now."
    vi: ClassVar[str] = "Hiện chưa thực hiện được."

    def __init__(self, **parameters: Any) -> None:
        super().__init__(parameters)
        self.parameters = parameters

    @classmethod
    def slug(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def says(self, language: str = "vi") -> str:
        return (self.vi if language == "vi" else self.en).format_map(_Shown(self.parameters))

    def __str__(self) -> str:
        return self.says("en")


class Invalid(Refusal):
    kind = "invalid"
    status = 422
    en = "The request is not valid."
    vi = "Yêu cầu không hợp lệ."


class Forbidden(Refusal):
    kind = "forbidden"
    status = 403
    en = "You may not do this."
    vi = "Bạn không có quyền làm việc này."


class NotFound(Refusal):
    kind = "not_found"
    status = 404
    en = "There is no such thing."
    vi = "Không tìm thấy."


class Refused(Refusal):
    kind = "refused"
    status = 409


class Stale(Refusal):
    kind = "stale"
    status = 409
    en = "Something newer has already happened."
    vi = "Đã có thay đổi mới hơn."


class Unavailable(Refusal):
    kind = "unavailable"
    status = 503
    en = "Not available at this moment; try again in {retry_after} s."
    vi = "Tạm thời chưa phục vụ được, vui lòng thử lại sau {retry_after} giây."

    def __init__(self, *, retry_after: int = 1, **parameters: Any) -> None:
        super().__init__(retry_after=retry_after, **parameters)
        self.retry_after = retry_after


class Misconfigured(Unavailable):
    """A server answered, and what it said does not change by waiting: somebody must set it or us right."""


class _Shown(dict[str, Any]):
    """Parameters of a sentence; one that is missing shows as its name rather than break the answer."""

    def __missing__(self, key: str) -> str:
        return key
