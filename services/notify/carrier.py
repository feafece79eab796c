"""How a text leaves the system. In this version it does not: the drawer keeps it for a person to read.

A gateway is another `Carrier`; what it may be asked (consent, expiry, how often) was decided before.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sms:
    """`id` is the same for every attempt, so that a gateway can tell a repeat; `number` is E.164."""

    id: str
    number: str
    text: str


class CarrierRefuses(Exception):
    """It will never take this one: not to this number, or not this text."""


class Carrier(Protocol):
    name: str

    async def submit(self, sms: Sms) -> None:
        """The carrier has it when this returns. Raises `CarrierRefuses`, or `Unavailable` for "later"."""
        ...


class Drawer:
    """Nothing is sent: messages that it took are read at `GET /notify/messages` and by `caunoi messages`."""

    name = "drawer"

    async def submit(self, sms: Sms) -> None:
        return
