"""Messages that were put where they said, until it turned out that their sender's clock had been set back: they go to
where they came. Pure."""

from collections.abc import Iterator

from gateway.frozen import replace
from gateway.mapping.again import Slices, corrected
from gateway.mapping.clocks import problem, with_message
from gateway.mapping.compile import LinePlan
from gateway.mapping.folds import with_fold
from gateway.mapping.judged import beyond_known, clock_of, is_live, lag_of, own_time
from gateway.mapping.line import Step, Tick
from gateway.mapping.sessions import Moved
from gateway.mapping.streams import stream_of
from gateway.mapping.trail import Feed
from gateway.model import Contact, Moment, Recovered, Sample


def set_back_by(
    plan: LinePlan, line: Feed, event: Sample | Moment | Contact | Recovered | Tick
) -> Iterator[tuple[Sample, int]]:
    """What of `event` shows that the clock of its sender was set back, and after which entry of the line that was."""
    for sample in event.samples if isinstance(event, Moment) else (event,):
        known = clock_of(plan, line, sample) if isinstance(sample, Sample) else None
        if not isinstance(sample, Sample) or known is None or known.older is None or sample.retained:
            continue
        message = with_fold(plan, line, sample)
        said = own_time(plan, message)
        if said is None or plan.counts_each(message):
            continue
        live, lag = is_live(line, message), lag_of(plan, message, said)
        beyond = beyond_known(plan.fed_by(message), line.state.inputs, message)
        clock = with_message(known, said, lag, is_live=live, number=line.numbered, beyond=beyond)
        if clock.since is not None and clock.is_wrong and not known.is_wrong:
            yield message, clock.since


def taken_back(plan: LinePlan, line: Feed, message: Sample, since: int) -> Slices[tuple[Feed, Step]]:
    """The line with all messages where they came that are of the topic of `message`, and after the entry with the
    number `since`; and what is to be told because of that. None waits for its place."""
    stream, lag = stream_of(message), lag_of(plan, message, own_time(plan, message) or message.received)
    known = line.clocks[stream]
    older = replace(known.older, since=None) if known.older is not None else None
    line = replace(line, clocks={**line.clocks, stream: replace(known, older=older)})
    moved = [
        Moved(entry, min(entry.said + lag, message.received), problem(lag))
        for entry in line.trail()
        if entry.said is not None and entry.number > since and entry.is_of(message)
    ]
    if not moved:
        return line, Step(line.state)
    line, result = yield from corrected(plan, line, (), message.received, moved=moved, shown_by=message)
    return replace(line, corrected=line.corrected + 1), result
