"""Is an interval still at Oden? Somebody may have deleted it there, or made it anew: it is looked for once, where Oden
refuses what is said of it by its id."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import structlog

from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome, outcome_of
from gateway.delivery.settlement import Settlement
from gateway.model import Record, StartInterval
from gateway.oden import answers, requests
from gateway.oden.classification import Answer
from gateway.oden.requests import Request
from gateway.oden.shown_starts import with_own_starts
from gateway.outbox import gone
from gateway.outbox.entries import Interval, Work
from gateway.outbox.store import Outbox

log = structlog.get_logger()

Place = Literal["there", "elsewhere", "gone", "unseen", "unknown"]
"""elsewhere: under another id, which is known now. unseen: a search does not show it, and need not do so yet. unknown:
the search settled nothing."""

SEEN_FOR = 600.0
"""Seconds for which an interval that was looked for counts as there."""
MOST_SEEN = 256
"""Intervals of which that is remembered."""
NOT_THERE = (404, 410)


class Whereabouts:
    """Looks for intervals, and puts on disk what became of them."""

    def __init__(self, settlement: Settlement, client: LimitedClient) -> None:
        self._settlement = settlement
        self._client = client
        self._seen: dict[str, float] = {}
        """Intervals that were found, the oldest first, and until when they are not looked for again."""

    async def find(self, work: Work, record: Record, *, says_none: bool) -> Place:
        """Look for the interval of `record`, which is one of `work`. `says_none`: Oden has answered as if it did not
        know the id; else that is asked, too, and a search that may lag behind does not count, before an interval counts
        as gone."""
        interval = await self._settlement.outbox(Outbox.interval, record.interval)
        if interval is None or interval.oden_id is None:
            return "gone" if interval is not None and interval.gone else "unknown"
        if interval.gone:
            return "gone"
        if self._seen.get(record.interval, 0.0) > self._settlement.clock.monotonic():
            return "there"
        start, step = _as_told(record, interval), self._settlement.learned.start_step
        around = requests.look_up([start], self._settlement.line_id(work.line), None, step)
        found, outcome = await self._search(work, around)
        # What Oden refuses to look for by its place is shown by its id alone.
        found = [] if outcome.fate == "dead" else found
        row, reference = requests.row_of(start), self._settlement.options.wording.reference
        if step > 1 and found is not None and not _shows(found, interval.oden_id):
            known = await self._settlement.known_starts(work)
            found = with_own_starts(found, [start], step, known, reference)
        is_there = None if found is None else row.is_there(found, start, reference)
        if is_there is None:
            return "unknown"
        oden_id = row.found_id(found, start, reference) if is_there else None
        if is_there and oden_id is None:
            return "unknown"
        if oden_id is not None and oden_id != interval.oden_id and not _shows(found, interval.oden_id):
            log.warning("interval_replaced", interval=record.interval, line=work.line, now=oden_id)
            await self._settlement.persist(gone.adopt, record.interval, oden_id)
            return "elsewhere"
        is_shown = oden_id is not None or _shows(found, interval.oden_id)  # its start may be rounded there
        if not is_shown and not says_none and self._settlement.shown_after(record) > 0:
            return "unseen"
        if not is_shown and (says_none or not await self._has_id(work, record, interval)):
            held = await self._settlement.persist(gone.note_gone, record.interval)
            log.warning(
                "interval_gone",
                interval=record.interval,
                line=work.line,
                oden_id=interval.oden_id,
                held=held is not None and held.held,
            )
            return "gone"
        self._seen[record.interval] = self._settlement.clock.monotonic() + SEEN_FOR
        if len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        return "there"

    async def _has_id(self, work: Work, record: Record, interval: Interval) -> bool:
        """Whether a search by the id shows the interval, or settles nothing: somebody may have moved its start."""
        by_id = requests.find_interval(interval.type, self._settlement.line_id(work.line), id=interval.oden_id or "")
        found, _ = await self._search(work, by_id)
        return found is None or not isinstance(found, list) or bool(found)

    async def _search(self, work: Work, request: Request) -> tuple[object, Outcome]:
        """What a search answers; an empty list for "none", and None where that settles nothing. And what the answer
        means."""
        chosen = self._settlement.clock.now()
        found = await self._client.post(request.endpoint, request.text(), asyncio.Event())
        outcome = outcome_of(request.endpoint, found, creates=False, none_is_success=True)
        await self._settlement.note_answer(request.endpoint, work, found, outcome, chosen)
        if outcome.fate != "delivered":
            return None, outcome
        return [] if found.status == 404 else found.body, outcome


def _as_told(record: Record, interval: Interval) -> StartInterval:
    """The start of the interval, with what Oden was told of it."""
    told = interval.told or {}
    name, details = told.get("name"), {key: value for key, value in told.items() if key.startswith("details ")}
    metadata = {key.removeprefix("details "): value for key, value in details.items()}
    named = name if isinstance(name, str) else None
    return StartInterval(record.interval, record.line, record.at, interval.type, interval.start, named, metadata)


def says_none(answer: Answer) -> bool | None:
    """Whether a refusal says that Oden does not know the id of the interval: a 404, or a 400 about an id. None: it can
    mean that, too; not, where it names another parameter."""
    name = answer.body.get("name") if isinstance(answer.body, Mapping) else None
    about_id = isinstance(name, str) and (name.rpartition(".")[2] == "id" or "interval" in name.lower())
    return answer.status in NOT_THERE or about_id or (False if isinstance(name, str) and answer.own else None)


def _shows(answer: object, oden_id: str) -> bool:
    shown = answers.shown_interval(answer, oden_id)
    return shown not in (None, "none")
