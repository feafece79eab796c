"""The screens of the volunteers' service, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.volunteers.pages import coordinator, counter, kiosk, my, report, settings, ticket

_SCREENS: Final = (coordinator, counter, kiosk, my, report, settings, ticket)
ROUTERS: Final = tuple(screen.router for screen in _SCREENS)
