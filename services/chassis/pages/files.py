"""Stylesheet, modules and pictures of all pages, read once into memory, under an address that changes with them.

`/static/<version>/<service>/<file>`: the version is a digest over all of them, so a browser may keep each for ever, and
a module finds another by a relative import. Whoever still has an older address gets the newest file, not to be kept.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from mimetypes import guess_type

from services.chassis.pages.catalogue import folders


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    packed: bytes | None
    """With gzip, where that is shorter."""
    type: str


@cache
def files() -> dict[str, StaticFile]:
    found = {}
    for service, folder in folders().items():
        for path in sorted((folder / "static").glob("*.*")):
            content = path.read_bytes()
            packed = gzip.compress(content, 9, mtime=0)
            kind = guess_type(path.name)[0] or "application/octet-stream"
            text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
            found[f"{service}/{path.name}"] = StaticFile(
                content, packed if len(packed) < len(content) else None, f"{kind}; charset=utf-8" if text else kind
            )
    return found


@cache
def version() -> str:
    digest = hashlib.blake2b(digest_size=5)
    for name, file in files().items():
        digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
    return digest.hexdigest()


def address_of(name: str) -> str:
    """Where `<service>/<file>` is; templates say `static("chassis/caunoi.css")`."""
    if name not in files():
        raise LookupError(f"no static file {name}")
    return f"/static/{version()}/{name}"
