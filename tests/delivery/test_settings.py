"""What is set beside intervals and output, and quality tests, against the real stand-in: the last word holds, and
nothing exists twice."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.delivery.settlement import MOST_SENDS
from gateway.model import Output, Record, Setting, SettingType, StartInterval
from gateway.oden.requests import DEFAULT, request_for
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import retry
from gateway.outbox.store import Outbox
from tests.delivery.harness import FACTORY, LINE, LINES, NAME, Fault, Oden, Rig
from tests.peers import PATIENCE


def setting(rig: Rig, kind: SettingType, line: str = LINE, **fields: Any) -> Setting:
    return Setting(rig.key(), line, 1_800_000_000.0, kind, fields)


def target(rig: Rig, product: str, value: float, line: str = LINE) -> Setting:
    return setting(
        rig, "target", line, product={"name": product}, metric_group={"name": "Line speed"}, target_value=value
    )


def order(rig: Rig, number: str, **fields: Any) -> Setting:
    return setting(rig, "maintenance_work_order", external_id=number, **fields)


BEGUN = {"name": "Blade", "started_at": "2027-01-15T08:00:00Z"}
DONE = {"completed_at": "2027-01-15T09:00:00Z"}


def held(oden: Oden, what: str) -> list[dict[str, Any]]:
    """Everything of one kind that Oden holds."""
    found: Any = oden.model.snapshot()[what]
    return list(found)


def values(oden: Oden) -> dict[str, float]:
    """The targets by product."""
    names = {one["id"]: one["name"] for one in held(oden, "products")}
    return {names[one["product"]]: one["target_value"] for one in held(oden, "targets")}


async def test_the_last_word_holds(rig: Rig, oden: Oden) -> None:
    """Products, mappings, attributes and targets arrive in their order; of one thing that waits, one request says the
    last word."""
    colour = {"name": "cable_color", "display_name": "Cable Color"}
    async with rig.running() as drain:
        await rig.commit(
            drain,
            setting(rig, "product_mapping", product={"name": "Pipe"}),
            setting(rig, "product_attribute", product={"name": "Pipe"}, value="Red", **colour),
            *(target(rig, product, value) for value in (1, 2, 3) for product in ("Pipe", "Film")),
            setting(rig, "product_attribute", product={"name": "Pipe"}, value="Blue", **colour),
        )
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert values(oden) == {"Pipe": 3, "Film": 3}
    assert [one["value"] for one in held(oden, "values")] == ["Blue"]
    assert oden.seen == [
        "line/search",
        "product_mapping/set",
        "product_attribute/set",
        "target/set",
        "target/set",
    ]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("status", [None, 500, 429])
async def test_p4_a_target_that_was_lost_is_not_overtaken(rig: Rig, oden: Oden, where: str, status: int | None) -> None:
    """Whatever becomes of the request for one value, the next value is sent only when that is settled."""
    oden.faults.append(Fault("target/set", "before" if where == "before" else "after", status))
    async with rig.running() as drain:
        await rig.commit(drain, target(rig, "Pipe", 1))
        await rig.seen(2)
        await rig.commit(drain, target(rig, "Pipe", 2))
        await rig.drained()
    assert values(oden) == {"Pipe": 2}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="no fault"),
        pytest.param(Fault("work_order/set", "after"), id="cut after it took effect"),
        pytest.param(Fault("work_order/set", "before"), id="cut before it took effect"),
        pytest.param(Fault("work_order/set", "after", 500), id="500 after it took effect"),
        pytest.param(Fault("work_order/set", "after", 200, text=""), id="empty, after it took effect"),
        pytest.param(Fault("work_order/set", "before", 204, text=""), id="empty, and it did not take effect"),
        pytest.param(Fault("work_order/set", "after", contains="completed_at", times=2), id="an update is cut twice"),
        pytest.param(Fault("work_order/search", "after"), id="the search is cut"),
        pytest.param(Fault("work_order/search", "after", 200, text="{}"), id="the search is not understood"),
        pytest.param(Fault("work_order/search", "before", 404), id="404 for none"),
    ],
)
async def test_p4_a_work_order_exists_once(rig: Rig, oden: Oden, fault: Fault | None) -> None:
    """It is looked up before it is made, in this life and the next; later events change the one that is there."""
    if fault is not None:
        oden.faults.append(fault)
    async with rig.running() as drain:
        await rig.commit(drain, order(rig, "17", **BEGUN))
        await rig.drained()
    async with rig.running() as drain:
        await rig.commit(drain, order(rig, "17", **DONE), order(rig, "18", **BEGUN))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    found = held(oden, "orders")
    assert [(one["external_id"], one["name"], one.get("completed_at")) for one in found] == [
        ("17", "Blade", DONE["completed_at"]),
        ("18", "Blade", None),
    ]


@pytest.mark.parametrize("kind", ["product", "interval_type"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="no fault"),
        pytest.param(Fault("{}/set", "after"), id="cut after it took effect"),
        pytest.param(Fault("{}/set", "before"), id="cut before it took effect"),
        pytest.param(Fault("{}/set", "after", 500), id="500 after it took effect"),
        pytest.param(Fault("{}/set", "after", 200, text=""), id="empty, after it took effect"),
        pytest.param(Fault("{}/set", "before", 204, text=""), id="empty, and it did not take effect"),
        pytest.param(Fault("{}/search", "after"), id="the search is cut"),
        pytest.param(Fault("{}/search", "before", 404), id="404 for none"),
    ],
)
async def test_p4_what_goes_by_its_name_is_made_once(
    rig: Rig, oden: Oden, kind: SettingType, fault: Fault | None
) -> None:
    """A product, a type of intervals: looked up before it is made, in this life and the next; what is said of one that
    is there goes to its id."""
    if fault is not None:
        oden.faults.append(replace(fault, path=fault.path.format(kind)))
    tags: dict[str, Any] = {"tags": ["shop"]} if kind == "interval_type" else {}
    async with rig.running() as drain:
        await rig.commit(drain, setting(rig, kind, name="Tool", **tags))
        await rig.drained()
    async with rig.running() as drain:
        await rig.commit(drain, setting(rig, kind, name="Tool", **tags), setting(rig, kind, name="Mould"))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    held_now = held(oden, "products") if kind == "product" else [{"name": name} for name in held(oden, "types")]
    assert [one["name"] for one in held_now if one["name"] in {"Tool", "Mould"}] == ["Tool", "Mould"]


@pytest.mark.parametrize("kind", ["product", "interval_type"])
async def test_p4_what_several_lines_tell_of_one_name_is_made_once(rig: Rig, oden: Oden, kind: SettingType) -> None:
    """Two lines that tell the same product or type of intervals at once, each the first to: there is one, and only one
    asks for it to be made."""
    async with rig.running() as drain:
        await rig.commit(drain, *(setting(rig, kind, line, name="Tool") for line in LINES))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    held_now = held(oden, "products") if kind == "product" else [{"name": name} for name in held(oden, "types")]
    assert [one["name"] for one in held_now if one["name"] == "Tool"] == ["Tool"]
    sent = [path for path in oden.seen if path.startswith(kind)]
    assert sent == [f"{kind}/search", f"{kind}/set"] * 2


@pytest.mark.parametrize(
    "fault", [None, Fault("interval_type/set", "after"), Fault("interval_type/search", "before", 500)]
)
async def test_intervals_wait_for_their_type(rig: Rig, oden: Oden, fault: Fault | None) -> None:
    """An interval of a type that is yet to be made is sent when the type is there, whichever was told first; others do
    not wait."""
    if fault is not None:
        oden.faults.append(fault)
    async with rig.running() as drain:
        tool = StartInterval(rig.key(), LINE, 1_800_000_000.0, "Tool", 1_800_000_000, "T1")
        await rig.commit(drain, tool, setting(rig, "interval_type", name="Tool"), rig.start(1_800_000_000))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert [one.name for one in oden.model.intervals("Tool", FACTORY, NAME)] == ["T1"]
    assert len(oden.runs()) == 1


async def test_p4_what_is_there_already_is_told_though_answers_are_empty(rig: Rig, oden: Oden) -> None:
    """To change what has an id twice does no harm: an empty answer is believed, in a life that has never seen a fuller
    one."""
    async with rig.running() as drain:
        await rig.commit(drain, setting(rig, "product", name="Tool"))
        await rig.drained()
    oden.faults.append(Fault("product/set", "after", 200, text="", times=1000))
    before = len(oden.seen)
    async with rig.running() as drain:
        await rig.commit(drain, setting(rig, "product", name="Tool"))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert oden.seen[before:] == ["product/search", "product/set"]


@pytest.mark.parametrize(
    ("others", "made"),
    [
        pytest.param([{"id": "a", "external_id": None}], 1, id="one without a number"),
        pytest.param([{"id": "a", "external_id": "9"}, {"id": "b", "name": "by hand"}], 1, id="one that leaves it out"),
        pytest.param(
            [{"id": "a", "external_id": "9", "parent": {"id": "b", "external_id": "17"}}], 1, id="within another"
        ),
        pytest.param([{"id": "a", "externalId": "17"}], 0, id="in words that are not known"),
        pytest.param([{"id": None, "external_id": "17"}], 0, id="without an id"),
    ],
)
async def test_p4_other_work_orders_in_an_answer_are_told_apart(
    rig: Rig, oden: Oden, others: list[dict[str, Any]], made: int
) -> None:
    """An answer that shows only other orders, also such that were made by hand, means that ours is not there; one in
    words that are not known leaves it in doubt. Never is another taken for ours."""
    oden.faults.append(Fault("work_order/search", "before", 200, text=json.dumps(others), times=1000))
    async with rig.running() as drain:
        await rig.commit(drain, order(rig, "17", **BEGUN))
        if made:
            await rig.drained()
        else:
            await rig.seen(3)
        counts = await rig.counts()
    assert ([one["external_id"] for one in held(oden, "orders")], counts.dead) == (["17"] * made, 0)


async def test_p5_a_work_order_that_is_not_there_and_cannot_be_made_is_a_dead_letter(rig: Rig, oden: Oden) -> None:
    """An event that says too little for a new one, of an order that Oden does not know: nothing is sent, and the reason
    names what is missing. What is said of one that is there need not be as much."""
    async with rig.running() as drain:
        await rig.commit(drain, order(rig, "17", **DONE), order(rig, "18", **BEGUN))
        await rig.drained()
        await rig.commit(drain, order(rig, "18", **DONE))
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert letter.error == "maintenance_work_order/set: `name` must be given; `started_at` must be given"
    assert [(one["external_id"], one["completed_at"]) for one in held(oden, "orders")] == [("18", DONE["completed_at"])]
    assert oden.seen.count("maintenance_work_order/set") == 2


@pytest.mark.parametrize("fault", [None, Fault("work_order/set", "after"), Fault("work_order/set", "before")])
async def test_p4_a_work_order_whose_number_is_a_number_exists_once(rig: Rig, oden: Oden, fault: Fault | None) -> None:
    """Oden keeps texts: a number is sent as one, and found again as one."""
    if fault is not None:
        oden.faults.append(fault)
    async with rig.running() as drain:
        await rig.commit(drain, setting(rig, "maintenance_work_order", external_id=17, **BEGUN))
        await rig.drained()
        await rig.commit(drain, setting(rig, "maintenance_work_order", external_id=17, **DONE))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert [(one["external_id"], one["completed_at"]) for one in held(oden, "orders")] == [("17", DONE["completed_at"])]


async def test_p5_a_work_order_in_doubt_stops_no_target(rig: Rig, oden: Oden) -> None:
    """While Oden's answers about work orders are not understood, the other settings of the line go on."""
    oden.faults.append(Fault("work_order/search", "after", 200, text="{}", times=1000))
    async with rig.running() as drain:
        await rig.commit(drain, order(rig, "17", **BEGUN), target(rig, "Pipe", 1))
        await rig.seen(4)
        async with asyncio.timeout(PATIENCE):
            while not held(oden, "targets"):
                await asyncio.sleep(0.02)
        counts = await rig.counts()
    assert (counts.in_doubt, counts.waiting, held(oden, "orders")) == (1, 0, [])
    assert values(oden) == {"Pipe": 1}


async def test_p4_work_orders_and_tests_survive_kills(rig: Rig, oden: Oden) -> None:
    """A gateway killed at any request goes on: each work order and each test is there once."""
    run = rig.start(1_800_000_000)
    records: list[Record] = [run, *(result(rig, run.key, 1_800_000_010 + n) for n in range(4))]
    records += [order(rig, str(n), **BEGUN) for n in range(3)] + [order(rig, str(n), **DONE) for n in range(3)]
    async with rig.running() as drain:
        await rig.commit(drain, *records)
        await rig.seen(2)
    kills = 0
    while True:
        before = len(oden.seen)
        async with rig.running():
            if not await rig.seen(before + 1 + kills % 3):
                break
        kills += 1
    assert kills >= 3
    assert [one["completed_at"] for one in held(oden, "orders")] == [DONE["completed_at"]] * 3
    assert sorted(one["timestamp"] for one in held(oden, "tests")) == [f"2027-01-15T08:00:1{n}Z" for n in range(4)]


def result(rig: Rig, interval: str, at: int) -> Output:
    return Output(rig.key(), LINE, float(at), "RUN", interval, at, {"torque": 4.5}, (), "66")


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("status", [None, 500])
async def test_p4_a_quality_test_exists_once(rig: Rig, oden: Oden, where: str, status: int | None) -> None:
    """Whether or not the lost request took effect, the test is at Oden once, with its schema."""
    oden.faults.append(Fault("quality_test/set", "before" if where == "before" else "after", status))
    run = rig.start(1_800_000_000)
    async with rig.running() as drain:
        await rig.commit(drain, run, result(rig, run.key, 1_800_000_010), rig.end(run, 1_800_000_060))
        await rig.drained()
    (test,) = held(oden, "tests")
    assert (test["schema"], test["raw_data"], test["timestamp"]) == ("66", {"torque": 4.5}, "2027-01-15T08:00:10Z")
    assert "quality_test/search" in oden.seen


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(500, Fault.text, id="fails over it"),
        pytest.param(409, Fault.text, id="says that it can be tried again"),
        pytest.param(200, "", id="answers nothing"),
    ],
)
async def test_p5_a_setting_that_oden_cannot_take_stops_no_other(rig: Rig, oden: Oden, status: int, text: str) -> None:
    """One that is refused is a dead letter at once, one that fails again and again while others are taken is one at
    last, and what waits behind it goes on."""
    rig.settle = 0.02
    nobody = setting(rig, "product_attribute", product={"name": "Nobody"}, name="x", value="y")
    async with rig.running() as drain:
        await rig.commit(drain, nobody)
        await rig.drained()
    outbox = Outbox(rig.rows)
    outbox.commit(Commit(number=outbox.last_commit() + 1, records=(target(rig, "Poison", 1), target(rig, "Pipe", 2))))
    (work,) = outbox.work()
    request = request_for(work.records, line_id(oden), (None,), DEFAULT)
    tried = Attempt(
        work.lane, work.positions, request.endpoint.path, request.text(), 0.0, failed=MOST_SENDS - 1, phase="retry"
    )
    assert outbox.begin(work, tried)
    oden.faults.append(Fault("target/set", "before", status, text, times=1000, contains="Poison"))
    async with rig.running() as drain, asyncio.timeout(PATIENCE):
        number = 0
        while (await rig.counts()).dead < 2:
            number += 1
            await rig.commit(drain, rig.start(1_700_000_000 + number, "STATE"))
            await asyncio.sleep(0.05)
        await rig.drained()
        letters = await rig.outbox(Outbox.dead_letters, 5)
    assert values(oden) == {"Pipe": 2}
    assert [letter.tries <= 3 for letter in letters] == [True, True]
    assert "given up after" in letters[0].error


REFUSAL = '{"error": "no such value", "name": "target_value", "retryable": false}'


@pytest.mark.parametrize(
    "when", ["refused before", "refused while the next waits", "refused, and the gateway is killed"]
)
async def test_p5_a_refused_setting_takes_nothing_back(rig: Rig, oden: Oden, when: str) -> None:
    """What Oden refused and what was then said anew is no dead letter any more; what was not said anew still is one,
    and sending it once more changes nothing else."""
    limits: dict[str, Any] = {"target_value": 1, "lsl": 0.5}
    thing: dict[str, Any] = {"product": {"name": "Pipe"}, "metric_group": {"name": "Line speed"}}
    first = [setting(rig, "target", **thing, **limits), target(rig, "Film", 1)]
    later = [setting(rig, "target", **thing, target_value=2), target(rig, "Film", 2)]
    oden.faults.append(Fault("target/set", "before", 400, text=REFUSAL, times=2, contains='"target_value":1'))
    if when == "refused while the next waits":
        outbox = Outbox(rig.rows)
        outbox.commit(Commit(number=outbox.last_commit() + 1, records=tuple(first)))
        for work in outbox.work():
            request = request_for(work.records, line_id(oden), (None,), DEFAULT)
            assert outbox.begin(work, Attempt(work.lane, work.positions, request.endpoint.path, request.text(), 0.0))
        outbox.commit(Commit(number=outbox.last_commit() + 1, records=tuple(later)))
    async with rig.running() as drain:
        if when != "refused while the next waits":
            await rig.commit(drain, *first)
            await rig.drained()
            assert (await rig.counts()).dead == 2
        if when == "refused before":
            await rig.commit(drain, *later)
        await rig.drained()
    async with rig.running() as drain:
        if when == "refused, and the gateway is killed":
            await rig.commit(drain, *later)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
        assert isinstance(letter.record, Setting)
        assert letter.record.fields == {**thing, "lsl": 0.5}
        assert (await rig.outbox(lambda outbox: retry(outbox, page(outbox, Filter(where="dead"))[0]))).sent == 1
        drain.wake()
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert values(oden) == {"Pipe": 2, "Film": 2}
    assert sorted(one.get("lsl", 0) for one in held(oden, "targets")) == [0, 0.5]


def line_id(oden: Oden) -> str:
    """The id of the line."""
    answer = oden.model.answer("/v2/line/search", json.dumps({"name": NAME, "factory": {"name": FACTORY}}).encode())
    assert isinstance(answer.body, list)
    return str(answer.body[0]["id"])
