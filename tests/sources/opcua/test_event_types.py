"""Events of a real server's own types: by subtype, with fields of any kind, and conditions."""

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from gateway.clock import AnchoredClock
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import LINE, OpcuaServer, wait_until
from tests.sources.harness import Intake, opcua_config, opcua_tag, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def machine(server: OpcuaServer, name: str) -> tuple[int, Node]:
    """A node that has events, and the index of the line's namespace."""
    index = await server.server.get_namespace_index(LINE)
    return index, await server.server.nodes.objects.add_object(ua.NodeId(ua.String(name), ua.Int16(index)), name)


def source_of(server: OpcuaServer, name: str, **settings: Any) -> tuple[OpcuaSource, Intake, str]:
    config = opcua_config(server.url)
    tag = opcua_tag(f"nsu={LINE};s={name}", config, event=True, **settings)
    return OpcuaSource("plc", config, [tag], AnchoredClock()), Intake(), tag.address


def number_of(kind: Node) -> str:
    return kind.nodeid.to_string().partition(";")[2]


async def test_a_cycle_of_the_servers_own_type(server: OpcuaServer) -> None:
    """As EUROMAP 77 has it: counters, an array, and a structure with the job, by names of the line's namespace."""
    index, press = await machine(server, "Press")
    job, _ = await new_struct(
        server.server,
        index,
        "JobType",
        [new_struct_field("JobOrderID", ua.VariantType.String), new_struct_field("Parts", ua.VariantType.UInt32)],
    )
    kind = await server.server.create_custom_event_type(
        index,
        "CycleEventType",
        properties=[
            ("Cycle", ua.VariantType.UInt64),
            ("Quality", ua.VariantType.Int32),
            ("Job", ua.VariantType.ExtensionObject, job.nodeid),
        ],
    )
    generator = await server.server.get_event_generator(kind, press.nodeid)
    definition: Any = (await job.read_attribute(AttributeIds.DataTypeDefinition)).Value
    fields = {
        "cycle": f"{index}:Cycle",
        "cavity": {"path": f"nsu={LINE};Quality", "index": 1},
        "job": f"nsu={LINE};Job",
    }
    place = f"/Types/EventTypes/BaseEventType/nsu={LINE};CycleEventType"
    source, intake, address = source_of(server, "Press", type=place, fields=fields)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        event: Any = generator.event
        for number in range(3):
            event.Cycle, event.Quality = number, [0, number, 2]
            body = struct.pack("<i3sI", 3, b"A-1", 10 + number)
            event.Job = ua.ExtensionObject(definition.Value.DefaultEncodingId, ua.ByteString(body))
            await generator.trigger(datetime(2026, 1, 5, 6, 0, number, tzinfo=UTC), f"cycle {number}")
        await wait_until(lambda: len(intake.samples) == 3)
        assert source.health.failed == {}
        assert source.health.concerns == {}
    values: list[Any] = [sample.value for sample in intake.samples]
    assert [sample.address for sample in intake.samples] == [address] * 3
    assert [(value["cycle"], value["cavity"], value["Message"]) for value in values] == [
        (0, 0, "cycle 0"),
        (1, 1, "cycle 1"),
        (2, 2, "cycle 2"),
    ]
    assert [value["job"] for value in values] == [{"JobOrderID": "A-1", "Parts": 10 + each} for each in range(3)]
    assert {value["EventType"] for value in values} == {f"nsu={LINE};{number_of(kind)}"}
    assert [sample.source_time for sample in intake.samples] == [
        datetime(2026, 1, 5, 6, 0, each, tzinfo=UTC).timestamp() for each in range(3)
    ]
    assert all(call.count("Identifier=3875") == 1 for call in server.asked_to_act)


async def test_p14_the_state_of_an_alarm_and_no_call_but_to_be_told_of_it(server: OpcuaServer) -> None:
    _, hopper = await machine(server, "Hopper")
    generator = await server.server.get_event_generator(ObjectIds.AlarmConditionType, hopper.nodeid)
    event: Any = generator.event
    source, intake, _ = source_of(server, "Hopper", type="AlarmConditionType")
    server.asked_to_act.clear()
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        for active in (True, False):
            event.add_property("NodeId", ua.NodeId(ua.Int32(42), ua.Int16(3)), ua.VariantType.NodeId)
            event.add_property("ActiveState/Id", active, ua.VariantType.Boolean)
            event.ConditionName, event.Retain, event.Severity = "Material", active, 700
            await generator.trigger(message="Material missing")
        await wait_until(lambda: len(intake.samples) == 2)
    values: list[Any] = [sample.value for sample in intake.samples]
    assert [value["ActiveState"] for value in values] == [True, False]
    assert [value["Retain"] for value in values] == [True, False]
    assert {value["ConditionId"] for value in values} == {f"nsu={LINE};i=42"}
    assert {(value["ConditionName"], value["Severity"]) for value in values} == {("Material", 700)}
    assert len({value["Content"] for value in values}) == 2
    assert len(server.asked_to_act) == 1
    assert "Identifier=3875" in server.asked_to_act[0], "ConditionRefresh"


async def test_what_an_event_cannot_say_costs_that_field_alone(server: OpcuaServer) -> None:
    """A field that its type lacks, and an array of which no element is named."""
    index, oven = await machine(server, "Oven")
    kind = await server.server.create_custom_event_type(
        index, "OvenEventType", properties=[("Zones", ua.VariantType.Int32)]
    )
    generator = await server.server.get_event_generator(kind, oven.nodeid)
    place = f"nsu={LINE};{number_of(kind)}"
    fields = {"zones": f"{index}:Zones", "gone": f"{index}:Gone"}
    source, intake, address = source_of(server, "Oven", type=place, fields=fields)
    async with running(source, intake):
        await wait_until(lambda: source.health.connected)
        event: Any = generator.event
        event.Zones = [1, 2]
        for _ in range(2):
            await generator.trigger(message="hot")
        await wait_until(lambda: len(intake.samples) == 2)
        assert "array" in source.health.failed[address]
        assert "the type of its events has no gone" in source.health.concerns["watched_otherwise"]
        event.Zones = 3
        await generator.trigger(message="cold")
        await wait_until(lambda: len(intake.samples) == 3)
        assert source.health.failed == {}
    values: list[Any] = [sample.value for sample in intake.samples]
    assert [(value["Message"], value["zones"], value["gone"]) for value in values] == [
        ("hot", None, None),
        ("hot", None, None),
        ("cold", 3, None),
    ]
    assert [(notice.kind, notice.address) for notice in intake.notices] == [("reject", address)]


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        ("/Types/EventTypes/2:Nothing", "no type of events at this path"),
        ("nsu=urn:nobody;i=7", "the server has no namespace urn:nobody"),
    ],
)
async def test_a_type_that_the_server_lacks_is_said(server: OpcuaServer, type_: str, reason: str) -> None:
    source, intake, address = source_of(server, "Press", type=type_)
    async with running(source, intake):
        await wait_until(lambda: source.health.failed)
        assert reason in source.health.failed[address]
        assert source.health.connected
