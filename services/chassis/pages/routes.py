"""What every process with pages serves besides them: their static files, and the choice of a language."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from services.chassis.access import Actor, may
from services.chassis.pages.catalogue import LANGUAGES
from services.chassis.pages.files import files, version
from services.chassis.problems import LANGUAGE_COOKIE, NoSuchAddress

router = APIRouter(include_in_schema=False)
Anyone = Annotated[Actor, may("anyone")]
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_KEPT: Final = 400 * 24 * 3600
_OWN_ADDRESS: Final = re.compile(r"/(?![/\\])[\w./-]*")


@router.get("/static/{of}/{service}/{file}")
async def static_file(of: str, service: str, file: str, request: Request, who: Anyone) -> Response:
    found = files().get(f"{service}/{file}")
    if found is None:
        raise NoSuchAddress
    headers = {"Cache-Control": _FOR_EVER if of == version() else "no-cache", "Vary": "Accept-Encoding"}
    content = found.content
    if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = found.packed, "gzip"
    return Response(content, headers=headers, media_type=found.type)


@router.get("/language/{language}")
async def speak(
    language: str, request: Request, who: Anyone, back: Annotated[str, Query(max_length=200)] = "/"
) -> Response:
    """From now on this browser is answered in that language, by pages and by the API."""
    if language not in LANGUAGES:
        raise NoSuchAddress
    answer = RedirectResponse(own_address(back), 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_KEPT, httponly=True, samesite="lax", secure=secure)
    return answer


def own_address(back: str) -> str:
    """`back` if it is a page of this system, else the first page."""
    return back if _OWN_ADDRESS.fullmatch(back) else "/"
