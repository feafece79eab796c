"""What all screens stand on: layout, components, language, static files, forms. README.md says how to add a page."""

from services.chassis.pages.page import Form, FormNotValid, Page, TheForm, ThePage
from services.chassis.pages.speech import N_

__all__ = ["N_", "Form", "FormNotValid", "Page", "TheForm", "ThePage"]
