"""How many records are where, and what lately was out of the ordinary: as a person wants to know it of the outbox."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field

from gateway.frozen import dataclass
from gateway.model import KeptReject, Notice
from gateway.outbox import rejects
from gateway.outbox.cache import OutboxCache
from gateway.outbox.entries import DEAD_LETTER, NOTICE, PAUSE, DeadLetter, Interval, Pause, Totals
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD, is_parked, takes_turns
from gateway.outbox.transaction import Transaction

NOTICES_KEPT = 500


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records are in which state, and since when the oldest waits."""

    waiting: int
    sending: int
    in_doubt: int
    parked: int
    dead: int
    oldest_at: float | None
    unsettled: int = 0
    """Dead letters that may be at Oden; no part of `dead`."""
    by_line: Mapping[str, int] = field(default_factory=dict)
    """What is not at Oden yet, by line: waiting, sending, in doubt or parked."""
    held: int = 0
    """Intervals that somebody has deleted at Oden while they were open; their records are among `parked`."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a person wants to know of the outbox; lists newest first."""

    counts: Counts
    totals: Totals
    notices: tuple[Notice, ...]
    dead_letters: tuple[DeadLetter, ...]
    bytes: int
    full: str | None
    """Why nothing more is taken in; None while there is room."""
    damaged: tuple[str, ...]
    """Folders of damaged files that nobody has seen to yet."""
    rejects: tuple[KeptReject, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """By key, what is known of the intervals that the dead letters are about."""
    pause: Pause | None = None
    scarce: str | None = None
    """How little room is left, where that is little."""


def keep(transaction: Transaction, notice: Notice) -> None:
    """Keep a notice in the place of the oldest."""
    transaction.put[f"notice/{transaction.totals.notices % NOTICES_KEPT}"] = NOTICE.dump_json(notice).decode()
    transaction.totals.notices += 1


def note(transaction: Transaction, notice: Notice) -> None:
    """Keep a notice, and count it by its kind."""
    keep(transaction, notice)
    totals = transaction.totals
    if notice.kind == "gap":
        totals.gaps[notice.source] = totals.gaps.get(notice.source, 0) + 1
    elif notice.kind == "loss":
        totals.lost += 1


def counts(cache: OutboxCache) -> Counts:
    """How many records are where."""
    waiting = sending = in_doubt = parked = 0
    oldest: list[float] = []
    by_line: dict[str, int] = defaultdict(int)
    for name, lane in cache.lanes.items():
        if name != DEAD and lane.waiting:
            by_line[lane.line] += lane.waiting
        if is_parked(name):
            parked += lane.waiting
        elif takes_turns(name) and lane.waiting:
            waiting += lane.waiting
            for attempt in cache.attempts(name):
                sending += len(attempt.positions) if attempt.phase == "sending" else 0
                in_doubt += len(attempt.positions) if attempt.phase == "in_doubt" else 0
            oldest_of_lane = cache.ready.since(name)
            oldest += [oldest_of_lane] if oldest_of_lane is not None else []
    dead = cache.lanes[DEAD].waiting if DEAD in cache.lanes else 0
    unsettled = cache.totals.unsettled
    waiting -= sending + in_doubt
    since, held = min(oldest, default=None), cache.totals.held
    return Counts(waiting, sending, in_doubt, parked, dead - unsettled, since, unsettled, by_line, held)


def full(cache: OutboxCache, rows: KeyValueStore) -> str | None:
    """Why nothing more is taken in, in words for a person; None while something is.

    The limit is for what is kept for Oden, or for a person. Where no record is kept, room is taken by what lines
    remember: nothing that anybody does makes that less but taking in, so that to wait would never end.
    """
    return rows.full() or (rows.above_limit() if any(lane.waiting for lane in cache.lanes.values()) else None)


def notices(cache: OutboxCache, newest: int) -> list[Notice]:
    """The last notices, newest first."""
    made = cache.totals.notices
    texts = (cache.row(f"notice/{number % NOTICES_KEPT}") for number in range(made - 1, max(made - 1 - newest, -1), -1))
    return [NOTICE.validate_json(text) for text in texts if text]


def dead_letters(cache: OutboxCache, newest: int) -> list[DeadLetter]:
    """The last dead letters, newest first."""
    if DEAD not in cache.lanes:
        return []
    return [DEAD_LETTER.validate_json(text) for _, text in zip(range(newest), cache.ready.newest(DEAD), strict=False)]


def summary(cache: OutboxCache, rows: KeyValueStore, newest: int) -> Summary:
    """Counts, and the `newest` notices and dead letters."""
    letters = dead_letters(cache, newest)
    about = ((letter.record.interval, cache.interval(letter.record.interval)) for letter in letters)
    why_full = full(cache, rows)
    return Summary(
        counts(cache),
        cache.totals.copy(),
        tuple(notices(cache, newest)),
        tuple(letters),
        rows.used(),
        why_full,
        tuple(str(report["folder"]) for report in json.loads(cache.row("damage") or "[]")),
        tuple(rejects.newest(cache.row, cache.totals.kept_rejects, newest)),
        {key: interval for key, interval in about if interval is not None},
        PAUSE.validate_json(cache.row("pause") or "null"),
        None if why_full else rows.scarce(),  # of files that somebody has removed nothing can be measured
    )
