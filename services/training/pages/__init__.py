"""The screens of training, a module each; what they show and do is what the API shows and does."""

from typing import Final

from services.training.pages import settings

ROUTERS: Final = (settings.router,)
