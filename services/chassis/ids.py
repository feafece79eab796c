"""References: random, opaque to clients, and starting with the document that holds the thing."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def token(length: int = 12) -> str:
    """Random lower-case letters and digits, 5 bits each, without the ones that people mix up."""
    number = int.from_bytes(secrets.token_bytes((length * 5 + 7) // 8))
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(length))


def centre_of(reference: str) -> str:
    """The centre that a reference belongs to: its first five characters."""
    return reference[:5]
