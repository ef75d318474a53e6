"""What the page shows, cut into parts, and what of it has changed: so an open page costs little, and never more than
RATE. Pure.

A part is a line, a source, or one of the other sections of the page, with the fields of `/api/status` that the page
shows of it. Numbers that always move (`SLOW`) are not worth a message of their own: they go along with other changes
of their part, and are sent every SLOWLY seconds. Times are told as times, never as ages, which would always change.
"""

from collections.abc import Mapping
from typing import Any

from gateway.status.snapshot import Snapshot, as_json

EVERY = 2.0
"""Seconds between two looks for changes."""
SLOWLY = 10.0
"""Seconds after which also what always moves is sent, or at least the time."""
RATE = 300.0
"""Bytes a second that an open page is told on the average: 26 MB a day."""
BURST = 100_000.0
"""Bytes that may come at once, after a time in which less was told."""
SLOW = frozenset(
    {
        "without_run",
        "waiting",
        "last_sample_at",
        "newest_at",
        "newest_age",
        "room",
        "samples",
        "unmatched",
        "records",
        "oldest_at",
        "drain_seconds",
        "bytes",
        "requests",
        "seconds",
        "used_share",
        "silent_seconds",
        "last_success_at",
        "retry_at",
        "since_start",
        "problems",
        "headline",
        "doubtful",
        "totals",
        "revision",
    }
)
"""Fields that move all the time."""

Parts = Mapping[str, Mapping[str, object]]
"""What the page shows, by the name of the part and the name of the field."""


def parts_of(snapshot: Snapshot) -> Parts:
    """What the page shows of `snapshot`."""
    whole: dict[str, Any] = as_json(snapshot)
    problems = whole["problem_details"]
    parts: dict[str, Mapping[str, object]] = {
        "head": {
            **{name: whole[name] for name in ("version", "started_at", "healthy", "ready", "headline", "hints")},
            "problems": problems,
            "kinds": [[problem["kind"], problem["object"]] for problem in problems],
        },
        "outbox": whole["outbox"],
        "oden": whole["oden"],
        "refused": {"letters": whole["dead_letters"]},
        "noticed": {"notices": whole["notices"]},
        "rejected": whole["rejected"],
        "totals": {
            "since_start": {
                name: whole[name] for name in ("records_total", "merged_total", "rejects_total", "lost_total")
            }
        },
    }
    parts |= {f"source/{source['name']}": source for source in whole["sources"]}
    for place, line in enumerate(whole["lines"]):
        inputs = line.pop("inputs")
        del line["lateness"], line["corrections"]  # these are asked for with the inputs
        doubtful = sum(known["quality"] != "good" for known in inputs.values())
        parts[f"line/{line['key']}"] = line | {"place": place, "number": len(inputs), "doubtful": doubtful}
    return parts


def changes(before: Parts, now: Parts, *, slow: bool) -> dict[str, dict[str, object] | None]:
    """What of the parts is other than `before`, by the name of the part; None for one that is gone. Without `slow`,
    parts are left out in which nothing has changed but what always moves."""
    found: dict[str, dict[str, object] | None] = dict.fromkeys(before.keys() - now.keys())
    for name, part in now.items():
        known = before.get(name, {})
        moved = {field: value for field, value in part.items() if field not in known or known[field] != value}
        if moved and (slow or not moved.keys() <= SLOW):
            found[name] = moved
    return found


def followed(before: Parts, changed: Mapping[str, Mapping[str, object] | None]) -> Parts:
    """`before` with what has changed: what a page knows that was told so."""
    after = {name: part for name, part in before.items() if changed.get(name, part) is not None}
    return {**after, **{name: {**before.get(name, {}), **part} for name, part in changed.items() if part is not None}}


class Telling:
    """What one open page is told, and when: changes as they come, while RATE allows for them. Where more changes, they
    are gathered, and the page is told only that the gateway is there, at least every SLOWLY seconds."""

    def __init__(self) -> None:
        self._known: Parts = {}
        self._slow_at = self._silent_at = float("-inf")
        self._left, self._counted_at = BURST, float("inf")

    def due(self, shown: Parts, now: float) -> dict[str, dict[str, object] | None] | None:
        """What of `shown` is to be told at `now`, on any clock that never goes back; None where nothing is. The page
        counts as told; the bytes that this took are `spent`."""
        self._left = min(BURST, self._left + RATE * max(0.0, now - self._counted_at))
        self._counted_at = now
        if self._left <= 0:
            changed, is_due = {}, now >= self._silent_at
        else:
            slow = now >= self._slow_at
            changed = changes(self._known, shown, slow=slow)
            is_due = slow or bool(changed)
            self._known = followed(self._known, changed)
            self._slow_at = now + SLOWLY if slow else self._slow_at
        if not is_due:
            return None
        self._silent_at = now + SLOWLY
        return changed

    def spent(self, size: int) -> None:
        """So many bytes were sent."""
        self._left -= size
