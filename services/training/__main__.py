"""`python -m services.training`: this service alone."""

from services.chassis.run import alone
from services.training.app import service

alone(service)
