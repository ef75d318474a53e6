"""What Oden shows of the time that an older copy of the memory does not know: asked once, when another life begins, so
that no counter is told twice.

Of each line that counts, the output of the intervals that the memory knows is looked up, and that of runs and batches
that have begun since. What a later life has told is taken off what the counters still have to tell (`mapping.credit`).
That takes a second for each search. Where Oden cannot be reached it is given up at once: then nothing was told lately
either, or nobody can know. An answer that tells nothing is asked for again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry, KnownOutput, credited, known_output
from gateway.mapping.state_rows import StateRows
from gateway.mapping.values import number
from gateway.model import IntervalType, Notice, Output, StartInterval
from gateway.oden import answers, requests
from gateway.oden.client import OdenClient
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.life import recollected
from gateway.outbox.listing import Filter, page
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()

LONGEST = 100.0
"""Seconds that it may take: lines that were not looked at by then count as after a restart."""


PAUSE = 5.0
"""Seconds after an answer that tells nothing until the search is made again."""
LATER = (408, 425, 429)
"""Refusals by Oden that say nothing of the request."""

T = TypeVar("T")


class Unreachable(Exception):
    """Nothing could be sent to Oden."""


class Refused(Exception):
    """Oden refuses a search."""


async def recollect(
    outbox: OutboxThread, client: OdenClient, plans: Sequence[LinePlan], now: float, reference: str | None = None
) -> None:
    """Take off what Oden shows, before anything is mapped; each line in one transaction. `reference` is the name under
    which entries carry the keys of our records: by it, one is known that waits here and has grown since."""
    try:
        async with asyncio.timeout(LONGEST):
            for plan in plans:
                try:
                    await _line(outbox, client, plan, now, reference)
                except Refused as error:
                    log.warning("counters_not_compared", line=plan.key, reason=str(error))
    except (Unreachable, TimeoutError) as error:
        log.warning("counters_not_compared", reason=str(error) or f"that took more than {LONGEST:.0f} s")
    await outbox(recollected)


async def _line(outbox: OutboxThread, client: OdenClient, plan: LinePlan, now: float, reference: str | None) -> None:
    rows = StateRows(await outbox(Outbox.line_state, plan.key))
    ref = (await outbox(Outbox.line_refs)).get(plan.key) or LineRef(*plan.key.partition("/")[::2])
    state = rows.state(plan)
    known = known_output(plan, state)
    if not known:
        return
    line_id = ref.oden_id
    if line_id is None:
        find = requests.find_line(ref.factory, ref.name)
        line_id = await _searched(client, find, lambda answer: answers.line_id(answer) or "")
        if not line_id:
            return
    shown: dict[IntervalType, list[Entry]] = defaultdict(list)
    ids: set[str] = set()
    untold: dict[tuple[IntervalType, int], KnownOutput] = {}
    for output in known:
        interval = await outbox(Outbox.interval, output.interval)
        if interval is not None and interval.oden_id is not None:
            ids.add(interval.oden_id)
            entries = await _entries(client, plan.key, line_id, interval.oden_id, output)
            shown[output.type] += await _grown(outbox, entries, output.interval, plan.key, reference)
        elif interval is not None:
            untold[output.type, interval.start] = output
    seen_until = int(state.now)
    for type_, credited_until in {output.type: output.credited for output in known}.items():
        since = min([seen_until, *(start for of, start in untold if of == type_)])
        for oden_id, start in await _begun(client, plan.key, line_id, type_, (since, int(now))):
            of_known = untold.get((type_, start))
            if oden_id not in ids and (of_known is not None or start > seen_until):
                output = of_known or KnownOutput("", type_, credited_until)
                shown[type_] += await _entries(client, plan.key, line_id, oden_id, output)
    after, taken = credited(plan, state, shown)
    if taken:
        amounts = ", ".join(f"{amount} of {name}" for name, amount in taken.items())
        notice = Notice("gap", now, "", "", f"line {plan.key}: Oden shows {amounts} that this memory does not know")
        number = await outbox(Outbox.last_commit) + 1
        # What is taken off follows from no sample: what the line has heard before is never stepped again.
        commit = Commit(number=number, states={plan.key: rows.changes(after)}, trails={plan.key: ""}, notices=(notice,))
        await outbox(Outbox.commit, commit)
        log.warning("counters_compared", line=plan.key, taken_off=taken)


async def _entries(client: OdenClient, line: str, line_id: str, interval_id: str, known: KnownOutput) -> list[Entry]:
    """The interval's entries after the last one that is known."""
    record = Output("", line, 0.0, known.type, known.interval, 0, {})
    entries = await _searched(client, requests.look_up([record], line_id, interval_id), answers.shown_output)
    return [(at, raw_data) for at, raw_data in entries if at > known.last]


async def _grown(
    outbox: OutboxThread, entries: list[Entry], interval: str, line: str, reference: str | None
) -> list[Entry]:
    """`entries` without the amounts that wait here: of one that waits, and that a later life has added to before it was
    sent, only what was added is new."""
    if reference is None or not any(reference in raw for _, raw in entries):
        return entries
    wanted, cursor = Filter(interval=frozenset({interval}), lines=(line,)), None
    waiting: dict[str, Output] = {}
    while True:
        found, cursor = await outbox(page, wanted, cursor)
        waiting |= {one.record.key: one.record for one in found if isinstance(one.record, Output)}
        if cursor is None:
            break
    new: list[Entry] = []
    for at, raw in entries:
        known = waiting.get(str(raw.get(reference)))
        less = {name: known.raw_data[name] for name in known.amounts} if known is not None else {}
        new.append((at, {**raw, **{name: (number(raw.get(name)) or 0) - (number(less[name]) or 0) for name in less}}))
    return new


async def _begun(
    client: OdenClient, line: str, line_id: str, type_: IntervalType, between: tuple[int, int]
) -> list[tuple[str, int]]:
    """The intervals of this time, and perhaps some around it: ids and starts."""
    ends = [StartInterval("", line, 0.0, type_, at) for at in between]
    return await _searched(client, requests.look_up(ends, line_id, None), answers.shown_starts)


async def _searched(client: OdenClient, request: requests.Request, read: Callable[[object], T | None]) -> T:
    """What `read` makes of the answer to a search, or of an empty list where there is nothing; asked for until it makes
    something of it."""
    while True:
        answer = await client.post(request.endpoint, request.text())
        status = answer.status
        if not answer.sent:
            raise Unreachable(answer.error)
        if answer.own and status is not None and 400 <= status < 500 and status not in (404, *LATER):
            raise Refused(answer.error or f"Oden answered {status}")
        if answer.own and status is not None and (status < 300 or status == 404):
            found = read(answer.body if status < 300 else [])
            if found is not None:
                return found
        await asyncio.sleep(max(PAUSE, answer.retry_after or 0.0))
