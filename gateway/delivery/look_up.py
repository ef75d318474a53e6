"""Settles what is in doubt by searching at Oden: which of an attempt's records are there, and what a line's id is."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from gateway.delivery.bulk import Bulk
from gateway.delivery.changes import is_change
from gateway.delivery.changing import MOST_UNSEEN, Changing
from gateway.delivery.completeness import Completeness, known_beside
from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import EMPTY, LookUpResult, Outcome, look_up_result, outcome_of
from gateway.delivery.searches import searched, searched_for_one
from gateway.delivery.settlement import Settlement, unsaid
from gateway.model import Notice, Output, Record, Setting, StartInterval, UpdateInterval
from gateway.oden import answers, requests
from gateway.oden.answer_parts import entries_of
from gateway.oden.classification import Answer
from gateway.oden.exchange import iso
from gateway.oden.http_answer import Keeps
from gateway.oden.requests import Wording
from gateway.oden.shown_starts import MINUTE, may_be_rounded, rounds_starts, telling
from gateway.outbox import left_open
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.life import uncompared
from gateway.outbox.listing import Filter, Listed, page
from gateway.outbox.store import Outbox
from gateway.record_kinds import kind_of

log = structlog.get_logger()

MOST_STRANGERS = 256
"""Intervals of others of which it is remembered that they were told of."""
UNDECIDED = "Oden shows one like it that begins at the full minute, and nothing tells whether Oden rounds starts"


class LookUps:
    """Searches, one at a time for each lane, and goes on from what Oden shows."""

    def __init__(self, settlement: Settlement, client: LimitedClient, bulk: Bulk, changing: Changing) -> None:
        self._settlement = settlement
        self._changing = changing
        self._client = client
        self._bulk = bulk
        self._completeness = Completeness(settlement, client)
        self._strangers: set[str] = set()
        """Intervals of others that were told of."""

    async def look_up(self, work: Work, written: asyncio.Event) -> None:
        """Search for what the attempt of `work` may have brought to Oden. `written` is set once the request has
        left."""
        settlement, attempt = self._settlement, work.attempt
        if attempt is None:
            raise ValueError("only an attempt can be in doubt")
        if is_change(work.records[0]):
            await self._changing.look(work, attempt, written)
            return
        if kind_of(work.records[0]).needs_interval and work.interval is not None and work.interval.held:
            await settlement.settle(work, {})  # it was deleted with its interval, if it was there
            return
        interval_id = work.interval.oden_id if work.interval else None
        try:
            request = requests.look_up(work.records, settlement.line_id(work.line), interval_id, MINUTE)
            request.text()
        except Exception as error:  # whatever a record is, it must not hold its line
            log.exception("look_up_not_built", record=work.records[0].key, line=work.line)
            await settlement.unsettle(work, unsaid(error))
            return
        wording = settlement.options.wording
        listed = await self._waiting(work, attempt, wording)
        waiting = [one.record for one in listed if isinstance(one.record, Output) and one.is_from_before]
        is_start = isinstance(work.records[0], StartInterval)
        known = await settlement.known_starts(work) if is_start else {}
        if isinstance(work.records[0], Setting):
            answer, outcome, _ = await searched_for_one(settlement, self._client, work, request, written)
        else:
            keeps = _concerned(work.records, waiting, wording, known if is_start else known_beside(work))
            answer, outcome = await searched(settlement, self._client, work, request, written, keeps)
        undecided = ""
        if is_start and outcome.fate == "delivered":
            await self._notice_strangers(work, answer, known)
            starts = [one for one in work.records if isinstance(one, StartInterval)]
            if not settlement.learned.start_step:
                outcome, undecided = await self._learn_rounding(work, starts, answer, outcome, known, written)
        if await self._is_ended(work, attempt, answer, outcome):
            return
        step = settlement.learned.start_step
        result = look_up_result(work, attempt, answer, wording, step, known, waiting)
        if outcome.fate == "delivered" and attempt.body and result.missing and result.ids:
            result = await self._looked_closer(work, attempt, result, known, written)
        if outcome.fate == "delivered" and result.missing and not (result.unsettled or undecided):
            failed, undecided = await self._completeness.judge(work, attempt, answer, known, written)
            outcome = failed or outcome
        if outcome.fate != "delivered" or result.unsettled or undecided:
            reason = outcome.reason or result.unsettled or undecided
            if outcome.fate == "delivered":
                settlement.breaker.health.say(reason, settlement.clock.now())
            answered = outcome.fate in ("dead", "delivered") or outcome.foreign
            if answered and isinstance(work.records[0], UpdateInterval) and attempt.looks + 1 >= MOST_UNSEEN:
                await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=reason)
                return
            await settlement.look_up_later(work, attempt, reason, outcome.retry_after or 0.0, outcome=outcome)
            return
        if any(one.record.key in result.others and _is_unsure(one) for one in listed):
            # What these are here is needed to see that: once they are settled, the others would be sent.
            await settlement.look_up_later(work, attempt, "others that wait are within it, and are looked up first")
            return
        if await self._is_to_be_compared(work, attempt, answer):
            await settlement.look_up_later(work, attempt, "another life has added to it, which is compared first")
            return
        log.info("doubt_settled", record=work.records[0].key, line=work.line, found=not result.missing)
        if isinstance(work.records[0], Setting):
            await self._go_on_with_setting(work, attempt, work.records[0], result.ids.get(attempt.number), answer)
        elif not result.missing or (len(work.records) > 1 and (attempt.body or result.ids)):
            settlement.trusts_empty = settlement.trusts_empty or attempt.reason == EMPTY
            self._bulk.left_out(work.lane, result.missing)
            await settlement.settle(work, result.ids)
        elif settlement.is_hopeless(attempt):
            await settlement.give_up(work, attempt)
        else:
            await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

    async def _looked_closer(
        self, work: Work, attempt: Attempt, result: LookUpResult, known: Mapping[str, int], written: asyncio.Event
    ) -> LookUpResult:
        """Of several starts that were sent together some are at Oden, which may show a part of them only: look closer
        for the others, as long as that shows more of them. What is said then of all."""
        settlement = self._settlement
        step, wording = settlement.learned.start_step, settlement.options.wording
        while result.missing and not result.unsettled:
            pairs = zip(work.positions, work.records, strict=True)
            left = [(position, record) for position, record in pairs if position not in result.ids]
            rest = replace(work, positions=tuple(at for at, _ in left), records=tuple(record for _, record in left))
            request = requests.look_up(rest.records, settlement.line_id(work.line), None, max(1, step))
            keeps = _concerned(rest.records, (), wording)
            answer, outcome = await searched(settlement, self._client, work, request, written, keeps)
            if outcome.fate != "delivered":
                return replace(result, unsettled=outcome.reason)
            closer = look_up_result(rest, attempt, answer, wording, step, known)
            if not closer.ids:
                return replace(result, unsettled=closer.unsettled)
            result = replace(closer, ids={**result.ids, **closer.ids})
        return result

    async def _learn_rounding(
        self,
        work: Work,
        starts: Sequence[StartInterval],
        answer: Answer,
        outcome: Outcome,
        known: Mapping[str, int],
        written: asyncio.Event,
    ) -> tuple[Outcome, str]:
        """Learn from the `answer` to a search for `starts` whether Oden rounds them; where one of these is in it only
        if Oden does, by another that is ours. The `outcome` of the search, or that of asking for the other where that
        failed: as long as it is not known, nothing is missing for certain. And why that cannot be known at all yet,
        because there is no other; empty where it is."""
        settlement, left = self._settlement, dict(known)
        reference = settlement.options.wording.reference
        rounds = rounds_starts(answer.body, starts, known, reference)
        may_be = not rounds and may_be_rounded(answer.body, starts, known, reference)
        while may_be and (another := telling(left)) is not None:
            request = requests.find_interval(starts[0].type, settlement.line_id(work.line), id=another)
            shown, outcome = await searched(settlement, self._client, work, request, written)
            rounds = outcome.fate == "delivered" and rounds_starts(shown.body, (), known)
            del left[another]  # somebody may have deleted it: then the next one tells
            may_be = outcome.fate == "delivered" and not entries_of(shown.body)
        if rounds:
            await settlement.learn(replace(settlement.learned, start_step=MINUTE))
        return outcome, UNDECIDED if may_be and outcome.fate == "delivered" else ""

    async def _waiting(self, work: Work, attempt: Attempt, wording: Wording) -> list[Listed]:
        """Other output of the interval that is yet to be delivered: of a copy from before, which another life may have
        merged into what is looked up."""
        output = work.records[0]
        if attempt.body or not wording.reference or not isinstance(output, Output):
            return []
        wanted = Filter(interval=frozenset({output.interval}), lines=(output.line,))
        listed, cursor = await self._settlement.outbox(page, wanted)
        while cursor is not None:
            found, cursor = await self._settlement.outbox(page, wanted, cursor)
            listed += found
        return [one for one in listed if one.record.key != output.key]

    async def _is_to_be_compared(self, work: Work, attempt: Attempt, answer: Answer) -> bool:
        """Whether another life has added to what waits here, and that has yet to be taken off what is counted: what it
        is here says how much that was."""
        reference, records = self._settlement.options.wording.reference, work.records
        grown = any(isinstance(one, Output) and answers.has_grown(answer.body, one, reference) for one in records)
        if attempt.body or not grown:
            return False
        left = await self._settlement.outbox(uncompared)
        return left is not None and work.line in json.loads(left)

    async def _is_ended(self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome) -> bool:
        """Whether the end of an interval that was on in another life, and that has not been sent, is not sent at all:
        Oden has one already, which stays."""
        record, interval = work.records[0], work.interval
        if not isinstance(record, UpdateInterval) or attempt.body or outcome.fate != "delivered" or interval is None:
            return False
        shown = answers.shown_interval(answer.body, interval.oden_id or "")
        end = answers.shown_end(shown) if isinstance(shown, Mapping) else None
        if end is None:
            return False
        settlement, what = self._settlement, f"{work.line}: the {record.type.lower()} of {iso(interval.start)}"
        log.warning("ended_by_others", interval=record.interval, line=work.line, end=end)
        text = f"{what} has ended at Oden at {iso(end)}, which was not told from here, and stays"
        notice = Notice("oden", settlement.clock.now(), "", "", text)
        await settlement.persist(left_open.ended_there, work, end, notice)
        return True

    async def _notice_strangers(self, work: Work, answer: Answer, known: Collection[str]) -> None:
        """Somebody else may have made intervals on our line: they stay, and are told of once."""
        record = work.records[0]
        if not isinstance(record, StartInterval):
            return
        for oden_id in answers.strangers(answer.body, record.start, known):
            if oden_id not in self._strangers:
                self._strangers = (self._strangers | {oden_id}) if len(self._strangers) < MOST_STRANGERS else {oden_id}
                log.warning("interval_of_others", line=work.line, type=record.type, oden_id=oden_id)
                what = f"{work.line}: a {record.type.lower()} (id {oden_id}) that was not begun from here"
                await self._settlement.notice(f"{what} is on at {iso(record.start)}, and stays as it is")

    async def _go_on_with_setting(
        self, work: Work, attempt: Attempt, record: Setting, oden_id: str | None, answer: Answer
    ) -> None:
        """Go on with a thing of which it is known now whether Oden has it, and under which id. What the `answer` shows
        of a work order already was told: at some Odens one that is completed takes no word more."""
        settlement = self._settlement
        if answers.shows_as_told(answer.body, record):
            await settlement.settle(work, dict.fromkeys(work.positions))
            return
        if oden_id is not None and attempt.tries > 0 and "id" not in json.loads(attempt.body):
            # What was sent was to create it, and did.
            settlement.trusts_empty = settlement.trusts_empty or attempt.reason == EMPTY
            await settlement.settle(work, dict.fromkeys(work.positions))
            return
        if settlement.is_hopeless(attempt):
            await settlement.give_up(work, attempt)
            return
        try:
            body = requests.setting_request(record, settlement.line_id(work.line), oden_id).text()
        except Exception as error:  # noqa: BLE001 - whatever a record is, it must not hold its line
            await settlement.refuse_unsent(work, error)
            return
        attempt = replace(attempt, body=body)
        await settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=attempt.reason)

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


def _concerned(
    records: Sequence[Record], waiting: Sequence[Output], wording: Wording, beside: Collection[object] = ()
) -> Keeps | None:
    """Which entries of the answer to their look-up say something of `records`, or of what is `beside` them: output with
    such a time stamp, an interval with such an id. None: all."""
    if isinstance(records[0], Output):
        output = [*(one for one in records if isinstance(one, Output)), *waiting]
        return answers.concerns_output(output, wording.reference, beside, MINUTE)
    starts = [one for one in records if isinstance(one, StartInterval)]
    return answers.concerns_starts(starts, MINUTE, beside) if starts else None


def _is_unsure(listed: Listed) -> bool:
    """Whether another life may have sent it, and it is yet to be looked up."""
    return listed.unsure or (listed.where == "doubt" and not listed.tries)
