"""Draining: picks, packs, stores the attempt, sends, settles; the thin shell around the pure parts.

For every request: the attempt is on disk before its first byte leaves, and what the answer means is on disk before the
lane goes on. Whatever interrupts this, at any point, leaves an attempt that the next start finds and treats as in doubt.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from gateway.clock import Clock
from gateway.delivery.backoff import backoff
from gateway.delivery.health import DeliveryHealth
from gateway.delivery.holds import Holds
from gateway.delivery.outcome import Outcome, judge
from gateway.delivery.reconcile import compare
from gateway.delivery.schedule import Choice, plan
from gateway.model import StartInterval
from gateway.oden import payloads
from gateway.oden.client import Answer, OdenClient
from gateway.oden.endpoints import ENDPOINTS, INTERVALS_SET, INTERVALS_UPDATE
from gateway.outbox.entries import Attempt, LineRef, Work
from gateway.outbox.store import SPAN, Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()

MOST_UNDER_WAY = 8
LEAD = 0.05
"""Seconds before the next slot in which the choice is made and stored: late enough to be fresh, early enough for a disk."""
TICK = 0.001
"""Seconds that make no difference: a sleep may end that much early."""
MOST_SENDS = 10
"""A create that Oden fails so often, and that was not there each time it was looked up, is a dead letter, provided that
Oden took others of its kind meanwhile."""
MOST_BULK = 3
"""Tries of a bulk update, which may fail for one record of many."""
TOO_LARGE = 413
EMPTY = "the answer was empty"
LONGEST_WAIT = 3600.0
"""Seconds that anything waits for its next step at the most."""
BULK_AGAIN = 86_400.0
"""Seconds after which bulk requests are tried again where Oden did not know them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`settle`, `timeout` and `span` in seconds; the others as `config.schema` describes them."""

    settle: float
    timeout: float
    wording: payloads.Wording = payloads.DEFAULT
    span: float = SPAN
    in_order: bool = False
    ends_first: bool = False


class Drain:
    """Delivers the outbox to Oden until told to stop."""

    def __init__(
        self, outbox: OutboxThread, client: OdenClient, clock: Clock, settings: Settings, lines: Mapping[str, LineRef]
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._settings = settings
        self._configured = lines
        self._lines: dict[str, LineRef] = {}
        self._busy: set[str] = set()
        self._news = asyncio.Event()
        self._stopping = False
        self._accepted: dict[str, float] = {}
        self._trusts_empty = False
        self._no_bulk: dict[str, float] = {}
        self._singly: dict[str, int] = {}
        self._left_out: dict[str, int] = {}
        self._settled_at: dict[tuple[str, int], float] = {}
        self._holds = Holds(clock)
        self.turned_at = clock.monotonic()

    @property
    def health(self) -> DeliveryHealth:
        """What delivery says of itself."""
        return self._holds.health

    @property
    def lines(self) -> Mapping[str, LineRef]:
        """What is known of each line at Oden."""
        return self._lines

    @property
    def gap(self) -> float:
        """Seconds between two requests at present."""
        return self._client.pace.gap

    def wake(self) -> None:
        """Something new waits in the outbox."""
        self._news.set()

    def stop(self) -> None:
        """Send nothing more; `run` returns once what is under way has been answered."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until `stop`. An outbox that cannot be written raises; the next `run` starts from what is on disk."""
        self._busy.clear()
        await self._recover()
        async with asyncio.TaskGroup() as under_way:
            while not self._stopping:
                self.turned_at = self._clock.monotonic()
                self._news.clear()
                await asyncio.sleep(min(1.0, max(0.0, self._client.pace.wait(self._clock.monotonic()) - LEAD)))
                if self._client.pace.wait(self._clock.monotonic()) > LEAD + TICK:
                    continue
                choice, wake = await self._choose()
                if choice is None:
                    await self._idle(wake)
                    continue
                self._busy.add(choice.work.lane)
                written = asyncio.Event()
                under_way.create_task(self._carry_out(choice, written))
                await written.wait()

    async def _recover(self) -> None:
        known = await self._outbox(Outbox.line_refs)
        news = {
            key: replace(ref, oden_id=ref.oden_id or (known[key].oden_id if _same(known.get(key), ref) else None))
            for key, ref in self._configured.items()
        }
        await self._outbox(Outbox.learn_lines, news)
        self._lines = {**known, **news}
        for work in await self._outbox(Outbox.work):
            if work.attempt is not None:
                await self._found(work, work.attempt)
        await self._resumed()

    async def _found(self, work: Work, attempt: Attempt) -> None:
        """Go on with an attempt of the process before. Its times are by that one's clock, which need not be ours: whatever may
        still take effect gets its time from now on, and nothing waits for longer than it ever would."""
        now, creates = self._clock.now(), payloads.creates(work.records[0])
        settled = now + self._settings.settle
        if attempt.phase == "sending":
            phase: Literal["doubt", "again"] = "doubt" if creates else "again"
            log.warning("attempt_found", lane=work.lane, phase=phase, endpoint=attempt.endpoint)
            await self._store(work, phase=phase, not_before=settled, reason="the gateway was stopped")
            return
        least = settled if attempt.phase == "doubt" or not creates else 0.0
        not_before = min(max(attempt.not_before, least), max(settled, now + LONGEST_WAIT))
        if not_before != attempt.not_before:
            await self._outbox(Outbox.begin, work, replace(attempt, not_before=not_before))

    async def _choose(self) -> tuple[Choice | None, float | None]:
        now, hold = self._clock.now(), self.health.api
        if len(self._busy) >= (1 if hold else MOST_UNDER_WAY):
            return None, None
        if hold and hold.until > now:
            return None, hold.until
        chosen = plan(
            await self._outbox(Outbox.work),
            now,
            busy=frozenset(self._busy),
            held={line: hold.until for line, hold in self.health.lines.items()},
            has_line=lambda line: line in self._lines and self._lines[line].oden_id is not None,
            ends_first=self._settings.ends_first,
            span=self._settings.span,
        )
        return chosen.choice, chosen.wake

    async def _idle(self, wake: float | None) -> None:
        pause = min(5.0, max(0.01, wake - self._clock.now())) if wake is not None else 5.0
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _carry_out(self, choice: Choice, written: asyncio.Event) -> None:
        work, now = choice.work, self._clock.now()
        try:
            match choice.step:
                case "park":
                    log.warning("record_parked", record=work.records[0].key, line=work.line)
                    await self._outbox(Outbox.park, work)
                case "bury":
                    await self._refused(work, {work.positions[0]: "its interval is not known any more"}, now)
                case "find_line":
                    await self._find_line(work.line, written)
                case _ if (early := self._early(work)) > 0.0:
                    # The clock was set forward meanwhile; what may still take effect has not had its time.
                    await self._later(work, early)
                case "look_up":
                    await self._look_up(work, written)
                case "send" | "resend":
                    await self._send(work, written)
        finally:
            written.set()
            self._busy.discard(work.lane)
            self._news.set()

    def _early(self, work: Work) -> float:
        """Seconds of `settle` that an attempt still has before it, by the clock that nobody sets."""
        if work.attempt is None:
            return 0.0
        key = work.lane, work.attempt.number
        left = self._settled_at.get(key, 0.0) - self._clock.monotonic()
        if left <= 0.0:
            self._settled_at.pop(key, None)
        return left

    async def _later(self, work: Work, seconds: float) -> None:
        if work.attempt is not None:
            attempt = replace(work.attempt, not_before=self._clock.now() + seconds)
            await self._outbox(Outbox.begin, work, attempt)

    async def _send(self, work: Work, written: asyncio.Event) -> None:
        if (
            work.attempt is not None
            and work.attempt.endpoint == INTERVALS_UPDATE.path
            and work.attempt.tries >= MOST_BULK
        ):
            await self._alone(work)
            return
        if work.attempt is None:
            work = await self._packed(work)
        attempt = work.attempt or self._new_attempt(work)
        endpoint = ENDPOINTS[attempt.endpoint]
        attempt = replace(attempt, phase="sending", tries=attempt.tries + 1, begun=self._clock.now())
        work = replace(work, attempt=attempt)
        if not await self._outbox(Outbox.begin, work, attempt):
            return
        answer = await self._client.post(endpoint, attempt.body, written)
        outcome = judge(answer, creates=payloads.creates(work.records[0]), needs_body=endpoint.answers_json)
        bulk = endpoint in (INTERVALS_SET, INTERVALS_UPDATE)
        if bulk and answer.status == TOO_LARGE:
            outcome = Outcome("dead", "none", answer.error)
        if not bulk:
            outcome = self._holds.alarm(outcome, attempt.endpoint)
        await self._answered(attempt.endpoint, work.line, answer, outcome)
        now = self._clock.now()
        if outcome.unsettled:
            self._settled_at[work.lane, attempt.number] = self._clock.monotonic() + self._settings.settle
        if bulk and (outcome.fate == "dead" or (answer.own and answer.status in (404, 501))):
            # One that is wrong must not take the others with it: each is sent alone, and answered alone.
            if answer.status in (404, 501):
                self._no_bulk[endpoint.path] = now + BULK_AGAIN
                await self._outbox(Outbox.settle, work, {})
            else:
                await self._alone(work)
            return
        match outcome.fate:
            case "delivered":
                await self._delivered(work, attempt, answer)
            case "again":
                pause = backoff(attempt.tries) if outcome.hold == "none" else 0.0
                pause = max(pause, outcome.retry_after or 0.0)
                pause = max(pause, self._settings.settle) if outcome.unsettled else pause
                not_before = self._holds.next_probe() or now + pause
                await self._store(work, phase="again", not_before=not_before, reason=outcome.reason)
            case "doubt":
                attempt = replace(attempt, failed=attempt.failed + (outcome.hold == "none"))
                settled = now + self._settings.settle
                await self._store(
                    replace(work, attempt=attempt), phase="doubt", not_before=settled, reason=outcome.reason
                )
            case "dead":
                await self._refused(work, dict.fromkeys(work.positions, outcome.reason), now)

    async def _alone(self, work: Work) -> None:
        """Take a bulk request apart: each record is sent by itself."""
        self._singly[work.lane] = len(work.records)
        await self._outbox(Outbox.settle, work, {})

    async def _packed(self, work: Work) -> Work:
        """With as many other records of the lane as one request takes."""
        endpoint = INTERVALS_SET if isinstance(work.records[0], StartInterval) else INTERVALS_UPDATE
        if not payloads.packable(work.records[0]) or self._no_bulk.get(endpoint.path, 0.0) > self._clock.now():
            return work
        if self._singly.get(work.lane):
            self._singly[work.lane] -= 1
            return work
        return await self._outbox(Outbox.gather, work, payloads.packable, payloads.BULK)

    def _line_id(self, line: str) -> str:
        """The line's id at Oden; empty where it is not known, which Oden refuses in words."""
        ref = self._lines.get(line)
        return (ref.oden_id if ref else None) or ""

    def _new_attempt(self, work: Work) -> Attempt:
        line_id = self._line_id(work.line)
        request = payloads.request_for(work.records, line_id, work.oden_ids, self._settings.wording)
        return Attempt(work.lane, work.positions, request.endpoint.path, request.body, begun=self._clock.now())

    async def _delivered(self, work: Work, attempt: Attempt, answer: Answer) -> None:
        first, confirmed = work.records[0], attempt
        later = self._clock.now() + self._settings.settle
        ids: list[str | None] = [None] * len(work.records)
        refused: dict[int, str] = {}
        if isinstance(first, StartInterval):
            single = attempt.endpoint != INTERVALS_SET.path
            ids = [payloads.interval_id(answer.body, first)] if single else payloads.created_ids(answer.body, len(ids))
            if None in ids:
                # It is there, but the answer does not say under which id: search for it. Of several, some may be missing.
                confirmed = replace(attempt, confirmed=single)
                reason = "the answer had no id"
                await self._store(replace(work, attempt=confirmed), phase="doubt", not_before=later, reason=reason)
                return
        elif payloads.creates(first) and answer.empty and not self._trusts_empty:
            # Not documented, and what stands in between can answer so too: believed once a look-up has shown it.
            await self._store(work, phase="doubt", not_before=later, reason=EMPTY)
            return
        elif attempt.endpoint == INTERVALS_UPDATE.path:
            asked = [str(one.get("id")) for one in json.loads(attempt.body)["intervals"]]
            by_id = payloads.refused_ids(answer.body, asked)
            if by_id is None:
                # It cannot be told which were updated; to say it again of each does no harm.
                await self._alone(work)
                return
            refused = {at: by_id[one] for at, one in zip(work.positions, asked, strict=True) if one in by_id}
        self._accepted[attempt.endpoint] = self._clock.now()
        done = {at: one for at, one in zip(work.positions, ids, strict=True) if at not in refused}
        await self._refused(work, refused, self._clock.now(), done)

    async def _refused(
        self, work: Work, refused: Mapping[int, str], now: float, delivered: Mapping[int, str | None] | None = None
    ) -> None:
        """Settle `work`: what is `delivered`, and what was `refused` for good."""
        for position, record in zip(work.positions, work.records, strict=True):
            if position in refused:
                log.error(
                    "record_refused", record=record.key, line=work.line, kind=record.kind, reason=refused[position]
                )
        await self._outbox(Outbox.settle, work, delivered or {}, refused, now)

    async def _look_up(self, work: Work, written: asyncio.Event) -> None:
        attempt = work.attempt
        if attempt is None:
            raise ValueError("only an attempt can be in doubt")
        line_id = self._line_id(work.line)
        request = payloads.look_up(work.records, line_id, work.interval.oden_id if work.interval else None)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False, search=True)
        await self._answered(request.endpoint.path, work.line, answer, outcome)
        found = compare(work, attempt, answer, self._settings.wording)
        if outcome.fate != "delivered" or found.unsettled:
            attempt = replace(attempt, looks=attempt.looks + 1)
            later = self._clock.now() + self._settings.settle + backoff(attempt.looks)
            reason = outcome.reason or found.unsettled
            await self._store(replace(work, attempt=attempt), phase="doubt", not_before=later, reason=reason)
            return
        log.info("doubt_settled", record=work.records[0].key, line=work.line, found=not found.missing)
        if not found.missing or len(work.records) > 1:
            self._trusts_empty = self._trusts_empty or attempt.reason == EMPTY
            self._left_out[work.lane] = self._left_out.get(work.lane, 0) + 1 if found.missing else 0
            if self._left_out[work.lane] > 1:
                # Twice a bulk request has left something out: it is sent alone, for one of it may be why.
                self._singly[work.lane] = self._singly.get(work.lane, 0) + found.missing
            await self._outbox(Outbox.settle, work, found.ids)
        elif attempt.failed >= MOST_SENDS and self._accepted.get(attempt.endpoint, 0.0) > attempt.begun:
            error = f"given up after {attempt.failed} tries: {attempt.reason}"
            await self._refused(work, dict.fromkeys(work.positions, error), self._clock.now())
        else:
            await self._store(work, phase="again", not_before=0.0, reason=attempt.reason)

    async def _find_line(self, line: str, written: asyncio.Event) -> None:
        # A record that outlived all memory of its line: the key says how the line is called.
        ref = self._lines.get(line) or LineRef(*line.partition("/")[::2])
        request = payloads.find_line(ref.factory, ref.name)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False)
        await self._answered(request.endpoint.path, line, answer, outcome)
        oden_id = payloads.line_id(answer.body) if outcome.fate == "delivered" else None
        if oden_id:
            self._lines[line] = replace(ref, oden_id=oden_id)
            await self._outbox(Outbox.learn_lines, {line: self._lines[line]})
        elif outcome.hold == "none":
            why = f"Oden does not know line {ref.name!r} of factory {ref.factory!r}: {outcome.reason or 'none found'}"
            self._holds.hold_line(line, why)

    async def _store(self, work: Work, *, phase: Literal["again", "doubt"], not_before: float, reason: str) -> None:
        if work.attempt is None:
            raise ValueError("only an attempt has a phase")
        attempt = replace(work.attempt, phase=phase, not_before=not_before, reason=reason)
        await self._outbox(Outbox.begin, work, attempt)

    async def _answered(self, path: str, line: str, answer: Answer, outcome: Outcome) -> None:
        if self._holds.answered(path, line, answer, outcome, len(self._configured)):
            await self._resumed()

    async def _resumed(self) -> None:
        """What waits is backlog from now on: what comes goes before it."""
        if not self._settings.in_order:
            await self._outbox(Outbox.resume)


def _same(known: LineRef | None, ref: LineRef) -> bool:
    return known is not None and (known.factory, known.name) == (ref.factory, ref.name)
