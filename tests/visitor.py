"""A browser without a screen: keeps cookies, asks for pages, fills in the forms that it was shown."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2


@dataclass
class FormShown:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """Hidden ones, and what is filled in or ticked already."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormShown] = []
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._silent += 1
        if tag == "form":
            self.forms.append(FormShown(given["action"]))
        if tag == "input" and self.forms and given.get("name"):
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self.forms[-1].fields[given["name"]] = given.get("value", "on" if given.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.words.append(" ".join(data.split()))


@dataclass
class Shown:
    """What the browser shows after its redirects."""

    status: int
    path: str
    source: str
    forms: list[FormShown]
    text: str

    def form(self, action: str) -> FormShown:
        return next(form for form in self.forms if form.action == action)


class Visitor:
    """`client` is one of `httpx2` on the application; its cookies are this browser's."""

    def __init__(self, client: httpx2.AsyncClient, language: str = "vi") -> None:
        self.client = client
        self.headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
        self.now: Shown | None = None

    def become(self, bearer: str) -> "Visitor":
        """Signed in as whom `Authorization: Bearer ...` names."""
        self.client.cookies.set("caunoi_session", bearer.split()[1])
        return self

    async def open(self, path: str, **headers: str) -> Shown:
        return await self._shown(await self.client.get(path, headers=self.headers | headers, follow_redirects=True))

    def fields(self, action: str) -> dict[str, str]:
        """What the form with that action on the page shown now would send as it is."""
        assert self.now is not None
        return dict(self.now.form(action).fields)

    async def press(self, action: str, *, without: str = "", headers: Any = None, **filled: str) -> Shown:
        """Send the form with that action on the page shown now; `without` leaves out a field that it has."""
        fields = self.fields(action) | filled
        fields.pop(without, None)
        return await self.send(action, fields, headers)

    async def send(self, action: str, fields: dict[str, str], headers: Any = None) -> Shown:
        ours = self.headers | {"Sec-Fetch-Site": "same-origin"} | (headers or {})
        return await self._shown(await self.client.post(action, data=fields, headers=ours, follow_redirects=True))

    async def _shown(self, answer: httpx2.Response) -> Shown:
        reader = _Reader()
        reader.feed(answer.text)
        self.now = Shown(answer.status_code, answer.url.path, answer.text, reader.forms, " ".join(reader.words))
        return self.now
