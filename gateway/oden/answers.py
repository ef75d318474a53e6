"""What Oden's answers say of records: which it has taken, under which ids, and which a search shows. Pure.

Answers of `scrap_yield/*` and `quality_test/*` are not documented, and those of others need not be as documented: each
is searched for what is needed, and one that is not understood never counts as "none".
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.model import IDENTITY, Output, Setting, StartInterval, UpdateInterval

LONGEST_REASON = 500
"""Characters of Oden's reason for a refusal that are kept."""
SHORTENED = 16
"""Characters of a text that is taken to be another one's beginning, because Oden has shortened that."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a success says of the records of its request, which are named by their places in it.

    `delivered` has the id at Oden of each that was taken, where it is a start; `refused` the reason for each that was
    not. `unclear` says why it cannot be told; then the others are empty. `confirmed`: all were taken, unclear is only
    the id.
    """

    delivered: Mapping[int, str | None] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    unclear: str = ""
    confirmed: bool = False


# What a success says


def confirmed_starts(answer: object, records: Sequence[StartInterval], request: Mapping[str, Any]) -> Confirmation:
    """Of `interval/set` and `intervals/set`, to `request`: the ids of the intervals."""
    in_bulk = "intervals" in request
    ids = created_ids(answer, len(records)) if in_bulk else [created_id(answer, records[0])]
    if None in ids:
        # It is there, but the answer does not say under which id: search for it. Of several, some may be missing.
        return Confirmation(unclear="the answer had no id", confirmed=not in_bulk)
    return Confirmation(dict(enumerate(ids)))


def confirmed_updates(answer: object, records: Sequence[UpdateInterval], request: Mapping[str, Any]) -> Confirmation:
    """Of `interval/set` and `intervals/update`, to `request`: which intervals were not updated, and why."""
    if "intervals" not in request:
        return confirmed_all(answer, records, request)
    ids = [str(interval.get("id")) for interval in request["intervals"]]
    reasons = refused_ids(answer, ids)
    if reasons is None:
        return Confirmation(unclear="the answer does not tell which were updated")
    refused = {place: reasons[name] for place, name in enumerate(ids) if name in reasons}
    return Confirmation({place: None for place in range(len(ids)) if place not in refused}, refused)


def confirmed_all(answer: object, records: Sequence[object], request: Mapping[str, Any]) -> Confirmation:
    """Where a success says it of all records, and nothing more."""
    return Confirmation(dict.fromkeys(range(len(records))))


def interval_id(answer: object, record: StartInterval, reference: str | None = None) -> str | None:
    """The id that `interval/set` answers with, or that a search finds: of the interval with the record's start.

    One that carries, under the name `reference`, the key of another record is another's.
    """
    for item in _objects(answer):
        is_ours = _reference(item, reference) in (None, record.key)
        if is_ours and "id" in item and _epoch(item.get("start_time")) == record.start:
            return str(item["id"])
    return None


def created_id(answer: object, record: StartInterval) -> str | None:
    """The id of the one interval that `interval/set` has made, also where its start is not repeated, or rounded: of the
    interval with that start, else of the only thing that the answer shows."""
    if (exact := interval_id(answer, record)) is not None:
        return exact
    sole = _sole(answer)
    if isinstance(sole, Mapping):
        named = [sole[name] for name in ("id", "interval_id") if isinstance(sole.get(name), str | int)]
        return str(named[0]) if named else None
    return str(sole) if isinstance(sole, str | int) and isinstance(answer, list | Mapping) else None


def shown_start(answer: object, record: StartInterval) -> int | None:
    """The start of the interval that `interval/set` has made, as the answer has it."""
    if interval_id(answer, record) is not None:
        return record.start
    sole = _sole(answer)
    return _epoch(sole.get("start_time")) if isinstance(sole, Mapping) else None


def _sole(answer: object) -> object:
    """The one thing that an answer shows: itself, the only item of a list, or what it wraps; None where it shows
    several."""
    while True:
        if isinstance(answer, list):
            if len(answer) != 1:
                return None
            answer = answer[0]
        elif isinstance(answer, Mapping) and "id" not in answer:
            inner = [value for value in answer.values() if isinstance(value, list | Mapping)]
            if "start_time" in answer or "interval_id" in answer or len(inner) != 1:
                return answer
            answer = inner[0]
        else:
            return answer


def with_own_starts(answer: object, records: Sequence[StartInterval], step: int, known: Collection[str]) -> object:
    """The answer to a search where Oden rounds starts to `step` seconds: each of `records` has its own start in it, in
    the place of the rounded one. An entry with a `known` id is another interval; so is one with another name."""
    entries = _entries(answer)
    if entries is None:
        return answer
    left = [entry for entry in entries if isinstance(entry, Mapping) and str(entry.get("id")) not in known]
    shown = [entry for entry in entries if entry not in left]
    for record in records:
        near = [entry for entry in left if _is_near(entry, record, step)]
        best = min(near, key=lambda entry: abs((_epoch(entry.get("start_time")) or 0) - record.start), default=None)
        if best is not None:
            left.remove(best)
            shown.append({**best, "start_time": record.start})
    return [*shown, *left]


def _is_near(entry: Mapping[str, object], record: StartInterval, step: int) -> bool:
    start, metadata = _epoch(entry.get("start_time")), entry.get("metadata")
    details = metadata if isinstance(metadata, Mapping) else {}
    return (
        start is not None
        and abs(start - record.start) < step
        and (not record.name or says_same(entry.get("name"), record.name))
        and all(
            says_same(plain_metadata(details[key]), told) for key, told in record.metadata.items() if key in details
        )
    )


def is_called(answer: object, name: str) -> bool:
    """Whether the answer to a search shows something of that name."""
    return any(isinstance(entry, Mapping) and entry.get("name") == name for entry in _entries(answer) or [])


def created_ids(answer: object, number: int) -> list[str | None]:
    """The `number` ids that `intervals/set` answers with, in the order of the request; all None where they are not that
    many."""
    ids = answer if isinstance(answer, list) else []
    fits = len(ids) == number and all(isinstance(item, str | int) for item in ids)
    return [str(item) for item in ids] if fits else [None] * number


def refused_ids(answer: object, requested: Sequence[str]) -> dict[str, str] | None:
    """The intervals of those `requested` that `intervals/update` did not update, by id, with Oden's reason; None where
    the answer does not tell which they are."""
    if not isinstance(answer, Mapping):
        return None
    failed, number = answer.get("failed_intervals"), answer.get("num_failed")
    items = [item for item in failed if isinstance(item, Mapping)] if isinstance(failed, list) else []
    refused = {str(item.get("id")): str(item.get("error") or "no reason given")[:LONGEST_REASON] for item in items}
    says_done = not isinstance(number, int) and any(name in answer for name in ("num_updated", "updated_intervals"))
    is_complete = len(refused) == number if isinstance(number, int) else bool(refused) or says_done
    return refused if is_complete and refused.keys() <= set(requested) else None


# What a search shows


def shows_start(answer: object, record: StartInterval, reference: str | None = None) -> bool | None:
    """Whether the answer to a search shows the interval, by its start; None where the answer cannot be told to mean
    either."""
    return _shows_time(answer, "start_time", record.start, record.key, reference)


def shows_update(answer: object, record: UpdateInterval, _: str | None = None) -> bool | None:
    """Whether the answer to a search by id shows the interval as the update has it."""
    entries = _entries(answer)
    if entries is None or any(not isinstance(entry, Mapping) or "id" not in entry for entry in entries):
        return None
    return any(_is_as_told(entry, record) for entry in entries if isinstance(entry, Mapping))


def _is_as_told(entry: Mapping[str, object], record: UpdateInterval) -> bool:
    metadata = entry.get("metadata")
    shown = metadata if isinstance(metadata, Mapping) else {}
    return (
        (record.end is None or _epoch(entry.get("end_time")) == record.end)
        and (not record.name or says_same(entry.get("name"), record.name))
        and all(says_same(plain_metadata(shown.get(key)), value) for key, value in record.metadata.items())
    )


def shown_interval(answer: object, oden_id: str) -> Mapping[str, Any] | Literal["none"] | None:
    """The interval with that id, as the answer to a search shows it; "none" where it shows none, and None where the
    answer cannot be told to mean either."""
    entries = [answer] if isinstance(answer, Mapping) and "id" in answer else _entries(answer)
    if entries is None or any(not isinstance(entry, Mapping) or "id" not in entry for entry in entries):
        return None
    found = (entry for entry in entries if isinstance(entry, Mapping) and str(entry["id"]) == oden_id)
    return next(found, "none")


def shown_end(shown: Mapping[str, Any]) -> int | None:
    """The end of an interval that Oden shows; None where it is open, or that cannot be read."""
    return _epoch(shown.get("end_time"))


def strangers(answer: object, start: int, known: Collection[str]) -> list[str]:
    """The ids of intervals that the answer to a search shows as on at `start`, having begun before, and that are not
    among the `known`."""
    entries = [entry for entry in _entries(answer) or [] if isinstance(entry, Mapping) and "id" in entry]
    on = [
        entry
        for entry in entries
        if (begun := _epoch(entry.get("start_time"))) is not None
        and begun < start
        and ((end := _epoch(entry.get("end_time"))) is None or end > start)
    ]
    return [str(entry["id"]) for entry in on if str(entry["id"]) not in known]


def plain_metadata(value: object) -> object:
    """A metadatum as a record has it: of an object that is known by its name, the name."""
    return value["name"] if isinstance(value, Mapping) and "name" in value else value


def says_same(shown: object, told: object) -> bool:
    """Whether Oden shows what it was told: a number may come back as a text, and a text with other capitals and spaces,
    or shortened."""
    shown, told = _as_text(shown), _as_text(plain_metadata(told))
    if shown == told or not isinstance(shown, str) or not isinstance(told, str):
        return shown == told
    one, other = (" ".join(text.casefold().split()) for text in (shown, told))
    return one == other or (len(one) >= SHORTENED and other.startswith(one.rstrip(".…")))


def shows_output(answer: object, record: Output, reference: str | None = None) -> bool | None:
    """The same of an entry of output or of a test, by its time stamp; or by our reference, under which one can have
    grown, and have got a later time stamp, since an older copy knew of it."""
    if reference and any(_reference(entry, reference) == record.key for entry in _entries(answer) or ()):
        return True
    return _shows_time(answer, "timestamp", record.timestamp, record.key, reference)


def shown_output(answer: object) -> list[tuple[int, Mapping[str, object]]] | None:
    """The entries of output in the answer to a search, each with its time stamp and raw data; None where one cannot be
    read."""
    found = []
    for entry in _entries(answer) or ():
        times = {_epoch(item.get("timestamp")) for item in _objects(entry)} - {None}
        data = [item["raw_data"] for item in _objects(entry) if "raw_data" in item]
        raw = json.loads(data[0]) if data and isinstance(data[0], str) else data[0] if data else None
        if len(times) != 1 or not isinstance(raw, Mapping):
            return None
        found.append((next(time for time in times if time is not None), raw))
    return None if _entries(answer) is None else found


def shown_starts(answer: object) -> list[tuple[str, int]] | None:
    """The intervals in the answer to a search, each with its id and start; None where one cannot be read."""
    found = []
    for entry in _entries(answer) or ():
        start = _epoch(entry.get("start_time")) if isinstance(entry, Mapping) else None
        if start is None or not isinstance(entry, Mapping) or entry.get("id") is None:
            return None
        found.append((str(entry["id"]), start))
    return None if _entries(answer) is None else found


def shows_setting(answer: object, record: Setting, _: str | None = None) -> bool | None:
    """The same of the thing that a setting is about, by the one field that says which it is.

    Things made by hand need not have that field; where none has it, the answer is not understood.
    """
    name, wanted = _identity(record)
    entries = _entries(answer)
    things = [item for item in entries or [] if isinstance(item, Mapping)]
    if entries is None or len(things) < len(entries) or (things and not any(name in item for item in things)):
        return None
    return any(_as_text(item.get(name)) == wanted for item in things)


def setting_id(answer: object, record: Setting, _: str | None = None) -> str | None:
    """The id of that thing."""
    name, wanted = _identity(record)
    things = [item for item in _entries(answer) or [] if isinstance(item, Mapping)]
    ours = [item for item in things if name in item and _as_text(item[name]) == wanted and item.get("id") is not None]
    if record.type == "maintenance_work_order":
        # One that was begun again after its completion is another one at some Odens: the newest that is open.
        ours = [item for item in ours if not item.get("completed_at")][-1:] or ours[-1:]
    return str(ours[0]["id"]) if ours else None


def line_id(answer: object) -> str | None:
    """The id in the answer to a search for a line: its own, not that of its factory or of anything else it names."""
    entries = [answer] if isinstance(answer, Mapping) and "id" in answer else _entries(answer) or []
    return next((str(entry["id"]) for entry in entries if isinstance(entry, Mapping) and "id" in entry), None)


def _shows_time(answer: object, name: str, wanted: int, key: str, reference: str | None) -> bool | None:
    """It is absent only where every entry could be read: to take an answer that is not understood for "none" would send
    the record again. An entry that carries the reference of another record is another."""
    entries = _entries(answer)
    if entries is None:
        return None
    times = [{_epoch(item.get(name)) for item in _objects(entry)} - {None} for entry in entries]
    fitting = [entry for entry, moments in zip(entries, times, strict=True) if wanted in moments]
    if any(_reference(entry, reference) in (None, key) for entry in fitting):
        return True
    return False if all(times) else None


def _identity(record: Setting) -> tuple[str, object]:
    """The one field that says which thing a setting is about, and its value."""
    (name,) = IDENTITY[record.type]
    return name, _as_text(record.fields.get(name))


def _as_text(value: object) -> object:
    """A number as the text that is sent of it: Oden keeps texts."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _reference(entry: object, name: str | None) -> str | None:
    """The reference that an entry carries; None where it carries none."""
    if name is None:
        return None
    for item in _objects(entry):
        raw_data = item.get("raw_data")
        if isinstance(raw_data, str):
            try:
                raw_data = json.loads(raw_data)
            except ValueError:
                raw_data = None
        for place in (item, raw_data):
            if isinstance(place, Mapping) and isinstance(place.get(name), str):
                return str(place[name])
    return None


def _entries(answer: object) -> list[object] | None:
    """The list that an answer is, or that it wraps; None where there is no such list."""
    if isinstance(answer, Mapping):
        lists = [value for value in answer.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else None
    return answer if isinstance(answer, list) else None


def _objects(answer: object) -> Iterator[Mapping[str, object]]:
    """The objects in an answer that is one, a list of them, or either wrapped in an object; outer ones first."""
    if isinstance(answer, Mapping):
        yield answer
        for value in answer.values():
            if isinstance(value, list | Mapping):
                yield from _objects(value)
    elif isinstance(answer, list):
        for item in answer:
            yield from _objects(item)


def _epoch(value: object) -> int | None:
    """A time of an answer in whole seconds since 1970: a number of seconds or of milliseconds, or ISO 8601."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value / 1000 if value > 1e11 else value) if abs(value) < 1e15 else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
