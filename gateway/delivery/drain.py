"""Draining: picks, stores the attempt, sends, settles; the thin shell around the pure parts.

For every request: the attempt is on disk before its first byte leaves, and what the answer means is on disk before the
lane goes on. Whatever interrupts this, at any point, leaves an attempt that the next start finds and treats as in doubt.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from gateway.clock import Clock
from gateway.delivery.backoff import backoff
from gateway.delivery.health import DeliveryHealth, Hold
from gateway.delivery.outcome import Outcome, judge
from gateway.delivery.schedule import Choice, plan
from gateway.model import EndInterval, StartInterval
from gateway.oden import payloads
from gateway.oden.client import Answer, OdenClient
from gateway.oden.endpoints import ENDPOINTS
from gateway.outbox.entries import Attempt, LaneView, LineRef
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()

MOST_UNDER_WAY = 8
LEAD = 0.05
"""Seconds before the next slot in which the choice is made and stored: late enough to be fresh, early enough for a disk."""
MOST_SENDS = 10
"""A create that Oden fails so often, and that was not there each time it was looked up, is a dead letter, provided that
Oden took others of its kind meanwhile."""
EMPTY = "the answer was empty"
LONGEST_WAIT = 3600.0
"""Seconds that anything waits for its next step at the most."""
LONGEST_HOLD = 60.0
"""Seconds between two probes while everything is held: one request a minute is little, an hour's wait after an outage much."""
ALARM = 10
"""So many dead letters in a row with one cause are a fault of the configuration, not of the records."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`settle` and `timeout` in seconds; `raw_data` as `config.schema.Oden` describes it."""

    settle: float
    timeout: float
    raw_data: Literal["object", "string"]


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
        self.health = DeliveryHealth()
        self.turned_at = clock.monotonic()

    @property
    def lines(self) -> Mapping[str, LineRef]:
        """What is known of each line at Oden."""
        return self._lines

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
                if self._client.pace.wait(self._clock.monotonic()) > LEAD:
                    continue
                choice, wake = await self._choose()
                if choice is None:
                    await self._idle(wake)
                    continue
                self._busy.add(choice.view.name)
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
        now = self._clock.now()
        latest = now + max(self._settings.settle, LONGEST_WAIT)
        for view in await self._outbox(Outbox.views):
            if view.attempt and view.attempt.phase != "sending" and view.attempt.not_before > latest:
                # The clock was ahead when that was stored.
                await self._outbox(Outbox.begin, replace(view.attempt, not_before=latest))
            elif view.attempt and view.attempt.phase == "sending":
                creates = any(payloads.creates(record) for record in view.records)
                # The connection was cut when that process ended, by its clock, which need not be ours: at the latest now.
                not_before = now + self._settings.settle if creates else now
                phase: Literal["doubt", "again"] = "doubt" if creates else "again"
                log.warning("attempt_found", lane=view.name, phase=phase, endpoint=view.attempt.endpoint)
                await self._store(view.attempt, phase=phase, not_before=not_before, reason="the gateway was stopped")

    async def _choose(self) -> tuple[Choice | None, float | None]:
        now, hold = self._clock.now(), self.health.api
        if len(self._busy) >= (1 if hold else MOST_UNDER_WAY):
            return None, None
        if hold and hold.until > now:
            return None, hold.until
        chosen = plan(
            await self._outbox(Outbox.views),
            now,
            busy=frozenset(self._busy),
            held={line: hold.until for line, hold in self.health.lines.items()},
            has_line=lambda line: line in self._lines and self._lines[line].oden_id is not None,
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
        view = choice.view
        try:
            match choice.step:
                case "park":
                    log.warning("record_parked", record=view.records[0].key, line=view.line)
                    await self._outbox(Outbox.park, view)
                case "find_line":
                    await self._find_line(view.line, written)
                case "look_up":
                    await self._look_up(view, written)
                case "send" | "resend":
                    await self._send(view, written)
        finally:
            written.set()
            self._busy.discard(view.name)
            self._news.set()

    async def _send(self, view: LaneView, written: asyncio.Event) -> None:
        attempt = view.attempt or self._new_attempt(view)
        endpoint = ENDPOINTS[attempt.endpoint]
        attempt = replace(attempt, phase="sending", tries=attempt.tries + 1, begun=self._clock.now())
        await self._outbox(Outbox.begin, attempt)
        answer = await self._client.post(endpoint, attempt.body, written)
        first = view.records[0]
        outcome = judge(answer, creates=payloads.creates(first), needs_body=endpoint.answers_json)
        outcome = self._alarm(outcome, attempt.endpoint)
        self._settle_holds(attempt.endpoint, view.line, answer, outcome)
        now = self._clock.now()
        match outcome.fate:
            case "delivered":
                await self._delivered(replace(view, attempt=attempt), answer)
            case "again":
                pause = backoff(attempt.tries, outcome.retry_after) if outcome.hold == "none" else 0.0
                if self.health.in_a_row > ALARM and self.health.api:
                    # The next probe is another lane's: the first that Oden takes ends the alarm.
                    pause = self.health.api.until - now + 2.0
                await self._store(attempt, phase="again", not_before=now + pause, reason=outcome.reason)
            case "doubt":
                await self._store(attempt, phase="doubt", not_before=now + self._settings.settle, reason=outcome.reason)
            case "dead":
                log.error("record_refused", record=first.key, line=view.line, kind=first.kind, reason=outcome.reason)
                await self._outbox(Outbox.bury, replace(view, attempt=attempt), now, outcome.reason)

    def _new_attempt(self, view: LaneView) -> Attempt:
        line_id = self._lines[view.line].oden_id
        interval_id = view.interval.oden_id if view.interval else None
        request = payloads.request_for(view.records[0], line_id or "", interval_id, self._settings.raw_data)
        return Attempt(view.name, view.positions, request.endpoint.path, request.body, begun=self._clock.now())

    async def _delivered(self, view: LaneView, answer: Answer) -> None:
        first, oden_id, attempt = view.records[0], None, view.attempt
        later = self._clock.now() + self._settings.settle
        if isinstance(first, StartInterval) and attempt:
            oden_id = payloads.interval_id(answer.body, first)
            if oden_id is None:
                # It is there, but the answer does not say under which id: search for it.
                confirmed = replace(attempt, confirmed=True)
                await self._store(confirmed, phase="doubt", not_before=later, reason="the answer had no id")
                return
        elif payloads.creates(first) and attempt and answer.empty and not self._trusts_empty:
            # Not documented, and what stands in between can answer so too: believed once a look-up has shown it.
            await self._store(attempt, phase="doubt", not_before=later, reason=EMPTY)
            return
        if attempt:
            self._accepted[attempt.endpoint] = self._clock.now()
        await self._outbox(Outbox.delivered, view, oden_id)

    async def _look_up(self, view: LaneView, written: asyncio.Event) -> None:
        attempt, first = view.attempt, view.records[0]
        if attempt is None or isinstance(first, EndInterval):
            raise ValueError("only an attempt that creates something can be in doubt")
        line_id = self._lines[view.line].oden_id
        request = payloads.look_up(first, line_id or "", view.interval.oden_id if view.interval else None)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False, search=True)
        self._settle_holds(request.endpoint.path, view.line, answer, outcome)
        there: bool | None = None
        reason = outcome.reason
        oden_id = None
        if outcome.fate == "delivered":
            found = answer.body if answer.status != 404 else []
            there = payloads.is_there(found, first)
            reason = "Oden's answer to the search was not understood" if there is None else "looked up: not at Oden"
            oden_id = payloads.interval_id(found, first) if isinstance(first, StartInterval) else None
        if there and (oden_id or not isinstance(first, StartInterval)):
            log.info("doubt_settled", record=first.key, line=view.line, found=True)
            self._trusts_empty = self._trusts_empty or attempt.reason == EMPTY
            await self._outbox(Outbox.delivered, view, oden_id)
        elif there is not False or attempt.confirmed:
            attempt = replace(attempt, looks=attempt.looks + 1)
            pause = self._settings.settle + backoff(attempt.looks)
            await self._store(attempt, phase="doubt", not_before=self._clock.now() + pause, reason=reason)
        elif attempt.tries >= MOST_SENDS and self._accepted.get(attempt.endpoint, 0.0) > attempt.begun:
            error = f"given up after {attempt.tries} tries: {attempt.reason}"
            log.error("record_refused", record=first.key, line=view.line, kind=first.kind, reason=error)
            await self._outbox(Outbox.bury, view, self._clock.now(), error)
        else:
            log.info("doubt_settled", record=first.key, line=view.line, found=False)
            await self._store(attempt, phase="again", not_before=0.0, reason=attempt.reason)

    async def _find_line(self, line: str, written: asyncio.Event) -> None:
        ref = self._lines[line]
        request = payloads.find_line(ref.factory, ref.name)
        answer = await self._client.post(request.endpoint, request.body, written)
        outcome = judge(answer, creates=False)
        self._settle_holds(request.endpoint.path, line, answer, outcome)
        oden_id = payloads.line_id(answer.body) if outcome.fate == "delivered" else None
        if oden_id:
            self._lines[line] = replace(ref, oden_id=oden_id)
            await self._outbox(Outbox.learn_lines, {line: self._lines[line]})
        elif outcome.hold == "none":
            why = f"Oden does not know line {ref.name!r} of factory {ref.factory!r}: {outcome.reason or 'none found'}"
            self._hold_line(line, why)

    async def _store(
        self, attempt: Attempt, *, phase: Literal["again", "doubt"], not_before: float, reason: str
    ) -> None:
        await self._outbox(Outbox.begin, replace(attempt, phase=phase, not_before=not_before, reason=reason))

    def _settle_holds(self, path: str, line: str, answer: Answer, outcome: Outcome) -> None:
        """Count the request and set or lift what holds delivery up."""
        now, health = self._clock.now(), self.health
        health.count(path, outcome.fate if outcome.hold == "none" else f"hold_{outcome.hold}", answer.seconds, now)
        if outcome.fate == "delivered":
            health.last_success_at = now
            health.lines.pop(line, None)
        else:
            health.last_error, health.last_error_at = outcome.reason, now
            told = {"reason": outcome.reason, **({"detail": answer.detail} if answer.detail else {})}
            log.warning("request_failed", endpoint=path, line=line, fate=outcome.fate, **told)
        if outcome.hold in ("api", "token") or (health.api and not answer.own):
            failures = health.api.failures + 1 if health.api else 1
            until = now + backoff(failures, outcome.retry_after, LONGEST_HOLD)
            health.api = Hold(outcome.reason, until, failures)
        elif answer.own:
            if health.api:
                log.info("delivery_resumed")
            health.api = None
        if outcome.hold == "line":
            self._hold_line(line, outcome.reason)

    def _hold_line(self, line: str, reason: str) -> None:
        before = self.health.lines.get(line)
        failures = before.failures + 1 if before else 1
        self.health.lines[line] = Hold(reason, self._clock.now() + backoff(failures + 3), failures)

    def _alarm(self, outcome: Outcome, endpoint: str) -> Outcome:
        """Ten refusals in a row with one cause hold everything instead of burying an eleventh record."""
        health, cause = self.health, f"{endpoint} {outcome.reason}"
        if outcome.fate == "delivered":
            health.in_a_row = 0
        if outcome.fate != "dead":
            return outcome
        health.in_a_row = health.in_a_row + 1 if cause == health.cause else 1
        health.cause = cause
        if health.in_a_row <= ALARM:
            return outcome
        reason = f"Oden refuses one record after another: {outcome.reason}. This looks like the configuration."
        return Outcome("again", "api", reason)


def _same(known: LineRef | None, ref: LineRef) -> bool:
    return known is not None and (known.factory, known.name) == (ref.factory, ref.name)
