"""References: random, opaque to clients, and starting with the document that holds the thing."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def token(length: int = 12) -> str:
    """Random lower-case letters and digits, 5 bits each, without the ones that people mix up."""
    number = secrets.randbits(10 * ((length + 1) // 2))
    pairs = [_PAIRS[number >> place & 1023] for place in range(0, 5 * length, 10)]
    return "".join(pairs)[:length]


def centre_of(reference: str) -> str:
    """The centre that a reference belongs to: its first five characters."""
    return reference[:5]
