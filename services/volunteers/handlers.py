"""What happens when X, in whatever order it arrives and however often. One change a document, from the event alone."""

from datetime import datetime
from functools import partial
from typing import Annotated

from services.chassis.documents import Collection
from services.chassis.service import Running
from services.contracts.events import OfferAccepted, RideCompleted, SkillGranted, TicketIssued
from services.contracts.words import Event, JobKind
from services.volunteers import assistances as help_rules
from services.volunteers import members as member_rules
from services.volunteers import rides as ride_rules
from services.volunteers import views
from services.volunteers.assistances import Assistance
from services.volunteers.codewords import choose
from services.volunteers.members import Member
from services.volunteers.rides import Ride
from services.volunteers.tickets import TicketEvent

Now = Annotated[datetime, "when it is handled"]
FORGET_EVERY_SECONDS = 600


async def plan_ride(event: TicketIssued, rides: Collection[Ride], now: Now) -> None:
    """Only where one is wanted: who asks later brings what the assistance of the same ticket knows."""
    if event.ride_home:
        await move_ride_with_ticket(event, rides, now)


async def move_ride_with_ticket(event: Event, rides: Collection[Ride], now: Now) -> None:
    assert isinstance(event, TicketEvent)
    rule = partial(ride_rules.hear, event=event)
    await rides.change(f"{event.ticket_id}-ride", rule, now=now, because=event)


async def move_assistance_with_ticket(event: Event, assistances: Collection[Assistance], now: Now) -> None:
    assert isinstance(event, TicketEvent)
    rule = partial(help_rules.hear, event=event)
    await assistances.change(f"{event.ticket_id}-help", rule, now=now, because=event)


async def give_job_to_winner(
    event: OfferAccepted, rides: Collection[Ride], assistances: Collection[Assistance], now: Now
) -> None:
    if event.kind is JobKind.RIDE:
        drive = partial(ride_rules.accept, event=event, code_word=choose())
        await rides.change(event.job, drive, now=now, because=event)
    else:
        await assistances.change(event.job, partial(help_rules.accept, event=event), now=now, because=event)


async def credit_minutes(event: RideCompleted, members: Collection[Member], now: Now) -> None:
    await members.change(event.member, partial(member_rules.credit, event=event), now=now, because=event)


async def give_skill(event: SkillGranted, members: Collection[Member], now: Now) -> None:
    await members.change(event.member, partial(member_rules.grant, event=event), now=now, because=event)


async def keep_forgetting(running: Running) -> None:
    while not running.stopping:
        await forget_destinations(running)
        await running.pause(FORGET_EVERY_SECONDS)


async def forget_destinations(running: Running) -> None:
    """A destination that was dropped (72 h after the end) loses its key too: then the journal cannot tell it either.

    Safe to repeat: the key goes first, and only a ride that has no destination any more is on the list.
    """
    async for ride_id, _ in views.every(running.views, views.RIDES, key_to_forget=1):
        await running.sealer.forget(ride_id)
        await running[Ride].change(ride_id, ride_rules.forget_key, now=running.now())
