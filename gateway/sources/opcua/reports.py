"""What messages say of the tags: samples with value, quality and time, and what is wrong with a value."""

from contextlib import suppress

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.errors import SourceError
from gateway.model import Notice, Sample
from gateway.sources.base import SourceHealth
from gateway.sources.opcua.audit import Auditor
from gateway.sources.opcua.decode import MEANING, Decoded, plain
from gateway.sources.opcua.items import WatchedItems
from gateway.sources.opcua.publishing import Published
from gateway.sources.opcua.wire import Reading

PATIENCE = 3
"""Publishing intervals for which a value may be withheld before that is a problem."""

_GONE = StatusCodes.BadNodeIdUnknown & MEANING


class Reports:
    """Reads the messages of one session of the source `name`, for the tags that are watched in it.

    Why the values of a tag cannot be used is noticed once for each reason, and stands in `health.failed` meanwhile.
    """

    def __init__(self, name: str, items: WatchedItems, auditor: Auditor, health: SourceHealth) -> None:
        self._name = name
        self._items = items
        self._auditor = auditor
        self._health = health
        self._refused: dict[str, str] = {}
        self._withheld: dict[str, tuple[float, int]] = {}
        """Tags whose values are of uncertain quality, which is not used: since when, and the status."""

    def of(self, published: Published, now: float) -> tuple[list[Sample], list[Notice]]:
        """What one response says. A status change ends the subscription: SourceError."""
        samples: list[Sample] = []
        notices = self._gaps(published, now)
        for message in published.messages:
            if message.ended:
                raise SourceError(f"the server ended the subscription ({message.ended})")
            for handle, reading in message.items:
                node = self._items.node(handle)
                if node is not None:
                    self._auditor.heard(node, reading)
                    samples.append(self._sample(node, reading, now, notices))
        return samples, notices

    def known(self, now: float) -> list[Sample]:
        """What was told last of each tag that is watched, where that is still so, and can be used."""
        samples = []
        for node in self._items.nodes:
            told = self._auditor.told(node)
            if node not in self._items.missing and isinstance(told, Decoded) and told.quality != "bad":
                with suppress(ValueError):
                    samples.append(self._made(node, told, now, self._value(node, told), initial=False))
        return samples

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
        if self._refused.pop(node, None) is not None:
            self._health.failed.pop(node, None)
        if reading.overflowed:
            text = "more values came than the server keeps until they are taken: it dropped older ones"
            notices.append(Notice("gap", now, self._name, node, text))
        if reading.status == _GONE:
            self._items.lose(node, "the server has removed the node")
        if reading.quality == "uncertain" and self._items.tag(node).withheld:
            self._withheld.setdefault(node, (now, reading.status))
        elif self._withheld.pop(node, None) is not None:
            self._health.failed.pop(node, None)
        initial = node in self._items.unheard
        if reading.quality != "bad":
            self._items.unheard.discard(node)
        return self._made(node, reading, now, value, initial=initial)

    def _refuse(self, node: str, reason: str, now: float, notices: list[Notice]) -> Sample:
        if self._refused.get(node) != reason:
            self._refused[node] = self._health.failed[node] = reason
            notices.append(Notice("reject", now, self._name, node, reason))
        return Sample(self._name, node, None, now, quality="bad")

    def _value(self, node: str, reading: Decoded) -> object:
        """What is wanted of a value. Raises ValueError, with the reason, where nothing can be made of it."""
        meaning = self._items.meanings.get(node)
        if meaning is not None and reading.value is not None:
            return meaning.of(reading.value)
        return plain(reading.value)

    def _made(self, node: str, reading: Decoded, now: float, value: object, *, initial: bool) -> Sample:
        match self._items.tag(node).timestamps:
            case "source":
                time = reading.source_time
            case "server":
                time = reading.server_time
            case "arrival":
                time = None
        return Sample(self._name, node, value, now, reading.quality, time, initial=initial)

    def _gaps(self, published: Published, now: float) -> list[Notice]:
        texts = []
        if published.lost:
            many = "a message" if published.lost == 1 else f"{published.lost} messages"
            texts.append(f"{many} of the server never arrived, and the server has kept none of it")
        spoilt = sum(bool(message.spoilt) for message in published.messages)
        if spoilt:
            texts.append("a message of the server could not be read to its end; what it said of other tags is lost")
        return [Notice("gap", now, self._name, "", text) for text in texts]
