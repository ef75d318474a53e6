"""What messages say of the tags: samples with value, quality and time, and what is wrong with a value."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from math import inf
from operator import attrgetter

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.errors import SourceError
from gateway.model import Notice, Recovered, Sample
from gateway.sources.base import SourceHealth, moments_of
from gateway.sources.opcua.audit import Auditor
from gateway.sources.opcua.decode import MEANING, Decoded, plain, says_null
from gateway.sources.opcua.history import History, ToldEvents
from gateway.sources.opcua.items import Subscription, WatchedItems
from gateway.sources.opcua.publishing import Published
from gateway.sources.opcua.server_clock import ServerClock
from gateway.sources.opcua.set_back import SetBack, Teller
from gateway.sources.opcua.wire import Message, Reading

PATIENCE = 3
"""Publishing intervals for which a value may be withheld before that is a problem."""

MUTE = "the server tells nothing of it, also after it was watched anew, although it lets it be read: it hangs, perhaps"
FIRST_ONLY = "told of only as it begins to be watched, which is done anew where the audit finds that it has changed"

SOON = 5.0
"""A server's clock that is ahead by more seconds is listed."""

_GONE = {code & MEANING for code in (StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid)}
"""What an item says whose node is deleted, and never again anything."""


class Reports:
    """Reads the messages of one session of the source `name`, for the tags that are watched in it.

    Why the values of a tag cannot be used is noticed once for each reason, and stands in `health.failed` meanwhile.
    """

    def __init__(
        self,
        name: str,
        items: WatchedItems,
        auditor: Auditor,
        health: SourceHealth,
        since: float,
        clock: ServerClock,
        set_back: SetBack,
    ) -> None:
        """`since` when they are watched, in seconds since 1970; `clock` is the server's, and `set_back` one that stamps
        values."""
        self._name = name
        self._clock = clock
        self._set_back = set_back
        set_back.begins_anew()
        self._items = items
        self._auditor = auditor
        self._health = health
        self._refused: dict[str, str] = {}
        self._recovered: dict[str, tuple[Decoded, float]] = {}
        """The newest value that was read from a tag's history, until one that is newer has been told; and the time of
        what was told last."""
        self.events = {node: ToldEvents(since) for node in items.nodes if items.is_events(node)}
        """Which events were told of the nodes that have such."""
        self._recovered_events = {node: ToldEvents(since) for node in self.events}
        """Which of them were read from the history: the server's queue can tell of those alone once more."""
        self._timestamps = {node: items.tag(node).timestamps for node in items.nodes}
        self._each = {node for node in items.nodes if items.tag(node).trigger == "timestamp"}
        """Of which each writing counts, also of the same value."""
        self.newest: float | None = None
        """The time of the newest change that the last response has told of, as it says."""
        self._withheld: dict[str, tuple[float, int]] = {}
        """Tags whose values are of uncertain quality, which is not used: since when, and the status."""
        self._anew: set[str] = set()
        """Tags that were deaf, of whose new items nothing has come yet but what each says first."""

    def note_mute(self, node: str) -> None:
        """Nothing comes of `node`: say so until something does."""
        self._refused[node] = self._health.failed[node] = MUTE

    def note_deaf(self, node: str) -> None:
        """`node` is about to be watched anew: where that was no help before, say so until it is."""
        if node in self._anew:
            self._items.first_only[node] = FIRST_ONLY
        self._anew.add(node)

    def of(self, published: Published, now: float) -> tuple[list[Sample], list[Notice]]:
        """What one response says. A status change ends the subscription: SourceError."""
        samples: list[Sample] = []
        self.newest = None
        notices = [*self._gaps(published, now), *self._learned(published, now)]
        for message in published.messages:
            if message.ended:
                raise SourceError(f"the server ended the subscription ({message.ended})")
            for handle, reading in message.items:
                node = self._items.node(handle)
                if node is not None and node not in self._items.readers:  # of these some servers tell a value, too
                    told = self._auditor.told(node)
                    again = node in self._each and _is_told(told, reading)
                    if node in self._set_back.stepping:
                        self._note_step(node, told, reading)
                    self._note_time(node, told, reading)
                    self._auditor.heard(node, reading)
                    news = self._beyond_history(node, reading) if self._recovered else reading
                    if news is not None:
                        sample = self._sample(node, news, now, notices)
                        samples.append(replace(sample, initial=True) if again else sample)
            samples += self._events(message, self._items.subscriptions[published.subscription], now, notices)
        return samples, notices

    def known(self, now: float) -> list[Sample]:
        """What was told last of each tag that is watched, where that is still so, and can be used."""
        samples = []
        for node in self._items.nodes:
            told = self._auditor.told(node)
            if node not in self._items.missing and isinstance(told, Decoded) and told.quality != "bad":
                with suppress(ValueError):
                    again = node in self._each  # it is no other writing
                    samples.append(self._made(node, told, now, self._value(node, told), initial=again))
        return samples

    def recovered(self, since: float, history: History, now: float) -> Recovered:
        """What of the time from `since` on the server had kept, as it would have come. The values of `history` are used
        up: there are many."""
        samples, events, ends = [], [], dict[str, float]()
        for node in [*history.values]:
            values = history.values.pop(node)
            last = since
            for value in values:
                with suppress(ValueError):
                    sample = self._made(node, value, now, self._value(node, value), initial=False)
                    at = value.server_time if sample.source_time is None else sample.source_time
                    last = min(at - sample.ahead if at else now, now)
                    samples.append(replace(sample, received=last))
            self._recovered[node] = values[-1], -inf
            if node in history.missing:
                until = history.until[node]
                ends[node] = min(max(until - self.ahead(until, now), last), now)
        for node, occurrences in history.events.items():
            if node in history.missing:
                until = history.until[node]
                ends[node] = min(until - self.ahead(until, now), now)
            for event in occurrences:
                self.events[node].add(event.key)
                self._recovered_events[node].add(event.key)
                time = self._time(node, event.time, event.server_time)
                at, ahead = (event.time, 0.0) if time is None else (time, self.ahead(time, now))
                came, fields = min(at - ahead if at else now, now), dict(event.fields)
                events.append(Sample(self._name, node, fields, came, source_time=time, ahead=ahead))
        unknown = [
            Sample(self._name, node, None, at, quality="bad") for node, at in ends.items() if node not in self.events
        ]
        moments = [*moments_of(samples, self.resolution(samples)), *moments_of(events), *moments_of(unknown)]
        moments.sort(key=attrgetter("received"))
        return Recovered(self._name, now, since, tuple(moments), frozenset(history.missing), ends)

    def _beyond_history(self, node: str, reading: Reading) -> Reading | None:
        """What a reading says, unless that was read from the history. The first of all says how it is now: history can
        know that better, because it was read after the tag had begun to be watched."""
        if node not in self._recovered or isinstance(reading, str) or reading.source_time is None:
            return reading
        newest, before = self._recovered[node]
        if reading.source_time > (newest.source_time or 0.0) or reading.source_time < before:  # or the clock went back
            del self._recovered[node]
            return reading
        self._recovered[node] = newest, reading.source_time
        return newest if node in self._items.unheard else None

    def _note_time(self, node: str, told: Reading | None, reading: Reading) -> None:
        """Note how new a change is; what a new item says first is none, nor what comes with the time of before."""
        if isinstance(reading, str) or node in self._items.unheard:
            return
        time = self._time(node, reading.source_time, reading.server_time)
        if time is None or (self.newest is not None and time <= self.newest):
            return
        before = self._time(node, told.source_time, told.server_time) if isinstance(told, Decoded) else None
        if before is None or before < time:
            self.newest = time

    def _note_step(self, node: str, told: Reading | None, reading: Reading) -> None:
        """Note where in a response the clock of `node` was set back."""
        if isinstance(told, Decoded) and isinstance(reading, Decoded):
            before = self._time(node, told.source_time, told.server_time)
            time = self._time(node, reading.source_time, reading.server_time)
            if before is not None and time is not None:
                self._set_back.passes(node, before, time)

    def beat(self, published: Published, now: float) -> float | None:
        """What the server's clock showed, as far as it is known to be right, in seconds since 1970; None where a
        response has no heartbeat."""
        items = (item for message in published.messages for item in message.items)
        beats = [
            reading.value
            for handle, reading in items
            if self._items.is_heartbeat(handle) and isinstance(reading, Decoded)
        ]
        shown = [time for each in beats if isinstance(each, str) and (time := _time_in(each)) is not None]
        if not shown:
            return None
        back = self._set_back.ahead(max(shown), now)
        return max(shown) - (self._clock.lead if back is None else back)

    def resolution(self, samples: Sequence[Sample]) -> float:
        """How far the times of values can differ although they are of one moment: the tags are looked at one after the
        other. Where some are looked at more often, these say how exact a time is."""
        sampling = self._items.sampling
        return min([sampling.get(sample.address, 0.0) for sample in samples], default=0.0) / 2

    def complain(self, now: float) -> None:
        """Note in `health.failed` which tags have been withheld for too long."""
        for node, (since, status) in self._withheld.items():
            if now - since > PATIENCE * max(self._items.publishing, self._items.sampling.get(node, 0.0)):
                name = ua.StatusCode(ua.UInt32(status)).name
                self._health.failed[node] = (
                    f"it is of uncertain quality, {name}, and ignored: `uncertain: use` takes it"
                )

    def _sample(self, node: str, reading: Reading, now: float, notices: list[Notice]) -> Sample:
        if isinstance(reading, str):
            return self._refuse(node, reading, now, notices)
        try:
            value = self._value(node, reading)
        except ValueError as error:
            return self._refuse(node, str(error), now, notices)
        if self._refused:
            self._complain_of(node, "", now, notices)
        if reading.overflowed:
            text = "more values came than the server keeps until they are taken: it dropped older ones"
            notices.append(Notice("gap", now, self._name, node, text))
        if reading.status in _GONE:
            self._items.lose(node, "the server has removed the node")
        if reading.quality == "uncertain" and self._items.tag(node).withheld:
            self._withheld.setdefault(node, (now, reading.status))
        elif self._withheld and self._withheld.pop(node, None) is not None:
            self._health.failed.pop(node, None)
        unheard = self._items.unheard
        initial = bool(unheard) and node in unheard
        if initial and reading.quality != "bad":
            unheard.discard(node)
        if self._anew and not initial:
            self._anew.discard(node)
            self._items.first_only.pop(node, None)
        return self._made(node, reading, now, value, initial=initial)

    def _events(self, message: Message, subscription: Subscription, now: float, notices: list[Notice]) -> list[Sample]:
        """The events of a message; conditions that are told of once more are in no order, so they get theirs."""
        told: list[Sample] = []
        for handle, values in message.events:
            node = self._items.node(handle)
            if node is not None and node in self._items.readers:
                told += self._event(node, values, subscription, now, notices)
        again = sorted((sample for sample in told if sample.initial), key=lambda sample: sample.source_time or 0.0)
        return [*again, *(sample for sample in told if not sample.initial)]

    def _event(
        self, node: str, values: Sequence[ua.Variant], subscription: Subscription, now: float, notices: list[Notice]
    ) -> Iterator[Sample]:
        """An event of `node`; nothing where it is about the telling of events alone."""
        reader = self._items.readers[node]
        try:
            event = reader.read(values)
        except ValueError as error:
            self._complain_of(node, str(error), now, notices)
            return
        if event.control == "lost":
            text = "more events came than the server keeps until they are taken: it dropped some"
            notices.append(Notice("gap", now, self._name, node, text))
        if event.control is not None:
            subscription.unsure |= reader.conditions and event.control != "nothing"
            return
        told_before = event.condition and event.time is not None and event.time < subscription.refreshed
        if not told_before and event.key in self._recovered_events[node].keys:
            return
        self.events[node].add(event.key)
        self._complain_of(node, "; ".join(event.problems), now, notices)
        time = self._time(node, event.time, event.server_time)
        ahead = self.ahead(time, now) if time is not None else 0.0
        fields = dict(event.fields)
        yield Sample(self._name, node, fields, now, source_time=time, initial=told_before, ahead=ahead)

    def _complain_of(self, node: str, problem: str, now: float, notices: list[Notice]) -> None:
        """Say what is wrong with what came of `node`, once for each reason; empty where nothing is any more."""
        if not problem:
            if self._refused.pop(node, None) is not None:
                self._health.failed.pop(node, None)
        elif self._refused.get(node) != problem:
            self._refused[node] = self._health.failed[node] = problem
            notices.append(Notice("reject", now, self._name, node, problem))

    def _refuse(self, node: str, reason: str, now: float, notices: list[Notice]) -> Sample:
        self._complain_of(node, reason, now, notices)
        return Sample(self._name, node, None, now, quality="bad")

    def _value(self, node: str, reading: Decoded) -> object:
        """What is wanted of a value. Raises ValueError, with the reason, where nothing can be made of it."""
        value = reading.value
        if value is None:
            return "" if says_null(reading) and self._items.texts.get(node) else None
        meaning = self._items.meanings.get(node)
        return plain(value) if meaning is None else meaning.of(value)

    def _made(self, node: str, reading: Decoded, now: float, value: object, *, initial: bool) -> Sample:
        time = self._time(node, reading.source_time, reading.server_time)
        ahead = self.ahead(time, now, node) if time is not None else 0.0
        return Sample(self._name, node, value, now, reading.quality, time, initial=initial, ahead=ahead)

    def ahead(self, time: float, now: float, node: str = "") -> float:
        """By how much the clock is ahead that says `time`, as far as known; less than nothing where it is behind."""
        back = self._set_back.ahead(time, now, node)
        return self._clock.ahead if back is None else back

    def _time(self, node: str, source: float | None, server: float | None) -> float | None:
        """The time that counts, of those of the device and of the server."""
        counts = self._timestamps[node]
        if counts == "source":
            return source
        return server if counts == "server" else None

    def _learned(self, published: Published, now: float) -> Iterator[Notice]:
        """What a response shows of the clocks by which it says its times, and what is to be listed of that."""
        clock, back = self._clock, self._set_back
        before, behind = clock.ahead, back.behind
        for message in published.messages:
            if message.published is not None:
                clock.published(message.published, now)
            if not clock.stamps:
                readings = [reading for _, reading in message.items if isinstance(reading, Decoded)]
                clock.stamped([reading.source_time for reading in readings if reading.source_time is not None], now)
        back.said(self._said(published), now)
        if clock.ahead > SOON >= before:
            text = f"the clock of the server is {clock.ahead:.0f} s ahead, which is taken off the times that it says"
            yield Notice("time", now, self._name, "", text)
        if back.behind > SOON >= behind:
            text = (
                f"the clock by which values are stamped was set back: it is {back.behind:.0f} s behind, which is added "
                "to the times that it says"
            )
            yield Notice("time", now, self._name, "", text)

    def _said(self, published: Published) -> Iterator[tuple[Teller, float]]:
        """The times that a response says, of its messages and of the tags, in its order."""
        for message in published.messages:
            if message.published is not None:
                yield published.subscription, message.published
            for handle, reading in message.items:
                node = self._items.node(handle)
                if node is not None and isinstance(reading, Decoded) and reading.quality == "good":
                    time = self._time(node, reading.source_time, reading.server_time)
                    if time is not None:
                        yield node, time

    def _gaps(self, published: Published, now: float) -> list[Notice]:
        texts = []
        if published.lost:
            many = "a message" if published.lost == 1 else f"{published.lost} messages"
            texts.append(f"{many} of the server never arrived, and the server has kept none of it")
        spoilt = sum(bool(message.spoilt) for message in published.messages)
        if spoilt:
            texts.append("a message of the server could not be read to its end; what it said of other tags is lost")
        if texts:
            self._items.subscriptions[published.subscription].unsure |= self._items.has_conditions
        return [Notice("gap", now, self._name, "", text) for text in texts]


def _time_in(text: str) -> float | None:
    """The time that a heartbeat says, in seconds since 1970; None where that is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _is_told(told: Reading | None, reading: Reading) -> bool:
    """Whether a writing is the one that was told last: some servers tell of all tags once more when a session is taken
    up again."""
    if not isinstance(told, Decoded) or not isinstance(reading, Decoded) or reading.source_time is None:
        return False
    return (reading.source_time, reading.value, reading.status) == (told.source_time, told.value, told.status)
