"""An idempotency key as a command carries it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Once:
    """`actor` and `key` name the command within its document; `body` (a keyed digest, of which 8 bytes are kept)
    tells whether it is the same one."""

    actor: str
    key: str
    body: bytes
