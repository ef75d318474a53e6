"""A damaged store that the disk has no room to take over: what is taken at once, and how the rest follows once there is room. Pure.

The gateway goes on with what it needs to take data in, and the records stay in the folder that was set aside. At a later start with
room enough both become one store: the records from the folder first, each create as one that Oden may have, then those that came since.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from gateway.outbox.entries import ATTEMPT, INTERVAL
from gateway.outbox.rebuild import unsure

Items = Callable[[], Iterator[tuple[str, str]]]

_WITH_RECORDS = ("record", "attempt", "lane", "lanes")
_OF_PRESENT = ("line", "lines-at-oden", "receipt", "notice", "totals", "damage", "format")


def essential(items: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Rows without records: line states, receipts, and the intervals that Oden knows, because more will come for these."""
    for key, text in items:
        kind = key.partition("/")[0]
        if kind == "interval":
            with suppress(ValueError):
                if INTERVAL.validate_json(text).oden_id is not None:
                    yield key, text
        elif kind not in _WITH_RECORDS:
            yield key, text


def joined(left: Items, present: Items) -> Iterator[tuple[str, str]]:
    """The rows of both; `rebuild` makes the bounds. `left` is read twice. Records of `present` get places after those of `left`;
    attempts of `left` are dropped, because what they carried is looked up as everything else."""
    places: dict[str, int] = defaultdict(int)
    for key, _ in left():
        kind, _, rest = key.partition("/")
        lane, _, number = rest.rpartition("/")
        if kind == "record" and number.isdecimal():
            places[lane] = max(places[lane], int(number) + 1)
    for key, text in unsure(left()):
        kind = key.partition("/")[0]
        if kind in ("record", "interval"):
            yield key, text
    for key, text in present():
        kind, _, rest = key.partition("/")
        lane, _, number = rest.rpartition("/")
        if kind == "record":
            yield f"record/{lane}/{int(number) + places[lane]}", text
        elif kind == "attempt":
            attempt = ATTEMPT.validate_json(text)
            attempt = replace(attempt, positions=tuple(at + places[lane] for at in attempt.positions))
            yield f"attempt/{lane}/{attempt.number}", ATTEMPT.dump_json(attempt).decode()
        elif kind in ("interval", *_OF_PRESENT):
            yield key, text
