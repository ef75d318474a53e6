"""What holds delivery up, and for how long: the circuit breaker over the whole API, the token and each line."""

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from gateway.clock import Clock
from gateway.delivery.apart import FailsApart
from gateway.delivery.learned import Refusing
from gateway.delivery.outcome import Fate, Outcome
from gateway.model import Record
from gateway.oden.classification import Answer
from gateway.oden.endpoints import ENDPOINTS
from gateway.outbox.entries import Work
from gateway.outbox.words import in_words
from gateway.record_kinds import about, kind_of

log = structlog.get_logger()

FIRST = 2.0
LONGEST = 300.0
"""Seconds that the first pause takes at the most, and that any does."""
LONGEST_HOLD = 60.0
"""Seconds between two probes while everything is held: one request a minute is little, an hour's wait after an outage
much."""
ALARM_HOLD = 10.0
"""The same while records are refused one after another: those of other lanes may be in order."""
FIRST_LINE_HOLD = 3
"""A line is held for as long as if it had failed so often already: what is wrong with one line alone takes a person to
mend."""
ALARM = 10
"""Dead letters in a row of so many different intervals with one cause are a fault of the configuration, not of the
records. Those of one interval are about that."""
FEW = 3
"""Intervals that were refused, whatever for, while nothing was taken for REFUSING: nothing is delivered then."""
REFUSING = 300.0
"""Seconds."""
REFUSES = "Oden refuses one record after another"
MOST_CAUSES = 32
"""Causes of dead letters that are counted beside each other."""
MOST_FAILING = 5
"""Requests in a row without an answer, or with one that settles nothing or that nobody can tell to be Oden's, after
which Oden counts as away."""
OUTAGE = 60.0
"""Seconds without delivery after which what waited is backlog, and what comes then goes first."""
FORBIDDEN = 403

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the request time histogram, in seconds."""

LABELS: dict[Fate, str] = {"delivered": "delivered", "retry": "again", "in_doubt": "doubt", "dead": "dead"}
"""How the fates are called in the metrics, whose labels stay as they are."""


def backoff(failures: int, retry_after: float | None = None, longest: float = LONGEST) -> float:
    """Seconds to wait after `failures` (>= 1) failures: exponential with full jitter, at most `longest`, but never less
    than `retry_after`."""
    span = min(longest, FIRST * 2 ** min(failures - 1, 16))
    return max(random.uniform(1.0, span), retry_after or 0.0)


@dataclass(slots=True)
class Hold:
    """Something waits: why, until when (epoch) it is not tried, after how many failures, and since when this one
    holds. `only`: all that has failed since Oden said something last is about this one thing, so that what is about
    others is tried without waiting; None where more is known to fail."""

    reason: str
    until: float
    failures: int = 1
    since: float = 0.0
    only: str | None = None


@dataclass(slots=True)
class DeliveryHealth:
    """What delivery says of itself: counts since the process started, and what holds it up at the moment."""

    api: Hold | None = None
    lines: dict[str, Hold] = field(default_factory=dict)
    apart: FailsApart = field(default_factory=FailsApart)
    outbox: str | None = None
    """Why nothing is sent for want of an outbox that can be read and written; None while it can be."""
    last_success_at: float | None = None
    """When Oden took something last, or showed that it has it; that it answers a search is none."""
    last_error: str | None = None
    last_error_at: float | None = None
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By object, action and outcome."""
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds_sum: float = 0.0
    sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=300))
    in_a_row: int = 0
    """Of how many intervals, or settings, there were dead letters in a row with the cause `cause`."""
    cause: str = ""
    refused: int = 0
    """The same whatever for, since Oden took something last."""
    refused_since: float = 0.0
    """When the first of these was refused (epoch)."""

    def refuses(self, now: float) -> str | None:
        """Why nothing is delivered though Oden answers: it takes none of all that it is told. None where it does, or
        where it was told too little for that to be known."""
        if self.in_a_row > ALARM or self.refused > ALARM:
            return f"{REFUSES} ({self.cause}), which looks like the configuration"
        if self.refused >= FEW and now - self.refused_since >= REFUSING:
            return f"{REFUSES} ({self.cause}), and has taken none for {(now - self.refused_since) / 60:.0f} minutes"
        return None

    def say(self, error: str, now: float) -> None:
        """Keep why nothing came of the last request."""
        self.last_error, self.last_error_at = error, now

    def count(self, path: str, outcome: str, seconds: float, now: float) -> None:
        """One request ended."""
        noun, action = path.split("/")
        self.requests[noun, action, outcome] += 1
        self.seconds[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1
        self.seconds_sum += seconds
        self.sent_at.append(now)

    def used_share(self, now: float, over: float = 300.0) -> float:
        """Requests sent per second over the last `over` seconds: the share of the budget that is used."""
        return sum(1 for at in self.sent_at if at > now - over) / over


class CircuitBreaker:
    """Sets and lifts holds as answers come, and keeps the count of them in `health`. `lines` is how many lines there
    are."""

    def __init__(self, clock: Clock, lines: int) -> None:
        self.health = DeliveryHealth()
        self._clock = clock
        self._line_count = lines
        self._held_since: float | None = None
        self._forbidden: set[str] = set()
        self._failing: Counter[str] = Counter()
        """What the requests in a row were about that had no answer of Oden's, but for what fails by itself."""
        self.probes: Counter[str] = Counter()
        """Requests that have left while all is held, by line and by lane. One that cannot leave says nothing of them,
        and its body is kept: to try each lane would leave many requests that nothing is packed into any more."""
        self._refused: dict[str, set[str]] = {}
        """What the dead letters in a row are about, by their causes, the newest last."""

    def note_answer(self, path: str, work: Work, answer: Answer, outcome: Outcome, chosen: float) -> bool:
        """Count a request about `work`, which was `chosen` (epoch) to be sent then, and set or lift what holds delivery
        up. What fails by itself holds nothing.

        Answers whether delivery works again after an outage. An answer to a request from before the hold neither lifts
        it nor makes it longer, unless it asks for that.
        """
        now, health, line, what = self._clock.now(), self.health, work.line, about(work.records[0])
        label = LABELS[outcome.fate] if outcome.hold == "none" else f"hold_{outcome.hold}"
        health.count(path, label, answer.seconds, now)
        if outcome.fate == "delivered":
            health.last_success_at = now if ENDPOINTS[path].effect != "reads" else health.last_success_at
            health.lines.pop(line, None)
            self._forbidden.discard(line)
        else:
            health.say(outcome.reason, now)
            reasons = {"reason": outcome.reason, **({"detail": answer.detail} if answer.detail else {})}
            log.warning(
                "request_failed", request=answer.request, endpoint=path, line=line, fate=outcome.fate, **reasons
            )
        if not answer.sent:
            self.probes.clear()
        if outcome.hold == "line":
            self.hold_line(line, outcome.reason)
            self._forbidden |= {line} if answer.status == FORBIDDEN else set()
        everywhere = outcome.hold == "line" and self._line_count > 1 and len(self._forbidden) >= self._line_count
        if outcome.unsettled or outcome.foreign or outcome.intercepted:
            said = in_words(work.records[0], work.interval)
            if health.apart.failed(what, line, path, said, outcome.reason, now) and not outcome.retry_after:
                return answer.own and self._lift(now, chosen)
            self._failing[what] += 1
        else:
            self._failing.clear()
            if answer.own:
                health.apart.answered(what, path, now)
        if (
            outcome.hold in ("api", "token")
            or everywhere
            or (health.api and not answer.own)
            or self._failing.total() >= MOST_FAILING
        ):
            self._hold_api(outcome, now, chosen, what if {*self._failing} == {what} else None)
            return False
        return answer.own and self._lift(now, chosen)

    def hold_line(self, line: str, reason: str) -> None:
        """Leave `line` alone for a while."""
        before = self.health.lines.get(line)
        failures = before.failures + 1 if before else 1
        pause = backoff(failures + FIRST_LINE_HOLD)
        self.health.lines[line] = Hold(reason, self._clock.now() + pause, failures)

    def alarm(self, outcome: Outcome, path: str, record: Record) -> Outcome:
        """The outcome for `record`, sent to `path`: refusals of more than ten intervals in a row with one cause hold
        everything instead of burying what belongs to an eleventh."""
        health, cause = self.health, f"{path} {outcome.reason}"
        if outcome.fate == "delivered":
            self._refused.clear()
            health.in_a_row = health.refused = 0
        if outcome.fate != "dead":
            return outcome
        refused = self._refused.pop(cause, set())
        self._refused[cause] = refused
        if len(self._refused) > MOST_CAUSES:
            del self._refused[next(iter(self._refused))]
        refused.add(record.key if kind_of(record).interval == "none" else record.interval)
        health.refused_since = health.refused_since if health.refused else self._clock.now()
        was_raised = health.in_a_row > ALARM
        health.in_a_row, health.cause = len(refused), outcome.reason
        health.refused = len(set().union(*self._refused.values()))
        if health.in_a_row <= ALARM:
            return outcome
        if not was_raised:
            log.error("refused_in_a_row", intervals=health.refused, reason=outcome.reason)
        if len(refused) > ALARM + 1:
            refused.pop()
        return Outcome("retry", "api", f"{REFUSES} ({outcome.reason}), which looks like the configuration")

    @property
    def refusing(self) -> Refusing | None:
        """What is to be known of refusals after a restart; None where Oden took something after the last of them."""
        about = {cause: tuple(sorted(refused)) for cause, refused in self._refused.items()}
        return Refusing(self.health.refused_since, about) if about else None

    def recall(self, refusing: Refusing | None) -> None:
        """Go on with what `refusing` was before a restart."""
        if refusing is None or not refusing.about:
            return
        self._refused = {cause: set(about) for cause, about in refusing.about.items()}
        cause, newest = next(reversed(self._refused.items()))
        health = self.health
        health.refused_since, health.in_a_row = refusing.since, len(newest)
        health.refused = len(set().union(*self._refused.values()))
        health.cause = cause.partition(" ")[2]

    def refuse_unsent(self, record: Record, path: str, reason: str) -> bool:
        """A record cannot be said to Oden, so that nothing is sent. Whether it becomes a dead letter: as in
        `alarm`, an eleventh in a row holds everything instead, and its line so that another's record is the next
        probe."""
        outcome = self.alarm(Outcome("dead", "none", reason), path, record)
        if outcome.fate == "dead":
            return True
        now = self._clock.now()
        self._hold_api(outcome, now, now)
        self.hold_line(record.line, outcome.reason)
        return False

    def note_choice(self, work: Work) -> None:
        """`work` is next: while all is held, it is the probe, unless it is set aside without a request."""
        if self.health.api is not None and not work.stuck:
            self.probes.update((work.line, work.lane))

    def next_probe(self) -> float | None:
        """When an alarm lets the next record try (epoch); None without one. The probe is another lane's: the first that
        Oden takes ends the alarm."""
        api = self.health.api
        if api is None or self.health.in_a_row <= ALARM:
            return None
        return max(api.until + 2.0, self._clock.now() + backoff(api.failures, longest=LONGEST_HOLD))

    def _hold_api(self, outcome: Outcome, now: float, chosen: float, only: str | None = None) -> None:
        hold = self.health.api
        if hold is not None and chosen < hold.since:
            hold.only = hold.only if hold.only == only else None
            hold.until = max(hold.until, now + (outcome.retry_after or 0.0))
            return
        failures = hold.failures + 1 if hold else 1
        self._held_since = now if self._held_since is None else self._held_since
        longest = ALARM_HOLD if self.health.in_a_row > ALARM else LONGEST_HOLD
        until = now + backoff(failures, outcome.retry_after, longest)
        self.health.api = Hold(outcome.reason, until, failures, now, only)

    @property
    def held(self) -> Mapping[str, float]:
        """The lines, and what else, of which nothing may be tried before a time (epoch), with that."""
        held = {line: hold.until for line, hold in self.health.lines.items()}
        api = self.health.api
        return held if api is None or api.only is None else {**held, api.only: api.until}

    def _lift(self, now: float, chosen: float) -> bool:
        if self.health.api is None or chosen < self.health.api.since:
            return False
        since, self._held_since, self.health.api = self._held_since, None, None
        self.probes.clear()
        if since is None:
            return False
        log.info("delivery_resumed", after_seconds=round(now - since, 1))
        return now - since >= OUTAGE
