"""What belongs to a person, kept so that only faces can read it and that forgetting her is deleting one key.

Each subject (a member, a ride, an account) has a data key of its own, kept in a small table apart from the documents
and wrapped by the key from `keys.py`. Documents, facts, journal and backups hold ciphertext only, bound to its subject.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from time import monotonic
from typing import Any, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from services.chassis import metrics
from services.chassis.errors import Unavailable
from services.chassis.keys import Keys
from services.chassis.trace import acting

log = structlog.get_logger()

_SEALED = r"^s1:[0-9a-z-]{3,80}:[A-Za-z0-9_-]{38,}$"
_LONGEST = 8_276
"""Not in the pattern: a repeat of so many costs two megabytes in each field that has one."""
_SUBJECT = re.compile(r"[0-9a-z-]{3,80}")
_CITIZENS = re.compile(r"[0-9]{5}-[0-9]{8}-|c-")
"""Tickets and what belongs to them, contacts: each opening for somebody is logged."""
_NONCE = 12
_WRAPPED = b"k1"
_KEYS_HELD = 2_048
_HELD_SECONDS = 60.0
"""Another process may forget a subject: nobody opens it with a key remembered for longer than this."""


class Sealed(str):
    """Ciphertext, `s1:<subject>:<base64>`. A type of its own, so that nothing unsealed reaches `domain.py`."""

    __slots__ = ()

    @property
    def subject(self) -> str:
        return self.split(":", 2)[1]

    def __repr__(self) -> str:
        return f"Sealed({self.subject})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(pattern=_SEALED, max_length=_LONGEST)
        )


class SealingKeyWrong(Unavailable):
    en = "Personal data cannot be opened: sealing.key is not the key it was sealed with."
    vi = "Không mở được dữ liệu cá nhân: khoá sealing.key không phải khoá đã dùng để niêm phong."


class KeyTable(Protocol):
    """The part of a store that keeps wrapped keys (`ports.Store`)."""

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None: ...

    async def forget_subject(self, subject: str) -> bool: ...


class Sealer:
    """Seals and opens for one service."""

    def __init__(self, table: KeyTable, keys: Keys) -> None:
        self._table = table
        self._wrapping = AESGCM(keys.sealing)
        self._blind = keys.blind
        self._held: OrderedDict[str, tuple[AESGCM, float]] = OrderedDict()

    async def seal(self, subject: str, plain: str) -> Sealed:
        """Ciphertext that only `open` reads, as long as nobody forgot `subject` (a reference)."""
        if not _SUBJECT.fullmatch(subject):
            raise ValueError("a subject is a reference")
        key = await self._key(subject, make=True)
        assert key is not None
        nonce = secrets.token_bytes(_NONCE)
        hidden = base64.urlsafe_b64encode(nonce + key.encrypt(nonce, plain.encode(), subject.encode())).rstrip(b"=")
        return Sealed(f"s1:{subject}:{hidden.decode()}")

    async def open(self, sealed: str) -> str | None:
        """The text, or None when its subject was forgotten or the text is not what was sealed for it."""
        try:
            version, subject, text = sealed.split(":", 2)
            hidden = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        if version != "s1" or len(hidden) <= _NONCE:
            return None
        key = await self._key(subject, make=False)
        if key is None:
            return None
        try:
            plain = key.decrypt(hidden[:_NONCE], hidden[_NONCE:], subject.encode()).decode()
        except InvalidTag:
            return None
        who = acting.get()
        if who and _CITIZENS.match(subject):
            metrics.openings.inc()
            log.info("opened_for_somebody", subject=subject, who=who)
        return plain

    async def forget(self, subject: str) -> bool:
        """Delete its key: whatever was sealed for it, anywhere, can never be opened again."""
        self._held.pop(subject, None)
        forgotten = await self._table.forget_subject(subject)
        self._held.pop(subject, None)
        return forgotten

    def blind(self, purpose: str, text: str) -> str:
        """64 hex digits by which `text` can be found again, and which say nothing of it."""
        return hmac.digest(self._blind, purpose.encode() + b"\0" + text.encode(), hashlib.sha256).hex()

    async def _key(self, subject: str, make: bool) -> AESGCM | None:
        held = self._held.get(subject)
        if held and monotonic() - held[1] < _HELD_SECONDS:
            self._held.move_to_end(subject)
            return held[0]
        wrapped = await self._table.subject_key(subject, self._wrap(subject) if make else None)
        if wrapped is None:
            self._held.pop(subject, None)
            return None
        key = AESGCM(self._unwrap(subject, wrapped))
        self._held[subject] = key, monotonic()
        while len(self._held) > _KEYS_HELD:
            self._held.popitem(last=False)
        return key

    def _wrap(self, subject: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _WRAPPED + nonce + self._wrapping.encrypt(nonce, secrets.token_bytes(32), subject.encode())

    def _unwrap(self, subject: str, wrapped: bytes) -> bytes:
        body = wrapped.removeprefix(_WRAPPED)
        try:
            return self._wrapping.decrypt(body[:_NONCE], body[_NONCE:], subject.encode())
        except InvalidTag:
            raise SealingKeyWrong(retry_after=60) from None
