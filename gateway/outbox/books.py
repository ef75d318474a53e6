"""The outbox's books: how many records are where, and what lately was out of the ordinary."""

import json

from gateway.model import Notice
from gateway.outbox.change import Change
from gateway.outbox.entries import DEAD_LETTER, NOTICE, Counts, DeadLetter, Summary, Totals
from gateway.outbox.lanes import DEAD, takes_turns
from gateway.outbox.offers import Offers, Source
from gateway.outbox.rows import Rows

NOTICES_KEPT = 500


def keep(change: Change, notice: Notice) -> None:
    """Keep a notice in the place of the oldest."""
    change.put[f"notice/{change.totals.notices % NOTICES_KEPT}"] = NOTICE.dump_json(notice).decode()
    change.totals.notices += 1


def note(change: Change, notice: Notice) -> None:
    """Keep a notice, and count it by its kind."""
    keep(change, notice)
    totals = change.totals
    if notice.kind == "gap":
        totals.gaps[notice.source] = totals.gaps.get(notice.source, 0) + 1
    elif notice.kind == "reject":
        totals.rejects += 1
    elif notice.kind == "loss":
        totals.lost += 1


def counts(source: Source, offers: Offers) -> Counts:
    """How many records are where."""
    waiting = carried = in_doubt = parked = 0
    oldest: list[float] = []
    for name, lane in source.lanes.items():
        if name.endswith("/parked"):
            parked += lane.waiting
        elif takes_turns(name) and lane.waiting:
            waiting += lane.waiting
            for attempt in source.attempts(name):
                carried += len(attempt.positions) if attempt.phase == "sending" else 0
                in_doubt += len(attempt.positions) if attempt.phase == "doubt" else 0
            since = offers.since(name)
            oldest += [since] if since is not None else []
    dead = source.lanes[DEAD].waiting if DEAD in source.lanes else 0
    return Counts(waiting - carried - in_doubt, carried, in_doubt, parked, dead, min(oldest, default=None))


def notices(source: Source, totals: Totals, newest: int) -> list[Notice]:
    """The last notices, newest first."""
    numbers = range(totals.notices - 1, max(totals.notices - 1 - newest, -1), -1)
    texts = (source.row(f"notice/{number % NOTICES_KEPT}") for number in numbers)
    return [NOTICE.validate_json(text) for text in texts if text]


def dead_letters(source: Source, offers: Offers, newest: int) -> list[DeadLetter]:
    """The last dead letters, newest first."""
    if DEAD not in source.lanes:
        return []
    return [DEAD_LETTER.validate_json(text) for _, text in zip(range(newest), offers.newest(DEAD), strict=False)]


def summary(source: Source, offers: Offers, rows: Rows, totals: Totals, newest: int) -> Summary:
    """Counts, and the `newest` notices and dead letters."""
    return Summary(
        counts(source, offers),
        totals.copy(),
        tuple(notices(source, totals, newest)),
        tuple(dead_letters(source, offers, newest)),
        rows.used(),
        rows.full(),
        tuple(str(report["folder"]) for report in json.loads(source.row("damage") or "[]")),
    )
