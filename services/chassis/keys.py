"""The secret keys: one file each, mode 600, in no backup of the data. Beside the data they are made at first start;
those that several processes share are made by `caunoi secrets` and only read here.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.chassis.settings import SettingsError

BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """32 bytes each. `token` signs tokens (Ed25519), `passes` signs tickets' passes, `sealing` wraps subjects' keys,
    `blind` makes blind indexes, `once` digests bodies under an idempotency key."""

    token: bytes
    passes: bytes
    sealing: bytes
    blind: bytes
    once: bytes

    @classmethod
    def at(cls, directory: Path, *, make: bool = True) -> Self:
        """Read them, making those that are missing (`make=False`: a missing one is a `SettingsError`)."""
        try:
            if make:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(**{name: _key(directory / f"{name}.key", make) for name in cls.__slots__})
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not make:
                there = f"CAUNOI_SECRETS: {error.filename}: not there; run `caunoi secrets {directory}`"
                raise SettingsError(there) from None
            reason = error.strerror or "cannot be used"
            raise SettingsError(f"CAUNOI_SECRETS: {error.filename or directory}: {reason}") from None

    @classmethod
    def random(cls) -> Self:
        """Keys that nobody keeps, for tests and trials."""
        return cls(*(secrets.token_bytes(BYTES) for _ in cls.__slots__))

    @property
    def signing(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.token)

    def __repr__(self) -> str:
        return "Keys(******)"


def write_secret(path: Path, content: bytes) -> None:
    """Durably and as a whole, readable by this user alone; it replaces what was there."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _key(path: Path, make: bool) -> bytes:
    if make and not path.exists():
        write_secret(path, secrets.token_bytes(BYTES).hex().encode() + b"\n")
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != BYTES:
        raise SettingsError(f"CAUNOI_SECRETS: {path}: expected {BYTES} bytes as {2 * BYTES} hexadecimal digits")
    return key


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
