"""`python -m services.volunteers`: this service alone."""

from services.chassis.run import alone
from services.volunteers.app import service

alone(service)
