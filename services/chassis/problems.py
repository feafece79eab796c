"""Errors as they answer over HTTP: problem+json (RFC 9457), in the reader's language, without what was sent."""

import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Annotated, Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response
from starlette.types import Scope

from services.chassis import metrics
from services.chassis.access import SignInNeeded
from services.chassis.errors import ErrorKind, Invalid, NotFound, Refusal, Unavailable
from services.chassis.trace import traceparent

MEDIA_TYPE: Final = "application/problem+json"
REFERENCE: Final = "#/components/schemas/Problem"


class IdempotencyKeyNotValid(Invalid):
    en = "Idempotency-Key: 1 to 255 printable ASCII characters."
    vi = "Idempotency-Key: từ 1 đến 255 ký tự ASCII in được."


class RequestNotValid(Invalid):
    """`errors` names each field and what is expected there; what was sent is not repeated."""


class NoSuchAddress(NotFound):
    en = "There is nothing at this address."
    vi = "Không có gì ở địa chỉ này."


class MethodNotAllowed(Invalid):
    status = 405
    en = "This address does not take that method."
    vi = "Địa chỉ này không nhận phương thức đó."


class BodyTooLarge(Invalid):
    status = 413
    en = "The body is larger than {limit} bytes."
    vi = "Nội dung gửi lên lớn hơn {limit} byte."


class BodyNotReadable(Invalid):
    en = "The body is not JSON."
    vi = "Nội dung gửi lên không phải là JSON."


class OurMistake(Unavailable):
    """The one that nobody meant; `trace` finds it in the log."""

    status = 500
    en = "Something went wrong here. Nothing more was done; tell us {trace}."
    vi = "Hệ thống gặp lỗi. Không có gì được thực hiện thêm; vui lòng báo mã {trace}."


class FieldProblem(BaseModel):
    field: Annotated[
        str, Field(description="where: body, path, query or header, then names", examples=["body.service"])
    ]
    expected: Annotated[str, Field(description="what is expected there, in the answer's language")]


class Problem(BaseModel):
    """RFC 9457. `kind` decides what to do: `invalid` correct it, `forbidden` sign in or ask, `not_found`, `refused` the
    state does not allow it now, `stale` read again, `unavailable` try again after `retry_after` seconds."""

    model_config = ConfigDict(title="Problem")

    type: Annotated[str, Field(pattern=r"^urn:caunoi:problem:[a-z0-9-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    kind: ErrorKind
    slug: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    parameters: Annotated[dict[str, Any], Field(description="the values in `detail`, for clients with their own words")]
    errors: list[FieldProblem] | None = None
    retry_after: Annotated[int | None, Field(description="seconds")] = None
    trace: Annotated[str | None, Field(description="finds this request in the log")] = None


_TITLES: Final[Mapping[str, Mapping[str, str]]] = {
    "vi": {
        "invalid": "Yêu cầu chưa đúng",
        "forbidden": "Không được phép",
        "not_found": "Không tìm thấy",
        "refused": "Chưa thực hiện được",
        "stale": "Đã có thay đổi mới hơn",
        "unavailable": "Tạm thời chưa phục vụ được",
    },
    "en": {
        "invalid": "Not valid",
        "forbidden": "Not allowed",
        "not_found": "Not found",
        "refused": "Not possible now",
        "stale": "Something newer happened",
        "unavailable": "Not available now",
    },
}


def language_of(headers: Sequence[tuple[bytes, bytes]], default: str) -> str:
    """`vi` or `en`: what was chosen on a page of this browser, else whichever the client would rather read."""
    preferred = default
    for name, value in headers:
        if name == b"cookie" and (chosen := _CHOSEN.search(value)) and chosen[1].decode() in _TITLES:
            return chosen[1].decode()
        if name == b"accept-language":
            wanted = [_weighted(part) for part in value.decode("latin-1").split(",")[:20]]
            ours = [(weight, language) for weight, language in wanted if weight > 0 and language in _TITLES]
            preferred = max(ours, key=lambda one: one[0])[1] if ours else default
    return preferred


LANGUAGE_COOKIE: Final = "caunoi_language"
_CHOSEN = re.compile(rf"(?:^|;\s*){LANGUAGE_COOKIE}=([a-z]{{2}})(?:;|$)".encode())


def _weighted(part: str) -> tuple[float, str]:
    language, _, weight = part.strip().partition(";")
    try:
        return float(weight.strip().removeprefix("q=") or 1), language.strip().split("-")[0].lower()
    except ValueError:
        return 0.0, ""


def problem_of(refusal: Refusal, language: str, errors: Sequence[FieldProblem] | None = None) -> Problem:
    parent = traceparent.get()
    return Problem(
        type=f"urn:caunoi:problem:{refusal.slug()}",
        title=_TITLES[language][refusal.kind],
        status=refusal.status,
        detail=refusal.says(language),
        kind=refusal.kind,
        slug=refusal.slug(),
        parameters={name: value for name, value in refusal.parameters.items() if name != "retry_after"},
        errors=list(errors) if errors is not None else None,
        retry_after=refusal.parameters.get("retry_after"),
        trace=parent[3:35] if parent else None,
    )


def answer_of(
    refusal: Refusal, scope: Scope, default: str, errors: Callable[[str], Sequence[FieldProblem]] | None = None
) -> Response:
    language = language_of(scope["headers"], default)
    problem = problem_of(refusal, language, errors(language) if errors else None)
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if refusal.status == SignInNeeded.status:
        headers["WWW-Authenticate"] = 'Bearer realm="caunoi"'
    metrics.refusals.labels(problem.slug).inc()
    if refusal.status == SignInNeeded.status and not isinstance(refusal, SignInNeeded):
        metrics.auth_failures.labels(problem.slug).inc()
    return Response(problem.model_dump_json(exclude_none=True), refusal.status, headers, MEDIA_TYPE)


def problems(*errors: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """What a route answers when it refuses, for OpenAPI: `responses=problems(CounterBusy, CounterClosed)`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(
            error.status, {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE}, "examples": {}}}}
        )
        shown = error(**{name: f"{{{name}}}" for name in sorted(_parameters_of(error))})
        response["description"] = "; ".join(filter(None, (response["description"], shown.says("en"))))
        example = problem_of(shown, "vi").model_dump(mode="json", exclude_none=True, exclude={"trace"})
        response["content"][MEDIA_TYPE]["examples"][error.slug()] = {"summary": shown.says("en"), "value": example}
    return responses


def _parameters_of(error: type[Refusal]) -> set[str]:
    named = {name for sentence in (error.vi, error.en) for _, name, _, _ in Formatter().parse(sentence) if name}
    return named - {"retry_after"}


_EXPECTED: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("bắt buộc phải có", "required"),
    "extra_forbidden": ("không có trường này", "there is no such field"),
    "string_type": ("một chuỗi ký tự", "text"),
    "string_too_short": ("ít nhất {min_length} ký tự", "at least {min_length} characters"),
    "string_too_long": ("nhiều nhất {max_length} ký tự", "at most {max_length} characters"),
    "string_pattern_mismatch": ("theo mẫu {pattern}", "matching {pattern}"),
    "plain_text": ("một dòng chữ, không có ký tự ẩn", "one line of visible characters"),
    "int_type": ("một số nguyên", "a whole number"),
    "int_parsing": ("một số nguyên", "a whole number"),
    "int_from_float": ("một số nguyên", "a whole number"),
    "float_type": ("một số", "a number"),
    "float_parsing": ("một số", "a number"),
    "bool_type": ("true hoặc false", "true or false"),
    "bool_parsing": ("true hoặc false", "true or false"),
    "greater_than_equal": ("từ {ge} trở lên", "{ge} or more"),
    "greater_than": ("lớn hơn {gt}", "more than {gt}"),
    "less_than_equal": ("không quá {le}", "{le} or less"),
    "less_than": ("nhỏ hơn {lt}", "less than {lt}"),
    "enum": ("một trong: {expected}", "one of {expected}"),
    "literal_error": ("một trong: {expected}", "one of {expected}"),
    "list_type": ("một danh sách", "a list"),
    "tuple_type": ("một danh sách", "a list"),
    "too_short": ("ít nhất {min_length} mục", "at least {min_length} items"),
    "too_long": ("nhiều nhất {max_length} mục", "at most {max_length} items"),
    "dict_type": ("một đối tượng JSON", "a JSON object"),
    "model_type": ("một đối tượng JSON", "a JSON object"),
    "model_attributes_type": ("một đối tượng JSON", "a JSON object"),
    "json_invalid": ("nội dung JSON hợp lệ", "valid JSON"),
    "date_type": ("ngày dạng 2026-11-24", "a date like 2026-11-24"),
    "date_parsing": ("ngày dạng 2026-11-24", "a date like 2026-11-24"),
    "date_from_datetime_parsing": ("ngày dạng 2026-11-24", "a date like 2026-11-24"),
    "datetime_parsing": ("thời điểm dạng 2026-11-24T08:00:00Z", "a moment like 2026-11-24T08:00:00Z"),
    "datetime_from_date_parsing": ("thời điểm dạng 2026-11-24T08:00:00Z", "a moment like 2026-11-24T08:00:00Z"),
    "timezone_aware": ("thời điểm có múi giờ", "a moment with its time zone"),
    "half_a_point": (
        "cả vĩ độ lẫn kinh độ, ví dụ 10.0052 và 105.7511; hoặc để trống cả hai",
        "both latitude and longitude, such as 10.0052 and 105.7511; or neither",
    ),
    "hours_in_order": (
        "các khoảng giờ nối tiếp nhau, không chồng lên nhau",
        "hours one after another, without overlap",
    ),
}
_QUOTED = re.compile("'([^']*)'")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def fields_of(error: RequestValidationError | ValidationError, language: str) -> list[FieldProblem]:
    """Each field and what is expected there. A name that only the client knows is repeated when it is a plain name."""
    found = []
    for one in error.errors()[:20]:
        vi, en = _EXPECTED.get(one["type"], ("một giá trị hợp lệ", "a valid value"))
        expected = (vi if language == "vi" else en).format_map(_Context(_plainly(one.get("ctx") or {})))
        where = [str(step) if isinstance(step, int) or _NAME.fullmatch(step) else "?" for step in one["loc"]]
        if one["type"] == "json_invalid":
            where = where[:1]
        found.append(FieldProblem(field=".".join(where), expected=expected))
    return found


def _plainly(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Words to choose from without the quotation marks and the English "or" that pydantic puts around them."""
    words = _QUOTED.findall(str(context.get("expected", "")))
    return {**context, "expected": ", ".join(words)} if words else context


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"
