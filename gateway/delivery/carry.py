"""One request: stores the attempt, sends it, and puts on disk what the answer means.

Whatever interrupts this, at any point, leaves an attempt that the next start finds and treats as in doubt.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from gateway.clock import Clock
from gateway.delivery.backoff import backoff
from gateway.delivery.bulk import BULK, NOT_IMPLEMENTED, Bulk
from gateway.delivery.holds import Holds
from gateway.delivery.outcome import Outcome, judge
from gateway.delivery.reconcile import EMPTY, Taken, compare, taken
from gateway.model import Setting
from gateway.oden import payloads
from gateway.oden.client import Answer, OdenClient
from gateway.oden.endpoints import ENDPOINTS, INTERVALS_UPDATE, Endpoint
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.store import SPAN, Outbox
from gateway.outbox.thread import OutboxThread
from gateway.record_kinds import creates

log = structlog.get_logger()

MOST_SENDS = 10
"""A create that Oden fails so often, and that was not there each time it was looked up, is a dead letter, provided that
Oden took others of its kind meanwhile."""
MOST_BULK = 3
"""Tries of a bulk update, which may fail for one record of many."""
TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Settings:
    """`settle`, `timeout` and `span` in seconds; the others as `config.schema` describes them."""

    settle: float
    timeout: float
    wording: payloads.Wording = payloads.DEFAULT
    span: float = SPAN
    in_order: bool = False
    ends_first: bool = False


class Carrier:
    """Carries one choice of `schedule` out at a time, several under way together. `lines` is what is known of each line at Oden."""

    def __init__(
        self,
        outbox: OutboxThread,
        client: OdenClient,
        clock: Clock,
        settings: Settings,
        configured: Mapping[str, LineRef],
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._settings = settings
        self._configured = configured
        self.lines: dict[str, LineRef] = {}
        self.holds = Holds(clock)
        self._bulk = Bulk(clock)
        self._accepted: dict[str, float] = {}
        self._trusts_empty = False
        self._settled_at: dict[tuple[str, int], float] = {}

    async def learn_lines(self) -> None:
        """Take up what the outbox knows of lines, also of those that the configuration no longer names."""
        known = await self._outbox(Outbox.line_refs)
        news = {
            key: replace(ref, oden_id=ref.oden_id or (known[key].oden_id if _same(known.get(key), ref) else None))
            for key, ref in self._configured.items()
        }
        await self._outbox(Outbox.learn_lines, news)
        self.lines = {**known, **news}

    def early(self, work: Work) -> float:
        """Seconds of `settle` that an attempt still has before it, by the clock that nobody sets."""
        if work.attempt is None:
            return 0.0
        key = work.lane, work.attempt.number
        left = self._settled_at.get(key, 0.0) - self._clock.monotonic()
        if left <= 0.0:
            self._settled_at.pop(key, None)
        return left

    async def later(self, work: Work, seconds: float) -> None:
        """The attempt's next step is in `seconds`."""
        if work.attempt is not None:
            attempt = replace(work.attempt, not_before=self._clock.now() + seconds)
            await self._outbox(Outbox.begin, work, attempt)

    async def send(self, work: Work, written: asyncio.Event) -> None:
        """Send the records of `work`, or the stored body of its attempt. `written` is set once the request has left."""
        tried = work.attempt
        if tried is not None and tried.endpoint == INTERVALS_UPDATE.path and tried.tries >= MOST_BULK:
            await self._alone(work)
            return
        if tried is None and self._bulk.shared(work.lane, work.records[0]):
            work = await self._outbox(Outbox.gather, work, payloads.packable, payloads.BULK)
        chosen = self._clock.now()
        attempt = tried or self._new_attempt(work)
        if tried is None and isinstance(work.records[0], Setting) and creates(work.records[0]):
            # Whether it is there already decides what is sent.
            attempt = replace(attempt, phase="in_doubt")
            work = replace(work, attempt=attempt)
            if await self._outbox(Outbox.begin, work, attempt):
                await self.look_up(work, written)
            return
        endpoint = ENDPOINTS[attempt.endpoint]
        attempt = replace(attempt, phase="sending", tries=attempt.tries + 1, begun=chosen)
        work = replace(work, attempt=attempt)
        if not await self._outbox(Outbox.begin, work, attempt):
            return
        answer = await self._client.post(endpoint, attempt.body, written)
        outcome = judge(answer, creates=creates(work.records[0]), needs_body=endpoint.answers_json)
        if endpoint in BULK and (answer.status == TOO_LARGE or (answer.own and answer.status == NOT_IMPLEMENTED)):
            outcome = Outcome("dead", "none", answer.error)
        if outcome.unsettled:
            self._settled_at[work.lane, attempt.number] = self._clock.monotonic() + self._settings.settle
        if endpoint in BULK and outcome.fate == "dead":
            await self._answered(endpoint, work, answer, outcome, chosen)
            await self._not_taken(work, endpoint, answer)
        elif outcome.fate == "delivered":
            told = taken(work, attempt, answer, trusts_empty=self._trusts_empty)
            dead, outcome = self._alarmed(work, endpoint, told, outcome)
            await self._answered(endpoint, work, answer, outcome, chosen)
            await self._taken(work, attempt, told, dead)
        else:
            outcome = self.holds.alarm(outcome, endpoint.path)
            await self._answered(endpoint, work, answer, outcome, chosen)
            await self._not_delivered(work, attempt, answer, outcome, since=tried.begun if tried else chosen)

    def _alarmed(self, work: Work, endpoint: Endpoint, told: Taken, outcome: Outcome) -> tuple[dict[int, str], Outcome]:
        """The refusals within a success that become dead letters, and the outcome as a whole: an alarm where they are too many."""
        dead: dict[int, str] = {}
        for position in work.positions:
            reason = told.refused.get(position)
            one = self.holds.alarm(Outcome("dead", "none", reason) if reason else Outcome("delivered"), endpoint.path)
            if one.fate == "dead":
                dead[position] = one.reason
            elif one.fate != "delivered":
                outcome = one
        return dead, outcome

    async def _not_delivered(
        self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome, since: float
    ) -> None:
        """What becomes of a request that Oden did not take; `since` is when it was sent before this time."""
        now, settle = self._clock.now(), self._settings.settle
        asked = outcome.retry_after or 0.0
        match outcome.fate:
            case "again":
                attempt = replace(attempt, failed=attempt.failed + (outcome.hold == "none"))
                work = replace(work, attempt=attempt)
                if isinstance(work.records[0], Setting) and self._is_hopeless(attempt, since):
                    await self._give_up(work, attempt)
                    return
                pause = max(asked, backoff(attempt.tries) if outcome.hold == "none" else 0.0)
                pause = max(pause, settle) if outcome.unsettled else pause
                not_before = self.holds.next_probe() or now + pause
                await self._store(work, phase="retry", not_before=not_before, reason=outcome.reason)
            case "doubt":
                attempt = replace(attempt, failed=attempt.failed + (outcome.hold == "none" or answer.own))
                not_before = now + max(settle, asked)
                await self._store(
                    replace(work, attempt=attempt), phase="in_doubt", not_before=not_before, reason=outcome.reason
                )
            case _:
                await self.refuse(work, dict.fromkeys(work.positions, outcome.reason))

    async def _not_taken(self, work: Work, endpoint: Endpoint, answer: Answer) -> None:
        """Oden refused a bulk request as a whole."""
        asked = answer.status if answer.own and answer.status in (404, NOT_IMPLEMENTED) else None
        if asked and self._bulk.unknown(endpoint, asked):
            await self._outbox(Outbox.settle, work, {})
        else:
            await self._alone(work)

    async def _alone(self, work: Work) -> None:
        """Take a bulk request apart: each record is sent by itself, and answered by itself."""
        self._bulk.apart(work.lane, len(work.records))
        await self._outbox(Outbox.settle, work, {})

    def _line_id(self, line: str) -> str:
        """The line's id at Oden; empty where it is not known, which Oden refuses in words."""
        ref = self.lines.get(line)
        return (ref.oden_id if ref else None) or ""

    def _new_attempt(self, work: Work) -> Attempt:
        line_id = self._line_id(work.line)
        request = payloads.request_for(work.records, line_id, work.oden_ids, self._settings.wording)
        return Attempt(work.lane, work.positions, request.endpoint.path, request.body, begun=self._clock.now())

    async def _taken(self, work: Work, attempt: Attempt, told: Taken, dead: Mapping[int, str]) -> None:
        """Oden took the request: put on disk what it says of each record."""
        endpoint = ENDPOINTS[attempt.endpoint]
        if told.unclear and endpoint == INTERVALS_UPDATE:
            await self._alone(work)  # to say it again of each does no harm
            return
        if told.unclear:
            later = self._clock.now() + self._settings.settle
            confirmed = replace(work, attempt=replace(attempt, confirmed=told.confirmed))
            await self._store(confirmed, phase="in_doubt", not_before=later, reason=told.unclear)
            return
        self._accepted[attempt.endpoint] = self._clock.now()
        self._bulk.taken(endpoint)
        await self.refuse(work, dead, told.delivered)

    async def refuse(
        self, work: Work, refused: Mapping[int, str], delivered: Mapping[int, str | None] | None = None
    ) -> None:
        """Settle `work`: what is `delivered`, and what was `refused` for good; the rest waits again."""
        for position, record in zip(work.positions, work.records, strict=True):
            if position in refused:
                log.error(
                    "record_refused", record=record.key, line=work.line, kind=record.kind, reason=refused[position]
                )
        await self._outbox(Outbox.settle, work, delivered or {}, refused, self._clock.now())

    async def look_up(self, work: Work, written: asyncio.Event) -> None:
        """Search for what is in doubt, and go on from what Oden shows."""
        attempt, chosen = work.attempt, self._clock.now()
        if attempt is None:
            raise ValueError("only an attempt can be in doubt")
        line_id = self._line_id(work.line)
        request = payloads.look_up(work.records, line_id, work.interval.oden_id if work.interval else None)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False, search=True)
        await self._answered(request.endpoint, work, answer, outcome, chosen)
        found = compare(work, attempt, answer, self._settings.wording)
        if outcome.fate != "delivered" or found.unsettled:
            reason = outcome.reason or found.unsettled
            await self._look_again(work, attempt, reason, outcome.retry_after or 0.0)
            return
        log.info("doubt_settled", record=work.records[0].key, line=work.line, found=not found.missing)
        if isinstance(work.records[0], Setting):
            await self._set(work, attempt, work.records[0], found.ids.get(attempt.number))
        elif not found.missing or len(work.records) > 1:
            self._trusts_empty = self._trusts_empty or attempt.reason == EMPTY
            self._bulk.left_out(work.lane, found.missing)
            await self._outbox(Outbox.settle, work, found.ids)
        elif attempt.failed >= MOST_SENDS and self._accepted.get(attempt.endpoint, 0.0) > attempt.begun:
            await self._give_up(work, attempt)
        else:
            await self._store(work, phase="retry", not_before=0.0, reason=attempt.reason)

    async def _set(self, work: Work, attempt: Attempt, record: Setting, oden_id: str | None) -> None:
        """Go on with a thing of which it is known now whether Oden has it, and under which id."""
        line_id = self._line_id(work.line)
        made = oden_id is not None and attempt.tries > 0 and attempt.body == payloads.with_id(record, line_id, None)
        if made:
            self._trusts_empty = self._trusts_empty or attempt.reason == EMPTY
            await self._outbox(Outbox.settle, work, dict.fromkeys(work.positions))
        elif self._is_hopeless(attempt, attempt.begun):
            await self._give_up(work, attempt)
        else:
            work = replace(work, attempt=replace(attempt, body=payloads.with_id(record, line_id, oden_id)))
            await self._store(work, phase="retry", not_before=0.0, reason=attempt.reason)

    def _is_hopeless(self, attempt: Attempt, since: float) -> bool:
        """Whether Oden failed so often over a setting, while it took other things `since` then, that this one must be why."""
        return attempt.failed >= MOST_SENDS and max(self._accepted.values(), default=0.0) > since

    async def _give_up(self, work: Work, attempt: Attempt) -> None:
        error = f"given up after {attempt.failed} tries: {attempt.reason}"
        await self.refuse(work, dict.fromkeys(work.positions, error))

    async def _look_again(self, work: Work, attempt: Attempt, reason: str, asked: float = 0.0) -> None:
        attempt = replace(attempt, looks=attempt.looks + 1)
        later = self._clock.now() + max(self._settings.settle + backoff(attempt.looks), asked)
        await self._store(replace(work, attempt=attempt), phase="in_doubt", not_before=later, reason=reason)

    async def find_line(self, work: Work, written: asyncio.Event) -> None:
        """Learn the line's id at Oden."""
        line, chosen = work.line, self._clock.now()
        # A record that outlived all memory of its line: the key says how the line is called.
        ref = self.lines.get(line) or LineRef(*line.partition("/")[::2])
        request = payloads.find_line(ref.factory, ref.name)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False)
        await self._answered(request.endpoint, work, answer, outcome, chosen)
        oden_id = payloads.line_id(answer.body) if outcome.fate == "delivered" else None
        if oden_id:
            self.lines[line] = replace(ref, oden_id=oden_id)
            await self._outbox(Outbox.learn_lines, {line: self.lines[line]})
        elif outcome.hold == "none":
            why = f"Oden does not know line {ref.name!r} of factory {ref.factory!r}: {outcome.reason or 'none found'}"
            self.holds.hold_line(line, why)

    async def stumbled(self, work: Work, reason: str) -> None:
        """`work` could not be gone on with, for a fault of the gateway's own: what may have been sent is in doubt, and the line waits,
        so that the others go on."""
        self.holds.hold_line(work.line, reason)
        for one in await self._outbox(Outbox.work):
            attempt = one.attempt
            if attempt is None or (one.lane, attempt.number) != (work.lane, work.positions[0]):
                continue
            if creates(one.records[0]):
                await self._look_again(one, attempt, reason)
            else:
                later = self._clock.now() + max(self._settings.settle, backoff(attempt.tries))
                await self._store(one, phase="retry", not_before=later, reason=reason)

    async def _store(self, work: Work, *, phase: Literal["retry", "in_doubt"], not_before: float, reason: str) -> None:
        if work.attempt is None:
            raise ValueError("only an attempt has a phase")
        attempt = replace(work.attempt, phase=phase, not_before=not_before, reason=reason)
        await self._outbox(Outbox.begin, work, attempt)

    async def found(self, work: Work, attempt: Attempt, longest: float) -> None:
        """Go on with an attempt of the process before. Its times are by that one's clock, which need not be ours: whatever may
        still take effect gets its time from now on, and nothing waits for longer than `longest` seconds."""
        now, may_double = self._clock.now(), creates(work.records[0])
        settled = now + self._settings.settle
        if attempt.phase == "sending":
            phase: Literal["in_doubt", "retry"] = "in_doubt" if may_double else "retry"
            log.warning("attempt_found", lane=work.lane, phase=phase, endpoint=attempt.endpoint)
            await self._store(work, phase=phase, not_before=settled, reason="the gateway was stopped")
            return
        least = settled if attempt.phase == "in_doubt" or not may_double else 0.0
        not_before = min(max(attempt.not_before, least), max(settled, now + longest))
        if not_before != attempt.not_before:
            await self._outbox(Outbox.begin, work, replace(attempt, not_before=not_before))

    async def _answered(self, endpoint: Endpoint, work: Work, answer: Answer, outcome: Outcome, chosen: float) -> None:
        if self.holds.answered(endpoint.path, work.line, answer, outcome, len(self._configured), chosen):
            await self.resumed()

    async def resumed(self) -> None:
        """What waits is backlog from now on: what comes goes before it."""
        if not self._settings.in_order:
            await self._outbox(Outbox.resume)


def _same(known: LineRef | None, ref: LineRef) -> bool:
    return known is not None and (known.factory, known.name) == (ref.factory, ref.name)
