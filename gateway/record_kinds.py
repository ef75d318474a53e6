"""The table of record kinds: what the outbox and delivery have to know of a record in order to carry it. Pure.

What else a new kind of record needs, docs/architecture.md lists.
"""

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeGuard

from gateway.model import (
    CREATED_ONCE,
    OF_NO_LINE,
    Addition,
    Output,
    Record,
    Setting,
    SettingType,
    StartInterval,
    UpdateInterval,
)

Effect = Literal["create", "change", "set"]
"""What a request for the record does at Oden. create: it makes something, and sent twice it could make two. change: it
sets values of an interval by the id that Oden gave it. set: it sets values of what its fields name. The last two may
be sent again without harm."""

IntervalRole = Literal["opens", "changes", "adds", "none"]
"""How the record stands to its interval. opens: it is the start, and its key is the interval's. changes: it says what
is known of the interval since, one after another, the end last of all. adds: it is a part of the interval, for which
the end waits. none: it belongs to no interval. What changes or adds needs the interval's id at Oden."""

Merging = Literal["never", "fields", "sums"]
"""What becomes of the record where another of the same thing waits already. never: both are sent. fields: the one that
waits says both, field by field, the later word winning; a start takes the fields of changes in. sums: their amounts
are added up, where all else is equal and both lie in one stretch of time."""

LookUp = Literal["never", "in_doubt", "always"]
"""When Oden is searched for what the record makes. in_doubt: once a request for it may have been accepted. always:
before the first request too, because others may have made it."""

Withdrawal = Literal["alone", "with_interval"]
"""What goes with the record where a person drops it. with_interval: all that names its interval."""

SETTING_FAMILIES: Mapping[SettingType, str] = MappingProxyType(
    {
        "product": "products",
        "product_mapping": "settings",
        "product_attribute": "settings",
        "target": "settings",
        "maintenance_work_order": "work orders",
        "interval_type": "interval types",
    }
)
"""The lanes of settings. Those that can be in doubt have one for each type: one that is stops no others."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordKind:
    """What is true of every record of one kind."""

    name: str
    """For people."""
    effect: Effect
    interval: IntervalRole
    merging: Merging
    look_up: LookUp
    adopts: bool
    """The id under which Oden has it is taken up: kept for what needs it, or put into the next request."""
    withdrawal: Withdrawal
    identity: Callable[[Any], Hashable]
    """Which thing at Oden a record is about: equal for all that are about the same one, whichever lines they are of."""
    family: Callable[[Any], str]
    """The lane of its line into which a record goes."""
    times: tuple[str, ...] = ()
    """Its fields that hold times beside `at`; what a wrong clock has stamped is mended in them."""
    by_rule: bool = False
    """A rule of its line makes it."""
    ordered_families: frozenset[str] = field(default=frozenset())
    """Lanes in which each record is sent only when those before it are at Oden, because they may be about one thing."""
    expendable_families: frozenset[str] = field(default=frozenset())
    """Lanes from which what waits may be dropped to make room, where the user has chosen that."""

    @property
    def needs_interval(self) -> bool:
        """Whether it can be sent only once the id of its interval at Oden is known."""
        return self.interval in ("changes", "adds")


def _interval(record: StartInterval | UpdateInterval | Output) -> Hashable:
    return record.interval


def _subject(setting: Setting) -> Hashable:
    line = None if setting.type in OF_NO_LINE else setting.line
    return line, setting.type, json.dumps(setting.about, sort_keys=True)


def _start_family(start: StartInterval) -> str:
    return start_family(start.type)


def start_family(interval_type: str) -> str:
    """The lane of the starts of intervals of one type: runs and batches share one, because they follow each other."""
    if interval_type == "STATE":
        return "states"
    return "runs" if interval_type in ("RUN", "BATCH") else f"custom {interval_type}"


def _update_family(update: UpdateInterval) -> str:
    return update_family(update.type)


def update_family(interval_type: str) -> str:
    """The lane of what is known of intervals of one type since their starts."""
    return f"updates {interval_type}"


def _setting_family(setting: Setting) -> str:
    return SETTING_FAMILIES[setting.type]


START = RecordKind(
    name="start",
    effect="create",
    interval="opens",
    merging="never",
    look_up="in_doubt",
    adopts=True,
    withdrawal="with_interval",
    identity=_interval,
    family=_start_family,
    times=("start", "end"),
)
UPDATE = RecordKind(
    name="update",
    effect="change",
    interval="changes",
    merging="fields",
    look_up="never",
    adopts=False,
    withdrawal="alone",
    identity=_interval,
    family=_update_family,
    times=("end",),
)
OUTPUT = RecordKind(
    name="output",
    effect="create",
    interval="adds",
    merging="sums",
    look_up="in_doubt",
    adopts=False,
    withdrawal="alone",
    identity=_interval,
    family=lambda output: "corrections" if output.corrects else "output",
    expendable_families=frozenset({"output"}),
    times=("timestamp",),
)
QUALITY_TEST = RecordKind(
    name="quality test",
    effect="create",
    interval="adds",
    merging="never",
    look_up="in_doubt",
    adopts=False,
    withdrawal="alone",
    identity=_interval,
    family=lambda _: "tests",
    times=("timestamp",),
    by_rule=True,
)
SETTING = RecordKind(
    name="setting",
    effect="set",
    interval="none",
    merging="fields",
    look_up="never",
    adopts=False,
    withdrawal="alone",
    identity=_subject,
    family=_setting_family,
    ordered_families=frozenset(family for type_, family in SETTING_FAMILIES.items() if type_ not in CREATED_ONCE),
    by_rule=True,
)
CREATING_SETTING = RecordKind(
    name="setting of what is created once",
    effect="create",
    interval="none",
    merging="fields",
    look_up="always",
    adopts=True,
    withdrawal="alone",
    identity=_subject,
    family=_setting_family,
    ordered_families=frozenset(family for type_, family in SETTING_FAMILIES.items() if type_ in CREATED_ONCE),
    by_rule=True,
)

KINDS = (START, UPDATE, OUTPUT, QUALITY_TEST, SETTING, CREATING_SETTING)


def kind_of(record: Record) -> RecordKind:
    """The row of the table that holds for `record`."""
    match record:
        case StartInterval():
            return START
        case UpdateInterval():
            return UPDATE
        case Output():
            return OUTPUT if record.quality_schema is None else QUALITY_TEST
        case Setting():
            return CREATING_SETTING if record.type in CREATED_ONCE else SETTING


def about(record: Record) -> str:
    """What a record says something of: its interval, or the thing that a setting is about."""
    if not isinstance(record, Setting):
        return record.interval
    return f"{'' if record.type in OF_NO_LINE else record.line} {record.type} {record.about}"


def creates(record: Record) -> bool:
    """Whether sending the record's request twice could make two things at Oden."""
    return kind_of(record).effect == "create"


def end_of(record: Record) -> int | None:
    """The end of its interval that a record tells; None where it tells none."""
    return record.end if isinstance(record, StartInterval | UpdateInterval) else None


def moves_amounts(record: Record) -> TypeGuard[Addition]:
    """Whether it corrects the amounts of its interval. Others may wait for it: what is taken from one interval must be
    at Oden with another first."""
    return isinstance(record, Addition) and record.corrects


def corrects(record: Record) -> bool:
    """Whether it says something else than was told before."""
    return not isinstance(record, Setting) and record.corrects


def is_completed(setting: Setting) -> bool:
    """Whether a work order is said to be completed, so that it may be begun anew."""
    return setting.type == "maintenance_work_order" and setting.fields.get("completed_at") is not None


def begins_anew(older: Setting, later: Setting) -> bool:
    """Whether a work order that was completed is begun again: Oden hears of both, one after the other. Wherever
    settings of one thing become one, this decides which do not."""
    done, begun = older.fields.get("completed_at"), later.fields.get("started_at")
    if not is_completed(older) or begun is None:
        return False
    return begun != older.fields.get("started_at") and later.fields.get("completed_at") != done


def was_over_before(setting: Setting, known: Setting) -> bool:
    """Whether a setting tells that a work order was completed before it was begun as `known` says: it has come late,
    and is of the time before. Times are texts that are in order as they are."""
    done, begun = setting.fields.get("completed_at"), known.fields.get("started_at")
    own = setting.fields.get("started_at") or done
    if setting.type != "maintenance_work_order" or not (isinstance(done, str) and isinstance(begun, str)):
        return False
    return done <= begun and isinstance(own, str) and own < begun


def speak_of_two(older: Setting, later: Setting) -> bool:
    """Whether settings of one thing, the later of which was said after the other, are of two times at which a work
    order was begun, so that neither says anything of the other."""
    return begins_anew(older, later) or was_over_before(later, older)
