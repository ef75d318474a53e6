"""Settles what is in doubt by searching at Oden: which of an attempt's records are there, and what a line's id is."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import structlog

from gateway.delivery.breaker import backoff
from gateway.delivery.bulk import Bulk
from gateway.delivery.outcome import outcome_of
from gateway.delivery.reconcile import EMPTY, look_up_result
from gateway.delivery.settlement import Settlement, unsaid
from gateway.model import Record, Setting, StartInterval
from gateway.oden import answers, requests
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.store import Outbox

log = structlog.get_logger()


GONE_FOR = 600.0
"""Seconds for which an interval that is not at Oden any more counts as gone without being looked for again."""
MOST_GONE = 256
"""Intervals of which it is remembered that they are not at Oden any more."""


class LookUps:
    """Searches, one at a time for each lane, and goes on from what Oden shows."""

    def __init__(self, settlement: Settlement, client: OdenClient, bulk: Bulk) -> None:
        self._settlement = settlement
        self._client = client
        self._bulk = bulk
        self._gone: dict[str, float] = {}
        """Intervals that are not at Oden any more, the oldest first, and until when that is not asked again."""

    async def look_up(self, work: Work, written: asyncio.Event) -> None:
        """Search for what the attempt of `work` may have brought to Oden. `written` is set once the request has
        left."""
        settlement, attempt = self._settlement, work.attempt
        if attempt is None:
            raise ValueError("only an attempt can be in doubt")
        chosen = settlement.clock.now()
        interval_id = work.interval.oden_id if work.interval else None
        try:
            request = requests.look_up(work.records, settlement.line_id(work.line), interval_id)
            body = request.text()
        except Exception as error:  # whatever a record is, it must not hold its line
            log.exception("look_up_not_built", record=work.records[0].key, line=work.line)
            await settlement.unsettle(work, unsaid(error))
            return
        answer = await self._client.post(request.endpoint, body, written)
        outcome = outcome_of(request.endpoint, answer, creates=False, none_is_success=True)
        await settlement.note_answer(request.endpoint, work, answer, outcome, chosen)
        result = look_up_result(work, attempt, answer, settlement.options.wording)
        if outcome.fate != "delivered" or result.unsettled:
            reason = outcome.reason or result.unsettled
            answered = outcome.fate in ("dead", "delivered") or outcome.foreign
            await settlement.look_up_later(work, attempt, reason, outcome.retry_after or 0.0, answered=answered)
            return
        log.info("doubt_settled", record=work.records[0].key, line=work.line, found=not result.missing)
        if isinstance(work.records[0], Setting):
            await self._go_on_with_setting(work, attempt, work.records[0], result.ids.get(attempt.number))
        elif not result.missing or len(work.records) > 1:
            settlement.trusts_empty = settlement.trusts_empty or attempt.reason == EMPTY
            self._bulk.left_out(work.lane, result.missing)
            await settlement.settle(work, result.ids)
        elif settlement.is_hopeless(attempt):
            await settlement.give_up(work, attempt)
        else:
            await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

    async def _go_on_with_setting(self, work: Work, attempt: Attempt, record: Setting, oden_id: str | None) -> None:
        """Go on with a thing of which it is known now whether Oden has it, and under which id."""
        settlement = self._settlement
        if oden_id is not None and attempt.tries > 0 and "id" not in json.loads(attempt.body):
            # What was sent was to create it, and did.
            settlement.trusts_empty = settlement.trusts_empty or attempt.reason == EMPTY
            await settlement.settle(work, dict.fromkeys(work.positions))
            return
        if settlement.is_hopeless_setting(attempt, attempt.begun):
            await settlement.give_up(work, attempt)
            return
        try:
            body = requests.setting_request(record, settlement.line_id(work.line), oden_id).text()
        except Exception as error:  # noqa: BLE001 - whatever a record is, it must not hold its line
            await settlement.refuse_unsent(work, error)
            return
        attempt = replace(attempt, body=body)
        await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

    def is_gone(self, record: Record) -> bool:
        """Whether the interval of a record was looked for lately, and is not at Oden any more."""
        return self._gone.get(record.interval, 0.0) > self._settlement.clock.monotonic()

    async def is_elsewhere(self, work: Work, attempt: Attempt, answer: Answer) -> bool:
        """Oden refused what `work` says of an interval by its id. Where it does not know that id (any more), the
        interval is looked for once by its start. Whether it is dealt with: sent again under another id, or once the
        search is answered.
        """
        settlement, record, interval = self._settlement, work.records[0], work.interval
        if interval is None or interval.oden_id is None or not _names_no_id(answer) or self.is_gone(record):
            return False
        start = StartInterval(record.interval, record.line, record.at, interval.type, interval.start)
        request = requests.look_up([start], settlement.line_id(work.line), None)
        chosen = settlement.clock.now()
        found = await self._client.post(request.endpoint, request.text(), asyncio.Event())
        outcome = outcome_of(request.endpoint, found, creates=False, none_is_success=True)
        await settlement.note_answer(request.endpoint, work, found, outcome, chosen)
        body = found.body if found.status != 404 else []
        row = requests.row_of(start)
        reference = settlement.options.wording.reference
        is_there = row.is_there(body, start, reference) if outcome.fate == "delivered" else None
        oden_id = row.found_id(body, start, reference) if is_there else None
        if is_there is None or (is_there and oden_id is None):
            later = settlement.clock.now() + max(settlement.options.settle, backoff(attempt.tries))
            await settlement.put_off(work, attempt, phase="retry", not_before=later, reason=answer.error)
            return True
        if oden_id is None:
            log.warning("interval_gone", interval=record.interval, line=work.line, oden_id=interval.oden_id)
            self._gone[record.interval] = settlement.clock.monotonic() + GONE_FOR
            if len(self._gone) > MOST_GONE:
                del self._gone[next(iter(self._gone))]
            return False
        if oden_id == interval.oden_id:
            return False
        log.warning("interval_replaced", interval=record.interval, line=work.line, was=interval.oden_id, now=oden_id)
        await settlement.persist(Outbox.adopt, record.interval, oden_id)
        await settlement.settle(work, {})
        return True

    async def find_line(self, work: Work, written: asyncio.Event) -> None:
        """Learn the id at Oden of the line of `work`."""
        settlement, line = self._settlement, work.line
        chosen = settlement.clock.now()
        # A record that outlived all memory of its line: the key says how the line is called.
        ref = settlement.lines.get(line) or LineRef(*line.partition("/")[::2])
        request = requests.find_line(ref.factory, ref.name)
        answer = await self._client.post(request.endpoint, request.text(), written)
        outcome = outcome_of(request.endpoint, answer, creates=False)
        await settlement.note_answer(request.endpoint, work, answer, outcome, chosen)
        oden_id = answers.line_id(answer.body) if outcome.fate == "delivered" else None
        if oden_id:
            settlement.lines[line] = replace(ref, oden_id=oden_id)
            await settlement.persist(Outbox.learn_lines, {line: settlement.lines[line]})
        elif outcome.hold == "none":
            reason = outcome.reason or "none found"
            why = f"Oden does not know line {ref.name!r} of factory {ref.factory!r}: {reason}"
            settlement.breaker.hold_line(line, why)


def _names_no_id(answer: Answer) -> bool:
    """Whether a refusal can mean that Oden does not know the id of the interval: a 404, or a 400 about an id."""
    name = answer.body.get("name") if isinstance(answer.body, Mapping) else None
    about_id = str(name).rpartition(".")[2] in ("id", "interval")
    return answer.own and (answer.status == 404 or (answer.status == 400 and about_id))
