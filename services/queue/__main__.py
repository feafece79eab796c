"""`python -m services.queue`: this service alone."""

from services.chassis.run import alone
from services.queue.app import service

alone(service)
