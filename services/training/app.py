"""The service at a glance: dated sessions of the courses, and the skills that come of them."""

from services.chassis.documents import Kind
from services.chassis.service import Service
from services.contracts.events import SkillGranted
from services.training import api, domain, pages, views

service = Service(
    "training",
    domain=(domain,),
    keeps={domain.Session: Kind(domain.Session, domain.evolve)},
    serves=[api.router, *pages.ROUTERS],
    handles={},
    publishes=[SkillGranted],
    views=views.ALL,
)
