"""The screens of the notifier, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.notify.pages import coordinator, offers, settings, sign_in

_SCREENS: Final = (coordinator, offers, settings, sign_in)
ROUTERS: Final = tuple(screen.router for screen in _SCREENS)
