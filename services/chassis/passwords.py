"""Passwords: argon2id at 19 MiB, two passes, one at a time and off the loop; the same work for an unknown name."""

import asyncio
import re
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.chassis.errors import Invalid, Unavailable

SHORTEST: Final = 8
LONGEST: Final = 128
WAITING_AT_MOST: Final = 32

# Of a password that was thrown away: what an unknown name is compared with.
_NOBODYS: Final = "$argon2id$v=19$m=19456,t=2,p=1$sZulnD0/sqL7elKRsTTTnw$n9Ejt6Bytru/iw59XF1MkGmCS0St7rQYXzvCe1kqKfs"
_COMMON: Final = frozenset(
    (
        *("password", "passw0rd", "passwd", "matkhau", "admin", "administrator", "welcome", "letmein", "iloveyou"),
        *("anhyeuem", "emyeuanh", "yeuem", "vietnam", "saigon", "hanoi", "cantho", "cairang", "phuloi", "ninhkieu"),
        *("thoihung", "caunoi", "doanthanhnien", "thanhnien", "phuong", "trungtam", "hanhchinh", "dichvucong"),
        *("sunshine", "princess", "football", "monkey", "dragon", "master", "superman", "computer", "khongbiet"),
        *("abc", "abcd", "abcde", "abcabc", "qwerty", "qwertyuiop", "asdfgh", "asdfghjkl", "zxcvbnm", "test", "user"),
        *("kiosk", "canbo", "nhanvien", "changeme", "secret", "default", "guest", "root", "iloveu", "congan"),
    )
)
_ROWS: Final = "qwertyuiop asdfghjkl zxcvbnm abcdefghijklmnopqrstuvwxyz 01234567890"


class PasswordTooShort(Invalid):
    en = "A password has at least {least} characters."
    vi = "Mật khẩu phải có ít nhất {least} ký tự."


class PasswordTooLong(Invalid):
    en = "A password has at most {most} characters."
    vi = "Mật khẩu có nhiều nhất {most} ký tự."


class PasswordTooCommon(Invalid):
    en = "Others would guess this password; three or four unrelated words are easy to keep in mind and hard to guess."
    vi = "Mật khẩu này dễ đoán; hãy ghép ba, bốn từ không liên quan, vừa dễ nhớ vừa khó đoán."


class Passwords:
    """Hashes and compares. Each takes some 20 ms and 19 MiB, so they wait for one another."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return str(await self._off_the_loop(self._hasher.hash, normal(password)))

    async def right(self, hashed: str | None, password: str) -> bool:
        """Is it the password of this hash? Of None it is not, after the same work."""
        right = await self._off_the_loop(self._compare, hashed or _NOBODYS, normal(password))
        return bool(right) and hashed is not None

    def _compare(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_the_loop(self, work: object, *given: str) -> object:
        assert callable(work)
        if self._waiting >= WAITING_AT_MOST:
            raise Unavailable(retry_after=2)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *given)
        finally:
            self._waiting -= 1


def normal(password: str) -> str:
    """The same password typed on another keyboard is the same."""
    return unicodedata.normalize("NFC", password)


def must_be_good(password: str, name: str) -> None:
    """Raises unless it is long enough, and neither common nor the name it belongs to."""
    password = normal(password)
    if len(password) < SHORTEST:
        raise PasswordTooShort(least=SHORTEST)
    if len(password) > LONGEST:
        raise PasswordTooLong(most=LONGEST)
    if is_common(password, name):
        raise PasswordTooCommon


def is_common(password: str, name: str = "") -> bool:
    """What lists of leaked passwords are full of: a word with digits, a date, a row of keys, one thing repeated."""
    plain = password.casefold()
    letters = re.sub(r"[\W\d_]+", "", plain)
    return (
        (plain.isdigit() and len(plain) < 12)
        or re.fullmatch(r"(.{1,4})\1+.?", plain) is not None
        or any(plain in row or plain[::-1] in row for row in _ROWS.split())
        or (letters in _COMMON and len(plain) - len(letters) <= 6)
        or (len(name) > 2 and name.casefold() in plain and len(plain) - len(name) <= 6)
    )
