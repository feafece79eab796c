"""Links and codes that go out by SMS and sign a volunteer in, once. What is kept of them is a keyed digest.

The link of an offer needs nothing kept: its second half is a digest over its first under a key that only we have, so
that the sender can write it and the face can judge it. Both halves stand behind `#`: no server sees them in a URL.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from services.chassis.ids import token
from services.chassis.sealing import Sealer

HALF: Final = 26
"""Letters of 5 bits: 130 bits cannot be guessed."""
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_OFFER = re.compile(r"o([0-9]{5})([0-9a-z]{10,32})\.([0-9a-z]{26})")
_SIGN_IN = re.compile(r"s([0-9a-z]{26})([0-9a-z]{26})")
LINK: Final = r"^[os][0-9a-z]{20,60}(\.[0-9a-z]{26})?$"
"""What either kind of link carries behind `#`."""


@dataclass(frozen=True, slots=True)
class SignInSecrets:
    """What goes out (`digits`, `link`) and what is kept of it."""

    digits: str
    link: str
    code_digest: str
    link_digest: str

    @classmethod
    def make(cls, contact: str, sealer: Sealer) -> "SignInSecrets":
        digits, link = f"{secrets.randbelow(1_000_000):06}", f"s{contact[2:]}{token(HALF)}"
        return cls(digits, link, digest_of("code", contact, digits, sealer), digest_of("link", contact, link, sealer))


def digest_of(purpose: str, contact: str, secret: str, sealer: Sealer) -> str:
    return sealer.blind(f"sign-in-{purpose}", f"{contact} {secret}")


def contact_of(link: str) -> str | None:
    """The contact that a sign-in link was sent to."""
    found = _SIGN_IN.fullmatch(link)
    return f"c-{found[1]}" if found else None


def offer_link(offer_id: str, sealer: Sealer) -> str:
    return f"o{offer_id[:5]}{offer_id[8:]}.{_mac(offer_id, sealer)}"


def offer_of(link: str, sealer: Sealer) -> str | None:
    """The offer that a link was made for, if it is one of ours."""
    found = _OFFER.fullmatch(link)
    if found is None:
        return None
    offer_id = f"{found[1]}-o-{found[2]}"
    return offer_id if hmac.compare_digest(found[3], _mac(offer_id, sealer)) else None


def _mac(offer_id: str, sealer: Sealer) -> str:
    number = int(sealer.blind("offer-link", offer_id), 16)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(HALF))
