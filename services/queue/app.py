"""The service at a glance: the hall of each centre-day, the centre as its ward describes it, accounts."""

from services.chassis.documents import Kind
from services.chassis.service import Service
from services.contracts.events import (
    AccountChanged,
    CaseCompleted,
    CentreChanged,
    CompletionUndone,
    CounterClosed,
    CounterOpened,
    DayClosed,
    HelpWanted,
    PriorityWitnessed,
    QueueCalled,
    ServingStarted,
    TicketCancelled,
    TicketHeld,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
    TicketReturned,
)
from services.queue import (
    accounts,
    accounts_api,
    api,
    api_centre,
    centre,
    domain,
    gauges,
    handlers,
    opinions,
    pages,
    views,
)
from services.queue.accounts import Account
from services.queue.centre import Centre
from services.queue.hall import Hall
from services.queue.opinions import Opinion

service = Service(
    "queue",
    domain=(domain, centre, accounts, opinions),
    keeps={
        Hall: Kind(Hall, domain.evolve, domain.due, domain.end_day, domain.day_before),
        Centre: Kind(Centre, centre.evolve),
        Account: accounts_api.kind,
        Opinion: Kind(Opinion, opinions.evolve),
    },
    serves=[api.router, api_centre.router, accounts_api.router, *pages.ROUTERS],
    handles={CentreChanged: handlers.plan_the_day_anew},
    publishes=[
        TicketIssued,
        HelpWanted,
        PriorityWitnessed,
        QueueCalled,
        ServingStarted,
        TicketHeld,
        TicketReturned,
        TicketNoShow,
        TicketReinstated,
        TicketCancelled,
        CaseCompleted,
        CompletionUndone,
        CounterOpened,
        CounterClosed,
        DayClosed,
        CentreChanged,
        AccountChanged,
    ],
    views=(*views.ALL, accounts_api.listed),
    gauges=[gauges.show],
    stands=accounts_api.standing_of,
)
