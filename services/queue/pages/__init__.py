"""The screens of the queue, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.queue.pages import board, coordinator, device, kiosk, sign_in, ticket

ROUTERS: Final = (board.router, coordinator.router, device.router, kiosk.router, sign_in.router, ticket.router)
