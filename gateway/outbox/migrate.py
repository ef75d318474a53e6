"""Format 1 as format 2.

Format 1 had ends where there are updates now, in the lane of their starts; one attempt a lane (`attempt/L`); parked
records under `parked/K/N`, dead letters under `dead/N`; intervals without line, type and start. Records keep their
positions. Bounds and counts are not translated: `reindex` makes them from the records. The first version that ran wrote
no `ended` for its intervals: one has ended where an end of it is there, or where its lane has closed it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ulid import ULID

from gateway.outbox.entries import INTERVAL, Interval
from gateway.outbox.lanes import DEAD, LANE, Lane, parked_lane
from gateway.outbox.record_rules import CLOSED_KEPT

Rows = Callable[[], Iterator[tuple[str, str]]]

_NO_SENSE = (ValueError, LookupError, TypeError, AttributeError)
"""What taking a row apart raises that is JSON of another shape, or none."""
_TYPES = {"runs": "RUN", "states": "STATE", "output": "RUN"}
"""The type of the intervals of a family of lanes."""


def translated(rows: Rows) -> Iterator[tuple[str, str]]:
    """The rows of a store of format 2 from those of one of format 1, which are read twice.

    Format 1 had no checksums. What makes no sense is handed on as it is: `reindex` finds it to be no record, and names
    it.
    """
    about = _About(rows)
    for key, text in rows():
        kind = key.partition("/")[0]
        try:
            yield from _row(about, key, text)
        except _NO_SENSE:
            yield f"record/{key}" if kind in ("parked", "dead") else key, text


def _row(about: "_About", key: str, text: str) -> Iterator[tuple[str, str]]:
    kind, _, rest = key.partition("/")
    match kind:
        case "record":
            lane, _, position = rest.rpartition("/")
            record = json.loads(text)
            is_end = record["kind"] == "end" and "interval" in record
            yield f"record/{_lane(lane, is_end)}/{position}", _record(record)
        case "attempt":
            attempt = json.loads(text)
            attempt["lane"] = _lane(rest, rest in about.ends)
            yield f"attempt/{attempt['lane']}/{attempt['positions'][0]}", json.dumps(attempt)
        case "parked":
            record = json.loads(text)
            yield f"record/{parked_lane(record['line'])}/{rest.rpartition('/')[2]}", _record(record)
        case "dead":
            letter = json.loads(text)
            letter["record"] = json.loads(_record(letter["record"]))
            yield f"record/{DEAD}/{rest}", json.dumps(letter)
        case "interval":
            yield from about.interval(key, json.loads(text))
        case "lane":
            yield key, LANE.dump_json(_bounds(rest, json.loads(text))).decode()
        case "totals":
            yield key, _totals(json.loads(text))
        case "format" | "lanes":
            return
        case _:
            yield key, text


class _About:
    """What is known of intervals, and which attempts are about ends, from one pass over all rows."""

    def __init__(self, rows: Rows) -> None:
        self._of: dict[str, tuple[str, str]] = {}
        """By interval: line and type."""
        self._starts: dict[str, tuple[int, int | None]] = {}
        """By interval, while its start is there: when it begins, and its position where that waits."""
        self._closed: set[str] = set()
        self._carried: dict[str, int] = {}
        """By lane, the position that its attempt carries."""
        self._ended: set[str] = set()
        self._ends: dict[str, set[int]] = {}
        """By lane, the positions of ends."""
        self._states: dict[str, dict[str, Any]] = {}
        for key, text in rows():
            with suppress(*_NO_SENSE):
                self._learn(key, json.loads(text))
        self.ends = {lane for lane, position in self._carried.items() if position in self._ends.get(lane, ())}
        """The lanes whose attempts carry ends."""
        for line, state in self._states.items():
            for part, interval_type in (("runs", "RUN"), ("states", "STATE")):
                for name in _strings(state.get(part)):
                    self._of.setdefault(name, (line, interval_type))

    def _learn(self, key: str, row: Any) -> None:
        kind, _, rest = key.partition("/")
        match kind:
            case "record":
                lane, _, position = rest.rpartition("/")
                self._see(row, int(position))
                if row["kind"] == "end":
                    self._ends.setdefault(lane, set()).add(int(position))
            case "parked":
                self._see(row, None)
            case "dead":
                self._see(row["record"], None)
            case "attempt":
                self._carried[rest] = row["positions"][0]
            case "lane":
                line, _, family = rest.rpartition("/")
                for name in row["closed"]:
                    self._closed.add(name)
                    self._of.setdefault(name, (line, _TYPES[family]))
            case "line" if isinstance(row, dict):
                self._states[rest] = row

    def interval(self, key: str, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """The row of an interval; none where no record, lane or line names it any more."""
        name = key.partition("/")[2]
        if name not in self._of:
            return
        line, interval_type = self._of[name]
        start, position = self._starts.get(name, (_made(name), None))
        interval = Interval(line, interval_type, start, row["oden_id"], position, stalled=row["dead"])
        interval.closed = name in self._closed
        interval.ended = row.get("ended", interval.closed or name in self._ended)
        yield key, INTERVAL.dump_json(interval).decode()

    def _see(self, record: dict[str, Any], position: int | None) -> None:
        starts = record["kind"] == "start"
        name = record["key"] if starts else record["interval"]
        self._of[name] = record["line"], record["type"]
        if record["kind"] == "end":
            self._ended.add(name)
        if starts:
            self._starts[name] = record["start"], position


def _lane(lane: str, is_end: bool) -> str:  # noqa: FBT001 - the only thing that a lane is split by
    line, _, family = lane.rpartition("/")
    return f"{line}/updates {_TYPES[family]}" if is_end else lane


def _record(record: dict[str, Any]) -> str:
    return json.dumps({**record, "kind": "update"} if record["kind"] == "end" else record)


def _bounds(name: str, lane: dict[str, Any]) -> Lane:
    closed = lane["closed"][-CLOSED_KEPT:]
    return Lane(name.rpartition("/")[0], tail=lane["tail"], head=lane["head"], closed=closed)


def _totals(totals: dict[str, Any]) -> str:
    records = dict(totals["records"])
    if "end" in records:
        records["update"] = records.pop("end")
    return json.dumps({name: value for name, value in {**totals, "records": records}.items() if name != "parked"})


def _made(key: str) -> int:
    """When an interval was recorded, which its key tells: it began then, or shortly before."""
    with suppress(ValueError):
        return int(ULID.from_str(key).timestamp)
    return 0


def _strings(value: object) -> Iterator[str]:
    """Every text within `value`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
