"""The service at a glance: the vault, the dispatch of each centre, messages, the feed."""

from services.chassis.documents import Kind
from services.chassis.service import Service, Tail
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    AssistanceTaken,
    ContactErased,
    FloorThin,
    MemberChanged,
    OfferAccepted,
    OfferEscalated,
    OfferMade,
    OfferVoid,
    QueueCalled,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePlanned,
    RideReleased,
    TicketIssued,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.notify import (
    api,
    api_contacts,
    contacts,
    dispatch,
    dispatch_state,
    feed,
    gauges,
    handlers,
    messages,
    pages,
    views,
)
from services.notify.carrier import Drawer
from services.notify.sender import Sender

service = Service(
    "notify",
    domain=(dispatch, dispatch_state, contacts, messages),
    keeps={
        dispatch_state.Dispatch: Kind(dispatch_state.Dispatch, dispatch_state.evolve, dispatch.due, dispatch.pass_on),
        contacts.Contact: Kind(contacts.Contact, contacts.evolve, contacts.due, contacts.drop),
        messages.Message: Kind(messages.Message, messages.evolve, messages.due, messages.expire),
    },
    serves=[api.router, api_contacts.router, feed.router, *pages.ROUTERS],
    handles={
        TicketIssued: handlers.send_her_ticket,
        QueueCalled: handlers.tell_citizen_to_come,
        MemberChanged: (handlers.know_member, handlers.know_whose_number_it_is),
        VolunteerCheckedIn: handlers.put_on_the_floor,
        VolunteerCheckedOut: handlers.take_off_the_floor,
        AssistanceRequested: handlers.offer_help,
        AssistanceTaken: handlers.note_who_has_it,
        AssistanceFinished: handlers.free_whoever_had_it,
        AssistanceCancelled: handlers.free_whoever_had_it,
        RidePlanned: handlers.free_whoever_had_it,
        RideHomeRequested: handlers.offer_ride_home,
        RideReleased: handlers.offer_ride_home,
        RideAssigned: (handlers.note_who_has_it, handlers.tell_citizen_who_drives, handlers.tell_the_driver),
        RideCompleted: handlers.free_whoever_had_it,
        RideCancelled: (handlers.free_whoever_had_it, handlers.ask_family_to_come),
        OfferMade: handlers.tell_the_volunteer,
        OfferVoid: handlers.tell_the_volunteer_it_is_over,
        ContactErased: handlers.forget_the_number,
    },
    publishes=[OfferMade, OfferAccepted, OfferVoid, OfferEscalated, FloorThin, ContactErased],
    views=views.ALL,
    tails=[Tail(None, feed.pass_on)],
    works=[Sender(Drawer()).keep_sending, feed.let_go],
    wants_bus_for=("sending",),
    gauges=[gauges.show],
)
