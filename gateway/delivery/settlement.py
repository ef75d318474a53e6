"""Puts on disk what an answer means for the records of a request, again and again until the outbox takes it.

Whatever interrupts this, at any point, leaves an attempt that the next start finds and treats as in doubt.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Concatenate, Literal, ParamSpec, TypeVar

import structlog

from gateway.clock import Clock
from gateway.delivery.breaker import CircuitBreaker, backoff
from gateway.delivery.changes import UpdatesOrder, is_change
from gateway.delivery.learned import EndsFirst, EndsOrder, Learned, learned
from gateway.delivery.outcome import Outcome
from gateway.errors import OutboxError
from gateway.model import Notice, Record, Setting, StartInterval, UpdateInterval
from gateway.oden.classification import Answer
from gateway.oden.endpoints import INTERVAL_DELETE, Endpoint
from gateway.oden.errors import InvalidRequest
from gateway.oden.requests import DEFAULT, Wording
from gateway.oden.shown_starts import MINUTE
from gateway.outbox import gone, refused_ends, told
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.store import SPAN, Outbox
from gateway.outbox.thread import OutboxThread
from gateway.record_kinds import about, creates

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

MOST_SENDS = 10
"""A create that Oden fails so often, and that was not there each time it was looked up, is a dead letter, provided that
Oden took others of its kind from one send to the next."""
MOST_FOREIGN = 5
"""A record that is answered so often with no, in a shape that is not Oden's, while the same endpoint takes others from
one send to the next, is a dead letter."""
MOST_BLIND = 10
"""Look-ups that were answered by Oden and settled nothing, after which what is in doubt is unsettled: each is `settle`
after the one before at the least, so that no search is so far behind."""
SEEN_TO = 3600.0
"""Seconds after which a start that waits for a person is sent again: they may have ended at Oden what is before it."""
OUTBOX_PAUSE = 1.0
"""Seconds until an outbox that could not be written is tried again."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """`settle`, `timeout` and `span` in seconds; the others as `config.schema` describes them."""

    settle: float
    timeout: float
    wording: Wording = DEFAULT
    oden: str = ""
    """The URL of Oden: what was learned of another one says nothing of it."""
    span: float = SPAN
    in_order: bool = False
    ends: EndsOrder = "auto"
    updates: UpdatesOrder = "auto"


def unsaid(error: Exception) -> str:
    """Why a request cannot be made, in words."""
    if isinstance(error, InvalidRequest):
        return str(error)
    return f"no request can be made of it, by a fault of the gateway's own, see the log ({type(error).__name__})"


class Settlement:
    """Settles requests, each by itself: one that cannot be settled yet does not disturb the others.

    `lines` is what is known of each line at Oden. Once `giving_up` is set, an answer that cannot be put on disk is
    given up, and the error comes out: the attempt is in doubt at the next start.
    """

    def __init__(self, outbox: OutboxThread, clock: Clock, options: DeliveryOptions, breaker: CircuitBreaker) -> None:
        self.outbox = outbox
        self.clock = clock
        self.options = options
        self.breaker = breaker
        self.lines: dict[str, LineRef] = {}
        self.learned = Learned()
        self.ends_first = EndsFirst(clock, options.ends, lambda: self.learned)
        self.trusts_empty = False
        """An answer without a body was seen to be true."""
        self.giving_up = asyncio.Event()
        self._accepted_at: dict[str, float] = {}
        self._began = clock.monotonic()
        self._told_at: dict[str, float] = {}
        """When Oden was told something of an interval last, the oldest first, by the clock that nobody sets."""

    async def recall(self) -> None:
        """Take up what was learned of Oden before. Of another Oden than before nothing is known, nor the ids of
        lines."""
        known = learned(await self.outbox(told.learned))
        self.learned = known.of(self.options.oden)
        if known.url not in ("", self.options.oden):
            log.warning("another_oden", **known.moved_to(self.options.oden))
            refs = await self.outbox(Outbox.line_refs)
            await self.outbox(Outbox.learn_lines, {key: replace(ref, oden_id=None) for key, ref in refs.items()})
        if self.learned != known:
            await self.outbox(told.keep_learned, self.learned.text())
        self.breaker.recall(self.learned.refusing)

    async def learn(self, new: Learned) -> None:
        """Something of Oden's manners has shown itself, so that `new` is what is known now."""
        if new != self.learned:
            log.info("manner_learned", metadata=new.metadata, ends_first=sorted(new.ends_first), step=new.start_step)
            self.learned = new
            await self.persist(told.keep_learned, new.text())

    async def persist(self, call: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call of the outbox that puts an answer on disk. While the outbox cannot be written it is
        tried again: what Oden has said is not forgotten, and nothing is sent for it once more."""
        while True:
            try:
                result = await self.outbox(call, *args, **kwargs)
            except OutboxError as error:
                if self.giving_up.is_set():
                    raise
                self.outbox_failed(error)
            else:
                self.breaker.health.outbox = None
                return result
            try:
                async with asyncio.timeout(OUTBOX_PAUSE):
                    await self.giving_up.wait()
            except TimeoutError:
                pass

    def outbox_failed(self, error: OutboxError) -> None:
        """The outbox cannot be used at present: say so, once."""
        if self.breaker.health.outbox != str(error):
            log.error("delivery_waits_for_outbox", reason=str(error))
        self.breaker.health.outbox = str(error)

    async def note_answer(
        self, endpoint: Endpoint, work: Work, answer: Answer, outcome: Outcome, chosen: float
    ) -> None:
        """Let the circuit breaker know; where delivery works again after an outage, what waits is backlog from now
        on."""
        log.debug(
            "request_answered",
            request=answer.request,
            endpoint=endpoint.path,
            attempt=f"{work.lane}/{work.attempt.number}" if work.attempt is not None else None,
            records=[record.key for record in work.records],
            line=work.line,
            status=answer.status,
            seconds=round(answer.seconds, 3),
            outcome=outcome.fate,
            reason=outcome.reason or None,
        )
        if self.breaker.note_answer(endpoint.path, work, answer, outcome, chosen):
            await self.resumed()
        await self._keep_refusals()

    async def _keep_refusals(self) -> None:
        """Have on disk whether Oden takes nothing of what it is told."""
        refusing = self.breaker.refusing
        if refusing != self.learned.refusing:
            self.learned = replace(self.learned, refusing=refusing)
            await self.persist(told.keep_learned, self.learned.text())

    async def resumed(self) -> None:
        """What waits is backlog from now on: what comes goes before it."""
        if not self.options.in_order:
            await self.persist(Outbox.resume)

    async def settle(
        self, work: Work, delivered: Mapping[int, str | None], refused: Mapping[int, str] | None = None
    ) -> None:
        """End the attempt of `work`: what is `delivered`, with ids, what was `refused` for good, with the reasons, and
        the rest waits again."""
        for position, record in zip(work.positions, work.records, strict=True):
            if reason := (refused or {}).get(position):
                log.error("record_refused", record=record.key, line=work.line, kind=record.kind, reason=reason)
            if position in delivered:
                self.note_told(about(record))
                self.breaker.health.last_success_at = self.clock.now()
            self.breaker.health.apart.settled(about(record))
        await self.persist(Outbox.settle, work, delivered, refused, self.clock.now())

    def note_told(self, what: str) -> None:
        """Oden has been told something of the interval, or of what a setting is about, just now."""
        now = self.clock.monotonic()
        self._told_at.pop(what, None)
        self._told_at[what] = now
        while self._told_at[oldest := next(iter(self._told_at))] < now - self.options.settle:
            del self._told_at[oldest]

    def shown_after(self, record: Record) -> float:
        """In how many seconds a search certainly shows what Oden was told of the record's interval, or of what a
        setting is about; after a restart nobody knows when that was. What is made by its name is told once."""
        unknown = -math.inf if isinstance(record, Setting) and record.type != "maintenance_work_order" else self._began
        return self._told_at.get(about(record), unknown) + self.options.settle - self.clock.monotonic()

    async def unsettle(self, work: Work, reason: str) -> None:
        """All records of `work` may be at Oden, and cannot be looked up: a person has to see."""
        reason, key = f"it may be at Oden, and that could not be looked up: {reason}", work.records[0].key
        self.breaker.health.apart.settled(about(work.records[0]))
        log.error("record_unsettled", record=key, line=work.line, number=len(work.records), reason=reason)
        refused = dict.fromkeys(work.positions, reason)
        await self.persist(Outbox.settle, work, {}, refused, self.clock.now(), unsettled=True)

    async def refuse(self, work: Work, reason: str) -> None:
        """All records of `work` become dead letters."""
        await self.settle(work, {}, dict.fromkeys(work.positions, reason))

    async def refuse_gone(self, work: Work) -> None:
        """The interval of `work` is not at Oden any more: dead letters, or held where it is still open. Of one that
        never was there is nothing to be told."""
        record = work.records[0]
        if isinstance(record, UpdateInterval) and record.withdraws:
            await self.persist(gone.forgotten, work)
            return
        reason = await self.reason_gone(work.records[0])
        if reason:
            await self.refuse(work, reason)
        else:
            await self.settle(work, {})

    async def reason_gone(self, record: Record) -> str:
        """Why a record of an interval that is not at Oden any more becomes a dead letter; empty where it is held."""
        interval = await self.outbox(Outbox.interval, record.interval)
        is_held = interval is not None and interval.held
        return "" if is_held else "its interval is not at Oden any more: somebody has deleted it there"

    async def refuse_unsent(self, work: Work, error: Exception) -> None:
        """What `work` says cannot be said to Oden: its records become dead letters, unless there are too many such."""
        if not isinstance(error, InvalidRequest):
            log.error("request_not_built", record=work.records[0].key, line=work.line, exc_info=error)
        endpoint = error.endpoint if isinstance(error, InvalidRequest) else work.records[0].kind
        is_dead = self.breaker.refuse_unsent(work.records[0], endpoint, unsaid(error))
        await self._keep_refusals()
        if is_dead:
            await self.refuse(work, unsaid(error))

    async def put_off(
        self, work: Work, attempt: Attempt, *, phase: Literal["retry", "in_doubt"], not_before: float, reason: str
    ) -> None:
        """Store `attempt` with its next step: a repeat, or a look-up, at `not_before` (epoch)."""
        since = self.clock.now()
        attempt = replace(attempt, phase=phase, not_before=not_before, rests_since=since, reason=reason)
        await self.persist(Outbox.begin, replace(work, attempt=attempt), attempt)

    async def wait_for_ends(self, work: Work, attempt: Attempt, reason: str) -> bool:
        """Oden refuses a start, perhaps because an interval before it is open there. Where the end of one is still to
        come, the start waits for that and is sent again; whether that is so.

        An end that is a dead letter is sent once more, once a day; where Oden refuses that again, and is known to want
        ends first, the start waits until a person has seen to that letter. With an interval of which nobody knows
        whether it is there, it waits until a person has said that."""
        record, pause = work.records[0], 0.0
        if not isinstance(record, StartInterval) or len(work.records) > 1 or not self.ends_first.minds_refusals:
            return False
        pending = await self.open_before(work)
        before = frozenset(pending)
        if not any(pending.values()):
            left_open = await self.outbox(refused_ends.left_open_before, record)
            untried = self.ends_first.untried(left_open)
            again = await self.persist(refused_ends.send_ends_again, record, untried) if untried else frozenset()
            if again:
                log.warning("ends_sent_again", line=work.line, type=record.type, intervals=sorted(again))
                before |= again
            elif any(left_open.values()) or (left_open and self.ends_first.was_learned(record.type)):
                before, pause = before | left_open.keys(), SEEN_TO
                reason = f"{reason}; {refused_ends.why_it_waits(left_open)}"
        if not before:
            return False
        log.warning("start_waits_for_ends", record=record.key, line=work.line, type=record.type, ends=len(before))
        attempt = replace(attempt, after=tuple(sorted(before)), refused=True)
        await self.put_off(work, attempt, phase="retry", not_before=self.clock.now() + pause, reason=reason)
        return True

    async def open_before(self, work: Work) -> Mapping[str, bool]:
        """The keys of the intervals whose ends may have to go before the start in `work`, and whether Oden has them;
        none where it is none, or the user has chosen that it does not matter.
        """
        record = work.records[0]
        if not isinstance(record, StartInterval) or len(work.records) > 1 or not self.ends_first.minds_refusals:
            return {}
        return await self.outbox(Outbox.open_before, record)

    async def known_starts(self, work: Work) -> Mapping[str, int]:
        """The ids of other intervals of the line and type of the starts in `work` that are known, with their starts."""
        return await self.outbox(told.known_starts, work.line, work.records[0].type)

    async def notice(self, text: str) -> None:
        """Tell a person of something at Oden that was not done from here, or of what became of it."""
        await self.persist(told.note, Notice("oden", self.clock.now(), "", "", text))

    async def learn_start(self, record: StartInterval, shown: int | None) -> None:
        """Oden has made an interval, and shows its start as `shown`."""
        step = self.learned.start_step
        if shown is None or shown == record.start:
            if step and shown is not None and shown % MINUTE:
                await self.learn(replace(self.learned, start_step=0))
        elif abs(shown - record.start) < MINUTE:
            await self.learn(replace(self.learned, start_step=MINUTE))
        elif shown is not None:
            log.warning("start_shown_otherwise", record=record.key, line=record.line, start=record.start, shown=shown)

    async def look_up_later(
        self, work: Work, attempt: Attempt, reason: str, pause: float = 0.0, *, outcome: Outcome | None = None
    ) -> None:
        """It is still in doubt: look it up after `settle` and a backoff, or `pause` where that is longer (seconds).
        Where the `outcome` of look-ups is too often an answer that settles nothing, it is unsettled."""
        attempt = self.looked(attempt, outcome)
        if attempt.blind >= MOST_BLIND:
            may_be_there = creates(work.records[0]) and (attempt.tries > 0 or not attempt.body)
            await (self.unsettle if may_be_there else self.refuse)(work, reason)
            return
        not_before = self.clock.now() + max(self.options.settle + backoff(attempt.looks), pause)
        await self.put_off(work, attempt, phase="in_doubt", not_before=not_before, reason=reason)

    def looked(self, attempt: Attempt, outcome: Outcome | None) -> Attempt:
        """The attempt after a look-up that settled nothing. Oden's own word counts by itself; what need not be that,
        where Oden has taken others since the look-up before, which was at the latest `settle` before this was due."""
        others = self.took_any(attempt.not_before - self.options.settle)
        is_other = outcome is not None and (outcome.foreign or (outcome.intercepted and attempt.tries > 0))
        blind = outcome is not None and (outcome.fate in ("dead", "delivered") or (is_other and others))
        return replace(attempt, looks=attempt.looks + 1, blind=attempt.blind + blind)

    async def give_up(self, work: Work, attempt: Attempt) -> None:
        """It was tried too often."""
        if not await self.wait_for_ends(work, attempt, attempt.reason):
            await self.refuse(work, self.given_up(attempt))

    def given_up(self, attempt: Attempt) -> str:
        """Why a record that was tried too often becomes a dead letter."""
        return f"given up after {max(attempt.failed, attempt.foreign)} tries: {attempt.reason}"

    def accepted(self, path: str) -> None:
        """Oden took a request to `path`."""
        self._accepted_at[path] = self.clock.now()

    def is_hopeless(self, attempt: Attempt) -> bool:
        """Whether it was not taken so often, while others of its kind were, that this one must be why."""
        return attempt.foreign >= MOST_FOREIGN or attempt.failed >= MOST_SENDS

    def not_taken(self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome, since: float) -> Attempt:
        """The attempt, sent before at `since` (epoch) and not taken now either: that counts where the same endpoint has
        taken others since then. Of settings there are few: others of any kind count; and before each deletion Oden has
        shown what is to be deleted."""
        is_setting, deletes = isinstance(work.records[0], Setting), attempt.endpoint == INTERVAL_DELETE.path
        took = self.took_any(since) if is_setting else self._accepted_at.get(attempt.endpoint, 0.0) > since
        if not (took or deletes or attempt.tries == 1):
            return attempt
        failed = outcome.hold == "none" or (answer.own and outcome.fate == "in_doubt")
        return replace(attempt, foreign=attempt.foreign + outcome.foreign, failed=attempt.failed + failed)

    def took_any(self, since: float) -> bool:
        """Whether Oden has taken a request of any record since then (epoch)."""
        return max(self._accepted_at.values(), default=0.0) > since

    def line_id(self, line: str) -> str:
        """The line's id at Oden; empty where it is not known, which Oden refuses in words."""
        ref = self.lines.get(line)
        return (ref.oden_id if ref else None) or ""

    async def recover(self, work: Work, attempt: Attempt, longest: float) -> None:
        """Go on with an attempt of the process before. Its times are by that one's clock, which need not be ours, nor
        that of the one before: whatever may still take effect gets its time from now on, what was sent or began to rest
        later than now did so now, and nothing waits for longer than `longest` seconds."""
        now, may_double, stored = self.clock.now(), creates(work.records[0]), attempt
        settled, ahead = now + self.options.settle, max(0.0, (attempt.rests_since or attempt.begun) - now)
        attempt = replace(attempt, begun=min(attempt.begun, now), not_before=attempt.not_before - ahead)
        if attempt.phase == "sending":
            phase: Literal["in_doubt", "retry"] = "in_doubt" if may_double or is_change(work.records[0]) else "retry"
            log.warning("attempt_found", lane=work.lane, phase=phase, endpoint=attempt.endpoint)
            await self.put_off(work, attempt, phase=phase, not_before=settled, reason="the gateway was stopped")
            return
        least = settled if attempt.phase == "in_doubt" or not may_double else 0.0
        # Of what was never sent from here it is not known by which clock it waits.
        most = max(settled, now + longest) if attempt.body else settled
        attempt = replace(attempt, not_before=min(max(attempt.not_before, least), most))
        if attempt != stored:
            await self.persist(Outbox.begin, work, replace(attempt, rests_since=now))

    async def stumbled(self, work: Work, reason: str) -> None:
        """`work` could not be gone on with, for a fault of the gateway's own: what may have been sent is in doubt, and
        the line waits, so that the others go on."""
        self.breaker.hold_line(work.line, reason)
        for current in await self.persist(Outbox.work):
            attempt = current.attempt
            if attempt is None or (current.lane, attempt.number) != (work.lane, work.positions[0]):
                continue
            if creates(current.records[0]) or is_change(current.records[0]):
                await self.look_up_later(current, attempt, reason)
            else:
                later = self.clock.now() + max(self.options.settle, backoff(attempt.tries))
                await self.put_off(current, attempt, phase="retry", not_before=later, reason=reason)
