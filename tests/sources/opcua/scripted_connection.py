"""A connection to the scripted OPC UA server, as a source takes it for one of its own."""

import asyncio
from typing import TYPE_CHECKING, Any

from asyncua.common.utils import Buffer

from gateway.health import KindName
from gateway.sources.opcua.services import LinkLost
from gateway.sources.opcua.translation import in_session

if TYPE_CHECKING:
    from tests.sources.opcua.scripted import Server


class ScriptedConnection:
    """Carries requests to the server and answers back, as long as nothing is cut."""

    session_timeout = 60.0
    alternatives = False
    certificate_ends: float | None = None

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._session = 0
        self._link = -1

    def concerns(self, now: float) -> dict[KindName, str]:
        return {}

    def _connect(self) -> None:
        if not self._server.reachable:
            raise LinkLost("cannot connect: it is cut")
        if self._server.frozen or self._server.deaf_to_us or self._server.mute:
            raise LinkLost("cannot connect: it does not answer")
        self._link = self._server.link

    def _begin(self) -> None:
        self._server.sessions += 1
        self._session = self._server.sessions
        self._server.alive.add(self._session)

    def _end(self) -> None:
        """The session is over, with its subscriptions."""
        self._server.alive.discard(self._session)
        own = [id_ for id_, each in self._server.subscriptions.items() if each.owner == self._session]
        for id_ in own:
            del self._server.subscriptions[id_]
        self._session = 0

    async def open(self, now: float) -> None:
        self._connect()
        self._end()
        self._begin()

    async def resume(self, now: float) -> bool:
        self._connect()
        self._server.resumed += 1
        if self._session in self._server.alive:
            return True
        self._begin()
        return False

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        if self._link != self._server.link:
            raise ConnectionError("cut")
        async with asyncio.timeout(10 if limit is None else None):
            with in_session():
                answer = await self._server.answer(request, self._session)
        if self._link != self._server.link:
            raise ConnectionError("cut")
        return answer

    async def is_ill(self, now: float) -> bool:
        return False

    async def heed_files(self, now: float) -> None:
        """There are none."""

    async def keep(self) -> None:
        await asyncio.Event().wait()

    def drop(self) -> None:
        self._link = -1

    async def close(self) -> None:
        if self._link == self._server.link and not (self._server.frozen or self._server.deaf_to_us):
            self._end()
        self.drop()
