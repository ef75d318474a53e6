"""Carrying the decisions of a fault plan out on sockets: a middleware for the stand-in's application."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.simulator.oden_faults import Decision, Genuine, Reply
from gateway.simulator.oden_plan import FaultPlan

_LOOK = 0.05
"""Seconds between two looks at whether the client of a hanging request has left."""


def carrying_out(plan: FaultPlan) -> Middleware:
    """What does with each request as `plan` decides. Its times (`since`, `until`) count from this call.

    A hanging request ends when its client leaves. What still has to take effect when the server stops never does.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()

    @web.middleware
    async def carry_out(request: web.Request, handler: Handler) -> web.StreamResponse:
        decision = plan.decide(request.path, await request.read(), loop.time() - begun)
        await asyncio.sleep(decision.delay)
        answer = await handler(request) if decision.commit == 0 else None
        if decision.sees == Genuine() and answer is not None:
            return answer
        late = asyncio.create_task(_late(decision, request, handler)) if decision.commit else None
        try:
            response = await _show(request, decision, answer)
            if late:
                await late
        finally:
            if late:
                late.cancel()
        return response

    return carry_out


async def _late(decision: Decision, request: web.Request, handler: Handler) -> None:
    await asyncio.sleep(decision.commit or 0)
    await handler(request)


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
