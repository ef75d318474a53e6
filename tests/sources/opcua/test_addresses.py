"""Tags by other addresses than a node id, and parts of values: as a server of its own has them."""

import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.ua.attribute_ids import AttributeIds

from gateway.clock import AnchoredClock
from gateway.config.addresses import BrowsePath, parse_place
from gateway.sources.opcua.decode import Raw
from gateway.sources.opcua.meanings import Meaning
from gateway.sources.opcua.source import OpcuaSource
from tests.peers import LINE, OpcuaServer, wait_until
from tests.sources.harness import Intake, opcua_config, opcua_tag, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def index_of(server: OpcuaServer) -> int:
    return await server.server.get_namespace_index(LINE)


async def received(server: OpcuaServer, node: str, **settings: Any) -> tuple[object, OpcuaSource, Intake]:
    """What comes of a tag first, whatever it is."""
    config = opcua_config(server.url)
    tag = opcua_tag(node, config, **settings)
    source, intake = OpcuaSource("plc", config, [tag], AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.samples or source.health.failed)
    return (intake.samples[0].value if intake.samples else None), source, intake


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("/Objects/2:Machines/2:Press", ((0, "Objects"), (2, "Machines"), (2, "Press"))),
        (
            "/Objects/nsu=http://acme.com/UA/;Press/Good",
            ((0, "Objects"), ("http://acme.com/UA/", "Press"), (0, "Good")),
        ),
        ("/Objects/3:A&/B&&C&:D", ((0, "Objects"), (3, "A/B&C:D"))),
        ("/Objects/2:Line 1: left", ((0, "Objects"), (2, "Line 1: left"))),
    ],
)
async def test_a_browse_path_is_names_with_namespaces(text: str, steps: object) -> None:
    assert parse_place(text) == BrowsePath(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["/", "//Objects", "/Objects/", "/Objects//2:A", "/Objects/nsu=urn:a/2:B", "/2:"])
async def test_what_is_no_browse_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="/Objects/2:Machines"):
        parse_place(text)


async def test_a_tag_is_found_by_its_browse_path(server: OpcuaServer) -> None:
    """By index and by URI; a machine's software may give it another node id each time."""
    index = await index_of(server)
    machines = await server.server.nodes.objects.add_folder(
        ua.NodeId(ua.Int32(4711), ua.Int16(index)), f"{index}:Machines"
    )
    await machines.add_variable(
        ua.NodeId(ua.Int32(4712), ua.Int16(index)), ua.QualifiedName("Good/total", ua.Int16(index)), 17
    )
    for path in (
        f"/Objects/{index}:Machines/{index}:Good&/total",
        f"/Objects/nsu={LINE};Machines/nsu={LINE};Good&/total",
    ):
        value, _, intake = await received(server, path)
        assert (value, intake.samples[0].address) == (17, path)


async def test_a_path_that_leads_nowhere_is_said_and_followed_later(server: OpcuaServer) -> None:
    index = await index_of(server)
    path = f"/Objects/{index}:Later"
    _, source, _ = await received(server, path)
    assert source.health.failed == {path: "the server has no node at this path"}
    config = opcua_config(server.url)
    source, intake = OpcuaSource("plc", config, [opcua_tag(path, config)], AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: source.health.failed)
        await server.server.nodes.objects.add_variable(ua.NodeId(ua.Int32(99), ua.Int16(index)), f"{index}:Later", 3)
        await wait_until(lambda: intake.values(path) == [3])
        assert source.health.failed == {}
    _, source, _ = await received(server, "/Objects/nsu=urn:nobody;A")
    assert "no namespace urn:nobody" in source.health.failed["/Objects/nsu=urn:nobody;A"]


@pytest.mark.parametrize(("index", "kind"), [("0", ua.VariantType.Int32), ("3", ua.VariantType.String)])
async def test_an_array_that_is_null_has_no_elements(index: str, kind: ua.VariantType) -> None:
    """As an empty one: what was there before is so no more."""
    with pytest.raises(ValueError, match=f"no element {index}: its size is 0"):
        Meaning(index).of(Raw(ua.Variant(None, kind, is_array=True)))


async def test_an_element_of_an_array_is_a_tag(server: OpcuaServer) -> None:
    """It changes by itself; one that is not there is bad, and an array as a whole says what to write."""
    await server.add("Counts", ua.Variant([10, 20, 30], ua.VariantType.Int32))
    node = f"nsu={LINE};s=Counts"
    assert (await received(server, node, index=2))[0] == 30
    _, source, intake = await received(server, node, index="0:1")
    assert "elements" in source.health.failed[f"{node} [0:1]"]
    _, source, intake = await received(server, node)
    assert "`index`" in source.health.failed[node]
    assert [sample.quality for sample in intake.samples] == ["bad"]
    _, source, intake = await received(server, node, index=7)
    assert [(sample.address, sample.quality) for sample in intake.samples] == [(f"{node} [7]", "bad")]


@pytest.mark.parametrize(
    ("content", "dimensions", "index", "expected"),
    [
        ([7], None, "5", 7),  # what a server sends that knows index ranges
        ([1, 2, 3], None, "1", 2),
        ([1, 2, 3, 4, 5, 6], [2, 3], "1,0", 4),
        ([[1, 2, 3], [4, 5, 6]], [2, 3], "0,2", 3),
    ],
)
async def test_an_element_is_found_in_whatever_the_server_sends(
    content: list[Any], dimensions: Any, index: str, expected: int
) -> None:
    variant = ua.Variant(content, ua.VariantType.Int32, dimensions, is_array=True)
    assert Meaning(index).of(Raw(variant)) == expected


@pytest.mark.parametrize("index", ["3", "0,0", "9"])
async def test_an_element_that_is_not_there_is_none(index: str) -> None:
    with pytest.raises(ValueError, match=f"no element {index}"):
        Meaning(index).of(Raw(ua.Variant([1, 2, 3], ua.VariantType.Int32)))


async def test_an_enumeration_can_be_its_name(server: OpcuaServer) -> None:
    """As its type lists them, or as the standard's do; a number without a name is told as a number."""
    index = await index_of(server)
    modes = await new_enum(server.server, index, "Modes", ["Setup", "Production"])
    for name, number in (("Mode", 1), ("Odd", 7)):
        await server.server.nodes.objects.add_variable(
            ua.NodeId(ua.String(name), ua.Int16(index)), name, number, ua.VariantType.Int32, modes.nodeid
        )
    assert (await received(server, f"nsu={LINE};s=Mode", enumeration="name"))[0] == "Production"
    assert (await received(server, f"nsu={LINE};s=Mode"))[0] == 1
    assert (await received(server, f"nsu={LINE};s=Odd", enumeration="name"))[0] == "7"
    assert (await received(server, "i=2259", enumeration="name"))[0] == "Running"
    _, source, _ = await received(server, f"nsu={LINE};s=L01.State", enumeration="name")
    assert "no names" in source.health.failed[f"nsu={LINE};s=L01.State"]


async def test_fields_of_a_structure_are_what_a_message_has(server: OpcuaServer) -> None:
    """Structures in structures, lists, texts and optional fields, by a type that only the server knows."""
    index = await index_of(server)
    inner, _ = await new_struct(server.server, index, "Inner", [new_struct_field("Code", ua.VariantType.UInt16)])
    outer, _ = await new_struct(
        server.server,
        index,
        "Outer",
        [
            new_struct_field("Order", ua.VariantType.String),
            new_struct_field("Speed", ua.VariantType.Float),
            new_struct_field("Fault", inner),
            new_struct_field("Shots", ua.VariantType.Int32, array=True),
        ],
    )
    definition: Any = (await outer.read_attribute(AttributeIds.DataTypeDefinition)).Value
    body = struct.pack("<i3sfHiii", 3, b"A-1", 0.1, 77, 2, 5, 6)
    content = ua.ExtensionObject(definition.Value.DefaultEncodingId, ua.ByteString(body))
    await server.server.nodes.objects.add_variable(
        ua.NodeId(ua.String("Cycle"), ua.Int16(index)),
        "Cycle",
        ua.Variant(content, ua.VariantType.ExtensionObject),
        datatype=outer.nodeid,
    )
    node = f"nsu={LINE};s=Cycle"
    value, _, _ = await received(server, node, field="Fault.Code")
    assert value == {"Order": "A-1", "Speed": 0.1, "Fault": {"Code": 77}, "Shots": [5, 6]}
    _, source, _ = await received(server, node)
    assert "`field`" in source.health.failed[node]


def decimal(body: bytes) -> ua.ExtensionObject:
    """12.5 is `b"\\x01\\x00\\x7d"`."""
    return ua.ExtensionObject(ua.NodeId(ua.Int32(50), ua.Int16(0)), ua.ByteString(body))


async def test_a_decimal_is_a_number(server: OpcuaServer) -> None:
    """Alone, and as an element of an array."""
    index = await index_of(server)
    each = [decimal(b"\x00\x00\x07"), decimal(b"\x01\x00\x7d")]
    for name, content in (("Weight", each[1]), ("Weights", each)):
        await server.server.nodes.objects.add_variable(
            ua.NodeId(ua.String(name), ua.Int16(index)),
            name,
            ua.Variant(content, ua.VariantType.ExtensionObject),
            datatype=ua.NodeId(ua.Int32(50), ua.Int16(0)),
        )
    assert (await received(server, f"nsu={LINE};s=Weight"))[0] == 12.5
    assert (await received(server, f"nsu={LINE};s=Weights", index=1))[0] == 12.5


async def test_structures_of_the_standard_need_no_description(server: OpcuaServer) -> None:
    """This server describes none of them; alone, and within one that it does describe."""
    value, source, _ = await received(server, "i=2256", field="BuildInfo.ProductName")
    assert isinstance(value, dict)
    assert isinstance(value["BuildInfo"]["ProductName"], str)
    assert (value["State"], source.health.failed) == (0, {})
    index = await index_of(server)
    fields = [
        new_struct_field("Limits", ua.NodeId(ua.Int32(884), ua.Int16(0))),
        new_struct_field("Code", ua.VariantType.UInt16),
    ]
    kind, _ = await new_struct(server.server, index, "Limited", fields)
    definition: Any = (await kind.read_attribute(AttributeIds.DataTypeDefinition)).Value
    content = ua.ExtensionObject(definition.Value.DefaultEncodingId, ua.ByteString(struct.pack("<ddH", 0.5, 9.5, 77)))
    await server.server.nodes.objects.add_variable(
        ua.NodeId(ua.String("Limited"), ua.Int16(index)),
        "Limited",
        ua.Variant(content, ua.VariantType.ExtensionObject),
        datatype=kind.nodeid,
    )
    value, _, _ = await received(server, f"nsu={LINE};s=Limited", field="Limits.High")
    assert value == {"Limits": {"Low": 0.5, "High": 9.5}, "Code": 77}
    state = f"nsu={LINE};s=L01.State"
    _, source, _ = await received(server, state, field="A")
    assert "does not describe it" in source.health.failed[state], "a number has no fields"


async def test_a_structure_that_nobody_describes_costs_only_itself(server: OpcuaServer) -> None:
    index = await index_of(server)
    content = ua.ExtensionObject(ua.NodeId(ua.Int32(4242), ua.Int16(index)), ua.ByteString(b"\1\2\3"))
    await server.server.nodes.objects.add_variable(
        ua.NodeId(ua.String("Odd structure"), ua.Int16(index)),
        "Odd structure",
        ua.Variant(content, ua.VariantType.ExtensionObject),
        datatype=ua.NodeId(ua.Int32(4243), ua.Int16(index)),
    )
    node, other = f"nsu={LINE};s=Odd structure", f"nsu={LINE};s=L01.State"
    config = opcua_config(server.url)
    tags = [opcua_tag(node, config, field="A"), opcua_tag(other, config)]
    source, intake = OpcuaSource("plc", config, tags, AnchoredClock()), Intake()
    async with running(source, intake):
        await wait_until(lambda: intake.values(other) and node in source.health.failed)
    assert "type" in source.health.failed[node]
    assert intake.values(other) == [1]
