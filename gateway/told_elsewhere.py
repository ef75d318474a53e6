"""What Oden shows that a line's memory does not know, because another life has told it: found by searches, a second
each.

Looked at is the output of the intervals that the memory knows, and that of those which have begun since the older of
them. A life that began from an older copy still has told what it made to one from before: where something of the newer
ones is another life's, these are looked at at once, and else while the gateway works, now and then one.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from operator import itemgetter
from typing import TypeVar

from gateway.mapping.compile import LinePlan
from gateway.mapping.credit import Entry, KnownOutput, known_output, newer
from gateway.mapping.state_rows import StateRows
from gateway.mapping.told_back import Over
from gateway.model import IntervalType, Output, StartInterval, interval_key
from gateway.oden import answers, requests
from gateway.oden.client import OdenClient
from gateway.oden.http_answer import Keeps
from gateway.outbox.entries import LineRef
from gateway.outbox.listing import Filter, Listed, page
from gateway.outbox.merge import has_shape, taken_up, taken_up_by_time
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.outbox.told import LATEST, known_before
from gateway.stretches import AHEAD, MINUTE, Place, Shown, Stretch, placed, without

PAUSE = 1.0
"""Seconds after an answer that tells nothing until the search is made again; twice as many after each further one."""
MOST_ANSWERS = 6
"""Answers in a row that tell nothing, after which a search is not made again for now."""
UNAUTHORIZED = 401
LATER = (408, 425, 429)
"""Refusals by Oden that say nothing of the request."""
BETWEEN = 5.0
"""Seconds from one of the older intervals to the next, where they are looked at while the gateway works."""
MOST_OLDER = 16
"""Older intervals that are looked at, the latest ones."""

T = TypeVar("T")


class Unreachable(Exception):
    """Nothing could be sent to Oden."""


class Unauthorized(Unreachable):
    """Oden takes nothing with this token."""


class Refused(Exception):
    """Oden refuses a search."""


class Unanswered(Exception):
    """Oden answers others, and to this search, again and again, nothing that tells anything."""


async def shown_of(
    outbox: OutboxThread,
    client: OdenClient,
    plan: LinePlan,
    stretches: Sequence[Stretch],
    reference: str | None,
    *,
    before: float = inf,
    now: Callable[[], float] = lambda: 0.0,
    sends: bool = False,
) -> Shown:
    """What Oden shows of the stretches, with time stamps up to `before`, and in between, up to the end of each; where
    all were `looked` at, only what was left then. What begins more than a minute after `now` is certainly of another
    life. Where the gateway `sends` what waits, none of that is within what is shown, without a `reference`."""
    ref = (await outbox(Outbox.line_refs)).get(plan.key) or LineRef(*plan.key.partition("/")[::2])
    line_id, find = ref.oden_id, requests.find_line(ref.factory, ref.name)
    try:
        if line_id is None:
            # One that is named without its id is there all the same: only nothing at all is none.
            line_id = await _searched(client, find, lambda answer: answers.line_id(answer) or (None if answer else ""))
            if not line_id:
                return Shown()
        search = _Search(outbox, client, plan, line_id, reference, now, sends=sends)
        await search.look_at_all(stretches, [*(stretch.until for stretch in stretches[:-1]), before])
    except Unanswered as error:
        answer = await client.post(find.endpoint, find.text())
        if not (answer.own and answer.status is not None and answer.status < 300):
            raise Unreachable(str(error)) from None
        raise
    return search.found


class _Search:
    """Searches for what a line's memory does not know. What waits stays, unless the gateway `sends` already."""

    def __init__(
        self,
        outbox: OutboxThread,
        client: OdenClient,
        plan: LinePlan,
        line_id: str,
        reference: str | None,
        now: Callable[[], float],
        *,
        sends: bool,
    ) -> None:
        self._outbox, self._client, self._plan = outbox, client, plan
        self._line_id, self._reference, self._now, self._sends = line_id, reference, now, sends
        self.found = Shown()
        self._before = inf  # up to when entries can be of the last stretch
        self._times: dict[str, set[int]] = defaultdict(set)
        """By the id of an interval at Oden, the time stamps of its entries."""
        self._taken: dict[str, set[Place]] = defaultdict(set)
        """By the id of an interval at Oden, which of its entries are taken already: by time stamp, and place among
        those that share it."""
        self._into: dict[str, Place] = {}
        """By the key of what waits, and is taken to be within an entry that carries no key: which one that is, as in
        `_taken`. It is in one alone, whichever life has told that."""

    async def look_at_all(self, stretches: Sequence[Stretch], untils: Sequence[float]) -> None:
        """Look at each stretch, with time stamps up to its time of `untils`."""
        self._before = max(untils, default=0.0)
        for stretch, until in zip(stretches, untils, strict=True):
            self.found.entries.setdefault(stretch.number, defaultdict(list))
            if not stretch.looked:
                await self.look(stretch, until)
        is_rest = all(stretch.looked for stretch in stretches)
        if is_rest or self.found.has_entries:
            for stretch, until in zip(stretches, untils, strict=True):
                await self.look_at_older(stretch, until, is_rest=is_rest)
        else:
            self.found.left = any([await self.older(stretch) for stretch in stretches])

    async def look(self, stretch: Stretch, until: float) -> None:
        """Look at the intervals that the memory knew, and at those that have begun since."""
        ids, told = set[str](), self.found.entries[stretch.number]
        untold: dict[str, KnownOutput] = {}
        for output in stretch.known:
            interval = await self._outbox(Outbox.interval, output.interval)
            if interval is not None and interval.oden_id is not None:
                ids.add(interval.oden_id)
                told[output.type] += await self._new(interval.oden_id, output, until, stretch)
            elif interval is not None:
                untold[output.interval] = output
        for unknown in {output.type: replace(output, interval="", stamps=()) for output in stretch.known}.values():
            type_, since = unknown.type, stretch.begun_since(unknown.type)
            # The clock of another life may have been ahead: before anything is mapped, whatever begins later is its.
            shown = await self._begun(type_, (since, stretch.until + AHEAD * (until == self._before)))
            ahead = self._now() + MINUTE  # what this life has begun meanwhile is none of them
            begun = [one for one in shown if one[0] not in ids and one[1] >= since]
            begun = sorted((one for one in begun if not until + MINUTE < one[1] <= ahead), key=itemgetter(1))
            own = {one: key for key, one in await self._outbox(known_before, self._plan.key, type_, LATEST)}
            own = {one: interval_key(self._plan.key, type_, start) for one, start in begun} | own
            older = [one for one in begun if one[1] < stretch.since][-MOST_OLDER:]
            for oden_id, start in [*older, *(one for one in begun if one[1] >= stretch.since)]:
                # What was sent to one from here, or waits for it, is not another's: this memory, or this life, may have
                # begun it, and not know its id at Oden yet.
                key, begun_here = own[oden_id], unknown
                if await self._outbox(Outbox.interval, key) is not None:
                    begun_here = untold.get(key, replace(unknown, interval=key, start=start))
                is_ahead = until == self._before and start > ahead
                told[type_] += await self._new(oden_id, begun_here, inf if is_ahead else until, stretch)

    async def look_at_older(self, stretch: Stretch, until: float, *, is_rest: bool) -> None:
        """Look at intervals from before those that the memory knew best; where they are the rest, while the gateway
        works, one now and then."""
        for known, oden_id in await self.older(stretch):
            await asyncio.sleep(BETWEEN if is_rest else 0.0)
            entries = await self._new(oden_id, known, until, stretch)
            if not is_rest:
                self.found.entries[stretch.number][known.type] += entries
            elif entries:
                times = frozenset(self._times[oden_id])
                self.found.over.append(Over(known.interval, known.type, tuple(entries), times, stretch.counts))

    async def older(self, stretch: Stretch) -> list[tuple[KnownOutput, str]]:
        """Intervals from before those that the memory knew best, with their ids at Oden."""
        found = []
        for unknown in {output.type: output for output in stretch.known}.values():
            since = stretch.begun_since(unknown.type)
            for key, oden_id in (await self._outbox(known_before, self._plan.key, unknown.type, since))[-MOST_OLDER:]:
                credited, ahead = max(unknown.credited, stretch.since), unknown.ahead
                found.append((KnownOutput(key, unknown.type, (), credited, since, ahead=ahead), oden_id))
        return found

    async def _new(self, oden_id: str, known: KnownOutput, until: float, stretch: Stretch) -> list[Entry]:
        """The entries that are not known of an interval; what else is found of it is added to what was."""
        knows, places = await self._by_now(), self._taken[oden_id]
        now = knows.get(known.interval, known)
        listed = await self._waiting(known.interval) if known.interval else []
        waiting = {one.record.key: one.record for one in listed if isinstance(one.record, Output)}
        # What was made since another life began is within nothing that another has told.
        from_before = {one.record.key for one in listed if one.is_from_before}
        before = {key: one for key, one in waiting.items() if key in from_before}
        concerns = answers.concerns_output(waiting.values(), self._reference)
        interval = await self._outbox(Outbox.interval, known.interval) if known.interval else None
        sent = {*interval.sent.values()} if interval is not None and interval.sent else set()
        told_here = sent.union(known.stamps, now.stamps)
        # Of one that is still known, so is all that this life has told: what else is later, a clock ahead has told.
        knows_all = until == self._before and known.interval in knows

        def is_new(at: int) -> bool:
            return (at <= until or knows_all) and at not in sent and not known.is_told(at) and not now.is_told(at)

        def is_by_a_life(entry: Entry) -> bool:  # and not by hand, say
            if self._reference is not None:
                return self._key(entry) is not None
            return not known.is_before(entry[0], stretch.since)

        def is_late(at: int) -> bool:
            return at <= until and not known.is_credited(at) and not now.is_credited(at)

        def is_of_others(entry: Entry) -> bool:
            shares_time = any(self._shares_time(entry, one) for one in waiting.values())
            return is_late(entry[0]) and (shares_time or was_sent(entry) is False)

        def was_sent(entry: Entry) -> bool | None:
            key = self._key(entry)
            if interval is None or not isinstance(key, str) or key in waiting:
                return None
            return interval.was_sent(key, entry[0])

        def is_unsure(entry: Entry) -> bool:
            # Of those of one second only one can be from here: which, only a key says.
            shares_second = self._key(entry) is None and at_once[entry[0]] > 1
            is_part = self._can_be_part(entry, waiting) and was_sent(entry) is None
            return is_late(entry[0]) and (shares_second or is_part)

        def keeps(entry: object) -> bool:
            times = answers.output_times(entry)
            self._times[oden_id].update(times)
            beside = any(int(one.at) <= at <= one.timestamp for one in waiting.values() for at in times)
            tells = interval is not None and any(is_late(at) and interval.was_sent("", at) is False for at in times)
            told = any(is_late(at) and at in told_here for at in times)
            return concerns(entry) or beside or tells or told or any(map(is_new, times))

        found, unsure = dict[Place, Entry](), list[Entry]()
        shown = placed(await self._entries(oden_id, known, keeps))
        now = (await self._by_now()).get(known.interval, now)  # what was made while Oden was asked is from here
        at_once = Counter(at for at, _ in shown)
        for place, one in shown.items():
            if place in places:
                continue
            added = self._added(one, listed) if is_late(one[0]) else None
            if is_by_a_life(one) and (is_new(one[0]) or is_of_others(one) or added is not None):
                found[place] = one if self._reference is not None else added or one
                places.add(place)
            elif is_new(one[0]) or is_unsure(one):
                unsure.append((one[0], self._said(one)))
                places.add(place)
        self.found.unsure += unsure
        entries = [*found.values()]
        if known.interval:
            self.found.stamps[known.interval] += [at for at, _ in (*entries, *unsure)]
            if self._reference is not None:
                entries = self._grown(entries, [*shown.values()], before, self._reference)
            elif entries and before and not self._sends:
                entries = await self._taken_up(found, shown, before, listed)
        elif not known.start:
            entries = [newer(self._plan, known.type, one, known.counted) for one in entries]
        return entries

    def _added(self, entry: Entry, listed: Sequence[Listed]) -> Entry | None:
        """What another life has added, under the same time stamp, to an entry that waits here as it was when that life
        began."""
        at, told, key = entry[0], self._said(entry), self._key(entry)
        for record in (one.record for one in listed if one.unsure):
            if not isinstance(record, Output) or record.timestamp != at or not has_shape(told, record):
                continue
            if key == record.key or self._reference is None:
                more = without(told, [record])
                return (at, more) if any(more[name] for name in record.amounts) else None
        return None

    def _shares_time(self, entry: Entry, waiting: Output) -> bool:
        """Whether another life has told the entry under the time stamp of the one that waits: no two from here share
        one."""
        key = self._key(entry)
        return key not in (None, waiting.key) and entry[0] == waiting.timestamp

    def _can_be_part(self, entry: Entry, waiting: Mapping[str, Output]) -> bool:
        """Whether another life can have told the entry while one that waits here has grown beyond it. It can as well
        have been sent from here: as a correction, or while the one that waits was in doubt."""
        at, told, key = entry[0], self._said(entry), self._key(entry)
        if key is None or key in waiting:
            return False
        return any(int(one.at) <= at < one.timestamp and has_shape(told, one) for one in waiting.values())

    def _said(self, entry: Entry) -> dict[str, object]:
        """What the entry says beside the key of ours."""
        return {name: value for name, value in entry[1].items() if name != self._reference}

    def _key(self, entry: Entry) -> object:
        """The key of ours that the entry carries; None where it carries none."""
        return entry[1].get(self._reference) if self._reference else None

    async def _entries(self, interval_id: str, known: KnownOutput, keeps: Keeps) -> list[Entry]:
        """The interval's entries, of which those that it `keeps` are left."""
        record = Output("", self._plan.key, 0.0, known.type, known.interval, 0, {})
        request = requests.look_up([record], self._line_id, interval_id)
        return [*await _searched(self._client, request, answers.shown_output, keeps)]

    def _grown(
        self, entries: list[Entry], shown: Sequence[Entry], waiting: Mapping[str, Output], reference: str
    ) -> list[Entry]:
        """`entries`, of all that are `shown` of the interval, without the amounts that wait here: of one that waits,
        and that a later life has added to before it was sent, only what was added is new, and of that not what waits
        here by itself."""
        if not any(reference in raw for _, raw in entries):
            return entries
        within: dict[str, list[Output]] = defaultdict(list)
        for key, into in taken_up([*waiting.values()], shown, reference).items():
            within[into].append(waiting[key])
        new: list[Entry] = []
        for at, raw in entries:
            key = str(raw.get(reference))
            new.append((at, without(raw, [*([waiting[key]] if key in waiting else []), *within[key]])))
        return new

    async def _taken_up(
        self,
        entries: Mapping[Place, Entry],
        shown: Mapping[Place, Entry],
        waiting: Mapping[str, Output],
        listed: Sequence[Listed],
    ) -> list[Entry]:
        """The same where entries carry no keys of ours: what waits, and can be within another life's entry, is taken to
        be there, so that it is not sent: only what is unsure, which neither grows nor is sent meanwhile. What an
        attempt carries is sent, unless it is found by itself, and so is what was made since another life began."""
        key = next(iter(waiting.values())).interval
        interval, span = await self._outbox(Outbox.interval, key), await self._outbox(lambda outbox: outbox.span)
        times = {one.timestamp for one in waiting.values()} | {at for at, _ in entries.values()}

        def within(place: Place) -> list[Output]:
            return [one for key, one in waiting.items() if self._into.get(key) == place]

        places = [place for place in shown if place[0] in times]
        theirs = [(shown[place][0], without(shown[place][1], within(place))) for place in places]
        left = [one for key, one in waiting.items() if key not in self._into]
        found = taken_up_by_time(left, theirs, interval.start if interval is not None else 0, span)
        rest = [one for one in listed if one.unsure and one.where in ("waiting", "parked") and one.record.key in found]
        self._into |= {one.record.key: places[found[one.record.key]] for one in rest}
        self.found.within += rest
        return [(at, without(raw, within(place))) for place, (at, raw) in entries.items()]

    async def _by_now(self) -> dict[str, KnownOutput]:
        """What the line's memory knows now of intervals, by their keys."""
        state = StateRows(await self._outbox(Outbox.line_state, self._plan.key)).state(self._plan)
        return {output.interval: output for output in known_output(self._plan, state, waits=True)}

    async def _waiting(self, interval: str) -> list[Listed]:
        """The output of the interval that waits here."""
        wanted, cursor = Filter(interval=frozenset({interval}), lines=(self._plan.key,)), None
        waiting: list[Listed] = []
        while True:
            found, cursor = await self._outbox(page, wanted, cursor)
            waiting += found
            if cursor is None:
                return waiting

    async def _begun(self, type_: IntervalType, between: tuple[int, int]) -> list[tuple[str, int]]:
        """The intervals of this time, and perhaps some around it: ids and starts."""
        ends = [StartInterval("", self._plan.key, 0.0, type_, at) for at in between]
        request = requests.look_up(ends, self._line_id, None)
        begun: dict[str, int] = {}

        def is_unread(entry: object) -> bool:
            shown = answers.shown_starts([entry])
            begun.update(shown or ())
            return shown is None

        await _searched(self._client, request, answers.shown_starts, is_unread)
        return [*begun.items()]


async def _searched(
    client: OdenClient, request: requests.Request, read: Callable[[object], T | None], keeps: Keeps | None = None
) -> T:
    """What `read` makes of the answer to a search, of which what it `keeps` is left, or of an empty list where there is
    nothing; asked for again where it makes nothing of it."""
    pauses = [PAUSE * 2**count for count in range(MOST_ANSWERS - 1)]
    for pause in (*pauses, None):
        answer = await client.post(request.endpoint, request.text(), keeps=keeps)
        status = answer.status
        if not answer.sent:
            raise Unreachable(answer.error)
        if answer.own and status == UNAUTHORIZED:
            raise Unauthorized(answer.error)
        if answer.own and status is not None and 400 <= status < 500 and status not in (404, *LATER):
            raise Refused(answer.error or f"Oden answered {status}")
        if answer.own and status is not None and (status < 300 or status == 404):
            found = read(answer.body if status < 300 else [])
            if found is not None:
                return found
        if pause is not None:
            await asyncio.sleep(max(pause, answer.retry_after or 0.0))
    raise Unanswered(f"{request.endpoint.path}: {answer.error or f'an answer {status} that cannot be read'}")
