"""What a source has kept while it was not heard is put in its places in a line, which remembers what it heard since.

Where nothing of it is missing for the line, the source was heard after all, and what was decided without it is decided
again. Where all of it is there up to a time, the source was heard until then and lost only afterwards. Else it was
lost, and what there is is stepped all the same.

There can be more than a line remembers. So it is put back in parts, each of which only moves on the time of the loss,
and what is older than that is forgotten where it is too much.
"""

from bisect import bisect_right
from collections.abc import Iterator
from math import inf, nextafter

from gateway.frozen import replace
from gateway.mapping.again import Filled, Slices, corrected
from gateway.mapping.clocks import CALM
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Step
from gateway.mapping.sessions import Moved
from gateway.mapping.trail import MOST_AT_ALL, Feed, both, forgotten
from gateway.model import Notice, Recovered

MOST_AT_ONCE = MOST_AT_ALL // 2
"""Moments that are put in their places before anything is forgotten: as many as the line can remember of others."""


def put_back(plan: LinePlan, line: Feed, kept: Recovered) -> Slices[tuple[Feed, Step]]:
    """The line with what was `kept` in its places, and what is to be told because of that. The trail is recalled."""
    line = replace(line, recovered={**line.recovered, kept.source: kept.received})
    loss = line.state.lost.get(kept.source)
    if loss is not None and loss.since is None and not kept.in_part:
        # The gateway was off, and each line has heard it until another time.
        newer = tuple(moment for moment in kept.moments if moment.received > loss.until)
        kept = replace(kept, since=loss.until, moments=newer)
    told, until = Step(line.state), _until(plan, kept)
    if not kept.in_part and until > kept.since and _remembered_since(line, kept) <= kept.since:
        heard = bisect_right(kept.moments, until, key=lambda moment: moment.received)
        for part in _parts(replace(kept, moments=kept.moments[:heard]), until):
            line, result = yield from _heard(plan, line, part)
            told = both(told, result)
        if until == inf:
            behind = {source: at for source, at in line.behind.items() if source != kept.source}
            line = replace(line, behind=behind, calm_from={**line.calm_from, kept.source: kept.received + CALM})
        kept = replace(kept, moments=kept.moments[heard:])
    if kept.moments:
        line, result = yield from _while_lost(plan, line, kept)
        told = both(told, result)
    return line, told


def _remembered_since(line: Feed, kept: Recovered) -> float:
    """From when on the line remembers what it has heard."""
    base = line.base
    return kept.received if base is None or base.after is None else max(base.at, base.after.now)


def _parts(kept: Recovered, until: float) -> Iterator[Filled]:
    """What was kept `until` a time, in parts of at most MOST_AT_ONCE moments. Each begins right before that which says
    that the source was lost then."""
    while len(kept.moments) > MOST_AT_ONCE:
        ends = kept.moments[MOST_AT_ONCE - 1].received
        yield Filled(replace(kept, moments=kept.moments[:MOST_AT_ONCE]), ends)
        kept = replace(kept, since=nextafter(ends, -inf), moments=kept.moments[MOST_AT_ONCE:])
    yield Filled(kept, until)


def _heard(plan: LinePlan, line: Feed, part: Filled) -> Slices[tuple[Feed, Step]]:
    """The line where the source was heard until a part of what it has kept ends, and was lost only then."""
    kept, until = part
    moments = [(moment, moment.received) for moment in kept.moments]
    if sum(1 for _ in line.trail()) + len(moments) > MOST_AT_ALL:
        line = forgotten(line, kept.since)
    silence = [entry for entry in line.since(kept.since) if entry.is_silence_of(kept.source, kept.since)]
    later = [Moved(entry, until) for entry in silence if entry.sample is not None and entry.at < until < inf]
    line, result = yield from corrected(plan, line, moments, kept.received, part, later)
    line = replace(line, corrected=line.corrected + 1)
    return line, result


def _while_lost(plan: LinePlan, line: Feed, kept: Recovered) -> Slices[tuple[Feed, Step]]:
    """The line with the newest of what was kept in their places, as far as it remembers; the source was lost."""
    base = _remembered_since(line, kept)
    fitting = [(moment, moment.received) for moment in kept.moments if moment.received >= base][-MOST_AT_ALL:]
    older = kept.moments[: len(kept.moments) - len(fitting)]
    if not fitting:
        return line, Step(line.state, notices=left_out(kept, len(older)))
    line, result = yield from corrected(plan, line, fitting, kept.received)
    line = replace(line, corrected=line.corrected + 1)
    return line, replace(result, notices=(*result.notices, *left_out(kept, len(older))))


def _until(plan: LinePlan, kept: Recovered) -> float:
    """Up to when all is there that `kept` would have said to the line; infinity where nothing of it is missing."""
    missing = (address for source, address in plan.subscriptions if source == kept.source and address in kept.missing)
    return min((kept.until.get(address, kept.since) for address in missing), default=inf)


def left_out(kept: Recovered, moments: int) -> tuple[Notice, ...]:
    """What is said of so many moments that are not put in their places."""
    if not moments:
        return ()
    text = f"{moments} moments that it had kept are older than what is remembered of the line, and left out"
    return (Notice("gap", kept.received, kept.source, "", text),)
