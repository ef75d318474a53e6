"""What nobody can know at an Oden that refuses `match: all`: whether it has what was sent and not answered. Told by
what was seen on the wire, and by what a process has left on disk that ended in between; and the person who looks, and
says what is there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from gateway.model import Output, Record, StartInterval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, Listed, page
from gateway.outbox.operator_actions import settle
from gateway.outbox.store import Outbox
from gateway.record_kinds import creates
from gateway.simulator.oden.faults import Reply
from gateway.simulator.oden.model import OdenModel
from tests.campaign.plant import FACTORY, REFERENCE, Story
from tests.campaign.storage import InLine, copied

MAKING = ("/v2/interval/set", "/v2/intervals/set", "/v2/scrap_yield/set", "/v2/quality_test/set")
MANY = 100_000
"""Rows that are looked through at once."""
NOT_TAKEN = (401, 425, 429)
"""With what whoever answers has passed nothing on."""


class Doubts:
    """The keys of the records of which it is not known whether Oden has them."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def note(self, path: str, body: bytes, reply: object) -> None:
        """A request was written, and its client sees `reply`; nothing whole where that is no Reply."""
        asked = json.loads(body)
        if path in MAKING and "id" not in asked and not (isinstance(reply, Reply) and _tells(path, reply)):
            self.keys.update(_keys(asked))

    def left_behind(self, rows: MemoryStore) -> None:
        """A process ended with these `rows`: what was under way then may be at Oden."""
        for work in Outbox(copied(rows)).work():
            if work.attempt is not None and work.attempt.phase == "sending":
                self.keys.update(record.key for record in work.records if creates(record) and _is_made(record))

    async def differences(self, outbox: InLine, excused: frozenset[str]) -> list[str]:
        """Where what is unsettled is other than what nobody can know; of the intervals that are `excused` nothing is
        said."""
        there = {one.record.key: one.record for one in await self.unsettled(outbox)}
        answered = [one for key, one in there.items() if key not in self.keys and one.interval not in excused]
        wrong = [f"{one.line}: unsettled, and was answered: {one}" for one in answered]
        return wrong + [f"in doubt, and not unsettled: {key}" for key in self.keys - there.keys() - excused]

    async def settled(self, outbox: InLine, oden: OdenModel, stories: Sequence[Story]) -> int:
        """A person looks at Oden for all that is unsettled, and says what is there; how many that were."""
        listed = await self.unsettled(outbox)
        for one in listed:
            self.keys.discard(one.record.key)
            await outbox(settle, one, _id_at(oden, one.record, stories))
        return len(listed)

    @staticmethod
    async def unsettled(outbox: InLine) -> list[Listed]:
        listed, _ = await outbox(page, Filter(where="unsettled"), None, MANY)
        return listed


def _id_at(oden: OdenModel, record: Record, stories: Sequence[Story]) -> str | None:
    """Under which id Oden has the record; None where it has not."""
    name = next(story.name for story in stories if story.key == record.line)
    intervals = oden.intervals(record.type, FACTORY, name)
    if isinstance(record, StartInterval):
        return next((one.id for one in intervals if one.metadata.get(REFERENCE) == record.key), None)
    entries = (entry for one in intervals for entry in oden.output(one))
    return next((entry.id for entry in entries if _said(entry.raw_data).get(REFERENCE) == record.key), None)


def _is_made(record: Record) -> bool:
    return isinstance(record, StartInterval | Output)


def _tells(path: str, reply: Reply) -> bool:
    """Whether the reply says what became of the request: it was taken, under this id where that matters, or not."""
    body = _json(reply)
    if reply.status in NOT_TAKEN or reply.status == 407:
        return True
    if 200 <= reply.status < 300:
        return body is not None and (path != "/v2/interval/set" or '"id"' in json.dumps(_own(body)))
    is_documented = isinstance(body, Mapping) and "error" in body and "retryable" in body
    return 400 <= reply.status < 500 and reply.status != 408 and is_documented


def _own(body: object) -> object:
    """An interval's answer without the things that it names, which have ids too."""
    if isinstance(body, list):
        return [_own(item) for item in body]
    if isinstance(body, Mapping):
        return {name: _own(item) for name, item in body.items() if name in ("id", "data")}
    return None


def _json(reply: Reply) -> object:
    if reply.missing or ("html" in reply.content_type and reply.status < 400):
        return None
    try:
        return json.loads(reply.body)
    except ValueError:
        return None


def _keys(asked: Mapping[str, object]) -> Iterator[str]:
    """The keys of the records that a request is to make."""
    several = asked.get("intervals", [asked])
    for one in several if isinstance(several, list) else ():
        data = one.get("data", one)
        for said in (one.get("metadata"), _said(data.get("raw_data"))):
            if isinstance(said, Mapping) and REFERENCE in said:
                yield str(said[REFERENCE])


def _said(raw_data: object) -> Mapping[str, object]:
    said = json.loads(raw_data) if isinstance(raw_data, str) else raw_data
    return said if isinstance(said, Mapping) else {}
