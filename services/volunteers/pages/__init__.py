"""The screens of the volunteers' service, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.volunteers.pages import coordinator, counter, kiosk, my, report, ticket

ROUTERS: Final = (kiosk.router, my.router, ticket.router, coordinator.router, counter.router, report.router)
