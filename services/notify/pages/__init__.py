"""The screens of the notifier, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.notify.pages import coordinator, offers, sign_in

ROUTERS: Final = (coordinator.router, sign_in.router, offers.router)
