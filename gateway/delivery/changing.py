"""Carries out changes of intervals: looks at what Oden shows, says what nobody else has changed, and learns by that
whether this Oden merges metadata or replaces them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from pydantic import JsonValue

from gateway.delivery.changes import (
    PREFIX,
    Change,
    asks,
    change_of,
    dropped,
    effect_of,
    end_is_theirs,
    shown_metadata,
    still_to_write,
    told_beside,
    vanished,
    writes_whole,
)
from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome, outcome_of
from gateway.delivery.settlement import MOST_BLIND, MOST_SENDS, Settlement
from gateway.delivery.whereabouts import Whereabouts
from gateway.model import UpdateInterval
from gateway.oden import answers, requests
from gateway.oden.endpoints import INTERVAL_DELETE
from gateway.oden.exchange import iso
from gateway.outbox import gone, left_open, told
from gateway.outbox.entries import Attempt, Work
from gateway.outbox.merge import set_fields, without

log = structlog.get_logger()

MOST_UNSEEN = 3
"""Searches that settled nothing, after which a change is sent unseen."""


class Changing:
    """Takes the steps of a change, each with one request at the most: look, write, and where something is to be learned
    by it, look again."""

    def __init__(self, settlement: Settlement, client: LimitedClient, whereabouts: Whereabouts) -> None:
        self._settlement = settlement
        self._client = client
        self._whereabouts = whereabouts

    async def look(self, work: Work, attempt: Attempt, written: asyncio.Event) -> None:
        """Look at the interval of `work`, and store what is to be written."""
        settlement, record, interval = self._settlement, work.records[0], work.interval
        if not isinstance(record, UpdateInterval) or interval is None or interval.oden_id is None:
            await settlement.settle(work, {})
            return
        request = requests.find_interval(interval.type, settlement.line_id(work.line), id=interval.oden_id)
        chosen = settlement.clock.now()
        answer = await self._client.post(request.endpoint, request.text(), written)
        outcome = outcome_of(request.endpoint, answer, creates=False, none_is_success=True)
        await settlement.note_answer(request.endpoint, work, answer, outcome, chosen)
        shown, is_blind = None, settlement.looked(attempt, outcome).blind >= MOST_BLIND
        if outcome.fate == "delivered":
            shown = answers.shown_interval([] if answer.status == 404 else answer.body, interval.oden_id)
        if shown == "none":
            await self._seek(work, attempt)
        elif isinstance(shown, Mapping):
            await self._go_on(work, attempt, record, shown)
        elif (
            attempt.looks + 1 >= MOST_UNSEEN
            and answer.status is not None
            # What a change has dropped is nowhere else: only that Oden never shows it ends the looking.
            and (outcome.fate == "dead" or not attempt.confirmed or is_blind)
        ):
            await self._go_on_unseen(work, attempt, record, outcome.reason)
        else:
            reason = outcome.reason or "Oden's answer to the search was not understood"
            await settlement.look_up_later(work, attempt, reason, outcome.retry_after or 0.0, outcome=outcome)

    async def succeeded(self, work: Work, attempt: Attempt) -> None:
        """Oden has taken what was written."""
        settlement = self._settlement
        if attempt.endpoint == INTERVAL_DELETE.path:
            await settlement.persist(gone.forgotten, work)
            return
        if attempt.beside is None or attempt.beside.keys() <= shown_metadata(json.loads(attempt.body)).keys():
            await self._told(work, attempt)
            return
        attempt, later = replace(attempt, confirmed=True), settlement.clock.now() + settlement.options.settle
        await settlement.put_off(work, attempt, phase="in_doubt", not_before=later, reason="")

    async def refuse(self, work: Work, reason: str) -> None:
        """Oden refuses the change for good; an end in the same record is told by itself, and one that is not deleted
        ends."""
        record = work.records[0]
        if isinstance(record, UpdateInterval) and set_fields(record).keys() == {"end"}:
            log.warning("deletion_refused", interval=record.interval, line=work.line, reason=reason)
            await self._settlement.persist(told.told_in_part, work, frozenset(), {}, looked=True)
            return
        if isinstance(record, UpdateInterval) and record.end is not None:
            log.error("record_refused", record=record.key, line=work.line, kind=record.kind, reason=reason)
            await self._settlement.persist(told.refused_in_part, work, reason, self._settlement.clock.now())
        else:
            await self._settlement.refuse(work, reason)

    async def _seek(self, work: Work, attempt: Attempt) -> None:
        """Oden shows no interval with the id."""
        settlement = self._settlement
        match await self._whereabouts.find(work, work.records[0], says_none=False):
            case "gone":
                await settlement.refuse_gone(work)
            case "elsewhere":
                await settlement.settle(work, {})
            case _:
                reason = "Oden does not show the interval by its id"
                await settlement.look_up_later(work, attempt, reason, outcome=Outcome("delivered"))

    async def _go_on(self, work: Work, attempt: Attempt, record: UpdateInterval, shown: Mapping[str, Any]) -> None:
        settlement, chosen = self._settlement, self._settlement.options.updates
        learned = settlement.learned.metadata.get(record.type)
        sent = self._sent(attempt, record)
        await self._notice_end(work, shown)
        if attempt.beside is not None and vanished(attempt.beside, shown):
            await settlement.learn(settlement.learned.with_effect(record.type, "replaced"))
            # Kept until that is at Oden: it is nowhere else.
            await self._write(work, attempt, record, sent, {**attempt.beside, **shown_metadata(shown)})
            return
        if attempt.beside is not None and attempt.confirmed:
            if not still_to_write(record, shown, sent):
                await settlement.learn(settlement.learned.with_effect(record.type, effect_of(attempt.beside)))
            elif attempt.looks + 1 < MOST_UNSEEN:
                await settlement.look_up_later(work, attempt, "Oden has taken it, and a search does not show it yet")
                return
            await self._told(work, attempt)
            return
        change = change_of(record, shown, work.interval.told if work.interval else None)
        if change.theirs:
            log.info("changed_by_others", interval=record.interval, line=work.line, fields=sorted(change.theirs))
        lost = await self._dropped_by_another_life(work, record, shown)
        if not change.write and not lost:
            await self._nothing_to_write(work, attempt, record, change, shown)
            return
        if settlement.is_hopeless(attempt):
            await self.refuse(work, settlement.given_up(attempt))
            return
        if lost:
            learned = "replaced"
            await settlement.learn(settlement.learned.with_effect(record.type, learned))
        beside = {**lost, **change.beside} if lost or writes_whole(chosen, learned) else {}
        attempt = replace(attempt, beside=change.beside if asks(chosen, learned, change.beside) else None)
        await self._write(work, attempt, record, change.write, beside)

    async def _dropped_by_another_life(
        self, work: Work, record: UpdateInterval, shown: Mapping[str, Any]
    ) -> Mapping[str, JsonValue]:
        """What a change of another life has dropped of the interval, where it ended before it could put that back: the
        copy that goes on knows nothing of the change, but what was told before."""
        settlement, interval = self._settlement, work.interval
        before = interval.told if interval is not None else None
        lost = dropped(record, shown, before, settlement.options.wording.reference)
        return lost if lost and await settlement.outbox(left_open.left_open) is not None else {}

    async def _go_on_unseen(self, work: Work, attempt: Attempt, record: UpdateInterval, reason: str) -> None:
        """Oden does not show the interval, for whatever `reason`: what is new is said all the same. What that may drop
        there is what Oden was told before; it is kept until a later look shows that it is still there."""
        settlement, chosen = self._settlement, self._settlement.options.updates
        fields, learned = set_fields(record), settlement.learned.metadata.get(record.type)
        if attempt.confirmed:
            await self._told(work, attempt)
            return
        log.warning("change_sent_unseen", interval=record.interval, line=work.line, reason=reason)
        if fields.keys() == {"end"}:
            await settlement.persist(told.told_in_part, work, frozenset(), {}, looked=True)
            return
        before = work.interval.told if work.interval is not None else None
        beside = told_beside(record, before, settlement.options.wording.reference)
        attempt = replace(attempt, looks=0, beside=beside if asks(chosen, learned, beside) else None)
        await self._write(work, attempt, record, fields, beside if writes_whole(chosen, learned) else {})

    async def _notice_end(self, work: Work, shown: Mapping[str, Any]) -> None:
        """Somebody may have ended the interval at Oden while it is open here."""
        end, interval = answers.shown_end(shown), work.interval
        if end is None or interval is None or interval.ended:
            return
        if await self._settlement.persist(gone.keep_end, work.records[0].interval, end):
            log.warning("ended_by_others", interval=work.records[0].interval, line=work.line, end=end)
            what = f"{work.line}: the {interval.type.lower()} of {iso(interval.start)}"
            await self._settlement.notice(f"{what} was ended by somebody at {iso(end)}, which stays")

    async def _write(
        self,
        work: Work,
        attempt: Attempt,
        record: UpdateInterval,
        fields: Mapping[str, JsonValue],
        beside: Mapping[str, JsonValue],
    ) -> None:
        """Store the request that sets `fields` of `record`, with the metadata `beside` them; it goes next."""
        settlement = self._settlement
        oden_id = (work.interval.oden_id if work.interval else None) or ""
        wanted = without(record, set_fields(record).keys() - fields.keys() | {"end"})
        try:
            request = requests.change_request(
                wanted, settlement.line_id(work.line), oden_id, settlement.options.wording, beside
            )
            body = request.text()
        except Exception as error:  # noqa: BLE001 - whatever a record is, it must not hold its line
            await settlement.refuse_unsent(work, error)
            return
        attempt = replace(attempt, body=body, confirmed=False)
        await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

    async def _told(self, work: Work, attempt: Attempt) -> None:
        """What was written is at Oden."""
        record = work.records[0]
        if isinstance(record, UpdateInterval):
            done = frozenset(set_fields(record).keys() - {"end"})
            self._settlement.note_told(record.interval)
            await self._settlement.persist(told.told_in_part, work, done, self._sent(attempt, record))

    async def _nothing_to_write(
        self, work: Work, attempt: Attempt, record: UpdateInterval, change: Change, shown: Mapping[str, Any]
    ) -> None:
        """Oden has it already, or somebody has changed it there; the end is told by itself, unless they have changed
        that."""
        fields = set_fields(record)
        done = frozenset(fields.keys() - {"end"})
        ours = {name: fields[name] for name in done - change.theirs}
        before = work.interval.told if work.interval is not None else None
        if record.moves_end and end_is_theirs(record, shown, before, self._settlement.learned.start_step):
            log.info("changed_by_others", interval=record.interval, line=work.line, fields=["end"])
            done |= {"end"}
        elif record.deletes and attempt.failed < MOST_SENDS:
            await self._delete(work, attempt, record)
            return
        await self._settlement.persist(told.told_in_part, work, done, ours, looked=True)

    async def _delete(self, work: Work, attempt: Attempt, record: UpdateInterval) -> None:
        """Store the request that deletes what never was; it goes next."""
        oden_id = (work.interval.oden_id if work.interval else None) or ""
        request = requests.delete_interval(record, self._settlement.line_id(work.line), oden_id)
        attempt = replace(attempt, endpoint=request.endpoint.path, body=request.text(), confirmed=False)
        await self._settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

    def _sent(self, attempt: Attempt, record: UpdateInterval) -> Mapping[str, JsonValue]:
        """The fields of `record` that the attempt's request sets."""
        body = json.loads(attempt.body)
        metadata = shown_metadata(body)
        return {
            name: value
            for name, value in set_fields(record).items()
            if (name == "name" and "name" in body) or name.removeprefix(PREFIX) in metadata
            if name != "end"
        }
