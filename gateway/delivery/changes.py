"""What a change of an interval's name and metadata says to Oden, which people change as well. Pure.

Somebody re-categorises a downtime, or writes a comment: that stays. So what Oden shows is compared with what it was
told last, and only that is changed which nobody else has changed since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from gateway.delivery.learned import Effect
from gateway.model import Record, UpdateInterval
from gateway.oden.answers import plain_metadata, says_same, shown_end
from gateway.outbox.merge import set_fields

UpdatesOrder = Literal["auto", "fields", "whole"]
"""auto: fields, until it is seen that this Oden drops what a change does not name. fields: a change names what is new.
whole: it names all that there is."""

NEEDED = frozenset({"category", "product"})
"""Metadata without which Oden has no state, or no run: that they stay says nothing of others."""
BY_HAND = frozenset({"details comment", "details reason"})
"""What people add to an interval, as it is called in `set_fields`."""
PREFIX = "details "
"""What metadata are called by in `set_fields`."""


def is_change(record: Record) -> bool:
    """Whether a record changes what people may change as well, so that it is looked at first."""
    return isinstance(record, UpdateInterval) and bool(record.metadata or record.name or record.moves_end)


@dataclass(frozen=True, slots=True)
class Change:
    """Of an update: the fields to `write`, those that are `theirs`, named as in `set_fields`; and the metadata that
    Oden shows `beside` what is written."""

    write: Mapping[str, JsonValue]
    theirs: frozenset[str]
    beside: Mapping[str, JsonValue]


def change_of(record: UpdateInterval, shown: Mapping[str, JsonValue], told: Mapping[str, JsonValue] | None) -> Change:
    """What to say of an interval that Oden shows as `shown`, and that it was `told` of (None: that is not known). Its
    end is told by itself."""
    metadata = shown_metadata(shown)
    seen = {"name": shown.get("name"), **{f"{PREFIX}{name}": value for name, value in metadata.items()}}
    write: dict[str, JsonValue] = {}
    theirs = set[str]()
    for name, value in set_fields(record).items():
        there = plain_metadata(seen.get(name))
        # What Oden has just as it was told is not a later word that it has shortened, however that begins.
        untouched = told is not None and there is not None and there == told.get(name) != value
        if name == "end" or (says_same(there, value) and not untouched):
            continue
        if there in (None, "") or told is None or says_same(there, told.get(name)):
            write[name] = value
        else:
            theirs.add(name)
    beside = {name: value for name, value in metadata.items() if f"{PREFIX}{name}" not in write}
    return Change(write, frozenset(theirs), beside)


def told_beside(
    record: UpdateInterval, told: Mapping[str, JsonValue] | None, reference: str | None
) -> Mapping[str, JsonValue]:
    """The metadata that Oden was `told` of beside those that an update sets, as far as an Oden that replaces metadata
    drops them: none where it sets none, and not what an interval must have. Under the name `reference` it was told the
    interval's key."""
    if not record.metadata:
        return {}
    known = {name.removeprefix(PREFIX): value for name, value in (told or {}).items() if name.startswith(PREFIX)}
    known |= {reference: record.interval} if reference else {}
    spared = NEEDED | record.metadata.keys()
    return {name: value for name, value in known.items() if name not in spared and value not in (None, "")}


def dropped(
    record: UpdateInterval,
    shown: Mapping[str, JsonValue],
    told: Mapping[str, JsonValue] | None,
    reference: str | None,
) -> Mapping[str, JsonValue]:
    """What Oden was `told` of beside those that an update sets, and shows no more because a change has dropped it: so
    it is where the interval's key is gone too, which nobody takes away by hand."""
    there = shown_metadata(shown).keys()
    if not reference or reference in there:
        return {}
    return {name: value for name, value in told_beside(record, told, reference).items() if name not in there}


def end_is_theirs(
    record: UpdateInterval, shown: Mapping[str, JsonValue], told: Mapping[str, JsonValue] | None, step: int
) -> bool:
    """Whether the end that `record` says anew is not to be told, because somebody has changed that of the interval,
    which Oden shows as `shown`, since it was `told`; of what never was, because they have changed anything. `step`: to
    how many seconds Oden rounds."""
    ours = told.get("end") if told is not None else None
    if told is None or not isinstance(ours, int):
        return False
    end = shown_end(shown)
    if end is None or abs(end - ours) >= max(1, step):
        return True
    seen = {"name": shown.get("name"), **{f"{PREFIX}{name}": value for name, value in shown_metadata(shown).items()}}
    names = (told.keys() | BY_HAND) - {"end"}
    return record.withdraws and any(
        not says_same(plain_metadata(seen.get(name)) or "", told.get(name) or "") for name in names
    )


def still_to_write(record: UpdateInterval, shown: Mapping[str, JsonValue], sent: Mapping[str, JsonValue]) -> bool:
    """Whether anything that was `sent` of an update is not shown."""
    return bool(change_of(record, shown, None).write.keys() & sent.keys())


def vanished(beside: Mapping[str, JsonValue], shown: Mapping[str, JsonValue]) -> bool:
    """Whether any of the metadata that were there `beside` a change is gone afterwards."""
    return bool(beside.keys() - shown_metadata(shown).keys())


def shown_metadata(shown: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The metadata of an interval that Oden shows, without those that are empty or its own."""
    metadata = shown.get("metadata")
    items = metadata.items() if isinstance(metadata, Mapping) else ()
    return {name: value for name, value in items if value is not None and name != "metadata_type"}


def writes_whole(chosen: UpdatesOrder, learned: Effect | None) -> bool:
    """Whether a change names everything that there is."""
    return chosen == "whole" or (chosen == "auto" and learned == "replaced")


def asks(chosen: UpdatesOrder, learned: Effect | None, beside: Mapping[str, JsonValue]) -> bool:
    """Whether it is to be seen what a change does to the metadata `beside` it."""
    unknown = learned is None or (learned == "needed" and bool(beside.keys() - NEEDED))
    return chosen == "auto" and unknown and bool(beside)


def effect_of(beside: Mapping[str, JsonValue]) -> Effect:
    """What it says that all metadata `beside` a change are there afterwards."""
    return "merged" if beside.keys() - NEEDED else "needed"
