"""The screens of the queue, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.queue.pages import (
    accounts,
    board,
    checklist,
    coordinator,
    counter,
    device,
    kiosk,
    report,
    settings,
    sign_in,
    ticket,
)

_SCREENS: Final = (accounts, board, checklist, coordinator, counter, device, kiosk, report, settings, sign_in, ticket)
ROUTERS: Final = tuple(screen.router for screen in _SCREENS)
