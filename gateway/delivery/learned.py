"""What this Oden has shown of its manners, where its document leaves them open: kept on disk."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

AGAIN = 86_400.0
"""Seconds after which it is tried anew whether Oden still wants what costs more requests."""

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

    def wants_ends_first(self, now: float) -> Iterable[str]:
        """The types of which that holds at `now`. One that was learned by a clock that ran ahead is learned anew."""
        return frozenset(kind for kind, since in self.ends_first.items() if since <= now < since + AGAIN)

    def text(self) -> str:
        """As it is stored."""
        return _LEARNED.dump_json(self).decode()

    def of(self, url: str) -> "Learned":
        """What is known of the Oden at `url`: nothing, where this is of another one."""
        return replace(self, url=url) if self.url in ("", url) else Learned(url=url)


_LEARNED = TypeAdapter(Learned)


def learned(text: str | None) -> Learned:
    """What `Learned.text` wrote; nothing where there is none, or it cannot be read: it is learned anew."""
    try:
        return _LEARNED.validate_json(text) if text else Learned()
    except ValidationError:
        return Learned()
