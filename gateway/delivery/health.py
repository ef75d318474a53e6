"""What delivery says of itself; only delivery writes it."""

from collections import Counter, deque
from dataclasses import dataclass, field

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the request time histogram, in seconds."""


@dataclass(slots=True)
class Hold:
    """Something waits: why, when the next probe is, and since when this one holds."""

    reason: str
    until: float
    failures: int = 1
    since: float = 0.0


@dataclass(slots=True)
class DeliveryHealth:
    """Counts since the process started, and what holds delivery up at the moment."""

    api: Hold | None = None
    lines: dict[str, Hold] = field(default_factory=dict)
    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By object, action and outcome."""
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds_sum: float = 0.0
    sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=300))
    in_a_row: int = 0
    """Dead letters in a row with the cause `cause`."""
    cause: str = ""

    def count(self, path: str, outcome: str, seconds: float, now: float) -> None:
        """One request ended."""
        target, action = path.split("/")
        self.requests[target, action, outcome] += 1
        self.seconds[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1
        self.seconds_sum += seconds
        self.sent_at.append(now)

    def used_share(self, now: float, over: float = 300.0) -> float:
        """Requests sent per second over the last `over` seconds: the share of the budget that is used."""
        return sum(1 for at in self.sent_at if at > now - over) / over
