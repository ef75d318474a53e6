"""What Oden shows of the time that an older copy of the memory does not know: asked once, when another life begins, so
that no counter is told twice.

Of each line that counts, the output of the intervals that the memory knows is looked up, and that of runs and batches
that have begun since. What a later life has told is taken off what the counters still have to tell (`mapping.credit`).
That takes a second for each search. An answer that tells nothing is asked for again. What Oden could not be asked
before anything was mapped is asked while the gateway works, from what the memory knew when the life began: until then
what counters have moved by over that time is held (`mapping.output`).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import TypeVar

import structlog
from pydantic import TypeAdapter

from gateway.amendments import Amendments, Change
from gateway.clock import Clock
from gateway.horizon import Horizon
from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry, KnownOutput, credited, holding, known_output
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.mapping.values import number
from gateway.model import IntervalType, Notice, Output, StartInterval
from gateway.oden import answers, requests
from gateway.oden.client import OdenClient
from gateway.oden.long_answer import Keeps
from gateway.outbox.entries import Commit, LineRef
from gateway.outbox.life import is_noted, keep_uncompared, uncompared
from gateway.outbox.listing import Filter, page
from gateway.outbox.merge import taken_up
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()

LONGEST = 100.0
"""Seconds that it may take before anything is mapped: lines that were not looked at by then are looked at later."""
AGAIN = 30.0
"""Seconds until Oden is asked again, while the gateway works."""
PAUSE = 5.0
"""Seconds after an answer that tells nothing until the search is made again."""
LATER = (408, 425, 429)
"""Refusals by Oden that say nothing of the request."""
MOST_STRETCHES = 16
"""Of one line, the latest ones."""

T = TypeVar("T")


class Unreachable(Exception):
    """Nothing could be sent to Oden."""


class Refused(Exception):
    """Oden refuses a search."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the memory of a line knew when another life began, `until` a time (epoch): its output, and what it had seen,
    `since` a time. What Oden shows of the time in between can be another life's."""

    known: tuple[KnownOutput, ...]
    since: int
    until: int


Stretches = dict[str, tuple[Stretch, ...]]
"""By line what has yet to be compared, the oldest first."""
_STRETCHES = TypeAdapter(Stretches)


@dataclass
class _Shown:
    """What Oden shows that the memory does not know: entries by the type of their intervals, and the time stamps of
    those of intervals that it knows."""

    entries: dict[IntervalType, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    stamps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


async def recollect(
    outbox: OutboxThread, client: OdenClient, plans: Sequence[LinePlan], now: float, reference: str | None = None
) -> None:
    """Take off what Oden shows, before anything is mapped; each line in one transaction. `reference` is the name under
    which entries carry the keys of our records: by it, one is known that waits here and has grown since. What cannot be
    compared is kept for later."""
    stretches = await _noted(outbox, plans, now)
    try:
        async with asyncio.timeout(LONGEST):
            for plan in plans:
                try:
                    if plan.key in stretches:
                        shown = await _shown(outbox, client, plan, stretches[plan.key], reference)
                        await _changed(outbox, plans, plan, partial(_taken_off, plan, shown, now), now)
                except Refused as error:
                    log.warning("counters_not_compared", line=plan.key, reason=str(error))
                else:
                    stretches.pop(plan.key, None)
    except (Unreachable, TimeoutError) as error:
        log.warning("counters_not_compared", reason=str(error) or f"that took more than {LONGEST:.0f} s")
    for plan in plans:
        if plan.key in stretches:
            await _changed(outbox, plans, plan, partial(_held, plan), now)
    await _keep(outbox, stretches)


class LaterComparison:
    """Compares, while the gateway works, what could not be compared when the life began."""

    def __init__(
        self,
        outbox: OutboxThread,
        client: Callable[[], OdenClient],
        amendments: Amendments,
        plans: Callable[[], Sequence[LinePlan]],
        clock: Clock,
        reference: str | None,
    ) -> None:
        self._outbox, self._client, self._amendments = outbox, client, amendments
        self._plans, self._clock, self._reference = plans, clock, reference

    async def run(self) -> None:
        """Ask Oden again and again, until everything is compared. Lines that are configured no more are forgotten."""
        while left := await _left(self._outbox):
            await asyncio.sleep(AGAIN)
            plans = {plan.key: plan for plan in self._plans()}
            for line in [*left]:
                try:
                    if line in plans:
                        await self._compare(plans[line], left[line])
                except (Unreachable, Refused):
                    continue  # that it is not compared was said
                del left[line]
                await _keep(self._outbox, left)

    async def _compare(self, plan: LinePlan, stretches: Sequence[Stretch]) -> None:
        shown = await _shown(self._outbox, self._client(), plan, stretches, self._reference, before=stretches[-1].until)

        await self._amendments.make(plan.key, partial(_taken_off, plan, shown, self._clock.now()))


async def _left(outbox: OutboxThread) -> Stretches:
    text = await outbox(uncompared)
    return _STRETCHES.validate_json(text) if text else {}


async def _keep(outbox: OutboxThread, stretches: Stretches) -> None:
    await outbox(keep_uncompared, _STRETCHES.dump_json(stretches).decode() if stretches else None)


async def _noted(outbox: OutboxThread, plans: Sequence[LinePlan], now: float) -> Stretches:
    """What is to be compared, as it was noted when the life began."""
    stretches = await _left(outbox)
    if not await outbox(is_noted):
        for plan in plans:
            state = StateRows(await outbox(Outbox.line_state, plan.key)).state(plan)
            if known := tuple(known_output(plan, state)):
                stretch = Stretch(known, int(state.now), int(now))
                stretches[plan.key] = (*stretches.get(plan.key, ()), stretch)[-MOST_STRETCHES:]
        await _keep(outbox, stretches)
    return stretches


async def _changed(outbox: OutboxThread, plans: Sequence[LinePlan], plan: LinePlan, change: Change, now: float) -> None:
    """Change the stored memory of one of the lines, of which nothing is mapped yet. What it has heard before is never
    stepped again, because what is changed follows from no sample; what waits for its place goes on to wait."""
    rows = StateRows(await outbox(Outbox.line_state, plan.key))
    state = rows.state(plan)
    after, notices = change(state)
    if after is state:
        return
    horizon = Horizon(outbox)
    await horizon.load()
    for other in plans:  # what any of them has heard is kept
        stored = state if other is plan else StateRows(await outbox(Outbox.line_state, other.key)).state(other)
        line = await horizon.line(other, stored)
        if other is plan:
            changed = replace(line, state=after).begun_anew(line.plan)
    number = await outbox(Outbox.last_commit) + 1
    heard = horizon.take({plan.key: changed}, number, now)
    commit = Commit(
        number=number,
        states={plan.key: rows.changes(after)},
        notices=notices,
        heard=heard.row,
        trails=heard.beginnings,
        heard_since=heard.since,
    )
    await outbox(Outbox.commit, commit)


def _held(plan: LinePlan, state: LineState) -> tuple[LineState, tuple[Notice, ...]]:
    """The line's state with what cannot be compared yet held."""
    return holding(plan, state), ()


def _taken_off(plan: LinePlan, shown: _Shown, now: float, state: LineState) -> tuple[LineState, tuple[Notice, ...]]:
    """The line's state without what is shown and is not known to it by now; and what a person is told of that."""
    credited_until = max((output.credited for output in known_output(plan, state)), default=0)
    entries = {kind: [one for one in found if one[0] > credited_until] for kind, found in shown.entries.items()}
    stamps = {key: [at for at in found if at > credited_until] for key, found in shown.stamps.items()}
    after, taken = credited(plan, state, entries, stamps)
    if not taken:
        held = (*state.output.held, *state.output.holds, *state.batch_output.held, *state.batch_output.holds)
        return (after if held else state), ()
    log.warning("counters_compared", line=plan.key, taken_off=taken)
    amounts = ", ".join(f"{amount} of {name}" for name, amount in taken.items())
    return after, (Notice("gap", now, "", "", f"line {plan.key}: Oden shows {amounts} that this memory does not know"),)


async def _shown(
    outbox: OutboxThread,
    client: OdenClient,
    plan: LinePlan,
    stretches: Sequence[Stretch],
    reference: str | None,
    *,
    before: float = inf,
) -> _Shown:
    """What Oden shows of the stretches, with time stamps up to `before`, and in between, up to the end of each."""
    ref = (await outbox(Outbox.line_refs)).get(plan.key) or LineRef(*plan.key.partition("/")[::2])
    found, line_id = _Shown(), ref.oden_id
    if line_id is None:
        find = requests.find_line(ref.factory, ref.name)
        line_id = await _searched(client, find, lambda answer: answers.line_id(answer) or "")
        if not line_id:
            return found
    state = StateRows(await outbox(Outbox.line_state, plan.key)).state(plan)
    by_now = {output.interval: output for output in known_output(plan, state)}
    taken: dict[str, set[tuple[int, int]]] = defaultdict(set)
    """By the id of an interval at Oden, which of its entries are taken already: by time stamp, and place among those
    that share it."""

    async def add(oden_id: str, known: KnownOutput, until: float) -> None:
        now, places = by_now.get(known.interval, known), taken[oden_id]
        waiting = await _waiting(outbox, known.interval, plan.key) if known.interval and reference else {}
        concerns = answers.concerns_output(waiting.values(), reference)

        def is_new(at: int) -> bool:
            return at <= until and not known.is_told(at) and not now.is_told(at)

        def keeps(entry: object) -> bool:
            return concerns(entry) or any(map(is_new, answers.output_times(entry)))

        entries: list[Entry] = []
        shown = await _entries(client, plan.key, line_id, oden_id, known, keeps)
        sharing: Counter[int] = Counter()
        for one in shown:
            place = one[0], sharing[one[0]]
            sharing[one[0]] += 1
            if place not in places and is_new(one[0]):
                entries.append(one)
                places.add(place)
        if known.interval:
            found.stamps[known.interval] += [at for at, _ in entries]
            entries = _grown(entries, shown, waiting, reference)
        found.entries[known.type] += entries

    for place, stretch in enumerate(stretches, 1):
        until = before if place == len(stretches) else stretch.until
        ids: set[str] = set()
        untold: dict[tuple[IntervalType, int], KnownOutput] = {}
        for output in stretch.known:
            interval = await outbox(Outbox.interval, output.interval)
            if interval is not None and interval.oden_id is not None:
                ids.add(interval.oden_id)
                await add(interval.oden_id, output, until)
            elif interval is not None:
                untold[output.type, interval.start] = output
        for type_, credited_until in {output.type: output.credited for output in stretch.known}.items():
            since = min([stretch.since, *(start for of, start in untold if of == type_)])
            for oden_id, start in await _begun(client, plan.key, line_id, type_, (since, stretch.until)):
                of_known = untold.get((type_, start))
                if oden_id not in ids and (of_known is not None or start >= stretch.since):
                    await add(oden_id, of_known or KnownOutput("", type_, (), credited_until), until)
    return found


async def _entries(
    client: OdenClient, line: str, line_id: str, interval_id: str, known: KnownOutput, keeps: Keeps
) -> list[Entry]:
    """The interval's entries, of which those that it `keeps` are left."""
    record = Output("", line, 0.0, known.type, known.interval, 0, {})
    return [*await _searched(client, requests.look_up([record], line_id, interval_id), answers.shown_output, keeps)]


async def _waiting(outbox: OutboxThread, interval: str, line: str) -> dict[str, Output]:
    """The interval's output that waits here, by its keys."""
    wanted, cursor = Filter(interval=frozenset({interval}), lines=(line,)), None
    waiting: dict[str, Output] = {}
    while True:
        found, cursor = await outbox(page, wanted, cursor)
        waiting |= {one.record.key: one.record for one in found if isinstance(one.record, Output)}
        if cursor is None:
            return waiting


def _grown(
    entries: list[Entry], shown: Sequence[Entry], waiting: Mapping[str, Output], reference: str | None
) -> list[Entry]:
    """`entries`, of all that are `shown` of the interval, without the amounts that wait here: of one that waits, and
    that a later life has added to before it was sent, only what was added is new, and of that not what waits here by
    itself."""
    if reference is None or not any(reference in raw for _, raw in entries):
        return entries
    within: dict[str, list[Output]] = defaultdict(list)
    for key, into in taken_up([*waiting.values()], shown, reference).items():
        within[into].append(waiting[key])
    new: list[Entry] = []
    for at, raw in entries:
        key = str(raw.get(reference))
        told = dict(raw)
        for known in (*([waiting[key]] if key in waiting else []), *within[key]):
            told |= {
                name: (number(told.get(name)) or 0) - (number(known.raw_data[name]) or 0) for name in known.amounts
            }
        new.append((at, told))
    return new


async def _begun(
    client: OdenClient, line: str, line_id: str, type_: IntervalType, between: tuple[int, int]
) -> list[tuple[str, int]]:
    """The intervals of this time, and perhaps some around it: ids and starts."""
    ends = [StartInterval("", line, 0.0, type_, at) for at in between]
    begun: dict[str, int] = {}

    def is_unread(entry: object) -> bool:
        shown = answers.shown_starts([entry])
        begun.update(shown or ())
        return shown is None

    await _searched(client, requests.look_up(ends, line_id, None), answers.shown_starts, is_unread)
    return [*begun.items()]


async def _searched(
    client: OdenClient, request: requests.Request, read: Callable[[object], T | None], keeps: Keeps | None = None
) -> T:
    """What `read` makes of the answer to a search, of which what it `keeps` is left, or of an empty list where there is
    nothing; asked for until it makes something of it."""
    while True:
        answer = await client.post(request.endpoint, request.text(), keeps=keeps)
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
