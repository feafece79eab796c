"""What this service must know of a centre, from the ward's YAML: its hamlets and how many stand on duty a day. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.chassis.errors import Invalid, Stale
from services.contracts.words import Code, Fact

MINIMUM, MAXIMUM = 2, 3


class UnknownHamlet(Invalid):
    en = "This centre has no hamlet {hamlet}. Known: {known}."
    vi = "Trung tâm không có khu vực/ấp {hamlet}. Hiện có: {known}."


class CentreChangedMeanwhile(Stale):
    en = "Somebody else changed these settings meanwhile. Look at them as they are now, then change them."
    vi = "Trong lúc bạn sửa, người khác đã đổi thiết lập này. Hãy xem lại rồi sửa tiếp."


class Hamlet(BaseModel):
    """A part of the ward, with the point in its middle (degrees)."""

    model_config = ConfigDict(frozen=True)
    name: str
    lat: float | None = None
    lon: float | None = None


class CentreDescribed(Fact):
    hamlets: dict[Code, Hamlet]
    minimum: int
    maximum: int


@dataclass(slots=True)
class Centre:
    id: str
    hamlets: dict[str, Hamlet] = field(default_factory=dict)
    minimum: int = MINIMUM
    maximum: int = MAXIMUM
    revision: int = 0
    """How often it was described."""

    def check_hamlet(self, hamlet: Code) -> None:
        if hamlet not in self.hamlets:
            raise UnknownHamlet(hamlet=hamlet, known=", ".join(sorted(self.hamlets)) or "-")

    def hamlet_in(self, destination: str) -> Code | None:
        """The hamlet whose name is part of `destination`; the longest name where several are."""
        spoken = f" {_spoken(destination)} "
        named = [code for code, hamlet in self.hamlets.items() if f" {_spoken(hamlet.name)} " in spoken]
        return max(named, key=lambda code: len(self.hamlets[code].name), default=None)


def _spoken(text: str) -> str:
    """Small letters and digits, one space between words."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())


def describe(centre: Centre, described: CentreDescribed, seen: int | None = None, *, now: datetime) -> Sequence[Fact]:
    """The whole description anew; the same again changes nothing. Who looked at revision `seen` must not undo what was
    changed since."""
    if seen is not None and centre.revision != seen:
        raise CentreChangedMeanwhile
    known = CentreDescribed(hamlets=centre.hamlets, minimum=centre.minimum, maximum=centre.maximum)
    return [] if described == known else [described]


def evolve(centre: Centre, fact: Fact, at: datetime) -> None:
    match fact:
        case CentreDescribed():
            centre.hamlets = dict(fact.hamlets)
            centre.minimum, centre.maximum = fact.minimum, fact.maximum
            centre.revision += 1
