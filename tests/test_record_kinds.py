"""The table of record kinds: every record has a row, and the rows make sense."""

from dataclasses import fields, replace
from typing import get_args

import pytest

from gateway.model import CREATED_ONCE, Output, Record, Setting, SettingType, StartInterval, UpdateInterval
from gateway.oden.requests import ROWS
from gateway.outbox.lanes import goes_after, keeps_order, lane_of, parked_lane, takes_turns
from gateway.record_kinds import KINDS, RecordKind, creates, end_of, kind_of

START = StartInterval("s", "L", 1.0, "RUN", 1, "order", {"product": "Film"}, 9)
UPDATE = UpdateInterval("u", "L", 1.0, "RUN", "s", 9)
OUTPUT = Output("o", "L", 1.0, "RUN", "s", 5, {"yield": 1}, ("yield",))
TEST = replace(OUTPUT, key="t", quality_schema="66")
SETTINGS = tuple(Setting(f"{type_}", "L", 1.0, type_, {"name": "N"}) for type_ in get_args(SettingType))
RECORDS: tuple[Record, ...] = (START, UPDATE, OUTPUT, TEST, *SETTINGS)


def test_every_record_has_a_kind_and_every_kind_a_record() -> None:
    """No class of records, and no type of settings, is left out."""
    (union, _) = get_args(Record)
    assert {type(record) for record in RECORDS} == set(get_args(union))
    assert {kind_of(record).name for record in RECORDS} == {kind.name for kind in KINDS}
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("record", "effect", "role", "lane"),
    [
        (START, "create", "opens", "L/runs"),
        (replace(START, type="BATCH"), "create", "opens", "L/runs"),
        (replace(START, type="STATE"), "create", "opens", "L/states"),
        (replace(START, type="wash"), "create", "opens", "L/custom wash"),
        (UPDATE, "change", "changes", "L/updates RUN"),
        (OUTPUT, "create", "adds", "L/output"),
        (TEST, "create", "adds", "L/tests"),
        *((setting, "create" if setting.type in CREATED_ONCE else "set", "none", None) for setting in SETTINGS),
    ],
)
def test_what_is_true_of_each_kind(record: Record, effect: str, role: str, lane: str | None) -> None:
    """What a request does, how a record stands to its interval, and which lane it goes into."""
    kind = kind_of(record)
    assert (kind.effect, kind.interval, creates(record)) == (effect, role, effect == "create")
    assert kind.needs_interval == (role in ("changes", "adds"))
    assert lane in (None, lane_of(record))
    assert takes_turns(lane_of(record))
    assert keeps_order(lane_of(record)) == (role == "none")
    assert end_of(record) == (9 if role in ("opens", "changes") else None)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.kind} {record.type}")
def test_all_times_of_a_record_are_mended(record: Record) -> None:
    """Every field that holds a time of the plant is in its row, so that none stays as a wrong clock has stamped it."""
    times = {each.name for each in fields(record)} & {"start", "end", "timestamp"}
    assert {*kind_of(record).times} == times


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_row_does_not_contradict_itself(kind: RecordKind) -> None:
    """What creates is looked up before it is sent twice, and nothing else is; an id is adopted only where one is found;
    only what opens an interval takes others along; entries that are summed are parts of an interval."""
    assert (kind.look_up != "never") == (kind.effect == "create")
    assert not kind.adopts or kind.look_up != "never"
    assert (kind.withdrawal == "with_interval") == (kind.interval == "opens")
    assert kind.merging != "sums" or kind.interval == "adds"
    assert not kind.expendable_families or kind.interval == "adds"


def test_a_thing_is_one_whichever_line_speaks_of_it() -> None:
    """Settings that hold for all lines are about one thing; a target of another line is another one; all that names an
    interval is about that."""
    product = next(setting for setting in SETTINGS if setting.type == "product")
    target = Setting("k", "L", 1.0, "target", {"product": {"name": "P"}, "metric_group": {"name": "Speed"}})

    def identity(record: Record) -> object:
        return kind_of(record).identity(record)

    assert identity(product) == identity(replace(product, line="other", key="k2"))
    assert identity(target) != identity(replace(target, line="other"))
    assert identity(target) != identity(product)
    assert identity(START) == identity(UPDATE) == identity(OUTPUT) == identity(TEST)
    assert identity(START) != identity(replace(START, key="another"))


def test_lanes_wait_for_the_type_of_their_intervals() -> None:
    """Intervals of a type of the factory's own go after what makes the type; nothing else waits for another lane."""
    made_in = lane_of(next(setting for setting in SETTINGS if setting.type == "interval_type"))
    assert goes_after("L/custom wash") == made_in
    assert {goes_after(lane_of(record)) for record in RECORDS} == {None}
    assert not takes_turns(parked_lane("L"))


def test_each_kind_is_told_to_oden() -> None:
    """Each row of the table has its row of requests; what can be in doubt can be looked up."""
    assert set(ROWS) == set(KINDS)
    assert all(ROWS[kind].look_up is not None for kind in KINDS if kind.look_up != "never")
