"""What becomes of an interval that another life of the gateway has left open at Oden, now that a start of its line and
type is to be told. Pure.

Adopted is what the start is about: the same start, the same thing under our reference, or a run of the same name. A
state never is: nobody knows whether it went on while nobody looked. What is ours and was another thing is ended when it
was last known to be on, and what is not known to be ours is somebody else's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ulid import ULID

from gateway.model import StartInterval
from gateway.oden import answers
from gateway.oden.answer_parts import epoch_of
from gateway.oden.shown_starts import says_as

Verdict = Literal["adopt", "end", "leave"]

STATE = "STATE"
MINUTE = 60
"""Seconds by which Oden may show a start otherwise than our reference has it."""
_NUMBERED = re.compile(r" \(\d\)$")
"""How a run is called whose name was taken."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An interval as a search shows it; times are seconds since 1970, `end` is None while it is open."""

    id: str
    start: int
    end: int | None
    name: str | None
    metadata: Mapping[str, Any]
    reference: str | None

    @property
    def title(self) -> str:
        """How a person finds it at Oden."""
        return f"{self.name or self.metadata.get('category') or self.id}"


def shown_in(answer: object, reference: str | None) -> list[Shown] | None:
    """The intervals in the answer to a search, by their starts; None where one cannot be read. `reference` is the name
    under which our records carry their keys."""
    found = []
    starts = answers.shown_starts([answer] if isinstance(answer, Mapping) and "id" in answer else answer)
    for oden_id, start in starts or ():
        entry = answers.shown_interval(answer, oden_id)
        if not isinstance(entry, Mapping):
            return None
        end = answers.shown_end(entry)
        if entry.get("end_time") not in (None, "") and epoch_of(entry["end_time"]) is None:
            return None
        metadata = entry.get("metadata")
        details = metadata if isinstance(metadata, Mapping) else {}
        plain = {name: answers.plain_metadata(value) for name, value in details.items()}
        name = entry.get("name")
        ours = plain.get(reference) if reference else None
        found.append(
            Shown(
                oden_id,
                start,
                end,
                name if isinstance(name, str) else None,
                plain,
                ours if isinstance(ours, str) else None,
            )
        )
    return None if starts is None else sorted(found, key=lambda one: one.start)


def verdict(shown: Shown, record: StartInterval, latest: int, *, referenced: bool, step: int = 1) -> Verdict:
    """What becomes of `shown`, which memory does not know, before `record` is told. `latest` is the start of the latest
    interval before it that is known; `referenced`: our records carry their keys; Oden rounds starts to `step`
    seconds."""
    ours = is_ours(shown)
    if is_of(shown, record, step):
        return "adopt"
    if shown.end is not None:
        return "leave"
    if record.type == STATE:
        return "end" if ours or not referenced else "leave"
    in_between = latest > shown.start
    if not in_between and is_same(shown, record) and (ours or record.type == "RUN"):
        return "adopt"
    return "end" if ours else "leave"


def is_of(shown: Shown, record: StartInterval, step: int = 1) -> bool:
    """Whether it is the interval of that start. Where Oden rounds starts to `step` seconds, the start that it shows is
    that of others, too: then the key tells, or what both are called."""
    if shown.reference is not None:
        return told_start(shown) == record.start
    if step <= 1:
        return shown.start == record.start
    return abs(shown.start - record.start) < step and says_as(shown.name, shown.metadata, record)


def is_ours(shown: Shown) -> bool:
    """Whether it carries the key of an interval with its start: keys are made from that."""
    return told_start(shown) is not None


def told_start(shown: Shown) -> int | None:
    """The start as it was told, by the key that it carries; None where that is no key of an interval with its start."""
    try:
        begun = ULID.from_str(shown.reference or "").milliseconds // 1000
    except ValueError:
        return None
    return begun if abs(begun - shown.start) < MINUTE else None


def is_same(shown: Shown, record: StartInterval) -> bool:
    """Whether the two are called the same. Of what has no name nobody can tell."""
    plain = _NUMBERED.sub("", shown.name or "")
    return bool(record.name and shown.name) and any(
        answers.says_same(name, record.name) for name in (shown.name, plain)
    )


def ended_at(shown: Shown, known_until: int | None, before: int) -> int:
    """When an interval ended that is not on any more: when it was last known to be, a second after its start at the
    least, and `before` what follows it, where that is later."""
    end = max(shown.start + 1, known_until or 0)
    return min(end, before) if before > shown.start else end
