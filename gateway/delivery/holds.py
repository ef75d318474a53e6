"""What holds delivery up: the whole API, the token, one line; and when each is tried again."""

import structlog

from gateway.clock import Clock
from gateway.delivery.backoff import backoff
from gateway.delivery.health import DeliveryHealth, Hold
from gateway.delivery.outcome import Outcome
from gateway.oden.client import Answer

log = structlog.get_logger()

LONGEST_HOLD = 60.0
"""Seconds between two probes while everything is held: one request a minute is little, an hour's wait after an outage much."""
FIRST_LINE_HOLD = 3
"""A line is held for as long as if it had failed so often already: what is wrong with one line alone takes a person to mend."""
ALARM = 10
"""So many dead letters in a row with one cause are a fault of the configuration, not of the records."""
MOST_FAILING = 5
"""Requests in a row without an answer, or with an error that settles nothing, after which Oden counts as away."""
OUTAGE = 60.0
"""Seconds without delivery after which what waited is backlog, and what comes then goes first."""


class Holds:
    """Sets and lifts holds as answers come, and keeps the count of them in `health`."""

    def __init__(self, clock: Clock) -> None:
        self.health = DeliveryHealth()
        self._clock = clock
        self._since: float | None = None
        self._forbidden: set[str] = set()
        self._failing = 0

    def answered(self, path: str, line: str, answer: Answer, outcome: Outcome, lines: int, chosen: float) -> bool:
        """Count the request, which was `chosen` then, and set or lift what holds delivery up; `lines` is how many lines there are.

        Answers whether delivery works again after an outage. An answer to a request from before the hold neither lifts it nor
        makes it longer, unless it asks for that.
        """
        now, health = self._clock.now(), self.health
        health.count(path, outcome.fate if outcome.hold == "none" else f"hold_{outcome.hold}", answer.seconds, now)
        if outcome.fate == "delivered":
            health.last_success_at = now
            health.lines.pop(line, None)
            self._forbidden.discard(line)
        else:
            health.last_error, health.last_error_at = outcome.reason, now
            told = {"reason": outcome.reason, **({"detail": answer.detail} if answer.detail else {})}
            log.warning("request_failed", endpoint=path, line=line, fate=outcome.fate, **told)
        if outcome.hold == "line":
            self.hold_line(line, outcome.reason)
            self._forbidden |= {line} if answer.status == 403 else set()
        self._failing = self._failing + 1 if outcome.unsettled else 0
        everywhere = outcome.hold == "line" and lines > 1 and len(self._forbidden) >= lines
        if (
            outcome.hold in ("api", "token")
            or everywhere
            or (health.api and not answer.own)
            or self._failing >= MOST_FAILING
        ):
            self._hold_api(outcome, now, chosen)
            return False
        return answer.own and self._lift(now, chosen)

    def hold_line(self, line: str, reason: str) -> None:
        """Leave `line` alone for a while."""
        before = self.health.lines.get(line)
        failures = before.failures + 1 if before else 1
        pause = backoff(failures + FIRST_LINE_HOLD)
        self.health.lines[line] = Hold(reason, self._clock.now() + pause, failures)

    def alarm(self, outcome: Outcome, endpoint: str) -> Outcome:
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

    def next_probe(self) -> float | None:
        """When an alarm lets the next record try; None without one. The probe is another lane's: the first that Oden takes
        ends the alarm."""
        return self.health.api.until + 2.0 if self.health.in_a_row > ALARM and self.health.api else None

    def _hold_api(self, outcome: Outcome, now: float, chosen: float) -> None:
        hold = self.health.api
        if hold is not None and chosen < hold.since:
            hold.until = max(hold.until, now + (outcome.retry_after or 0.0))
            return
        failures = hold.failures + 1 if hold else 1
        self._since = now if self._since is None else self._since
        until = now + backoff(failures, outcome.retry_after, LONGEST_HOLD)
        self.health.api = Hold(outcome.reason, until, failures, since=now)

    def _lift(self, now: float, chosen: float) -> bool:
        if self.health.api is None or chosen < self.health.api.since:
            return False
        since, self._since, self.health.api = self._since, None, None
        if since is None:
            return False
        log.info("delivery_resumed", after_seconds=round(now - since, 1))
        return now - since >= OUTAGE
