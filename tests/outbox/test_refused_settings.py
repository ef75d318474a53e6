"""Settings that Oden refuses: what a person does with them never takes back what was said later."""

import json
from dataclasses import replace

import pytest

from gateway.model import Setting
from gateway.outbox.entries import Work
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter
from gateway.outbox.operator_actions import compare, drop, exported, imported, retry
from gateway.outbox.reindex import reindex
from gateway.outbox.store import Outbox
from tests.outbox import floor as things
from tests.outbox.actions_rig import all_of, problems
from tests.outbox.floor import commit


def test_a_setting_that_is_sent_once_more_gives_way_to_what_waits() -> None:
    """A refused setting can be listed, exported, changed and retried; what was said of the same thing since holds,
    field by field."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    commit(outbox, floor.setting("Film", lsl=1, usl=9))
    (work,) = outbox.work()
    outbox.settle(things.begun(outbox, work), {}, {work.positions[0]: "no"}, 7.0)
    commit(outbox, floor.setting("Film", lsl=2))
    (letter,) = all_of(outbox, Filter(where="dead", kind="target"))
    line = exported(letter).replace('"usl": 9', '"usl": 8')
    changed = imported([line])
    compare([letter], changed)
    done = retry(outbox, [letter], {key: record for key, (_, record) in changed.items()})
    assert done.sent == 1
    assert problems(outbox) == []
    assert things.drain(outbox, oden) == 1
    assert [fields | {} for fields in oden.set.values()] == [
        {"product": {"name": "Film"}, "metric_group": {"name": "Speed"}, "lsl": 2, "usl": 8}
    ]


def refused(outbox: Outbox, work: Work) -> None:
    """Oden refuses a setting for good."""
    outbox.settle(things.begun(outbox, work), {}, {work.positions[0]: "no"}, 7.0)


MANY = 150
"""Things: more than anything in memory is about."""


@pytest.mark.parametrize("killed", [False, True])
def test_p5_of_many_refused_settings_none_takes_back_what_was_said_later(killed: bool) -> None:
    """However many things were refused, each is no dead letter any more once it was said anew."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, *(floor.setting(f"Film {number}", lsl=1) for number in range(MANY)))
    while works := outbox.work():
        refused(outbox, works[0])
    assert outbox.counts().dead == MANY
    outbox = Outbox(rows) if killed else outbox
    commit(outbox, *(floor.setting(f"Film {number}", lsl=2) for number in range(MANY)))
    things.drain(outbox, oden)
    assert (outbox.counts().dead, outbox.totals.outdated) == (0, MANY)
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []
    assert problems(outbox) == []


def test_p5_two_refusals_of_one_thing_take_nothing_back() -> None:
    """Where two dead letters speak of one thing, what is said later counts against both."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    for setting in (floor.setting("Film", lsl=1, usl=9), floor.setting("Film", lsl=2)):
        commit(outbox, setting)
        refused(outbox, outbox.work()[0])
    assert [exported(one).count('sl":') for one in all_of(outbox, Filter(where="dead"))] == [1, 1]
    commit(outbox, floor.setting("Film", lsl=3, usl=7))
    things.drain(outbox, oden)
    assert outbox.dead_letters(5) == []
    (shown,) = oden.set.values()
    assert (shown["lsl"], shown["usl"]) == (3, 7)


@pytest.mark.parametrize("killed", [False, True])
def test_p5_a_setting_that_is_refused_while_many_wait_takes_nothing_back(killed: bool) -> None:
    """What waits far behind is later all the same, and is merged into one request for each thing."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1))
    first = things.begun(outbox, outbox.work()[0])
    commit(outbox, floor.setting("Film", lsl=2), *(floor.setting(f"Film {number}", lsl=3) for number in range(MANY)))
    outbox = Outbox(rows) if killed else outbox
    commit(outbox, *(floor.setting(f"Film {number}", usl=4) for number in range(MANY)), floor.setting("Film", usl=4))
    outbox.settle(first, {}, {first.positions[0]: "no"}, 7.0)
    assert (outbox.counts().dead, outbox.totals.outdated) == (0, 1)
    assert things.drain(outbox, oden) == MANY + 1
    assert all(fields["usl"] == 4 for fields in oden.set.values())
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []


@pytest.mark.parametrize("what", ["retried", "dropped"])
def test_p12_of_a_refused_setting_that_a_person_has_seen_to_nothing_is_left(what: str) -> None:
    """Once it was sent once more, or dropped, no row is about the thing any more."""
    floor, oden, rows = things.Floor(), things.Oden(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1))
    refused(outbox, outbox.work()[0])
    (letter,) = all_of(outbox, Filter(where="dead"))
    assert [key for key, _ in rows.items() if key.startswith("thing/")] != []
    if what == "retried":
        assert retry(outbox, [letter]).sent == 1
    else:
        assert drop(outbox, [letter]) == 1
    things.drain(outbox, oden)
    assert [key for key, _ in rows.items() if key.startswith("thing/")] == []


def test_p7_what_is_known_of_things_is_made_anew_from_the_records() -> None:
    """After rows were lost, merging and dead letters go on as before: with one that waits, one that is under way, and
    one that was refused."""
    floor, rows = things.Floor(), MemoryStore()
    outbox = Outbox(rows)
    commit(outbox, floor.setting("Film", lsl=1), floor.setting("Pipe", lsl=1))
    refused(outbox, outbox.work()[0])
    things.begun(outbox, outbox.work()[0])
    commit(outbox, floor.setting("Film", usl=2), floor.setting("Pipe", lsl=2), floor.setting("Wire", lsl=1))
    whole = {key: text for key, text in rows.items() if key.startswith("thing/")}
    assert len(whole) == 3
    some, other, _ = whole
    rows.apply({"thing/of nobody": "{}", other: "no JSON"}, [some])
    assert reindex(rows) == []
    assert {key: text for key, text in rows.items() if key.startswith("thing/")} == whole


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        pytest.param(None, {"usl": 9}, id="as it was"),
        pytest.param(("usl", 8), {"usl": 8}, id="another field is changed"),
        pytest.param(("lsl", 5), {"lsl": 5, "usl": 9}, id="the field itself is changed"),
    ],
)
def test_p5_a_refused_setting_that_was_listed_before_a_later_word_takes_nothing_back(
    change: tuple[str, int] | None, sent: dict[str, int]
) -> None:
    """Listed or exported, then overtaken, then sent once more: only what nothing later says, and what the person says
    differently."""
    floor, oden, outbox = things.Floor(), things.Oden(), Outbox(MemoryStore())
    commit(outbox, floor.setting("Film", lsl=1, usl=9))
    (work,) = outbox.work()
    body = {"line": {"id": "7"}, **(work.records[0].fields if isinstance(work.records[0], Setting) else {})}
    attempt = replace(things.attempt_for(work), body=json.dumps(body))
    assert outbox.begin(work, attempt)
    outbox.settle(replace(work, attempt=attempt), {}, {work.positions[0]: "no"}, 7.0)
    (letter,) = all_of(outbox, Filter(where="dead"))
    commit(outbox, floor.setting("Film", lsl=2))
    things.drain(outbox, oden)
    changed = None
    if change is not None:
        assert isinstance(letter.record, Setting)
        changed = {letter.record.key: replace(letter.record, fields=dict([*letter.record.fields.items(), change]))}
    assert retry(outbox, [letter], changed).sent == 1
    (work,) = outbox.work()
    assert isinstance(work.records[0], Setting)
    assert {name: value for name, value in work.records[0].fields.items() if name in ("lsl", "usl")} == sent
