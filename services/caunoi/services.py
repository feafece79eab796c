"""The four services, in the order in which they start."""

from services.notify.app import service as notify
from services.queue.app import service as queue
from services.training.app import service as training
from services.volunteers.app import service as volunteers

SERVICES = (queue, volunteers, training, notify)
