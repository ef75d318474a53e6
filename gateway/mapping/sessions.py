"""The places of messages without a time of their own, which one session of a broker hands over among others. Pure.

A broker keeps the order of a session. So a message without a time that was heard before one with a time was so before
it, however long both had to wait: where the timed one goes to an earlier place, it goes there too, right before it.
That holds while a source is heard out, and of messages that come at once. Another timed message that comes late has
waited at its sender, which says nothing of those that had not; so has one of a backlog that is older than others before
it, and one that its sender says again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, nextafter
from typing import NamedTuple

from gateway.mapping.compile import LinePlan
from gateway.mapping.trail import Entry, Feed, Waiting
from gateway.model import Contact, Moment, Sample

BEHIND = 5.0
"""A message that comes in order, but later than that in seconds, is of a backlog."""


class Moved(NamedTuple):
    """An entry that goes to another place, at `said`: where it came, if its time is not one to go by (`distrust`)."""

    entry: Entry
    said: float
    distrust: str = ""

    @property
    def moment(self) -> Moment | Contact:
        """What it says, of that time."""
        if isinstance(self.entry.sample, Contact):
            return replace(self.entry.sample, since=self.said)
        if self.distrust:
            return Moment(tuple(replace(one, distrust=self.distrust) for one in _samples(self.entry)))
        return Moment(tuple(replace(sample, source_time=self.said) for sample in _samples(self.entry)))


def moved(plan: LinePlan, line: Feed, late: Sequence[Waiting]) -> list[Moved]:
    """The entries of the line that go with the messages `late`, none of which comes again, in the order in which they
    came."""
    found: list[Moved] = []
    for source in sorted({waiting.sample.source for waiting in late}):
        timed = [one for one in late if one.sample.source == source and not one.sample.retained]
        calm_from = inf if source in line.state.lost else line.calm_from.get(source, 0.0)
        if any(waiting.sample.received < calm_from for waiting in timed):
            entries = [*line.trail()]
        else:
            timed = [waiting for waiting in timed if waiting.sample.received - waiting.said <= BEHIND]
            entries = line.since(min((waiting.said for waiting in timed), default=inf))
        untimed = [entry for entry in entries if _is_untimed(plan, entry, source)]
        if untimed:
            found += _of_source(_Session(entries, source, timed), untimed, timed)
    return sorted(found, key=lambda one: one.said)


def _of_source(session: "_Session", untimed: Sequence[Entry], timed: Sequence[Waiting]) -> Iterator[Moved]:
    before = inf
    for entry in sorted(untimed, key=lambda entry: entry.number, reverse=True):
        said = next((one.said for one in timed if one.after >= entry.number and session.has(entry, one)), inf)
        if said < entry.at:
            before = nextafter(min(said, before), -inf)
            yield Moved(entry, before)


class _Session:
    """What is known of the session of a source: when it was heard out, and the times that were said in it."""

    def __init__(self, entries: Sequence[Entry], source: str, timed: Sequence[Waiting]) -> None:
        self._begun, self._heard = inf, inf
        self._said = [(waiting.after, waiting.said) for waiting in timed]
        for entry in entries:
            if isinstance(entry.sample, Contact):
                if entry.sample.source == source and entry.sample.state == "back":
                    self._begun, self._heard = entry.number, inf
                elif entry.sample.source == source and entry.sample.state == "heard":
                    self._heard = entry.number
            elif entry.said is not None and any(one.source == source and not one.retained for one in _samples(entry)):
                self._said.append((entry.number, entry.said))

    def has(self, entry: Entry, timed: Waiting) -> bool:
        """Whether the order in which the entry and the later message came says which was first."""
        if timed.sample.received - timed.said <= BEHIND:
            return True
        if not self._begun < entry.number <= timed.after < self._heard:
            return False
        return all(said <= timed.said for number, said in self._said if self._begun <= number < entry.number)


def _is_untimed(plan: LinePlan, entry: Entry, source: str) -> bool:
    """Whether it is of messages of the source, as they came, that have no time that can be used."""
    samples = _samples(entry) if entry.said is None else ()
    return bool(samples) and all(
        sample.source == source
        and not (sample.retained or sample.initial or sample.quality == "bad" or sample.source_time is not None)
        and not sample.distrust
        and all(fed.message for fed in plan.subscriptions.get((source, sample.address), ()))
        for sample in samples
    )


def _samples(entry: Entry) -> Sequence[Sample]:
    if isinstance(entry.sample, Moment):
        return entry.sample.samples
    return (entry.sample,) if isinstance(entry.sample, Sample) else ()
