"""What nobody can know after an older copy of the outbox was put back, and what must be so all the same: nothing is
there twice, and what the copy knew, or what came afterwards, is there whole.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway.model import StartInterval
from gateway.simulator.oden.model import OdenModel
from tests.campaign.plant import FACTORY, Story, total_of


@dataclass
class Lost:
    """Of one line: how far it has been told in any life, and which commits a copy has forgotten, by their numbers."""

    told: int = 0
    forgotten: set[int] = field(default_factory=set)

    def put_back(self, number: int) -> None:
        """The outbox is that of when so many commits had been told."""
        self.forgotten |= set(range(number, self.told))

    def intervals(self, story: Story) -> frozenset[str]:
        """The keys of the intervals of which something was forgotten."""
        return frozenset(record.interval for number in self.forgotten for record in story.records[number][1])

    def begun(self, story: Story) -> frozenset[str]:
        """The keys of those of which the start was: what is said of them later is of an interval that the copy does not
        know, as the mapping, which was put back with it, would not have said it."""
        records = (record for number in self.forgotten for record in story.records[number][1])
        return frozenset(record.key for record in records if isinstance(record, StartInterval))


def exact(story: Story, intervals: frozenset[str], step: int) -> Story:
    """The story without `intervals`, where Oden rounds starts to `step` seconds: and without what it shows in the same
    places."""
    left_out = places(story, intervals, step)
    shown = [one for one in story.shown if (one.type, one.start) not in left_out]
    totals = {key: total for key, total in story.totals.items() if key not in left_out}
    return replace(story, shown=shown, totals=totals)


def doubled(story: Story, intervals: frozenset[str], model: OdenModel, step: int) -> Iterator[str]:
    """Of `intervals`, as Oden keeps them: each that is there twice, or has more than was made in it."""
    true = Counter((one.type, one.start) for one in story.shown)
    for kind, start in sorted(places(story, intervals, step)):
        there = [one for one in model.intervals(kind, FACTORY, story.name) if one.start == start]
        if len(there) > true[kind, start]:
            yield f"{story.name}: {len(there)} times at Oden: {kind} {start}"
        total: Counter[str] = Counter()
        for one in there:
            for entry in model.output(one):
                total.update(total_of(entry.raw_data, entry.timestamp))
        if more := total - story.totals.get((kind, start), Counter()):
            yield f"{story.name}: output of {kind} {start}: at Oden {dict(more)} too much"


def places(story: Story, intervals: frozenset[str], step: int) -> set[tuple[str, int]]:
    """The types and starts of `intervals`, as an Oden has them that rounds these to `step` seconds."""
    records = (record for _, records in story.records for record in records)
    starts = (one for one in records if isinstance(one, StartInterval) and one.key in intervals)
    return {(one.type, one.start // step * step) for one in starts}
