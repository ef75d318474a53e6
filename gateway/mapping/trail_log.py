"""A line's trail as text: its beginning, and after each commit what was added to it. Pure.

The trail is stored as what the line was told, never as what follows from it: a row is written once, a few dozen bytes
for a sample, and dropped whole when all trails begin after it.

    beginning   {"plan", "number", "at", "state", "from", "numbered", "stamps"?, "swings"?, "full"?, "corrected_at"?}
    addition    {"e": entries, "l": late messages, "o": after which entry each came,
                "d": numbers that are gone, "c": 1, "s": stamps, "w": swings, "x": batches that were told full,
                "n": the number of the newest entry at the last correction, "b": that of the newest before,
                "t": numbers of entries that were stepped when they came, and at their times since}

An entry is `[number, number before it, place, own time, again, moment, samples…]`, a sample `[address, value, received,
quality, source time, kept or initial, distrust, part, ahead, fold]`; what is as usual is 0, or left out at the end. The
address is the place among those that the plan subscribes; before a late message stand its source and its address as
they are. With "c", the late messages from before are no more; then "s", "w", "x" and "n" stand beside, as they are now.

Earlier versions stored here what was known of the clocks of senders, which has rows of its own now (`clock_rows`):
"clocks" and "ahead" at the beginning, "k" and "f" where that had changed (`[source, topic, lags…]` of those that are
wrong, `[source, topic, seconds]` of those that are ahead).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

from gateway.build import CODE
from gateway.frozen import replace
from gateway.mapping.again import Slices
from gateway.mapping.clocks import DELAY, NO_CLOCKS, Clocks, SenderClock
from gateway.mapping.compile import LinePlan
from gateway.mapping.context import ToldBatch
from gateway.mapping.judged import own_time
from gateway.mapping.line import LineState, dump, load
from gateway.mapping.streams import stream_of
from gateway.mapping.trail import Entry, Feed, Waiting
from gateway.model import Contact, Moment, Quality, Sample

_QUALITIES: Sequence[Quality] = ("good", "uncertain", "bad")
_RETAINED, _INITIAL = 1, 2
_CONTACT = 2
"""In the place of `moment`: the entry is a contact with a source, `[source, state, received, since]`."""


def seal(plan: LinePlan) -> str:
    """By what a trail was stepped, in short: another plan, table or code goes on with another trail."""
    return hashlib.blake2b(f"{CODE}\n{plan.digest}".encode(), digest_size=12).hexdigest()


def beginning(line: Feed) -> str | None:
    """What is stored of the beginning of the line's trail; None where it has none."""
    if line.plan is None or line.base is None or line.base.after is None:
        return None
    base = line.base
    said = {"plan": seal(line.plan), "number": base.number, "at": base.at, "state": dump(line.base.after)}
    said["numbered"] = line.numbered
    said["from"] = min((entry.number for entry in line.trail()), default=line.numbered + 1) - 1
    more = {"stamps": line.stamps, "swings": line.swings, "full": line.full, "corrected_at": line.corrected_at}
    return _text(said | {name: value for name, value in more.items() if value})


def addition(before: Feed | None, line: Feed) -> dict[str, Any]:
    """What is to be stored of the line after `before` was; empty where nothing is."""
    if line.plan is None:
        return {}
    numbered, is_begun = (before.numbered, _is_known(line.base, before)) if before is not None else (0, False)
    routes = {route: place for place, route in enumerate(_routes(line.plan))}
    as_before = before is not None and before.corrected == line.corrected
    since = numbered if is_begun else 0  # in what is stored nothing follows an entry that is not there
    said: dict[str, Any] = {"e": [*_entries(line, since, routes, appended=as_before)]}
    if before is not None and as_before:
        late = line.late[len(before.late) :]
    else:
        late = line.late
        said["c"] = 1
        said |= {"s": line.stamps, "w": line.swings, "x": line.full, "n": line.corrected_at}
        known = {entry.number: entry for entry in line.trail()}
        old = [*before.trail()] if before is not None else []
        gone = (entry for entry in old if entry.number not in known)
        said["d"] = sorted(entry.number for entry in gone if entry.can_go or _is_remembered(before, line, entry))
        said["t"] = sorted(entry.number for entry in old if _is_timely_now(entry, known.get(entry.number)))
    said |= {
        "l": [[each.sample.source, *_sample(each.sample, {})] for each in late],
        "o": [each.after for each in late],
    }
    said = {name: value for name, value in said.items() if value}
    return said | {"b": numbered} if said else said


def _is_known(base: Entry | None, before: Feed) -> bool:
    """Whether the trail begins behind an entry that was there `before`, not one that was made since."""
    return base is None or base.number <= before.numbered


def _is_timely_now(before: Entry, entry: Entry | None) -> bool:
    """Whether a correction has stepped the entry at its time, which was stepped when it came `before`. A correction
    steps again what comes after the late message, and nothing that was told before that."""
    return entry is not None and before.at_its_time is not before and entry.at_its_time is entry


def _is_remembered(before: Feed | None, line: Feed, entry: Entry) -> bool:
    """Whether the line's trail reaches back to the entry as it did before: it has gone to another place."""
    old, base = before.base if before is not None else None, line.base
    return old is not None and base is not None and entry.at >= base.at and (base.at > 0 or base.number == old.number)


def _entries(
    line: Feed, numbered: int, routes: Mapping[tuple[str, str], int], *, appended: bool
) -> Iterator[list[Any]]:
    """The entries with greater numbers than `numbered`, in their places; where they were `appended`, none of the
    others comes after the first of them."""
    new: list[list[Any]] = []
    base = line.base.number if line.base is not None else 0
    newest_first = [*line.newest_first()] if not appended else line.newest_first()
    pending: Entry | None = None
    for entry in newest_first:
        if pending is not None:
            new.append(_entry(pending, entry.number, routes))
            pending = None
        if entry.number > numbered:
            pending = entry
        elif appended:
            break
    if pending is not None:
        new.append(_entry(pending, base, routes))
    yield from reversed(new)


def _entry(entry: Entry, before: int, routes: Mapping[tuple[str, str], int]) -> list[Any]:
    if isinstance(contact := entry.sample, Contact):
        words = [contact.source, contact.state, contact.received, contact.since]
        return [entry.number, before - entry.number, entry.at, 0, 0, _CONTACT, words]
    samples = entry.sample.samples if isinstance(entry.sample, Moment) else [entry.sample]
    is_moment = int(isinstance(entry.sample, Moment))
    said = [_sample(sample, routes) for sample in samples if isinstance(sample, Sample)]
    at = 0 if said and entry.at == said[-1][2] else entry.at
    own = 0 if entry.said is None else 1 if entry.said == entry.at else entry.said
    previous = 0 if before == entry.number - 1 else before - entry.number
    return [entry.number, previous, at, own, int(entry.again), is_moment, *said]


def _sample(sample: Sample, routes: Mapping[tuple[str, str], int]) -> list[Any]:
    kept = _RETAINED * sample.retained | _INITIAL * sample.initial
    said = [
        routes.get((sample.source, sample.address), sample.address),
        sample.value,
        sample.received,
        _QUALITIES.index(sample.quality),
        0 if sample.source_time is None else 1 if sample.source_time == sample.received else sample.source_time,
        kept,
        sample.distrust,
        sample.part,
        sample.ahead,
        int(sample.fold),
    ]
    while len(said) > 3 and not said[-1]:
        said.pop()
    return said


def restored(
    plan: LinePlan,
    state: LineState,
    stored: str | None,
    additions: Iterable[Mapping[str, Any]],
    clocks: Clocks = NO_CLOCKS,
) -> Slices[Feed]:
    """The line as it was, with what is stored of its trail's beginning and of what was added since, which may have
    begun before, and of the `clocks` of its senders. Where the trail is of another plan, or has no beginning, only its
    late messages are left, and what is added later has numbers of its own: the entries from before can be there for as
    long as other lines need theirs. Raises ValueError or LookupError where it is none.
    """
    said: dict[str, Any] = json.loads(stored) if stored else {}
    additions = [*additions]
    came = yield from _late(additions)
    if said.get("plan") != seal(plan):
        late = _timed(plan, _read_anew(plan, came, clocks)) if plan.timed else ()
        return Feed(state, late=late, numbered=last_number(additions), clocks=clocks)
    routes = _routes(plan)
    base = Entry(said["at"], None, load(plan, said["state"]), number=said["number"])
    following: dict[int, int] = {}
    entries: dict[int, Entry] = {}
    stamps, swings, corrected_at = said.get("stamps", {}), said.get("swings", {}), said.get("corrected_at", 0)
    full = said.get("full", [])
    gone, timely = set[int](), set[int]()
    wrong, ahead = said.get("clocks", []), said.get("ahead", [])
    numbered, corrected = base.number, 0
    first = additions[0].get("b", 0) if additions else said["numbered"]
    if first > said["from"]:
        raise ValueError("what was heard first is not there any more")
    for added in additions:
        if "c" in added:
            stamps, swings, corrected_at = added.get("s", {}), added.get("w", {}), added.get("n", 0)
            full = added.get("x", [])
            corrected += 1
        gone |= {*added.get("d", ())}
        timely |= {*added.get("t", ())}
        wrong, ahead = added.get("k", wrong), added.get("f", ahead)
        for each in added.get("e", ()):
            entry, before = _entry_of(each, routes)
            entries[entry.number] = entry
            following[entry.number], following[before] = following.get(before, 0), entry.number
            numbered = max(numbered, entry.number)
            yield
    trail, number = [], following.get(base.number, 0)
    while number:
        if number not in gone:
            trail.append(entries[number].at_its_time if number in timely else entries[number])
        number = following.pop(number)  # none is there twice
        yield
    return Feed(
        state,
        plan,
        base,
        newest=tuple(trail),
        stamps={key: tuple(taken) for key, taken in stamps.items()},
        late=_timed(plan, came),
        numbered=numbered,
        corrected=corrected,
        corrected_at=corrected_at,
        swings=swings,
        full=tuple(ToldBatch(*batch) for batch in full),
        recalled=False,
        clocks=_with_newest({**_clocks(wrong, ahead), **clocks}, trail),
    )


def last_number(additions: Iterable[Mapping[str, Any]]) -> int:
    """The greatest number of an entry in what was added to a trail; 0 where there is none."""
    return max((each[0] for added in additions for each in added.get("e", ())), default=0)


def _clocks(wrong: Iterable[Sequence[Any]], ahead: Iterable[Sequence[Any]]) -> dict[tuple[str, str], SenderClock]:
    clocks = {
        (source, address): SenderClock(0.0, tuple(lags), is_back=min(lags) <= DELAY) for source, address, *lags in wrong
    }
    for source, address, seconds in ahead:
        known = clocks.get((source, address), SenderClock(0.0))
        clocks[source, address] = replace(known, ahead=seconds)
    return clocks


def _with_newest(
    clocks: Mapping[tuple[str, str], SenderClock], trail: Iterable[Entry]
) -> dict[tuple[str, str], SenderClock]:
    """What is known of clocks, with the newest time that each sender has said: what comes late shows nothing of its
    clock. One that is wrong has said others before it was."""
    known = {**clocks}
    for entry in trail:
        if entry.said is not None and isinstance(sample := entry.sample, Sample):
            stream = stream_of(sample)
            clock, said = known.get(stream, SenderClock(0.0)), entry.said + sample.ahead
            known[stream] = clock if clock.is_wrong or clock.said >= said else replace(clock, said=said)
    return known


def with_plan(plan: LinePlan, line: Feed) -> Feed:
    """The line as another plan can use what is remembered of it; its trail begins anew."""
    late = _timed(plan, _read_anew(plan, ((each.sample, each.after) for each in line.late), line.clocks))
    return replace(line.begun_anew(), state=load(plan, dump(line.state)), late=late)


def _late(additions: Iterable[Mapping[str, Any]]) -> Slices[list[tuple[Sample, int]]]:
    """The messages that came late and have no place yet."""
    late: list[tuple[Sample, int]] = []
    for added in additions:
        if "c" in added:
            late.clear()
        samples = (_sample_of([(source, address), *said]) for source, address, *said in added.get("l", ()))
        late += zip(samples, chain(added.get("o", ()), repeat(0)), strict=False)
        yield
    return late


def _read_anew(plan: LinePlan, came: Iterable[tuple[Sample, int]], clocks: Clocks) -> Iterator[tuple[Sample, int]]:
    """The messages as another plan reads them: where it reads their times in another way, nothing is known of the
    clocks that say them."""
    for sample, after in came:
        known, by = clocks.get(stream_of(sample)), plan.read_by.get((sample.source, sample.address))
        is_known = known is not None and known.by in ("", by)
        yield (sample if is_known or not sample.ahead else replace(sample, ahead=0.0)), after


def _timed(plan: LinePlan, came: Iterable[tuple[Sample, int]]) -> tuple[Waiting, ...]:
    """The messages with their own times, without those that the plan has no use for."""
    known = [(sample, own_time(plan, replace(sample, distrust="")), after) for sample, after in came]
    return tuple(Waiting(sample, said, after) for sample, said, after in known if said is not None)


def _entry_of(said: Sequence[Any], routes: Sequence[tuple[str, str]]) -> tuple[Entry, int]:
    number, previous, at, own, again, is_moment, *samples = said
    if is_moment == _CONTACT:
        source, state, received, since = samples[0]
        return Entry(at, Contact(source, received, state, since), None, number=number), number + previous
    each = [_sample_of([routes[route], *sample]) for route, *sample in samples]
    at = at or each[-1].received
    sample = Moment(tuple(each)) if is_moment else each[0]
    own_time = None if not own else at if own == 1 else own
    entry = Entry(at, sample, None, own_time, again=bool(again), number=number)
    return entry, number + (previous or -1)


def _sample_of(said: Sequence[Any]) -> Sample:
    rest = [*said, *(0, 0, 0, 0, 0, 0, 0)][:10]
    (source, address), value, received, quality, source_time, kept, distrust, part, ahead, fold = rest
    time = None if not source_time else received if source_time == 1 else source_time
    return Sample(
        source,
        address,
        value,
        received,
        _QUALITIES[quality],
        time,
        bool(kept & _RETAINED),
        bool(kept & _INITIAL),
        distrust or "",
        part,
        ahead or 0.0,
        bool(fold),
    )


def _routes(plan: LinePlan) -> list[tuple[str, str]]:
    return sorted(plan.subscriptions)


def _text(said: object) -> str:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=True, default=repr)
