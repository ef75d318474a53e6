"""Messages that could not be used, through intake: which are kept, and what it means to take one in once more."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import Batch
from gateway.clock import AnchoredClock
from gateway.config.message_schemas import MessageSchema
from gateway.config.schema import Line
from gateway.errors import OutboxError, SourceError
from gateway.frozen import replace
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.inputs import InputPlan, refusal
from gateway.model import KeptReject, Moment, Reject, Sample
from gateway.outbox import rejects
from gateway.outbox.entries import Commit
from gateway.outbox.store import Outbox
from gateway.sources.base import Arrival, Replay, replayed
from gateway.sources.mqtt import MqttSource
from tests.intake_rig import Rig
from tests.peers import PATIENCE
from tests.sources.harness import mqtt_config

KEY = "Factory A/Line 01"


def plan(**changes: Any) -> LinePlan:
    """A line that reads orders by `field` and counts scrap up to `most`; with `time`, the messages say when; scrap fits
    `schema`."""
    wanted: dict[str, Any] = {"field": "number", "most": 100, "time": None, "inputs": {}, "schema": None, **changes}
    time = {"time": wanted["time"]} if wanted["time"] else {}
    file = Path("scrap.json")
    schema = {"json_schema": file} if wanted["schema"] else {}
    return compile_line(
        Line.model_validate(
            {
                "factory": "Factory A",
                "line": "Line 01",
                "inputs": {
                    "order": {"source": "floor", "topic": "order", "field": wanted["field"], **time},
                    "scrap": {"source": "floor", "topic": "scrap", **time, **schema},
                    **wanted["inputs"],
                },
                "run": {"key": "order", "product": "{order}", "settle": "0s"},
                "scrap_yield": {
                    "every": "1s",
                    "entries": [{"count": "scrap.qty", "max": wanted["most"], "raw_data": {"scrap": "{n}"}}],
                },
            }
        ),
        ("lines", 0),
        schemas={file: MessageSchema("scrap.json", wanted["schema"])} if schema else {},
    )


async def kept(rig: Rig) -> list[KeptReject]:
    """What is in the store, the oldest first."""

    def read(outbox: Outbox) -> list[KeptReject]:
        return [*rejects.newest(outbox.row, outbox.totals.kept_rejects, 1_000)][::-1]

    return await rig.outbox(read)


async def again(rig: Rig, intake: Intake, number: int) -> str:
    """Replay a message; what is still wrong with it."""
    found = await rig.outbox(lambda outbox: rejects.whole(outbox.row, number))
    assert found is not None
    known, payload = found
    reject = Reject(known.source, known.address, payload, known.at, known.reason, known.lines, known.retained)
    source = MqttSource("floor", mqtt_config("mqtt://127.0.0.1"), ["order", "scrap"], AnchoredClock())
    async with asyncio.timeout(PATIENCE):
        await intake.replay({"floor": source}, number, reject)
    left = await rig.outbox(lambda outbox: rejects.whole(outbox.row, number))
    return "" if left is None else left[0].reason


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def scrap_waiting(rig: Rig, wanted: int) -> None:
    """Wait until so much scrap is on its way to Oden."""
    async with asyncio.timeout(PATIENCE):
        while sum([await rig.scrap(place) for place in range(10)]) != wanted:
            await asyncio.sleep(0.02)


async def test_p6_what_is_of_no_use_is_kept_and_what_is_used_is_not(tmp_path: Path) -> None:
    """Also what a source could not read. The message is acknowledged once it is in the store."""
    rig = Rig(tmp_path, plan())
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"nr": "A1"}, 1))
        await intake.take(rig.message("order", {"number": "A1"}, 2))
        await intake.take(rig.message("scrap", {"qty": 101}, 3))
        await intake.take(rig.message("scrap", {"qty": 5}, 4))
        unread = Reject("floor", "scrap", b"\xff", rig.clock.now(), "the payload is not UTF-8 (byte 0)")
        done = asyncio.Event()
        await intake.take(Arrival("floor", rejects=(unread,), done=done.set))
        await done.wait()
        found = await kept(rig)
    assert rig.acked == [1, 2, 3, 4]
    assert [(each.number, each.address, each.lines) for each in found] == [
        (1, "order", (KEY,)),
        (2, "scrap", (KEY,)),
        (3, "scrap", ()),
    ]
    assert found[0].reason.startswith('order is missing: the message has no field "number"')
    assert "more than its max of 100" in found[1].reason


async def test_p6_what_has_done_something_is_not_kept(tmp_path: Path) -> None:
    """One input counts the message, another cannot use it: taken in once more it would count twice."""
    inputs = {"code": {"source": "floor", "topic": "scrap", "field": "code"}}
    rig = Rig(tmp_path, plan(inputs=inputs))
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 5}, 1))
        await intake.take(rig.message("scrap", {"qty": "many"}, 2))
        await until(lambda: rig.acked == [1, 2])
        assert (await rig.outbox(Outbox.summary, 10)).totals.rejects == 3
        assert [each.number for each in await kept(rig)] == [1]
        assert (await kept(rig))[0].size == len('{"qty": "many"}')


async def test_p6_what_does_not_fit_its_schema_is_kept_with_place_and_reason(tmp_path: Path) -> None:
    """It feeds no input, also none without a schema, and none of other messages of the topic; it is taken in once the
    schema is mended."""
    code = {"source": "floor", "topic": "scrap", "field": "code", "counter": {}, "only": {"type": ["a", "b"]}}
    narrow = """{"required": ["qty"], "properties": {"qty": {"maximum": 4}, "type": {"enum": ["a"]}}}"""
    rig = Rig(tmp_path, plan(inputs={"code": code}, schema=narrow))
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 5, "type": "a", "code": 3}, 2))
        await intake.take(rig.message("scrap", {"qty": 1, "type": "b", "code": 4}, 3))
        await intake.take(rig.message("scrap", {"qty": 2, "type": "a", "code": 5}, 4))
        await until(lambda: rig.acked == [1, 2, 3, 4])
        found = await kept(rig)
        assert [(each.address, each.reason.partition(": {")[0]) for each in found] == [
            ("scrap", "the message does not fit scrap.json at qty: 5 is greater than the maximum of 4"),
            ("scrap", "the message does not fit scrap.json at type: 'b' is not one of ['a']"),
        ]
        assert (await rig.outbox(Outbox.summary, 10)).totals.rejects == 2
        assert intake.state(KEY).inputs["code"].value == 5
        assert "at qty" in await again(rig, intake, 1)
        await intake.replan([plan(inputs={"code": code}, schema="{}")], {KEY})
        assert await again(rig, intake, 1) == ""
        assert [each.number for each in await kept(rig)] == [2]
        await scrap_waiting(rig, 7)


@pytest.mark.parametrize("time", [None, "at"])
async def test_p4_a_replayed_message_counts_once_after_the_fix(tmp_path: Path, time: str | None) -> None:
    """The controls engineer mends the configuration and takes the messages in once more. One that still cannot be used
    stays, with the reason of now; one that was taken is not there any more."""
    rig = Rig(tmp_path, plan(field="nr", most=3, time=time))
    async with rig.running() as intake:
        at = {"at": rig.clock.now() - 30}
        await intake.take(rig.message("order", {"number": "A1", **at}, 1))
        await intake.take(rig.message("scrap", {"qty": 5, **at}, 2))
        await intake.take(rig.message("scrap", {"qty": 200, **at}, 3))
        await until(lambda: rig.acked == [1, 2, 3])
        assert [each.number for each in await kept(rig)] == [1, 2, 3]
        assert "has no field" in await again(rig, intake, 1)
        assert await rig.made() == {}
        await intake.replan([plan(most=100, time=time)], {KEY})
        assert await again(rig, intake, 1) == ""
        assert await again(rig, intake, 2) == ""
        assert "more than its max of 100" in await again(rig, intake, 3)
        assert [each.number for each in await kept(rig)] == [3]
        assert (await rig.made())["start"] == 1
        await scrap_waiting(rig, 5)
        if time is not None:
            text = await rig.outbox(Outbox.row, f"record/{KEY}/runs/0")
            assert text is not None
            assert f'"start":{int(at["at"])}' in text


async def test_p4_a_late_message_that_cannot_be_used_is_kept(tmp_path: Path) -> None:
    """Its own time is before what the line has heard: it is put in its place first, and told then."""
    rig = Rig(tmp_path, plan(most=3, time="at"))
    async with rig.running() as intake:
        now = rig.clock.now()
        await intake.take(rig.message("order", {"number": "A1", "at": now - 60}, 1))
        await intake.take(rig.message("order", {"number": "A2", "at": now - 10}, 2))
        await intake.take(rig.message("scrap", {"qty": 5, "at": now - 30}, 3))
        async with asyncio.timeout(PATIENCE):
            while not (found := await kept(rig)):
                await asyncio.sleep(0.02)
    assert [(each.address, each.lines) for each in found] == [("scrap", (KEY,))]
    assert found[0].at >= now


async def test_p4_a_commit_that_fails_or_whose_answer_is_lost_replays_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither lost nor double: the message is in the store until the very transaction that takes it in."""
    rig, tries = Rig(tmp_path, plan(most=3)), list[int]()
    commit = Outbox.commit

    def moody(outbox: Outbox, change: Commit) -> None:
        if change.replayed:
            tries.append(change.number)
            if len(tries) == 1:
                raise OutboxError("the disk is full")
            if len(tries) == 2:
                commit(outbox, change)
                raise OutboxError("the answer was lost")
        commit(outbox, change)

    monkeypatch.setattr(Outbox, "commit", moody)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 5}, 2))
        await until(lambda: rig.acked == [1, 2])
        await intake.replan([plan(most=100)], {KEY})
        assert await again(rig, intake, 1) == ""
        await scrap_waiting(rig, 5)
    assert len(tries) == 3
    assert len({*tries}) == 1


async def test_p2_a_message_whose_id_has_come_can_be_replayed(tmp_path: Path) -> None:
    """Its id was taken note of when it came in vain."""
    inputs = {"scrap": {"source": "floor", "topic": "scrap", "id": "id"}}
    wrong, right = (plan(most=most, inputs=inputs) for most in (3, 100))
    rig = Rig(tmp_path, wrong)
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        await intake.take(rig.message("scrap", {"qty": 5, "id": "x"}, 2))
        await until(lambda: rig.acked == [1, 2])
        await intake.replan([right], {KEY})
        assert await again(rig, intake, 1) == ""
        await scrap_waiting(rig, 5)


async def test_what_nobody_reads_any_more_stays(tmp_path: Path) -> None:
    """A message must not leave the store because no input takes it now."""
    rig = Rig(tmp_path, plan(most=3))
    async with rig.running() as intake:
        await intake.take(rig.message("scrap", {"qty": 5}, 1))
        await until(lambda: rig.acked == [1])
        inputs = {"scrap": {"source": "floor", "topic": "another"}}
        await intake.replan([plan(inputs=inputs)], {KEY})
        assert "no such topic any more" in await again(rig, intake, 1)
        assert [each.number for each in await kept(rig)] == [1]


def test_what_must_not_be_replayed() -> None:
    """A tag's value is not the present any more, and a Sparkplug message counts only in its order."""
    source = MqttSource("floor", mqtt_config("mqtt://127.0.0.1"), ["scrap"], AnchoredClock())
    sparkplug = Reject("floor", "spBv1.0/G/NDATA/N", b"x", 1.0, "")
    unknown = Reject("gone", "scrap", b"1", 1.0, "")
    unread = Reject("floor", "scrap", b"\xff", 1.0, "")
    for reject, told in ((sparkplug, "its next birth"), (unknown, "no source gone"), (unread, "is not UTF-8")):
        with pytest.raises(SourceError, match=told):
            replayed({"floor": source}, Replay(1, reject), 2.0)


async def test_p12_of_a_flood_some_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    """A thousand that lack the field: the first twenty, or a few more as time passes, and how many more there were; a
    good one among them counts."""
    rig = Rig(tmp_path, plan())
    async with rig.running() as intake:
        for number in range(1_000):
            await intake.take(rig.message("order", {"nr": number}, 1 + number))
        await intake.take(rig.message("order", {"number": "A1"}, 2_000))
        await until(lambda: len(rig.acked) == 1_001)
        totals = (await rig.outbox(Outbox.summary, 1)).totals
    assert 20 <= totals.kept_rejects.number <= 30
    assert totals.kept_rejects.number + totals.kept_rejects.left_out == totals.rejects == 1_000
    assert totals.records == {"start": 1}


@pytest.mark.parametrize("schema", [None, '{"required": ["qty"], "properties": {"qty": {"type": "integer"}}}'])
async def test_a_flood_among_which_good_ones_are(tmp_path: Path, schema: str | None) -> None:
    """However many that cannot be used come at once, with reasons that change: what is good among them counts, of each
    the id is known, and the notices of a minute are a few."""
    rig = Rig(tmp_path, plan(schema=schema))
    bad = [{"nr": 1}, {"number": [1]}, {"number": {"a": 2}}, {"number": "x" * 20_000}]
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        for number in range(1, 1_000):
            good = number % 97 == 0
            await intake.take(rig.message("order", bad[number // 60 % 4], 2 * number))
            scrap = {"qty": 1} if good else {"qty": "many"}
            await intake.take(rig.message("scrap", scrap, 2 * number + 1))
        await intake.take(rig.message("order", {"number": "A2"}, 3_000))
        await until(lambda: len(rig.acked) == 2_000)
        totals = (await rig.outbox(Outbox.summary, 1)).totals
        assert (totals.records["start"], totals.rejects) == (2, 999 + 989)
        assert totals.kept_rejects.number + totals.kept_rejects.left_out == totals.rejects
        assert sum([await rig.scrap(place) for place in range(3)]) == 10
        told = [notice for notice in rig.noticed if notice.kind == "reject"]
        assert len(told) < 20


async def test_p5_a_message_on_which_reading_crashes_amid_a_flood_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an extension in another language may; what follows counts."""

    class Panic(BaseException):
        pass

    crashed: list[int] = []

    def crashing(fed: Sequence[InputPlan], sample: Sample) -> str | None:
        if sample.value == {"nr": 200}:
            crashed.append(200)
            raise Panic
        return refusal(fed, sample)

    monkeypatch.setattr("gateway.batch.refusal", crashing)
    rig = Rig(tmp_path, plan())
    async with rig.running() as intake:
        for number in range(300):
            await intake.take(rig.message("order", {"nr": number}, 1 + number))
        await intake.take(rig.message("order", {"number": "A1"}, 1_000))
        await until(lambda: len(rig.acked) == 301)
        assert (crashed, await rig.made()) == ([200], {"start": 1})
        assert (await rig.outbox(Outbox.summary, 1)).totals.rejects == 300


async def test_p5_a_value_that_nobody_can_write_down_stops_nothing(tmp_path: Path) -> None:
    """Nested without an end, as something that is no message of JSON could be: a reject, and what follows counts."""
    rig, deep = Rig(tmp_path, plan()), list[object]()
    for _ in range(5_000):
        deep = [deep]
    async with rig.running() as intake:
        for number, (topic, value) in enumerate([("order", deep), ("scrap", deep), ("scrap", {"qty": deep})], 1):
            moment = Moment((Sample("floor", topic, value, rig.clock.now()),))
            await intake.take(replace(rig.message(topic, None, number), moments=(moment,)))
        await intake.take(rig.message("order", {"number": "A1"}, 4))
        await until(lambda: rig.acked == [1, 2, 3, 4])
        assert [each.address for each in await kept(rig)] == ["order", "scrap", "scrap"]
        assert (await rig.made()) == {"start": 1}


def test_a_message_that_several_lines_cannot_use_is_one() -> None:
    """With all their names: it is replayed to these lines, and not to one that had used it."""
    batch = Batch((), None)  # type: ignore[arg-type]
    sample = Sample("floor", "order", {"nr": 1}, 1.0)
    for line in ("a", "b"):
        batch._refuse(line, sample, "order is missing")
    batch._refuse("a", Sample("floor", "order", {"nr": 1}, 1.0), "order is missing")
    assert [reject.lines for reject in batch.rejects] == [("a", "b"), ("a",)]
