"""Sends requests: stores the attempt, sends it for the first time or again, and has settled what the answer means."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from gateway.clock import Clock
from gateway.delivery.breaker import CircuitBreaker, backoff
from gateway.delivery.bulk import Bulk
from gateway.delivery.changes import is_change
from gateway.delivery.changing import Changing
from gateway.delivery.left_open import LeftOpenAtOden
from gateway.delivery.limited import LimitedClient
from gateway.delivery.look_up import LookUps
from gateway.delivery.outcome import BULK, EMPTY, NOT_IMPLEMENTED, Outcome, confirmation_of, outcome_of
from gateway.delivery.refusals import Refusals
from gateway.delivery.schedule import Choice
from gateway.delivery.settlement import DeliveryOptions, Settlement
from gateway.delivery.whereabouts import NOT_THERE, Whereabouts, says_none
from gateway.model import Setting, StartInterval, UpdateInterval
from gateway.oden.answers import Confirmation, shown_start
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import ENDPOINTS, INTERVALS_UPDATE, Endpoint
from gateway.oden.limits import MOST_INTERVALS
from gateway.oden.requests import can_share, request_for, row_of
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.record_kinds import creates, kind_of

log = structlog.get_logger()

_SILENT = {True: EMPTY, False: "the answer could not be read"}
OVERLAPS = (400, 409, 422)
"""With what Oden may refuse a start because the interval before it is open there."""
MAY_BE_GONE = (200, 400, *NOT_THERE)
"""With what it may be said, in whatever words, that an interval is not there: with 200, too."""
MOST_UNDER_WAY = 8
"""Requests at once."""
MOST_BULK = 3
"""Tries of a bulk update, which may fail for one record of many."""
MOST_NAMED = 20
"""Records that are named in what is logged while a request is under way."""


class RequestExecutor:
    """Carries out choices of `schedule`, several under way together. `configured` are the lines of the
    configuration."""

    def __init__(
        self,
        outbox: OutboxThread,
        client: OdenClient,
        clock: Clock,
        options: DeliveryOptions,
        configured: Mapping[str, LineRef],
    ) -> None:
        self._outbox = outbox
        self._client = LimitedClient(client, options.timeout, MOST_UNDER_WAY)
        self._clock = clock
        self._options = options
        self._configured = configured
        self.breaker = CircuitBreaker(clock, len(configured))
        self.settlement = Settlement(outbox, clock, options, self.breaker)
        self._bulk = Bulk(clock)
        self._whereabouts = Whereabouts(self.settlement, self._client)
        self._refusals = Refusals(self.settlement, self._client)
        self._changing = Changing(self.settlement, self._client, self._whereabouts)
        self._look_ups = LookUps(self.settlement, self._client, self._bulk, self._changing)
        self.left_open = LeftOpenAtOden(self.settlement, self._client)
        self._settled_at: dict[tuple[str, int], float] = {}

    async def learn_lines(self) -> None:
        """Take up what the outbox knows of Oden and of lines, also of those that the configuration no longer names."""
        await self.settlement.recall()
        await self.left_open.recall()
        known = await self._outbox(Outbox.line_refs)
        configured = {
            key: replace(ref, oden_id=ref.oden_id or (known[key].oden_id if _is_same(known.get(key), ref) else None))
            for key, ref in self._configured.items()
        }
        await self._outbox(Outbox.learn_lines, configured)
        self.settlement.lines = {**known, **configured}

    async def carry_out(self, choice: Choice, written: asyncio.Event) -> None:
        """Do one step. `written` is set once its request has left."""
        work = choice.work
        match choice.step:
            case "park":
                log.warning("record_parked", record=work.records[0].key, line=work.line)
                await self._outbox(Outbox.park, work)
            case "bury":
                await self.settlement.refuse(work, "its interval is not known any more")
            case "find_line":
                await self._look_ups.find_line(work, written)
            case _ if (early := self._early(work)) > 0.0:
                # The clock was set forward meanwhile; what may still take effect has not had its time.
                await self._put_off(work, early)
            case "see_to":
                await self.left_open.see_to(work, written)
            case "look_up":
                await self._look_ups.look_up(work, written)
            case "send":
                await self._send(work, written)
            case "resend" if work.attempt is not None:
                await self._resend(work, work.attempt, written)

    def _early(self, work: Work) -> float:
        """Seconds of `settle` that an attempt still has before it, by the clock that nobody sets."""
        if work.attempt is None:
            return 0.0
        key = work.lane, work.attempt.number
        left = self._settled_at.get(key, 0.0) - self._clock.monotonic()
        if left <= 0.0:
            self._settled_at.pop(key, None)
        return left

    async def _put_off(self, work: Work, seconds: float) -> None:
        """The attempt's next step is in `seconds`."""
        if work.attempt is not None:
            now = self._clock.now()
            attempt = replace(work.attempt, not_before=now + seconds, rests_since=now)
            await self._outbox(Outbox.begin, work, attempt)

    async def _send(self, work: Work, written: asyncio.Event) -> None:
        """Send the records of `work`, with others that can share the request. What belongs to an interval that is gone
        costs no request."""
        if kind_of(work.records[0]).needs_interval and work.interval is not None and work.interval.gone:
            await self.settlement.refuse_gone(work)
            return
        if self._bulk.may_share(work.lane, work.records[0]):
            work = await self._outbox(Outbox.gather, work, can_share, MOST_INTERVALS)
        chosen = self._clock.now()
        creates_once = isinstance(work.records[0], Setting) and creates(work.records[0])
        is_looked_up_first = creates_once or is_change(work.records[0])
        try:
            request = request_for(
                work.records, self.settlement.line_id(work.line), work.oden_ids, self._options.wording
            )
            # Of what is looked up first, only that shows whether the request is complete.
            body = request.draft() if is_looked_up_first else request.text()
        except Exception as error:  # noqa: BLE001 - whatever a record is, it must not hold its line
            if len(work.records) > 1:
                self._bulk.send_singly(work.lane, len(work.records))
            else:
                await self.settlement.refuse_unsent(work, error)
            return
        attempt = Attempt(work.lane, work.positions, request.endpoint.path, body, begun=chosen)
        if not is_looked_up_first:
            await self._post(work, attempt, chosen, chosen, written)
            return
        # Whether it is there already decides what is sent.
        early = max(0.0, self.settlement.shown_after(work.records[0]))
        not_before, rests_since = (chosen + early, chosen) if early else (0.0, 0.0)
        attempt = replace(attempt, phase="in_doubt", not_before=not_before, rests_since=rests_since)
        work = replace(work, attempt=attempt)
        if await self._outbox(Outbox.begin, work, attempt) and not early:
            await self._look_ups.look_up(work, written)

    async def _resend(self, work: Work, attempt: Attempt, written: asyncio.Event) -> None:
        """Send the stored body once more."""
        if attempt.endpoint == INTERVALS_UPDATE.path and attempt.tries >= MOST_BULK:
            await self._take_apart(work)
        else:
            await self._post(work, attempt, self._clock.now(), attempt.begun, written)

    async def _post(self, work: Work, attempt: Attempt, chosen: float, since: float, written: asyncio.Event) -> None:
        """Send the attempt, `chosen` now (epoch), and have its answer settled; it was sent before at `since`."""
        endpoint = ENDPOINTS[attempt.endpoint]
        attempt = replace(attempt, phase="sending", tries=attempt.tries + 1, begun=chosen)
        work = replace(work, attempt=attempt)
        if not await self._outbox(Outbox.begin, work, attempt):
            return
        bind_contextvars(records=[record.key for record in work.records[:MOST_NAMED]])
        answer = await self._client.post(endpoint, attempt.body, written)
        unbind_contextvars("records")  # whoever notes the answer has all of them
        outcome = outcome_of(endpoint, answer, creates=creates(work.records[0]))
        if outcome.unsettled:
            self._settled_at[work.lane, attempt.number] = self._clock.monotonic() + self._options.settle
        if outcome.silent and answer.empty and self._is_trusted(work):
            outcome = Outcome("delivered")
        if endpoint == INTERVALS_UPDATE and outcome.silent:
            await self.settlement.note_answer(endpoint, work, answer, outcome, chosen)
            await self._settle_silent_bulk(work, endpoint)
        elif endpoint in BULK and outcome.fate == "dead":
            await self.settlement.note_answer(endpoint, work, answer, outcome, chosen)
            await self._settle_refused_bulk(work, endpoint, answer)
        elif outcome.fate == "delivered":
            confirmation = confirmation_of(work, attempt, answer, trusts_empty=self.settlement.trusts_empty)
            gone = await self._gone_of(work, confirmation)
            refused, outcome = self._alarmed(work, endpoint, confirmation, outcome, gone)
            await self.settlement.note_answer(endpoint, work, answer, outcome, chosen)
            await self._settle_success(work, attempt, endpoint, answer, confirmation, refused)
        elif (
            outcome.fate == "dead"
            and answer.status in OVERLAPS
            and await self.settlement.wait_for_ends(work, attempt, outcome.reason)
        ) or await self._is_met(work, attempt, answer, outcome):
            await self.settlement.note_answer(endpoint, work, answer, replace(outcome, fate="retry"), chosen)
        else:
            outcome = self.breaker.alarm(outcome, endpoint.path, work.records[0])
            await self.settlement.note_answer(endpoint, work, answer, outcome, chosen)
            await self._settle_failure(work, attempt, answer, outcome, since)

    async def _learn_ends(self, work: Work, attempt: Attempt) -> None:
        """A start was taken: what that says of ends."""
        ends_first, interval_type = self.settlement.ends_first, work.records[0].type
        if attempt.after and (attempt.refused or ends_first.suspect(interval_type)):
            if self._options.ends == "auto" and interval_type not in ends_first.types:
                known = self.settlement.learned.with_ends_first(interval_type, self._clock.now())
                await self.settlement.learn(known)
        elif attempt.after:
            pass
        elif ends_first.suspects(interval_type) and any((await self.settlement.open_before(work)).values()):
            ends_first.acquit(interval_type)

    def _is_trusted(self, work: Work) -> bool:
        """Whether a success without a body is one: of a single change, where a look-up has shown that once."""
        return self.settlement.trusts_empty and len(work.records) == 1 and isinstance(work.records[0], UpdateInterval)

    def _alarmed(
        self,
        work: Work,
        endpoint: Endpoint,
        confirmation: Confirmation,
        outcome: Outcome,
        gone: Mapping[int, str],
    ) -> tuple[dict[int, str], Outcome]:
        """The refusals within a success that become dead letters, and the outcome as a whole: an alarm where they are
        too many. Of what is `gone` it is known why."""
        refused = {position: reason for position, reason in gone.items() if reason}
        for position, record in zip(work.positions, work.records, strict=True):
            if position in gone:
                continue
            reason = confirmation.refused.get(position)
            of_record = Outcome("dead", "none", reason) if reason else Outcome("delivered")
            of_record = self.breaker.alarm(of_record, endpoint.path, record)
            if of_record.fate == "dead":
                refused[position] = of_record.reason
            elif of_record.fate != "delivered":
                outcome = of_record
        return refused, outcome

    async def _settle_success(
        self,
        work: Work,
        attempt: Attempt,
        endpoint: Endpoint,
        answer: Answer,
        confirmation: Confirmation,
        refused: Mapping[int, str],
    ) -> None:
        """Oden took the request: put on disk what it says of each record."""
        settlement, record = self.settlement, work.records[0]
        if isinstance(record, StartInterval) and len(work.records) == 1:
            await settlement.learn_start(record, shown_start(answer.body, record))
        if confirmation.unclear and endpoint == INTERVALS_UPDATE:
            await self._take_apart(work)  # to say it again of each does no harm
        elif confirmation.unclear:
            if confirmation.confirmed:
                settlement.accepted(attempt.endpoint)  # only the id is not known yet
            attempt = replace(attempt, confirmed=confirmation.confirmed)
            later = self._clock.now() + self._options.settle
            await settlement.put_off(work, attempt, phase="in_doubt", not_before=later, reason=confirmation.unclear)
        else:
            settlement.accepted(attempt.endpoint)
            if isinstance(work.records[0], StartInterval):
                await self._learn_ends(work, attempt)
            self._bulk.accepted(endpoint)
            if is_change(work.records[0]):
                await self._changing.succeeded(work, attempt)
            else:
                await settlement.settle(work, confirmation.delivered, refused)

    async def _settle_failure(
        self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome, since: float
    ) -> None:
        """Oden did not take the request, or nobody knows; it was sent before at `since`."""
        settlement, now, reason = self.settlement, self._clock.now(), outcome.reason
        asked = outcome.retry_after or 0.0
        before = await settlement.open_before(work) if answer.own or outcome.foreign else {}
        if not before:  # while ends are still to come that may be why
            attempt = settlement.not_taken(work, attempt, answer, outcome, since)
        match outcome.fate:
            case "retry":
                attempt = replace(attempt, reason=reason)
                may_end = outcome.foreign or isinstance(work.records[0], Setting)
                if may_end and settlement.is_hopeless(attempt):
                    await settlement.give_up(work, attempt)
                    return
                pause = max(asked, backoff(attempt.tries) if outcome.hold == "none" else 0.0)
                pause = max(pause, self._options.settle) if outcome.unsettled or outcome.foreign else pause
                not_before = self.breaker.next_probe() or now + pause
                if outcome.silent and row_of(work.records[0]).look_up is not None:
                    later = now + self._options.settle
                    await settlement.put_off(
                        work, attempt, phase="in_doubt", not_before=later, reason=_SILENT[answer.empty]
                    )
                    return
                # People may have changed it meanwhile: what is said of it follows from another look.
                phase: Literal["in_doubt", "retry"] = "in_doubt" if is_change(work.records[0]) else "retry"
                await settlement.put_off(work, attempt, phase=phase, not_before=not_before, reason=reason)
            case "in_doubt":
                attempt = replace(attempt, after=tuple(before))
                not_before = now + max(self._options.settle, asked)
                await settlement.put_off(work, attempt, phase="in_doubt", not_before=not_before, reason=reason)
            case _ if is_change(work.records[0]):
                await self._changing.refuse(work, reason)
            case _:
                await settlement.refuse(work, reason)

    async def _is_met(self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome) -> bool:
        """Whether there is another way for what Oden refuses, so that it is seen to."""
        return await self._is_elsewhere(work, answer, outcome) or await self._refusals.meet(
            work, attempt, answer, outcome
        )

    async def _is_elsewhere(self, work: Work, answer: Answer, outcome: Outcome) -> bool:
        """Whether Oden refuses what is said of an interval because that is not there under its id: then it is seen to
        here."""
        is_foreign = outcome.foreign and not outcome.silent
        is_dead = outcome.fate == "dead"
        # That it may pass, as Oden can say of a 404, only makes it less certain.
        may_be_gone = (is_foreign and answer.status in MAY_BE_GONE) or (answer.own and answer.status in NOT_THERE)
        if not (is_dead or may_be_gone) or not kind_of(work.records[0]).needs_interval:
            return False
        none = says_none(answer)
        if none is False:
            return False
        # In words that are not Oden's, an ingress without a route may have said it.
        match await self._whereabouts.find(work, work.records[0], says_none=bool(none) and is_dead):
            case "elsewhere":
                await self.settlement.settle(work, {})
                return True
            case "gone":
                await self.settlement.refuse_gone(work)
                return True
            case "unseen" | "unknown" as place if work.attempt is not None and not outcome.foreign:
                if place == "unknown" and not none:
                    return False
                later = self._clock.now() + max(self._options.settle, backoff(work.attempt.tries))
                await self.settlement.put_off(
                    work, work.attempt, phase="retry", not_before=later, reason=outcome.reason
                )
                return True
        return False

    async def _gone_of(self, work: Work, confirmation: Confirmation) -> Mapping[int, str]:
        """Of the records that a success has refused, those of which the interval is not there: the reason where that is
        final, and an empty one where the record waits."""
        gone: dict[int, str] = {}
        for position, record in zip(work.positions, work.records, strict=True):
            if position not in confirmation.refused or not kind_of(record).needs_interval:
                continue
            place = await self._whereabouts.find(work, record, says_none=False)
            if place == "gone":
                gone[position] = await self.settlement.reason_gone(record)
            elif place == "elsewhere":
                gone[position] = ""
        return gone

    async def _settle_refused_bulk(self, work: Work, endpoint: Endpoint, answer: Answer) -> None:
        """Oden refused a bulk request as a whole: because of one of its records, or because it does not know the
        endpoint."""
        status = answer.status if answer.status in (404, NOT_IMPLEMENTED) and (answer.own or answer.foreign) else None
        if status and self._bulk.is_unknown(endpoint, status):
            await self.settlement.settle(work, {})
        else:
            await self._take_apart(work)

    async def _settle_silent_bulk(self, work: Work, endpoint: Endpoint) -> None:
        """A success that does not tell which were updated: each is sent by itself. Where that is the rule, no more are
        sent together for a day."""
        if self._bulk.is_unknown(endpoint, 404):
            await self.settlement.settle(work, {})
        else:
            await self._take_apart(work)

    async def _take_apart(self, work: Work) -> None:
        """Each record of a bulk request is sent by itself, and answered by itself."""
        self._bulk.send_singly(work.lane, len(work.records))
        await self.settlement.settle(work, {})


def _is_same(known: LineRef | None, ref: LineRef) -> bool:
    return known is not None and (known.factory, known.name) == (ref.factory, ref.name)
