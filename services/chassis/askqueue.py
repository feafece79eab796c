"""How an account stands, asked of `queue` over HTTP while the bus is silent: does it still take the token?"""

import httpx2

from services.chassis.access import Standing, Verified
from services.chassis.errors import Unavailable

PATIENCE = 2.0


class AskQueue:
    """An `access.Ask`. `address` is where `queue` answers."""

    def __init__(self, address: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._http = httpx2.AsyncClient(base_url=address, timeout=PATIENCE, transport=transport)

    async def __call__(self, verified: Verified) -> Standing:
        try:
            answer = await self._http.get("/session", headers={"Authorization": f"Bearer {verified.token}"})
        except httpx2.HTTPError:
            raise Unavailable from None
        match answer.status_code:
            case 200:
                return Standing(True, verified.version)
            case 401:  # disabled or changed since: a later token may stand again
                return Standing(True, verified.version + 1)
        raise Unavailable

    async def close(self) -> None:
        await self._http.aclose()
