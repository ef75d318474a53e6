"""Messages that cannot be used, told without being in the way: of each topic and reason the first, then how many more.

A sender that is wrong sends the same rubbish again and again, up to thousands of times a second. Each such message is
acknowledged and counted; a notice of its own has only the first of its kind, and one says every EVERY seconds how many
others there were. Pure.
"""

import re
from dataclasses import dataclass

EVERY = 60.0
MOST_KINDS = 1_000
"""Kinds that are told apart; beyond them all reasons of a topic are one."""

_NUMBERS = re.compile(r"[0-9]+")


@dataclass(slots=True)
class _Kind:
    since: float
    more: int = 0
    text: str = ""


class Rejects:
    """What one source has rejected lately; times are in seconds on one clock."""

    def __init__(self) -> None:
        self.total = 0
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def add(self, topic: str, reason: str, text: str, now: float) -> str | None:
        """A message was rejected for `reason`; `text` says more. Gives what is to be told of it at once, if anything.
        Numbers in the reason make no other kind."""
        self.total += 1
        known = topic, _NUMBERS.sub("#", reason)
        if known not in self._kinds and len(self._kinds) >= MOST_KINDS:
            known = topic, ""
        kind = self._kinds.get(known)
        if kind is None:
            self._kinds[known] = _Kind(now)
            return text
        kind.more += 1
        kind.text = text
        return None

    def told(self, now: float) -> list[tuple[str, str, int]]:
        """Topics, what is to be told of them now, and how many messages that is about: those of each kind since it was
        last told."""
        texts: list[tuple[str, str, int]] = []
        for (topic, reason), kind in list(self._kinds.items()):
            if kind.since + EVERY > now:
                continue
            if kind.more:
                more = f"{kind.more:,} more in the last {now - kind.since:.0f} s; the last: {kind.text}"
                texts.append((topic, more, kind.more))
                self._kinds[topic, reason] = _Kind(now)
            else:
                del self._kinds[topic, reason]
        return texts
