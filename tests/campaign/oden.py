"""Oden and the way to it, in process: the stand-in's own logic behind the faults, and a client that keeps the real
pace.

What a request is, when it may leave, what an answer becomes: all as in `gateway.oden.client`, whose parser reads the
answers. Only the sockets are missing.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Literal, cast

import aiohttp

from gateway.oden.classification import Answer
from gateway.oden.endpoints import Endpoint
from gateway.oden.http_answer import Keeps, read_response
from gateway.oden.pace import Pace
from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import Genuine, Reply, reply_of
from gateway.simulator.oden.model import LaggingModel, OdenModel
from gateway.simulator.oden.store import Organization
from tests.campaign.doubts import Doubts
from tests.campaign.fuse import AFTER_WRITE, AT_ANSWER, BEFORE_WRITE, Fuse

Seen = Reply | Literal["closed", "hanging"]


class Oden:
    """The stand-in, with faults by `injector`. What was written to it, and when, is kept; what took effect is told to
    `effect`.
    """

    def __init__(
        self, model: OdenModel, injector: FaultInjector, effect: Callable[[str, bytes], None] | None = None
    ) -> None:
        self.injector = injector
        self.up = True
        self.written: list[float] = []
        self.doubts = Doubts()
        self._effect = effect
        self._model = LaggingModel(model)
        self._effective: list[tuple[str, bytes]] = []
        self._at_work: dict[asyncio.Task[None], asyncio.Future[Seen]] = {}

    @property
    def model(self) -> OdenModel:
        return self._model.model

    @property
    def at_work(self) -> set["asyncio.Task[None]"]:
        """What serves the requests under way."""
        return {*self._at_work}

    def receive(self, path: str, body: bytes) -> "asyncio.Future[Seen]":
        """A request was written just now; what its client will see. It goes on when the client has left."""
        loop = asyncio.get_running_loop()
        self.written.append(loop.time())
        seen: asyncio.Future[Seen] = loop.create_future()
        task = loop.create_task(self._serve(path, body, seen))
        self._at_work[task] = seen
        task.add_done_callback(lambda done: self._at_work.pop(done, None))
        return seen

    async def restart(self, plant: Organization, away: float) -> None:
        """Stop, with all that is under way, and come back after `away` seconds with what had taken effect."""
        self.up = False
        for task, seen in [*self._at_work.items()]:
            task.cancel()
            _show(seen, "closed")
        await asyncio.sleep(away)
        model = OdenModel(plant, self.model.manners)
        for path, body in self._effective:
            model.answer(path, body)
        if model != self.model:
            raise AssertionError("the stand-in came back with another state")
        self._model = LaggingModel(model)
        self.up = True

    def by_hand(self, path: str, body: Mapping[str, object]) -> bool:
        """Somebody asks this of Oden in the browser; whether that took effect."""
        return not self._take(path, json.dumps(body).encode()).status >= 400

    async def _serve(self, path: str, body: bytes, seen: "asyncio.Future[Seen]") -> None:
        decision = self.injector.decide(path, body, asyncio.get_running_loop().time())
        await asyncio.sleep(decision.delay)
        reply = self._take(path, body) if decision.commit == 0 else None
        if not isinstance(decision.sees, Genuine):
            _show(seen, decision.sees)
        elif reply is not None:
            _show(seen, decision.sees.of(reply))
        if decision.commit:
            await asyncio.sleep(decision.commit)
            self._take(path, body)

    def _take(self, path: str, body: bytes) -> Reply:
        answer = self._model.answer(path, body, asyncio.get_running_loop().time())
        if answer.took_effect and not path.endswith("/search"):
            self._effective.append((path, body))
            if self._effect is not None:
                self._effect(path, body)
        return reply_of(answer)


class Wire:
    """Stands where OdenClient does, for one life of the gateway."""

    def __init__(self, oden: Oden, pace: Pace, timeout: float, fuse: Fuse) -> None:
        self.pace = pace
        self._oden, self._timeout, self._fuse = oden, timeout, fuse
        self._turn = asyncio.Lock()

    async def post(
        self, endpoint: Endpoint, body: str, written: asyncio.Event | None = None, *, keeps: Keeps | None = None
    ) -> Answer:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self.pace.wait(loop.time()))
            begun = loop.time()
            self._fuse.reach(BEFORE_WRITE)
            try:
                if not self._oden.up:
                    return Answer(sent=False, seconds=0.0, error="ClientConnectorError: refused")
                seen = self._oden.receive(f"/v2/{endpoint.path}", body.encode())
                self.pace.written(begun)
                self._fuse.reach(AFTER_WRITE)
            finally:
                if written is not None:
                    written.set()
        answer = await self._answer(seen, begun, keeps)
        self._oden.doubts.note(f"/v2/{endpoint.path}", body.encode(), self._shown(seen, answer))
        self._fuse.reach(AT_ANSWER)
        return answer

    @staticmethod
    def _shown(seen: "asyncio.Future[Seen]", answer: Answer) -> Seen | None:
        """What came in time."""
        return seen.result() if seen.done() and not seen.cancelled() and answer.status is not None else None

    async def _answer(self, seen: "asyncio.Future[Seen]", begun: float, keeps: Keeps | None) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(begun + self._timeout):
                reply = await seen
                while reply == "hanging":
                    await asyncio.sleep(self._timeout)
        except TimeoutError:
            return Answer(sent=True, seconds=self._timeout, error="SocketTimeoutError")
        seconds = loop.time() - begun
        if not isinstance(reply, Reply):
            return Answer(sent=True, seconds=seconds, error="ServerDisconnectedError")
        if reply.missing:
            return Answer(sent=True, seconds=seconds, error="ClientPayloadError: the answer is not complete")
        response = SimpleNamespace(status=reply.status, content_type=reply.content_type, headers=dict(reply.headers))
        return read_response(cast("aiohttp.ClientResponse", response), reply.body, seconds, keeps=keeps)


def _show(seen: "asyncio.Future[Seen]", what: Seen) -> None:
    if not seen.done():
        seen.set_result(what)
