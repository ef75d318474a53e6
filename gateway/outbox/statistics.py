"""How many records are where, and what lately was out of the ordinary."""

import json
from collections import defaultdict

from gateway.model import Notice
from gateway.outbox import rejects
from gateway.outbox.cache import OutboxCache
from gateway.outbox.entries import DEAD_LETTER, NOTICE, PAUSE, Counts, DeadLetter, Summary
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD, is_parked, takes_turns
from gateway.outbox.transaction import Transaction

NOTICES_KEPT = 500


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
    return Summary(
        counts(cache),
        cache.totals.copy(),
        tuple(notices(cache, newest)),
        tuple(letters),
        rows.used(),
        rows.full(),
        tuple(str(report["folder"]) for report in json.loads(cache.row("damage") or "[]")),
        tuple(rejects.newest(cache.row, cache.totals.kept_rejects, newest)),
        {key: interval for key, interval in about if interval is not None},
        PAUSE.validate_json(cache.row("pause") or "null"),
    )
