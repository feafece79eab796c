"""`python -m services.notify`: this service alone."""

from services.chassis.run import alone
from services.notify.app import service

alone(service)
