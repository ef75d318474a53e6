"""What the page shows, cut into parts, and what of it has changed: so an open page costs little. Pure.

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
SLOW = frozenset(
    {
        "without_run",
        "waiting",
        "last_sample_at",
        "newest_at",
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
    """What of the parts is other than `before`, by the name of the part; None for one that is gone. Without `slow`
    those are left out of which only what always moves has moved."""
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
