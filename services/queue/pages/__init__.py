"""The screens of the queue, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.queue.pages import board, device, kiosk, sign_in, ticket

ROUTERS: Final = (sign_in.router, device.router, kiosk.router, ticket.router, board.router)
