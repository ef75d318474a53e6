"""What the memory of a line knew when another life began, and what Oden shows beyond that. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mapping.credit import Entry, KnownOutput
from gateway.mapping.told_back import Counts, Over
from gateway.mapping.values import number
from gateway.model import IntervalType, Output
from gateway.outbox.listing import Listed

AHEAD = 366 * 86_400
"""Seconds by which the clock of another life may have been ahead."""
MINUTE = 60
"""Seconds within which clocks of two lives, and their starts at Oden, can differ."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the memory of a line knew when another life began, `until` a time (epoch): its output, and what it had seen,
    `since` a time. What Oden shows of the time in between can be another life's."""

    known: tuple[KnownOutput, ...]
    since: int
    until: int
    looked: bool = False
    """All was looked at but the intervals from before those that the memory knew."""
    held: bool = False
    """What waited when the life began is held: what waits else was made in it."""
    number: int = 0
    """Which one of the line it is: that of a later stretch is higher."""
    counts: Counts = field(default_factory=dict)
    """What each counter had shown to the memory."""

    def begun_since(self, type_: IntervalType) -> int:
        """From when on an interval of the type can have begun that the memory does not know: what began before its
        latest time need not have been heard by then."""
        known = [output for output in self.known if output.type == type_]
        starts = [output.start for output in known if output.start]
        counted = [int(at) for output in known for at in output.counted.values()]
        return min(starts or counted, default=self.since)


@dataclass
class Shown:
    """What Oden shows that the memory does not know: entries by the number of their stretch and the type of their
    intervals, and the time stamps of
    those of intervals that it knows; which entries that wait here are there `within` others; and what is `unsure`: an
    entry that was sent from here, or what another life has told of an entry that waits or under the same second.
    `over` are intervals that were looked at only once what counters had moved by was told; `left`: there are such,
    which were not looked at."""

    entries: dict[int, dict[IntervalType, list[Entry]]] = field(default_factory=dict)
    stamps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    over: list[Over] = field(default_factory=list)
    within: list[Listed] = field(default_factory=list)
    unsure: list[Entry] = field(default_factory=list)
    left: bool = False

    @property
    def tells(self) -> bool:
        """Whether anything is shown."""
        return self.has_entries or bool(self.within or self.unsure)

    @property
    def has_entries(self) -> bool:
        """Whether anything is shown that can be another life's."""
        return bool(self.over) or any(entries for told in self.entries.values() for entries in told.values())


Place = tuple[int, int]
"""Which of an interval's entries one is: its time stamp, and its place among those that share it."""


def placed(shown: Sequence[Entry]) -> dict[Place, Entry]:
    """The entries by their places."""
    sharing, found = Counter[int](), dict[Place, Entry]()
    for one in shown:
        found[one[0], sharing[one[0]]] = one
        sharing[one[0]] += 1
    return found


def without(raw: Mapping[str, object], known: Sequence[Output]) -> dict[str, object]:
    """Raw data without the amounts of entries that are known."""
    told = dict(raw)
    for one in known:
        told |= {name: (number(told.get(name)) or 0) - (number(one.raw_data[name]) or 0) for name in one.amounts}
    return told
