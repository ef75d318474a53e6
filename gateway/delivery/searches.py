"""A search for the records of some work, and what its answer means. One for a single thing names no `match`, which
Oden's document says is `unique`; all are asked for only where that cannot tell."""

import asyncio

from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome, outcome_of
from gateway.delivery.settlement import Settlement
from gateway.oden import requests
from gateway.oden.classification import Answer
from gateway.oden.http_answer import Keeps
from gateway.oden.requests import Request
from gateway.outbox.entries import Work

NOT_UNIQUE = 409
"""More than one thing fits."""


async def searched(
    settlement: Settlement,
    client: LimitedClient,
    work: Work,
    request: Request,
    written: asyncio.Event,
    keeps: Keeps | None = None,
) -> tuple[Answer, Outcome]:
    """The answer to a search, of which only what `keeps` says is read; it is "delivered" where it tells what is there,
    or that nothing is. `written` is set once the request has left."""
    chosen = settlement.clock.now()
    answer = await client.post(request.endpoint, request.text(), written, keeps=keeps)
    outcome = outcome_of(request.endpoint, answer, creates=False, none_is_success=True)
    await settlement.note_answer(request.endpoint, work, answer, outcome, chosen)
    return answer, outcome


async def searched_for_one(
    settlement: Settlement, client: LimitedClient, work: Work, request: Request, written: asyncio.Event
) -> tuple[Answer, Outcome, bool]:
    """The same for a single thing; and whether Oden has said that several fit, be it that it does not show which."""
    answer, outcome = await searched(settlement, client, work, request, written)
    are_several = answer.status == NOT_UNIQUE and answer.own
    # "None" in a shape in which what stands in between may have said it: a list says it plainly.
    if are_several or outcome.foreign:
        answer, outcome = await searched(settlement, client, work, requests.for_all(request), written)
    return answer, outcome, are_several
