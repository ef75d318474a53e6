"""What becomes of values that are not good, and of times that are not the device's."""

import asyncio

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from tests.campaign.virtual import simulate
from tests.sources.harness import node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, simulated

UNCERTAIN = StatusCodes.UncertainLastUsableValue


@simulated
async def test_p9_a_tag_that_stays_uncertain_is_a_problem_with_its_remedy() -> None:
    """Only where that is ignored, only after three intervals, and only until it is good again."""
    server = Server(a=1, b=1, c=1)
    inputs: dict[str, dict[str, object]] = {"a": {"counter": {}}, "b": {"counter": {}, "uncertain": "use"}}
    async with connected(server, "a", "b", "c", inputs=inputs) as (source, intake):
        await asyncio.sleep(5)
        for name in "abc":
            server.write(name, 2, status=UNCERTAIN)
        await asyncio.sleep(0.5)
        assert source.health.failed == {}
        await asyncio.sleep(15)
        assert source.health.failed.keys() == {node("a")}
        assert "UncertainLastUsableValue" in source.health.failed[node("a")]
        assert "`uncertain: use`" in source.health.failed[node("a")]
        assert [sample.quality for sample in intake.samples if sample.value == 2] == ["uncertain"] * 3
        server.write("a", 3)
        await asyncio.sleep(1)
        assert source.health.failed == {}


@pytest.mark.parametrize(("timestamps", "age"), [("source", 30.0), ("server", 0.0), ("arrival", None)])
def test_p11_a_source_says_whose_time_counts(timestamps: str, age: float | None) -> None:
    async def main() -> None:
        server = Server(a=1)
        async with connected(server, "a", timestamps=timestamps) as (_, intake):
            await asyncio.sleep(5)
            server.write("a", 2, old=30.0)
            await asyncio.sleep(1)
            sample = intake.samples[-1]
            if age is None:
                assert sample.source_time is None
            else:
                assert sample.source_time is not None
                assert abs(sample.received - sample.source_time - age) < 1

    simulate(main())


@simulated
async def test_p2_null_without_a_type_is_empty_where_the_tag_is_text() -> None:
    """Many servers send null so, whatever it is of. Whether a tag is text they are asked once, of all at a time, also
    of those whose first value is null; null of a number says nothing, nor that of a tag whose type is not said."""
    null = ua.Variant(None, ua.VariantType.Null)
    server = Server(fault="Jam", order=null, speed=5, other="x", mode=null)
    server.types = {"fault": 21, "order": 12, "speed": 11, "mode": 21}
    async with connected(server, "fault", "order", "speed", "other", "mode") as (_, intake):
        await asyncio.sleep(5)
        reads = server.asked.count("Read")
        for name in ("fault", "order", "speed", "other"):
            server.write(name, null)
        await asyncio.sleep(5)
        server.write("fault", "E1")
        server.write("fault", null)
        server.write("order", null, status=UNCERTAIN)
        await asyncio.sleep(5)
        assert server.asked.count("Read") == reads + 1
        told = {name: intake.values(node(name)) for name in ("fault", "order", "speed", "other", "mode")}
    assert told == {
        "fault": ["Jam", "", "E1", ""],
        "order": ["", "", None],
        "speed": [5, None],
        "other": ["x", None],
        "mode": [""],
    }


@simulated
async def test_what_cannot_be_found_out_of_a_tag_costs_the_null_of_no_other() -> None:
    """Of a type that the server does not say, or whose kind it refuses to say now: that it is asked for again."""
    null = ua.Variant(None, ua.VariantType.Null)
    server = Server(odd="x", fault="Jam", locale="de")
    server.types = {"odd": 9999, "fault": 21, "locale": 295}
    async with connected(server, "odd", "fault", "locale") as (_, intake):
        await asyncio.sleep(5)
        server.refused_browse = StatusCodes.BadServiceUnsupported
        for _ in range(2):
            for name in ("odd", "fault", "locale"):
                server.write(name, null)
            await asyncio.sleep(5)
            server.refused_browse = 0
        told = {name: intake.values(node(name)) for name in ("odd", "fault", "locale")}
    assert told == {"odd": ["x", None, None], "fault": ["Jam", "", ""], "locale": ["de", None, ""]}


@simulated
async def test_null_of_an_array_of_texts_is_no_empty_text() -> None:
    """Unless one element of it is wanted; whether it is an array, a server need not say."""
    null = ua.Variant(None, ua.VariantType.Null)
    names = ("lines", "matrix", "element", "any")
    server = Server(**dict.fromkeys(names, null))
    server.types = dict.fromkeys(names, 12)
    server.ranks = {"lines": 1, "matrix": 0, "element": 1, "any": -2}
    async with connected(server, *names, inputs={"element": {"index": "3"}}) as (_, intake):
        await asyncio.sleep(5)
        told = {sample.address.split("=")[2][:4]: sample.value for sample in intake.samples}
    assert told == {"line": None, "matr": None, "elem": "", "any": ""}
