"""What Oden's answers say of records: which it has taken, under which ids, and which a search shows. Pure.

Answers of `scrap_yield/*` and `quality_test/*` are not documented, and those of others need not be as documented: each
is searched for what is needed, and one that is not understood never counts as "none".
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.model import IDENTITY, Output, Setting, StartInterval, UpdateInterval
from gateway.oden import orders
from gateway.oden.answer_parts import entries_of, epoch_of, id_of, objects_in, plain, reference_of
from gateway.oden.http_answer import Keeps

NEVER = 253_370_764_800
"""The year 9999, in seconds since 1970."""
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
    for item in objects_in(answer):
        is_ours = reference_of(item, reference) in (None, record.key)
        if is_ours and id_of(item) is not None and epoch_of(item.get("start_time")) == record.start:
            return id_of(item)
    return None


def created_id(answer: object, record: StartInterval) -> str | None:
    """The id of the one interval that `interval/set` has made, also where its start is not repeated, or rounded: of the
    interval with that start, else of the only thing that the answer shows."""
    if (exact := interval_id(answer, record)) is not None:
        return exact
    sole = _sole(answer)
    if isinstance(sole, Mapping):
        named = [sole[name] for name in ("id", "interval_id") if isinstance(sole.get(name), str | int)]
        return (str(named[0]) or None) if named else None
    return str(sole) if isinstance(sole, str | int) and isinstance(answer, list | Mapping) else None


def shown_start(answer: object, record: StartInterval) -> int | None:
    """The start of the interval that `interval/set` has made, as the answer has it."""
    if interval_id(answer, record) is not None:
        return record.start
    sole = _sole(answer)
    return epoch_of(sole.get("start_time")) if isinstance(sole, Mapping) else None


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


def is_called(answer: object, name: str) -> bool:
    """Whether the answer to a search shows something of that name."""
    return any(isinstance(entry, Mapping) and entry.get("name") == name for entry in entries_of(answer) or [])


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
    entries = entries_of(answer)
    if entries is None or any(not isinstance(entry, Mapping) or "id" not in entry for entry in entries):
        return None
    return any(_is_as_told(entry, record) for entry in entries if isinstance(entry, Mapping))


def _is_as_told(entry: Mapping[str, object], record: UpdateInterval) -> bool:
    metadata = entry.get("metadata")
    shown = metadata if isinstance(metadata, Mapping) else {}
    return (
        (record.end is None or epoch_of(entry.get("end_time")) == record.end)
        and (not record.name or says_same(entry.get("name"), record.name))
        and all(says_same(plain_metadata(shown.get(key)), value) for key, value in record.metadata.items())
    )


def shown_interval(answer: object, oden_id: str) -> Mapping[str, Any] | Literal["none"] | None:
    """The interval with that id, as the answer to a search shows it; "none" where it shows none, and None where the
    answer cannot be told to mean either."""
    entries = entries_of(answer)
    if entries is None or any(not isinstance(entry, Mapping) or "id" not in entry for entry in entries):
        return None
    found = (entry for entry in entries if isinstance(entry, Mapping) and str(entry["id"]) == oden_id)
    return next(found, "none")


def shown_end(shown: Mapping[str, Any]) -> int | None:
    """The end of an interval that Oden shows; None where it is open, or that cannot be read. There are those who write
    that it has none yet as a time before its start, such as the year 1, or as the year 9999."""
    start, end = epoch_of(shown.get("start_time")), epoch_of(shown.get("end_time"))
    is_none = end is None or end >= NEVER or (start is not None and end < start)
    return None if is_none else end


def strangers(answer: object, start: int, known: Collection[str]) -> list[str]:
    """The ids of intervals that the answer to a search shows as on at `start`, having begun before, and that are not
    among the `known`."""
    entries = [entry for entry in entries_of(answer) or [] if isinstance(entry, Mapping) and "id" in entry]
    on = [
        entry
        for entry in entries
        if (begun := epoch_of(entry.get("start_time"))) is not None
        and begun < start
        and ((end := shown_end(entry)) is None or end > start)
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
    if reference and any(reference_of(entry, reference) == record.key for entry in entries_of(answer) or ()):
        return True
    return _shows_time(answer, "timestamp", record.timestamp, record.key, reference)


def has_grown(answer: object, record: Output, reference: str | None) -> bool:
    """Whether an entry with our reference to the record is shown under another time stamp: a later life has added to it
    before it sent it."""
    ours = [entry for entry in entries_of(answer) or () if reference and reference_of(entry, reference) == record.key]
    return any(record.timestamp not in output_times(entry) for entry in ours)


def output_times(entry: object) -> set[int]:
    """The time stamps of an entry of output or of a test; none where it cannot be read."""
    return {time for item in objects_in(entry) if (time := epoch_of(item.get("timestamp"))) is not None}


def concerns_output(
    records: Collection[Output], reference: str | None = None, beside: Collection[object] = (), step: int = 1
) -> Keeps:
    """Which entries of the answer to a search say something of any of `records`, whose time stamps Oden may move by
    less than `step` seconds, or have a time stamp that is one of those `beside` them."""
    stamps, keys = {record.timestamp for record in records}, {record.key for record in records}

    def keeps(entry: object) -> bool:
        times = output_times(entry)
        is_near = any(abs(time - stamp) < step for time in times for stamp in stamps)
        return not times or is_near or any(time in beside for time in times) or reference_of(entry, reference) in keys

    return keeps


def shows_moved(answer: object, record: Output, beside: Collection[int], reference: str | None, step: int) -> bool:
    """Whether the answer to a search has an entry that says what the record does, less than `step` seconds from its
    time stamp, and that is none of those `beside` it."""
    return any(
        time not in beside
        and 0 < abs(time - record.timestamp) < step
        and (reference is None or reference not in raw)
        and all(says_same(raw.get(name), value) for name, value in record.raw_data.items())
        for time, raw in shown_output(answer) or ()
    )


def concerns_starts(records: Collection[StartInterval], step: int = 1, beside: Collection[object] = ()) -> Keeps:
    """The same of intervals whose starts Oden may round to `step` seconds; those that have begun before any of them,
    which can be somebody else's; and those with an id that is one of those `beside` them."""
    starts, step = sorted({record.start for record in records}), max(1, step)

    def keeps(entry: object) -> bool:
        times = {epoch_of(item.get("start_time")) for item in objects_in(entry)} - {None}
        start = next(iter(times)) if len(times) == 1 else None
        if start is None or (isinstance(entry, Mapping) and str(entry.get("id")) in beside):
            return True
        place = bisect_left(starts, start)
        return place == 0 or any(abs(start - one) < step for one in starts[place - 1 : place + 1])

    return keeps


def shown_output(answer: object) -> list[tuple[int, Mapping[str, object]]] | None:
    """The entries of output in the answer to a search, each with its time stamp and raw data; None where one cannot be
    read."""
    found = []
    for entry in entries_of(answer) or ():
        times = output_times(entry)
        data = [item["raw_data"] for item in objects_in(entry) if "raw_data" in item]
        raw = plain(data[0]) if data else None
        if len(times) != 1 or not isinstance(raw, Mapping):
            return None
        found.append((min(times), raw))
    return None if entries_of(answer) is None else found


def shows_open(answer: object) -> bool:
    """Whether the answer to a search has an interval that is open."""
    entries = [entry for entry in entries_of(answer) or () if isinstance(entry, Mapping)]
    return any("start_time" in entry and shown_end(entry) is None for entry in entries)


def shown_starts(answer: object) -> list[tuple[str, int]] | None:
    """The intervals in the answer to a search, each with its id and start; None where one cannot be read."""
    found = []
    for entry in entries_of(answer) or ():
        start = epoch_of(entry.get("start_time")) if isinstance(entry, Mapping) else None
        oden_id = id_of(entry) if isinstance(entry, Mapping) else None
        if start is None or oden_id is None:
            return None
        found.append((oden_id, start))
    return None if entries_of(answer) is None else found


def shows_setting(answer: object, record: Setting, _: str | None = None) -> bool | None:
    """The same of the thing that a setting is about, by the one field that says which it is; of a work order, as
    `orders` tells those of one name apart.

    Things made by hand need not have that field; where none has it, the answer is not understood.
    """
    name, _wanted = _identity(record)
    entries = entries_of(answer)
    things = [item for item in entries or [] if isinstance(item, Mapping)]
    if entries is None or len(things) < len(entries) or (things and not any(name in item for item in things)):
        return None
    ours = _things_of(answer, record)
    return orders.meant(ours, record) is not None if _is_order(record) else bool(ours)


def setting_id(answer: object, record: Setting, _: str | None = None) -> str | None:
    """The id of that thing."""
    ours = [item for item in _things_of(answer, record) if item.get("id") is not None]
    one = orders.meant(ours, record) if _is_order(record) else next(iter(ours), None)
    return None if one is None else str(one["id"])


def shows_as_told(answer: object, record: Setting) -> bool:
    """Whether the answer to a search shows the work order that `record` is about, and all that this says of it."""
    one = orders.meant(_things_of(answer, record), record) if _is_order(record) else None
    return one is not None and orders.is_as_told(one, record)


def _is_order(record: Setting) -> bool:
    return record.type == "maintenance_work_order"


def _things_of(answer: object, record: Setting) -> list[Mapping[str, object]]:
    """The things in the answer to a search that have the one field by which the record names its own."""
    name, wanted = _identity(record)
    things = [item for item in entries_of(answer) or [] if isinstance(item, Mapping)]
    return [item for item in things if name in item and _as_text(item[name]) == wanted]


def line_id(answer: object) -> str | None:
    """The id in the answer to a search for a line: its own, not that of its factory or of anything else it names."""
    entries = [answer] if isinstance(answer, Mapping) and "id" in answer else entries_of(answer) or []
    ids = (id_of(entry) for entry in entries if isinstance(entry, Mapping))
    return next((found for found in ids if found is not None), None)


def _shows_time(answer: object, name: str, wanted: int, key: str, reference: str | None) -> bool | None:
    """It is absent only where every entry could be read: to take an answer that is not understood for "none" would send
    the record again. An entry that carries the reference of another record is another."""
    entries = entries_of(answer)
    if entries is None:
        return None
    times = [{epoch_of(item.get(name)) for item in objects_in(entry)} - {None} for entry in entries]
    fitting = [entry for entry, moments in zip(entries, times, strict=True) if wanted in moments]
    if any(reference_of(entry, reference) in (None, key) for entry in fitting):
        return True
    return False if all(times) else None


def _identity(record: Setting) -> tuple[str, object]:
    """The one field that says which thing a setting is about, and its value."""
    (name,) = IDENTITY[record.type]
    return name, _as_text(record.fields.get(name))


def _as_text(value: object) -> object:
    """A number as the text that is sent of it: Oden keeps texts."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
