"""What Oden shows of the time that an older copy of the memory does not know: asked once, when another life begins, so
that no counter is told twice.

Of each line that counts, the output of the intervals that the memory knows is looked up, and that of runs and batches
that have begun since. What a later life has told is taken off what the counters still have to tell (`mapping.credit`).
That takes a second for each search. An answer that tells nothing is asked for again, a few times. What Oden could not
be asked before anything was mapped is asked while the gateway works, from what the memory knew when the life began:
until then what counters have moved by over that time is held (`mapping.output`). What can hardly be, that a life from a
still older copy has told something of an older interval and nothing else, is looked for then as well, and nothing waits
for that: it is taken off what counters count next.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog
from pydantic import TypeAdapter

from gateway.amendments import Amendments, Changed
from gateway.clock import Clock
from gateway.horizon import Horizon
from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry, credited, holding, known_output, with_late
from gateway.mapping.line import LineState
from gateway.mapping.output import OutputPlan
from gateway.mapping.state_rows import StateRows
from gateway.mapping.told_back import shown_counts, told_back
from gateway.mapping.trail import Feed
from gateway.model import Notice, Output, Sample
from gateway.oden.client import OdenClient
from gateway.oden.exchange import iso
from gateway.outbox.entries import Commit, LineRef, Within
from gateway.outbox.life import is_noted, keep_uncompared, resting, uncompared
from gateway.outbox.listing import Listed
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.outbox.told import has_output, lines_with_output
from gateway.stretches import Shown, Stretch
from gateway.told_elsewhere import Refused, Unanswered, Unauthorized, Unreachable, shown_of

log = structlog.get_logger()

LONGEST = 100.0
"""Seconds that it may take before anything is mapped: lines that were not looked at by then are looked at later."""
AGAIN = 30.0
"""Seconds from one round of questions to the next, while the gateway works."""
MOST_ROUNDS = 8
"""Rounds in which Oden answers others and not what is asked of a line, after which its output rests no more."""
LONGEST_OUT = 256
"""Rounds that a line is left out at most, of which Oden shows nothing: some two hours."""
MOST_STRETCHES = 16
"""Of one line, the latest ones."""

Stretches = dict[str, tuple[Stretch, ...]]
"""By line what has yet to be compared, the oldest first."""
_STRETCHES = TypeAdapter(Stretches)

_ChangeAtFirst = Callable[[LineState, Sequence[Sample]], Changed]
"""A `Change` before anything is mapped, which looks also at the messages that came late."""


async def recollect(
    outbox: OutboxThread, client: OdenClient, plans: Sequence[LinePlan], now: float, reference: str | None = None
) -> None:
    """Take off what Oden shows, before anything is mapped; each line in one transaction. `reference` is the name under
    which entries carry the keys of our records: by it, one is known that waits here and has grown since. What cannot be
    compared is kept for later, and what can be within what Oden shows is not sent before."""
    mapped = {plan.key for plan in plans}
    plans = [*plans, *(await _unplanned(outbox, mapped) if reference is None else ())]
    stretches = await _noted(outbox, plans, now, reference)
    unlooked = [plan for plan in plans if _is_unlooked(stretches, plan)]
    memory = await _Memory.read(outbox, [plan for plan in plans if unlooked and plan.key in mapped])
    until = asyncio.get_running_loop().time() + LONGEST
    try:
        for plan in unlooked:
            try:
                async with asyncio.timeout_at(until):
                    shown = await shown_of(outbox, client, plan, stretches[plan.key], reference)
            except (Refused, Unanswered) as error:
                log.warning("counters_not_compared", line=plan.key, reason=str(error))
            else:
                change = partial(_taken_off, plan, shown, now, waits=not stretches[plan.key][-1].held)
                await memory.change(plan, change, now, _within(shown))
                _looked(stretches, plan.key, shown, is_all=plan.key not in mapped)
    except (Unreachable, TimeoutError) as error:
        log.warning("counters_not_compared", reason=str(error) or f"that took more than {LONGEST:.0f} s")
    left = [plan for plan in plans if _is_unlooked(stretches, plan)]
    for plan in left:
        if not stretches[plan.key][-1].held:
            await memory.change(plan, partial(_held, plan, stretches[plan.key][-1].number), now)
            stretches[plan.key] = tuple(replace(stretch, held=True) for stretch in stretches[plan.key])
    await _keep(outbox, stretches, {plan.key for plan in left})


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
        self._vain: Counter[str] = Counter()
        """By line, in how many rounds one after another Oden has shown nothing of it."""

    async def run(self) -> None:
        """Ask Oden until everything is compared. Of a line of which Oden shows nothing, while it answers others, it is
        asked less and less often; what waits of it is sent, at once where Oden refuses, else after
        `MOST_ROUNDS`. Of a line that is configured no more, what waits is compared."""
        left, out = await _left(self._outbox), dict[str, int]()
        while left:
            await asyncio.sleep(AGAIN)
            plans = {plan.key: plan for plan in self._plans()}
            unplanned = {plan.key: plan for plan in await _unplanned(self._outbox, plans)}
            for line in [*left]:
                if (line in plans or line in unplanned) and out.get(line):
                    out[line] -= 1
                    continue
                try:
                    await self._ask(line, plans.get(line) or unplanned.get(line), left, is_mapped=line in plans)
                except Unauthorized:
                    break  # nor would it take the next one; that nothing is delivered is said
                except Unreachable:
                    continue  # that it is not compared was said
                except (Refused, Unanswered) as error:
                    self._vain[line] += 1
                    out[line] = min(2 ** self._vain[line], LONGEST_OUT) - 1
                    if isinstance(error, Refused) or self._vain[line] >= MOST_ROUNDS:
                        await self._give_way(line, left, str(error))
                else:
                    del self._vain[line]

    async def _ask(self, line: str, plan: LinePlan | None, left: Stretches, *, is_mapped: bool) -> None:
        """Compare the line; without a `plan`, forget it."""
        rests = await self._outbox(resting)
        if plan is None:
            del left[line]
        else:
            shown = await self._compare(plan, left[line], sends=line not in rests)
            _looked(left, line, shown, is_all=not is_mapped)
        await _keep(self._outbox, left, rests - {line})

    async def _give_way(self, line: str, left: Stretches, reason: str) -> None:
        """What waits of the line, and rested until now, is sent, which is said."""
        rests = await self._outbox(resting)
        if line not in rests:
            return
        log.warning("counters_not_compared", line=line, reason=reason)
        since, until = iso(left[line][0].since), iso(left[line][-1].until)
        text = f"line {line}: Oden does not show what was told from {since} to {until} ({reason})"
        text += ": output that waited is sent, and is told twice where another life has told it within a later entry"
        notice = Notice("gap", self._clock.now(), "", "", text)
        await self._amendments.make(line, lambda state: Changed(state, (notice,)))
        await _keep(self._outbox, left, rests - {line})

    async def _compare(self, plan: LinePlan, stretches: Sequence[Stretch], *, sends: bool) -> Shown:
        before, now = stretches[-1].until, self._clock.now
        shown = await shown_of(
            self._outbox, self._client(), plan, stretches, self._reference, before=before, now=now, sends=sends
        )
        if shown.tells or not all(stretch.looked for stretch in stretches):  # else the line's trail stays as it is
            change = partial(_taken_off, plan, shown, self._clock.now(), waits=False)
            await self._amendments.make(plan.key, change, _within(shown))
        return shown


def _within(shown: Shown) -> Within:
    return tuple((one.lane, one.position, one.record) for one in shown.within)


def _is_unlooked(stretches: Stretches, plan: LinePlan) -> bool:
    """Whether what the line counts has to wait for a comparison."""
    return not all(stretch.looked for stretch in stretches.get(plan.key, ()))


async def _unplanned(outbox: OutboxThread, mapped: Container[str]) -> list[LinePlan]:
    """Plans of the lines that are configured no more and have output that waits to be sent: they count nothing."""
    refs = await outbox(Outbox.line_refs)
    waiting = [key for key in sorted(await outbox(lines_with_output)) if key not in mapped]
    outputs = OutputPlan("RUN", 60.0, {}), OutputPlan("BATCH", 60.0, {})
    named = [(key, refs.get(key) or LineRef(*key.partition("/")[::2])) for key in waiting]
    return [
        LinePlan(key, ref.factory, ref.name, ref.oden_id, {}, {}, None, None, outputs[0], batch_output=outputs[1])
        for key, ref in named
    ]


def _looked(stretches: Stretches, line: str, shown: Shown, *, is_all: bool) -> None:
    """What is `shown` of the line was taken off: only what is left is yet to be compared, unless that `is_all`."""
    if shown.left and not is_all:
        stretches[line] = tuple(replace(stretch, looked=True) for stretch in stretches[line])
    else:
        del stretches[line]


async def _left(outbox: OutboxThread) -> Stretches:
    text = await outbox(uncompared)
    return _STRETCHES.validate_json(text) if text else {}


async def _keep(outbox: OutboxThread, stretches: Stretches, lines: Collection[str]) -> None:
    await outbox(keep_uncompared, _STRETCHES.dump_json(stretches).decode() if stretches else None, lines)


async def _noted(outbox: OutboxThread, plans: Sequence[LinePlan], now: float, reference: str | None) -> Stretches:
    """What is to be compared, as it was noted when the life began. What waits to be sent can be within another entry
    at Oden; by the key that this carries, its look-up shows that."""
    stretches = await _left(outbox)
    if not await outbox(is_noted):
        for plan in plans:
            state = StateRows(await outbox(Outbox.line_state, plan.key)).state(plan)
            waits = reference is None and await outbox(has_output, plan.key)
            if known := tuple(known_output(plan, state, waits=waits)):
                before = stretches.get(plan.key, ())
                number = max((one.number for one in before), default=0) + 1
                stretch = Stretch(known, int(state.now), int(now), number=number, counts=shown_counts(plan, state))
                stretches[plan.key] = (*before, stretch)[-MOST_STRETCHES:]
        await _keep(outbox, stretches, await outbox(resting))
    return stretches


class _Memory:
    """The stored memory of lines, of which nothing is mapped yet. It is read once, because that can take long. Lines
    that are configured no more are not among them: nothing is changed of them but what waits to be sent."""

    def __init__(self, outbox: OutboxThread) -> None:
        self._outbox = outbox
        self._horizon = Horizon(outbox)
        self._rows: dict[str, StateRows] = {}
        self._lines: dict[str, Feed] = {}

    @classmethod
    async def read(cls, outbox: OutboxThread, plans: Sequence[LinePlan]) -> "_Memory":
        """That of all lines of `plans`: what any of them has heard is kept when one is changed."""
        memory = cls(outbox)
        if plans:
            await memory._horizon.load()
        for plan in plans:
            rows = memory._rows[plan.key] = StateRows(await outbox(Outbox.line_state, plan.key))
            memory._lines[plan.key] = await memory._horizon.line(plan, rows.state(plan), rows.clocks)
        return memory

    async def change(self, plan: LinePlan, change: _ChangeAtFirst, now: float, within: Within = ()) -> None:
        """Change what is stored of one of the lines, and take out what waits and is at Oden `within` other entries.
        What it has heard before is never stepped again, because what is changed follows from no sample; what waits for
        its place goes on to wait."""
        line = self._lines.get(plan.key)
        if line is None:
            _, notices, _ = change(LineState(), ())
            number = await self._outbox(Outbox.last_commit) + 1
            if notices or within:
                commit = Commit(number=number, notices=notices, within=within)
                await self._outbox(Outbox.commit, commit, takes_in=False)
            return
        after, notices, records = change(line.state, [each.sample for each in line.late])
        if after is line.state:
            return
        changed = self._lines[plan.key] = replace(line, state=after).begun_anew(line.plan)
        number = await self._outbox(Outbox.last_commit) + 1
        heard = self._horizon.take({plan.key: changed}, number, now)
        commit = Commit(
            number=number,
            states={plan.key: self._rows[plan.key].changes(after)},
            records=records,
            notices=notices,
            heard=heard.row,
            trails=heard.beginnings,
            heard_since=heard.since,
            within=within,
        )
        await self._outbox(Outbox.commit, commit, takes_in=False)


def _held(plan: LinePlan, number: int, state: LineState, late: Sequence[Sample]) -> Changed:
    """The line's state with what cannot be compared yet held, messages that are yet to be put in their places, too;
    `number` is that of the stretch."""
    return Changed(holding(plan, with_late(plan, state, late), number))


def _taken_off(
    plan: LinePlan, shown: Shown, now: float, state: LineState, late: Sequence[Sample] = (), *, waits: bool
) -> Changed:
    """The line's state without what is shown and is not known to it by now, of messages that are yet to be put in their
    places, too; and what a person is told of that. `waits`: what waits did so when the life began."""
    known = known_output(plan, state, waits=True)

    def counts(at: int) -> bool:
        return not any(output.is_credited(at) for output in known)

    def late_enough(found: Iterable[Entry]) -> list[Entry]:
        return [one for one in found if counts(one[0])]

    over = [replace(one, entries=tuple(late_enough(one.entries))) for one in shown.over]
    records, left = told_back(plan, state, over, now)
    entries = {
        number: {kind: late_enough(found) for kind, found in told.items()} for number, told in shown.entries.items()
    }
    for kind, found in left.items():
        last = entries.setdefault(max(entries, default=0), {})
        last[kind] = [*last.get(kind, ()), *found]
    stamps = {key: [at for at in found if counts(at)] for key, found in shown.stamps.items()}
    for record in records:
        stamps[record.interval] = [*stamps.get(record.interval, ()), record.timestamp]
    after, taken, beyond = credited(plan, with_late(plan, state, late), entries, stamps, waits=waits, now=now)
    texts = [
        f"a {one.type.lower()} that was over is told {_amounts(one.raw_data)}: another life told it" for one in records
    ]
    texts += [f"{_amounts(_raw_data(one))} waited, and is taken to be within what Oden shows" for one in shown.within]
    unsure = [_amounts(raw_data) for at, raw_data in shown.unsure if counts(at)]
    texts += [f"Oden shows {amounts} that may be told again, if another life told it" for amounts in unsure]
    texts += [
        f"Oden shows {amount} of {name} that came to another life: what of that comes here again is told again"
        for name, amount in beyond.items()
    ]
    told = [Notice("gap", now, "", "", f"line {plan.key}: {text}") for text in texts]
    if not taken:
        held = (*state.output.held, *state.output.holds, *state.batch_output.held, *state.batch_output.holds)
        # What is shown is known from now on: else it would be taken off what waits when another life begins.
        is_new = held or told or any(found for each in entries.values() for found in each.values())
        return Changed(after if is_new else state, (*told,), records)
    log.warning("counters_compared", line=plan.key, taken_off=taken)
    amounts = ", ".join(f"{amount} of {name}" for name, amount in taken.items())
    text = f"line {plan.key}: Oden shows {amounts} that this memory does not know, another life's or a person's: "
    text += "as much of what was made since then is not told"
    return Changed(after, (Notice("gap", now, "", "", text), *told), records)


def _raw_data(listed: Listed) -> Mapping[str, object]:
    return listed.record.raw_data if isinstance(listed.record, Output) else {}


def _amounts(raw_data: Mapping[str, object]) -> str:
    """What an entry says, for a person."""
    return " and ".join(f"{name} {value}" for name, value in raw_data.items())
