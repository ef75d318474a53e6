"""What this Oden has shown of its manners, where its document leaves them open: kept on disk; and, by that and by what
the user chose, when ends go before the next start."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import TypeAdapter, ValidationError

from gateway.clock import Clock
from gateway.model import SPARED
from gateway.secret_forms import shown_address

AGAIN = 86_400.0
"""Seconds after which it is tried anew whether Oden still wants what costs more requests."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """What Oden has refused since it took something last: since when (epoch), and what that was about, by cause, the
    newest last."""

    since: float
    about: dict[str, tuple[str, ...]]


Effect = Literal["merged", "replaced", "needed"]
"""merged: what a change does not name stays. replaced: it is gone. needed: what an interval must have has stayed, and
there was nothing else."""


@dataclass(slots=True)
class Learned:
    """By what Oden has done so far; times are seconds since 1970."""

    ends_first: dict[str, float] = field(default_factory=dict)
    """Types of which an interval has to be ended before the next begins, and since when that is known."""
    metadata: dict[str, Effect] = field(default_factory=dict)
    """By type of intervals, what a change does to the metadata that it does not name; without those not seen yet."""
    start_step: int = 0
    """To how many seconds Oden rounds the starts of intervals; 0: it takes them as they are."""
    url: str = ""
    """Of which Oden this is known; empty where an earlier version has not kept that."""
    refusing: Annotated[Refusing | None, SPARED] = None
    """Kept so that a restart does not take a gateway that delivers nothing for one that does."""

    def wants_ends_first(self, now: float) -> Iterable[str]:
        """The types of which that holds at `now`. One that was learned by a clock that ran ahead is learned anew."""
        return frozenset(kind for kind, since in self.ends_first.items() if since <= now < since + AGAIN)

    def with_effect(self, interval_type: str, effect: Effect) -> "Learned":
        """The same, with what a change does to metadata of a type."""
        return replace(self, metadata={**self.metadata, interval_type: effect})

    def with_ends_first(self, interval_type: str, since: float) -> "Learned":
        """The same, with a type whose intervals have to be ended before the next begins."""
        return replace(self, ends_first={**self.ends_first, interval_type: since})

    def text(self) -> str:
        """As it is stored."""
        return _LEARNED.dump_json(self).decode()

    def of(self, url: str) -> "Learned":
        """What is known of the Oden at `url`: nothing, where this is of another one."""
        return replace(self, url=url) if self.url in ("", url) else Learned(url=url)

    def moved_to(self, url: str) -> dict[str, str]:
        """What the log says where this is of another Oden than that at `url`."""
        return {"before": shown_address(self.url), "now": shown_address(url)}


_LEARNED = TypeAdapter(Learned)


def learned(text: str | None) -> Learned:
    """What `Learned.text` wrote; nothing where there is none, or it cannot be read: it is learned anew."""
    try:
        return _LEARNED.validate_json(text) if text else Learned()
    except ValidationError:
        return Learned()


EndsOrder = Literal["auto", "bulk", "before_next"]
"""auto: as bulk, until Oden refuses a start because of the interval before it. bulk: ends share requests, and one may
come after the next start. before_next: each goes before it."""

SUSPECT = 3
"""So many starts in a row that failed, were not there, and were taken after the ends before them: that is no chance."""


class EndsFirst:
    """Which types of intervals have to be ended before the next begins: as the user has `chosen`, or was `learned`.
    What is suspected is in memory only."""

    def __init__(self, clock: Clock, chosen: EndsOrder, learned: Callable[[], Learned]) -> None:
        self._clock = clock
        self._chosen = chosen
        self._learned = learned
        self._suspected: Counter[str] = Counter()
        self._tried: dict[str, float] = {}
        """Intervals whose ends were refused and sent once more, and when (monotonic)."""

    @property
    def always(self) -> bool:
        """Whether the user wants it of all types."""
        return self._chosen == "before_next"

    @property
    def minds_refusals(self) -> bool:
        """Whether a start that is refused waits for the ends before it, and is sent again then."""
        return self._chosen != "bulk"

    @property
    def types(self) -> AbstractSet[str]:
        """The types of which it was learned."""
        return frozenset(self._learned().wants_ends_first(self._clock.now()) if self._chosen == "auto" else ())

    def was_learned(self, interval_type: str) -> bool:
        """Whether it is known of that type, be it that it is time to try anew: while an interval stays open, no start
        can show it once more."""
        return self.always or interval_type in self._learned().ends_first

    def untried(self, intervals: Collection[str]) -> Collection[str]:
        """Those of `intervals` whose ends, which were refused, have not been sent once more today; they are now."""
        now = self._clock.monotonic()
        self._tried = {key: at for key, at in self._tried.items() if at > now - AGAIN}
        untried = [key for key in intervals if key not in self._tried]
        self._tried |= dict.fromkeys(untried, now)
        return untried

    def suspect(self, interval_type: str) -> bool:
        """A start of that type failed without a refusal, and was taken after the ends before it: perhaps by chance.
        Whether it was so too often for that."""
        self._suspected[interval_type] += 1
        return self._suspected[interval_type] >= SUSPECT

    def suspects(self, interval_type: str) -> bool:
        """Whether a start of that type failed so lately."""
        return interval_type in self._suspected

    def acquit(self, interval_type: str) -> None:
        """A start of that type was taken while one before it was open at Oden."""
        del self._suspected[interval_type]
