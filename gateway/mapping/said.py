"""What messages with times of their own have said, to find those that come again. Pure.

Two messages of one topic that say the same have one time in them, by which they are found: so what that costs does not
grow with how many a line remembers.
"""

from collections.abc import Collection, Iterable, Iterator
from math import inf

from gateway.mapping.compile import LinePlan
from gateway.mapping.streams import Stream, stream_of
from gateway.mapping.trail import Entry, Waiting
from gateway.mapping.values import excerpt, find
from gateway.model import Notice, Sample


class Said:
    """What the messages of some streams have said that have times of their own, in the order of the line's trail. Of
    those that speak of a time before `since`, which no message that comes again can, only how new they are."""

    def __init__(
        self, plan: LinePlan, streams: Collection[Stream], entries: Iterable[Entry] = (), since: float = -inf
    ) -> None:
        self._plan = plan
        self._said: dict[tuple[Stream, object], list[tuple[Sample, float]]] = {}
        self._newest: dict[Stream, float] = {}
        for entry in entries:  # written out, because it is all that is remembered
            message, said = entry.sample, entry.said
            if said is None or not isinstance(message, Sample):
                continue
            stream = stream_of(message)
            if stream not in streams:
                continue
            if said >= since:
                self.add(message, said)
            elif stream not in self._newest or self._newest[stream] < said:
                self._newest[stream] = said

    def add(self, message: Sample, said: float) -> None:
        """One more message, of the time `said`."""
        stream = stream_of(message)
        self._said.setdefault((stream, self._time(message)), []).append((message, said))
        self._newest[stream] = max(said, self._newest.get(stream, said))

    def newest(self, message: Sample) -> float | None:
        """The latest time of the messages of its stream; None where there are none."""
        return self._newest.get(stream_of(message))

    def last_said(self, message: Sample) -> float | None:
        """The time of the last that said the same, the time too, which can have been taken for another where it was
        ahead when it came; None where none did. What counts each time it comes is never the same."""
        return None if self._plan.counts_each(message) else next(self._same(message), None)

    def first_of(self, messages: Iterable[Waiting]) -> Iterator[Waiting]:
        """Those of the messages, in the order in which they came, that nobody has said before: the others come again,
        whether or not each of them counts."""
        for message in messages:
            if next(self._same(message.sample), None) is None:
                self.add(message.sample, message.said)
                yield message

    def _same(self, message: Sample) -> Iterator[float]:
        """The times of those that said the same, the newest first."""
        same = self._said.get((stream_of(message), self._time(message)), ())
        return (said for other, said in reversed(same) if other.value == message.value)

    def _time(self, message: Sample) -> object:
        """What the message has as its time: a number or a text, by which it is taken for a time; and for which, where
        it can be two."""
        for plan in self._plan.fed_by(message):
            said = find(message.value, plan.time) if plan.time is not None else None
            if isinstance(said, int | float | str):
                return said, message.fold
        return None


def left_out_again(sample: Sample) -> Notice:
    """What is said of a message that is older than what was said since, and left out."""
    text = f"an older message came again, which is left out: {excerpt(sample.value)}"
    return Notice("reject", sample.received, sample.source, sample.address, text)
