"""Which interval in the answer to a search is the one that a start has made, also where Oden shows starts otherwise
than it was told them. Pure."""

from collections.abc import Collection, Mapping, Sequence

from gateway.model import StartInterval
from gateway.oden import answers
from gateway.oden.answer_parts import entries_of, epoch_of, reference_of

MINUTE = 60
"""Seconds to which Oden may round starts."""


def with_own_starts(
    answer: object,
    records: Sequence[StartInterval],
    step: int,
    known: Collection[str],
    reference: str | None = None,
) -> object:
    """The answer to a search for `records`, without what has a `known` id, which is another interval. What carries the
    key of a record under the name `reference` has the start of that in it, in the place of whatever Oden has made of
    it. Where Oden rounds starts to `step` seconds, so has the nearest without a key that says the same as the record;
    what is left then is of others, whichever start it shows."""
    entries = entries_of(answer)
    if entries is None:
        return answer
    left = [entry for entry in entries if not (isinstance(entry, Mapping) and str(entry.get("id")) in known)]
    shown: list[object] = []

    def take(entry: Mapping[str, object], record: StartInterval) -> None:
        left.remove(entry)
        shown.append({**entry, "start_time": record.start})

    by_key = {key: entry for entry in left if (key := reference_of(entry, reference)) is not None}
    ours = [(record, by_key.get(record.key)) for record in records]
    for record, entry in ours:
        if isinstance(entry, Mapping):
            take(entry, record)
    if step <= 1:
        return [*shown, *left]
    for record in (record for record, entry in ours if not isinstance(entry, Mapping)):
        near = [
            entry
            for entry in left
            if isinstance(entry, Mapping) and reference_of(entry, reference) is None and is_near(entry, record, step)
        ]
        best = min(near, key=lambda entry: abs((epoch_of(entry.get("start_time")) or 0) - record.start), default=None)
        if best is not None:
            take(best, record)
    unread = [entry for entry in left if not isinstance(entry, Mapping) or epoch_of(entry.get("start_time")) is None]
    return [*shown, *unread]


def rounds_starts(
    answer: object, records: Sequence[StartInterval], known: Mapping[str, int], reference: str | None = None
) -> bool:
    """Whether the answer to a search for `records` shows that Oden keeps the minutes of starts only: of an interval
    that is certainly ours, by its `known` id, with the start that was told, or by the key of a record."""
    told = {record.key: record.start for record in records}
    for entry in entries_of(answer) or ():
        shown = epoch_of(entry.get("start_time")) if isinstance(entry, Mapping) else None
        if isinstance(entry, Mapping) and shown is not None and shown % MINUTE == 0:
            start = known.get(str(entry.get("id")), told.get(reference_of(entry, reference) or ""))
            if start is not None and 0 < start - shown < MINUTE:
                return True
    return False


def may_be_rounded(
    answer: object, records: Sequence[StartInterval], known: Collection[str], reference: str | None = None
) -> bool:
    """Whether the answer to a search for `records` has one of them only if Oden keeps the minutes of starts only, of
    which nothing in it says no, as a start with seconds does. What carries a key under the name `reference` says by
    that which it is."""
    entries = [entry for entry in entries_of(answer) or () if isinstance(entry, Mapping)]
    shown = [(epoch_of(entry.get("start_time")), entry) for entry in entries]
    if any(start is not None and start % MINUTE for start, _ in shown):
        return False
    told = {record.start for record in records}
    left = [
        entry
        for start, entry in shown
        if start not in told and str(entry.get("id")) not in known and reference_of(entry, reference) is None
    ]
    missing = [record for record in records if answers.interval_id(answer, record) is None and record.start % MINUTE]
    return any(is_near(entry, record, MINUTE) for entry in left for record in missing)


def telling(known: Mapping[str, int]) -> str | None:
    """Of intervals that are certainly ours, by their ids with the starts that were told, the one by which Oden shows
    whether it keeps their seconds; None where none does."""
    return max((oden_id for oden_id, start in known.items() if start % MINUTE), key=known.__getitem__, default=None)


def is_near(entry: Mapping[str, object], record: StartInterval, step: int) -> bool:
    """Whether an entry begins where Oden may show the record's start, and says nothing else than the record."""
    start, metadata = epoch_of(entry.get("start_time")), entry.get("metadata")
    details = metadata if isinstance(metadata, Mapping) else {}
    return start is not None and abs(start - record.start) < step and says_as(entry.get("name"), details, record)


def says_as(name: object, metadata: Mapping[str, object], record: StartInterval) -> bool:
    """Whether an interval of that name, with that `metadata` as far as it has them, can be the record's."""
    return (not record.name or answers.says_same(name, record.name)) and all(
        answers.says_same(answers.plain_metadata(metadata[key]), told)
        for key, told in record.metadata.items()
        if key in metadata
    )
