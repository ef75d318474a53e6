"""Injecting faults: which of them are active, what they make of each request, and carrying that out on sockets.

The same faults, seed and requests (path, body, time) in the same order give the same decisions. A fault's chances are
its own: another fault that is added does not change them.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.simulator.oden.bodies import read_json, to_external_ids
from gateway.simulator.oden.faults import Decision, Fault, Genuine, Reply
from gateway.simulator.oden.model import ENDPOINTS
from gateway.simulator.oden.store import Organization


@dataclass(slots=True)
class ActiveFault:
    """One fault that was added: its number, and how many requests it struck so far."""

    number: int
    fault: Fault
    chances: random.Random = field(repr=False)
    struck: int = 0


class FaultInjector:
    """The faults of one stand-in. `organization` tells the ids of the lines that faults name.

    It has no clock and opens nothing: whoever drives the stand-in asks it for decisions.
    """

    def __init__(self, organization: Organization, seed: int = 0, faults: Iterable[Fault] = ()) -> None:
        self.active: dict[int, ActiveFault] = {}
        """By number, in the order they were added; a fault that has struck as often as it may stays, with its count."""
        self.requests: Counter[str] = Counter()
        """How many requests came, by endpoint (`interval/set`; `other` for what is none)."""
        self._seed = seed
        self._added = 0
        self._lines: list[Any] = [to_external_ids(line.answer(), organization.ids) for line in organization.lines()]
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """Make `fault` active, after those that are; gives its number, by which it can be removed."""
        self._added += 1
        chances = random.Random(f"{self._seed}/{self._added}")
        self.active[self._added] = ActiveFault(self._added, fault, chances)
        return self._added

    def remove(self, number: int) -> bool:
        """End the fault `number`; False where there is none."""
        return self.active.pop(number, None) is not None

    def clear(self) -> None:
        """End all faults."""
        self.active.clear()

    def decide(self, path: str, body: bytes, now: float) -> Decision:
        """What becomes of a POST of `body` to `path` (`/v2/{object}/{action}`) that arrives at `now`, in seconds.

        Every latency that strikes counts; of the other faults the first that strikes decides.
        """
        endpoint = path.removeprefix("/v2/")
        self.requests[endpoint if path in ENDPOINTS else "other"] += 1
        delay, decided = 0.0, None
        for active in self.active.values():
            fault = active.fault
            if (decided is not None and not fault.only_slow) or not self._strikes(active, endpoint, body, now):
                continue
            active.struck += 1
            delay += active.chances.uniform(*fault.latency)
            if not fault.only_slow:
                decided = fault
        return Decision(delay) if decided is None else Decision(delay, decided.commit, decided.sees)

    def _strikes(self, active: ActiveFault, endpoint: str, body: bytes, now: float) -> bool:
        fault = active.fault
        return (
            (fault.times is None or active.struck < fault.times)
            and fault.since <= now < fault.until
            and fnmatchcase(endpoint, fault.at)
            and (fault.holding is None or fault.holding.encode() in body)
            and (fault.line is None or self._names(fault.line, body))
            and (fault.chance >= 1 or active.chances.random() < fault.chance)
        )

    def _names(self, line: str, body: bytes) -> bool:
        """Whether a request is about `line`: its own, or that of the interval it belongs to."""
        try:
            value = read_json(body.decode())
        except ValueError:
            return False
        given = _item(value, "line") or _item(_item(value, "interval"), "line")
        if not isinstance(given, dict) or not given.keys() & {"id", "name"}:
            return False
        return any(line in {known["id"], known["name"]} for known in self._lines if _can_be(given, known))


def _can_be(given: dict[str, object], known: dict[str, object]) -> bool:
    """Whether the line that a request describes as `given` can be `known`, which is a line as it is answered."""
    factory = given.get("factory")
    return all(key not in given or given[key] == known[key] for key in ("id", "name")) and (
        not isinstance(factory, dict) or _can_be(factory, known["factory"])  # type: ignore[arg-type] # an object
    )


def _item(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


# --- on sockets

_LOOK = 0.05
"""Seconds between two looks at whether the client of a hanging request has left."""


def inject_faults(injector: FaultInjector, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> Middleware:
    """What does with each request as `injector` decides. The times of faults (`since`, `until`) count from this call.

    `sleep` waits for the seconds of a latency or of a late effect.

    A hanging request ends when its client leaves. What still has to take effect when the server stops never does.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()

    @web.middleware
    async def carry_out(request: web.Request, handler: Handler) -> web.StreamResponse:
        decision = injector.decide(request.path, await request.read(), loop.time() - begun)
        await sleep(decision.delay)
        answer = await handler(request) if decision.commit == 0 else None
        if decision.sees == Genuine() and answer is not None:
            return answer

        async def take_effect(after: float) -> None:
            await sleep(after)
            await handler(request)

        late = asyncio.create_task(take_effect(decision.commit)) if decision.commit else None
        try:
            response = await _show(request, decision, answer)
            if late:
                await late
        finally:
            if late:
                late.cancel()
        return response

    return carry_out


async def _show(request: web.Request, decision: Decision, answer: web.StreamResponse | None) -> web.StreamResponse:
    """Show the client what it is to see; returns when it has it."""
    sees = decision.sees
    if isinstance(sees, Genuine):
        if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            raise TypeError("a genuine answer needs the request to take effect first")
        sees = sees.of(Reply(answer.status, answer.body, answer.content_type))
    if isinstance(sees, Reply):
        return await _send(request, sees)
    while sees == "hanging" and request.transport is not None:  # noqa: ASYNC110 - nothing tells when a client leaves
        await asyncio.sleep(_LOOK)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=0)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send `reply` at once and whole, since what follows may take its time, and close the connection after it."""
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    response.content_type = reply.content_type
    response.content_length = len(reply.body) + reply.missing
    response.force_close()
    try:
        await response.prepare(request)
        await response.write(reply.body)
        if not reply.missing:
            await response.write_eof()
        elif request.transport is not None:
            request.transport.close()
    except ConnectionError:  # the client has left, which changes nothing about a late effect
        return web.Response(status=0)
    return response
