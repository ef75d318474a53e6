"""What an Oden that refuses a text never has of a line, told from the story alone; and what is left of it in the
outbox.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway.model import Output, StartInterval
from gateway.outbox.entries import DEAD_LETTER, DeadLetter
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD, is_parked, stored_record
from tests.campaign.plant import CUSTOM, Story, Totals, total_of

STATES, CHECKS, SPLICE = "unplanned downtime", '"result":"fail"', '"scrap_code":"splice"'
REFUSED = (STATES,)
"""Texts with which some intervals are made, and which no change of one says."""
REFUSED_OF_RECORDS = (CHECKS, SPLICE)
"""The same where every record is the story's own; SPLICE is in entries of output."""

_INTERVALS = {STATES: ("STATE", ("category", "Unplanned Downtime")), CHECKS: (CUSTOM, ("result", "fail"))}


@dataclass
class Refused:
    """What of one line this Oden has not: intervals by type and start, and output by that of its interval."""

    intervals: Counter[tuple[str, int]] = field(default_factory=Counter)
    totals: Totals = field(default_factory=dict)


def refused(story: Story, text: str) -> Refused:
    """What of `story` holds `text`."""
    what = Refused()
    kind, detail = _INTERVALS.get(text, ("", ("", "")))
    what.intervals.update((one.type, one.start) for one in story.shown if one.type == kind and detail in one.details)
    starts = _starts(story)
    for record in _records(story) if text == SPLICE else ():
        if isinstance(record, Output) and record.raw_data.get("scrap_code") == "Splice":
            _add(what.totals, starts[record.interval], record)
    return what


def spared(story: Story, what: Refused) -> Story:
    """The story without what is refused."""
    shown = [one for one in story.shown if (one.type, one.start) not in what.intervals]
    totals = {key: total - what.totals.get(key, Counter()) for key, total in story.totals.items()}
    return replace(story, shown=shown, totals=totals)


def differences(
    story: Story, what: Refused, rows: KeyValueStore, excused: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Where the dead letters of a line are others than what is refused, and what is parked without such a one. Nothing
    is said of intervals that are `excused`, because a person has deleted them, or a copy has forgotten them."""
    letters, parked = _left(story, rows)
    places = {_starts(story)[key] for key in excused if key in _starts(story)}
    letters = [one for one in letters if one.record.interval not in excused]
    parked -= excused
    wanted_intervals = Counter({one: number for one, number in what.intervals.items() if one not in places})
    what = Refused(wanted_intervals, {key: total for key, total in what.totals.items() if key not in places})
    intervals = Counter((one.record.type, one.record.start) for one in letters if isinstance(one.record, StartInterval))
    for one in (what.intervals - intervals).elements():
        yield f"{story.name}: refused, and no dead letter: {one}"
    for one in (intervals - what.intervals).elements():
        yield f"{story.name}: a dead letter, and not refused: {one}"
    totals: Totals = {}
    starts = _starts(story)
    for letter in letters:
        if letter.unsettled:
            yield f"{story.name}: unsettled, and could be looked up: {letter.record} {letter.error}"
        elif isinstance(letter.record, Output) and letter.record.interval in starts:
            _add(totals, starts[letter.record.interval], letter.record)
        elif not isinstance(letter.record, StartInterval):
            yield f"{story.name}: a dead letter, and not refused: {letter.record} {letter.error}"
    for key in totals.keys() | what.totals.keys():
        there, wanted = totals.get(key, Counter()), what.totals.get(key, Counter())
        if +there != +wanted:
            yield f"{story.name}: output of {key}: {dict(there)} in dead letters, and {dict(wanted)} is refused"
    known = {letter.record.interval for letter in letters if isinstance(letter.record, StartInterval)}
    for interval in parked - known:
        yield f"{story.name}: parked for {interval}, which is no dead letter"


def _left(story: Story, rows: KeyValueStore) -> tuple[list[DeadLetter], set[str]]:
    """The dead letters of a line, and the intervals for which something of it is parked."""
    letters, parked = [], set[str]()
    for key, text in rows.items():
        kind, _, rest = key.partition("/")
        name = rest.rpartition("/")[0]
        if kind != "record":
            continue
        if name == DEAD:
            letters.append(DEAD_LETTER.validate_json(text))
        elif is_parked(name) and (record := stored_record(text).record).line == story.key:
            parked.add(record.interval)
    return [letter for letter in letters if letter.record.line == story.key], parked


def _records(story: Story) -> Iterator[object]:
    return (record for _, records in story.records for record in records)


def _starts(story: Story) -> dict[str, tuple[str, int]]:
    return {one.key: (one.type, one.start) for one in _records(story) if isinstance(one, StartInterval)}


def _add(totals: Totals, key: tuple[str, int], record: Output) -> None:
    totals.setdefault(key, Counter()).update(total_of(record.raw_data, record.timestamp))
