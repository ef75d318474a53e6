"""How the payloads of topics are read: split into events, as bytes, with levels of the topic as fields."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.startup import read_config
from gateway.clock import AnchoredClock
from gateway.config.schema import Line
from gateway.config.schema_messages import Binary, Form, Parts
from gateway.errors import ConfigError
from gateway.frozen import replace
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.inputs import form_of
from gateway.mapping.line import LineState, step
from gateway.mapping.values import NoNumber, number_in_bytes
from gateway.model import Reject, Sample
from gateway.outbox.store import Outbox
from gateway.sources.mqtt import MqttSource
from gateway.sources.mqtt_forms import LARGEST, MOST_AROUND, MOST_PARTS, Part, Topics
from gateway.sources.mqtt_messages import Messages
from gateway.sources.mqtt_packets import Publish
from tests.intake_rig import Rig
from tests.peers import PATIENCE, Mosquitto, wait_until
from tests.sources.harness import Intake, mqtt_config, running

SHOTS = Form(Parts(field="press.shots"))
TABLE = Form(Parts(columns=["at", "qty", "code"], separator=";", skip=1))


def values(form: Form, payload: bytes) -> list[object]:
    return [part.value if not part.flaw else part for part in Topics({"t": form}).parts("t", payload)]


def test_lines_are_payloads_of_their_own() -> None:
    """NDJSON, with one line that cannot be read: the others count. A line may be any text."""
    payload = b'\xef\xbb\xbf{"qty": 1}\r\n\n{"qty": 2, "qty": 3}\nStop\n'
    assert values(Form("lines"), payload) == [
        {"qty": 1},
        Part("t", None, 2, "a line of the payload has the key 'qty' twice", b'{"qty": 2, "qty": 3}'),
        "Stop",
    ]
    with pytest.raises(ValueError, match="is not UTF-8"):
        values(Form("lines"), b'{"qty": 1}\n\xff')


def test_a_table_has_a_text_for_each_column() -> None:
    """The header is left out; a line with another number of columns is none."""
    payload = 'at;qty;code\n2026-11-30;3;"Gel; old"\n2026-11-30;4\n2026-12-01; 007 ;Rand\u00e4nder\n'.encode()
    assert values(TABLE, payload) == [
        {"at": "2026-11-30", "qty": "3", "code": "Gel; old"},
        Part("t", None, 2, "a line of the payload has 2 columns, not 3", b"at;qty;code\n2026-11-30;4"),
        {"at": "2026-12-01", "qty": "007", "code": "Rand\u00e4nder"},
    ]


def test_a_quoted_cell_of_a_table_can_have_several_lines() -> None:
    """What is in it is no line of its own; one without an end takes what follows with it, all of which is kept. A quote
    inside a cell is one."""
    payload = b'at;qty;code\n1;2;"two\n\n;3;lines"\n\n4;5;6" roll\n7;8;"open\n9;10;11\n'
    *read, left = values(TABLE, payload)
    assert read == [{"at": "1", "qty": "2", "code": "two\n\n;3;lines"}, {"at": "4", "qty": "5", "code": '6" roll'}]
    assert isinstance(left, Part)
    assert (left.place, left.payload) == (3, b'at;qty;code\n7;8;"open\n9;10;11\n')
    assert left.flaw == "a line of the payload is no table: unexpected end of data"


def test_a_line_of_a_table_that_was_kept_can_be_read_again() -> None:
    """By itself, though lines at the top are left out: once the columns are right."""
    (kept,) = values(TABLE, b"at;qty;code\n1;2\n")
    assert isinstance(kept, Part)
    mended = Form(Parts(columns=["at", "qty"], separator=";", skip=1))
    assert values(mended, kept.payload) == [{"at": "1", "qty": "2"}]


def test_elements_get_the_plain_fields_around_them() -> None:
    """Of two with one name the nearer one, and their own before all."""
    payload = b'{"at": 1, "id": "m", "press": {"id": "p", "x": [1], "shots": [{"qty": 1}, {"id": "s"}, 7]}}'
    assert values(SHOTS, payload) == [{"at": 1, "id": "p", "qty": 1}, {"at": 1, "id": "s"}, 7]
    assert values(Form("elements"), b"[1, {}, null]") == [1, {}, None]
    assert values(SHOTS, b'{"press": {"shots": []}}') == []
    assert values(SHOTS, b'{"press": null}') == []
    for payload in (b"5", b"{}", b'{"press": {"shots": {}}}', b'"press"'):
        with pytest.raises(ValueError, match=r"no array in the field press\.shots"):
            values(SHOTS, payload)


def test_p12_what_one_message_can_make_is_bounded() -> None:
    """So many events, so many fields around them, so many bytes."""
    assert len(values(Form("elements"), b"[%s1]" % (b"1," * (MOST_PARTS - 1)))) == MOST_PARTS
    for form, payload, why in (
        (Form("elements"), b"[%s1]" % (b"1," * MOST_PARTS), "more than 1000 events"),
        (Form("lines"), b"1\n" * (MOST_PARTS + 1), "more than 1000 events"),
        (Form(raw=True), bytes(8_193), "at most 8192 are taken as bytes"),
        (Form("lines"), b"1" * (LARGEST + 1), "at most 262144"),
        (
            Form(Parts(field="a")),
            b'{%s"a": [1]}' % b"".join(b'"f%d": 1, ' % number for number in range(MOST_AROUND + 1)),
            "more than 50 fields",
        ),
    ):
        with pytest.raises(ValueError, match=why):
            values(form, payload)


def test_levels_of_a_topic_are_fields() -> None:
    """For each topic that names them; a payload that is no object is in the field `value`."""
    topics = Topics({"p/+line/events/+kind": Form(), "p/L01/good": Form(), "p/+line/raw": Form(raw=True)})
    assert topics.filters == ("p/+/events/+", "p/L01/good", "p/+/raw")
    address = "p/+line/events/+kind"
    fields = {"line": "L 1", "kind": ""}
    assert [*topics.parts("p/L 1/events/", b'{"qty": 3, "kind": "x"}')] == [Part(address, {"qty": 3, **fields}, 1)]
    assert [*topics.parts("p/L 1/events/", b"3")] == [Part(address, {"value": 3, **fields}, 1)]
    assert [*topics.parts("p/7/raw", b"\x01\xff")] == [Part("p/+line/raw", {"value": "01ff", "line": "7"}, 1)]
    assert [*topics.parts("p/L01/good", b"3")] == [Part("p/L01/good", 3)]
    for topic in ("p/L01/events", "p/L01/events/a/b", "q/L01/events/a", "", "p"):
        assert not topics.wants(topic)
        assert [*topics.parts(topic, b"3")] == []


@pytest.mark.parametrize(
    ("text", "binary", "number"),
    [
        ("00ff", {"type": "uint16"}, 255),
        ("00ff", {"type": "uint16", "order": "little"}, 0xFF00),
        ("0x00 0xFF:ff-fe", {"type": "int16", "at": 2}, -2),
        ("fffe", {"type": "int8", "at": 1}, -2),
        ("0X002A", {"type": "uint16"}, 42),
        ("42280000", {"type": "float32"}, 42.0),
        ("0x41420A3D", {"type": "float32"}, 12.1275),
        ("cdcccc3d", {"type": "float32", "order": "little"}, 0.1),
        ("7f7fffff", {"type": "float32"}, 3.4028235e38),
        ("ffffffffffffffff", {"type": "uint64"}, 2**64 - 1),
        ("AAAqAA==", {"type": "uint16", "at": 1, "encoding": "base64"}, 42),
        ("", {"type": "uint16"}, ""),
        ("00", {"type": "uint16"}, NoNumber("has 1 bytes: no uint16 begins at 0")),
        ("0g", {"type": "uint8"}, NoNumber("is not written in hex")),
        ("0x2a0", {"type": "uint8"}, NoNumber("is not written in hex")),
        ("abc", {"type": "uint8", "encoding": "base64"}, NoNumber("is not written in base64")),
        ("_-8=", {"type": "uint8", "encoding": "base64"}, NoNumber("is not written in base64")),
        (5, {"type": "uint8"}, NoNumber("is no text in which bytes are written")),
    ],
)
def test_a_number_in_bytes(text: object, binary: dict[str, Any], number: object) -> None:
    """Each type, in both orders, from where it is said to begin."""
    assert number_in_bytes(text, Binary.model_validate({"encoding": "hex", **binary})) == number


def plan(topic: str = "scrap", **scrap: Any) -> LinePlan:
    return compile_line(
        Line.model_validate(
            {
                "factory": "Factory A",
                "line": "Line 01",
                "inputs": {
                    "order": {"source": "floor", "topic": "order", "field": "number"},
                    "scrap": {"source": "floor", "topic": topic, **scrap},
                },
                "run": {"key": "order", "product": "{order}", "settle": "0s"},
                "scrap_yield": {"every": "1s", "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]},
            }
        ),
        ("lines", 0),
    )


async def test_p5_a_topic_that_is_no_text_stops_nothing(tmp_path: Path) -> None:
    """A level that is a field has bytes that are no UTF-8: what is wrong with its messages is stored, and what is right
    counts."""
    topic, rig = "p/L\udcff1/scrap", Rig(tmp_path, plan("p/+line/scrap", id="id"))
    forms = {"order": Form(), "p/+line/scrap": Form()}
    source = MqttSource("floor", mqtt_config("mqtt://127.0.0.1"), forms, AnchoredClock())
    payloads = [
        b"\xff",
        b"null",
        b'{"qty": "x"}',
        b'{"qty": 1, "id": 1}',
        b'{"qty": 2, "id": 1}',
        b'{"qty": 4, "id": 2}',
    ]
    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A1"}, 1))
        for packet_id, payload in enumerate(payloads, 2):
            said = source._messages.interpret(
                Publish(topic, payload, packet_id, dup=False, retained=False), rig.clock.now()
            )
            arrival = rig.message(topic.encode("utf-8", "replace").decode(), payload, packet_id)
            told = replace(arrival, moments=said.moments, notices=said.notices, rejects=said.rejects)
            await intake.take(told)
        await wait_until(lambda: rig.acked == [*range(1, 8)])
        assert (await rig.outbox(Outbox.summary, 1)).totals.rejects == 3
        async with asyncio.timeout(PATIENCE):
            while sum([await rig.scrap(place) for place in range(3)]) != 5:
                await asyncio.sleep(0.02)
        (unread,) = [one for one in rig.noticed if "UTF-8" in one.text]
        assert unread.address == r"p/L\xff1/scrap"


@pytest.mark.parametrize("topic", ["p/L01/scrap", "p/+line/scrap"])
@pytest.mark.parametrize(
    ("payload", "is_refused"),
    [
        *((payload, True) for payload in (b"null", b"", b"5", b"x", b"[]", b'{"qty": null}', b'{"qty": [1]}')),
        *((payload, False) for payload in (b"{}", b'{"code": 1}', b'{"qty": 1}', b'{"value": 5, "code": 1}')),
    ],
)
def test_what_says_no_amount_is_refused_whatever_the_topic_is(topic: str, payload: bytes, is_refused: bool) -> None:
    """A message of which an amount is counted, and that has no fields at all, is wrong; one without that field has none
    to tell. So it is where levels of the topic are fields of it, too."""
    line = plan(topic)
    (part,) = Topics({topic: Form()}).parts("p/L01/scrap", payload)
    begun = step(line, LineState(), Sample("floor", "order", {"number": "A1"}, 1e9))
    told = step(line, begun.state, Sample("floor", topic, part.value, 1e9 + 1.0))
    assert bool(told.refused) == bool(told.notices) == is_refused


async def test_p2_events_of_one_message_are_one_commit_and_each_counts(tmp_path: Path) -> None:
    """With the id of the message around them they all count, once, however often it comes; with ids of their own, each
    of them once, also in another message."""
    rig = Rig(tmp_path, plan(id="id"))
    forms = {"order": Form(), "scrap": Form(Parts(field="shots"))}
    source = MqttSource("floor", mqtt_config("mqtt://127.0.0.1"), forms, AnchoredClock())

    def message(packet_id: int, payload: bytes) -> Any:
        whole = Reject("floor", "scrap", payload, 0.0, "")
        moments, flaw_ = source.read_again(whole, rig.clock.now())
        assert flaw_ == ""
        return rig.message("scrap", payload, packet_id), moments

    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A"}, 1))
        payloads = (
            b'{"id": "m1", "shots": [{"qty": 1}, {"qty": 1}, {"qty": 3}]}',
            b'{"id": "m1", "shots": [{"qty": 1}, {"qty": 1}, {"qty": 3}]}',
            b'{"shots": [{"id": "a", "qty": 10}, {"id": "b", "qty": 20}]}',
            b'{"shots": [{"id": "b", "qty": 20}, {"id": "c", "qty": 40}]}',
        )
        for number, payload in enumerate(payloads, 2):
            arrival, moments = message(number, payload)
            await intake.take(type(arrival)(**{**_fields(arrival), "moments": moments}))
        async with asyncio.timeout(PATIENCE):
            while rig.acked != [1, 2, 3, 4, 5]:
                await asyncio.sleep(0.01)
            while sum([await rig.scrap(place) for place in range(10)]) != 75:
                await asyncio.sleep(0.02)
        assert (await rig.outbox(Outbox.summary, 5)).totals.rejects == 0


def _fields(thing: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in thing.__dataclass_fields__}


async def test_a_broker_sends_what_a_named_level_matches(tmp_path: Path) -> None:
    """By a wildcard, subscribed once for two inputs; what cannot be read of a message is kept alone, and the rest
    counts. Nothing comes twice."""
    forms = {"plant/+line/events/+kind": Form("lines"), "plant/L01/good": Form()}
    with Mosquitto(tmp_path) as broker:
        source, intake = MqttSource("floor", mqtt_config(broker.url), forms, AnchoredClock()), Intake()
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            await broker.publish("plant/L01/good", "5")
            await broker.publish("plant/L07/events/scrap", b'{"qty": 1}\n{"qty": NaN}\n{"qty": 2}')
            await broker.publish("plant/L07/events/scrap/more", "5")
            await broker.publish("plant/L01/good", "6")
            await wait_until(lambda: intake.values("plant/L01/good") == [5, 6])
    fields = {"line": "L07", "kind": "scrap"}
    assert intake.values("plant/+line/events/+kind") == [{"qty": 1, **fields}, {"qty": 2, **fields}]
    [reject] = [reject for arrival in intake.arrivals for reject in arrival.rejects]
    assert (reject.address, reject.payload) == ("plant/L07/events/scrap", b'{"qty": NaN}')
    assert [notice.address for notice in intake.notices] == ["plant/L07/events/scrap"]
    assert source.read_again(reject, 1.0)[1].startswith("a line of the payload has NaN")
    part = Reject("floor", "plant/+line/events/+kind", b'{"qty": 1, "line": "L07"}', 1.0, "", part=2)
    [moment] = source.read_again(part, 2.0)[0]
    assert moment.samples[0].value == {"qty": 1, "line": "L07"}


def test_p6_what_was_refused_is_read_again_as_that_alone() -> None:
    """Where several topics of the configuration fit a message, what another one has taken does not count once more."""
    named, exact, one = "plant/+line/scrap", "plant/L01/scrap", Parts(columns=["qty"])

    def source(form: Form) -> MqttSource:
        config = mqtt_config("mqtt://127.0.0.1")
        return MqttSource("floor", config, {named: Form("lines"), exact: form}, AnchoredClock())

    narrow = Messages("floor", Topics({named: Form("lines"), exact: Form(one)}), None, {})
    said = narrow.interpret(Publish(exact, b"1\n2,3", None, dup=False, retained=False), 1.0)
    assert [moment.samples[0].address for moment in said.moments] == [exact, named, named]
    (unread,) = said.rejects
    wide = source(Form(Parts(columns=["qty", "code"])))
    moments, flaw_ = wide.read_again(unread, 2.0)
    assert (flaw_, [moment.samples[0].value for moment in moments]) == ("", [{"qty": "2", "code": "3"}])
    unused = Reject("floor", exact, b'{"qty": 4}', 1.0, "", ("Factory A/Line 01",))
    (moment,) = source(Form()).read_again(unused, 2.0)[0]
    assert (moment.samples[0].address, moment.samples[0].value) == (exact, {"qty": 4})
    (moment,) = MqttSource("floor", wide._config, {named: Form()}, AnchoredClock()).read_again(unused, 2.0)[0]
    assert moment.samples[0].address == named


HEAD = """
oden: {token: none}
sources: {floor: {type: mqtt, url: "mqtt://h", client_id: c}, plc: {type: opcua, url: "opc.tcp://h:1", security: none}}
lines:
  - factory: F
    line: L
    run: {key: order, product: P}
    inputs:
      order: {source: floor, topic: p/order}
"""


@pytest.mark.parametrize(
    ("inputs", "line", "told"),
    [
        ("x: {source: floor, topic: p/+/events}", 10, "give the level a name"),
        ("x: {source: floor, topic: p/#}", 10, "give the level a name"),
        ("x: {source: floor, topic: p/+a b/events}", 10, "give the level a name"),
        ("x: {source: floor, topic: p/a+b/events}", 10, "give the level a name"),
        ("x: {source: floor, topic: p/+a/+a}", 10, "the same name"),
        ("x: {source: floor, topic: p/+kind}", 10, "a message can be of this topic and of 'p/order'"),
        ("x: {source: floor, topic: q/+a/b}\n      y: {source: floor, topic: q/b/+a}", 10, "and of 'q/b/+'"),
        ("x: {source: floor, topic: p/order, split: lines}", 10, "with another 'split': write the same"),
        ("x: {source: floor, topic: t, split: words}", 10, "write 'lines', 'elements', or"),
        ("x: {source: floor, topic: t, split: {field: a..b}}", 10, "single dots"),
        ("x: {source: floor, topic: t, split: {columns: []}}", 10, ""),
        ("x: {source: floor, topic: t, split: {columns: [at, qty, at]}}", 10, "two columns have the same name"),
        ("x: {source: floor, topic: t, split: {columns: [at, qty]}, field: qti}", 10, "no column 'qti'"),
        ("x: {source: floor, topic: t/+l, split: {columns: [at, qty]}, id: [l, n.x]}", 10, "no column 'n'"),
        ("x: {source: floor, topic: t, split: {columns: [at, qty]}, time: qtty}", 10, "did you mean 'qty'"),
        ("x: {source: floor, topic: t, split: lines, binary: {type: int16}}", 10, "the payload is bytes"),
        ("x: {source: floor, topic: t, binary: {type: int24}}", 10, ""),
        ("x: {source: plc, node: ns=2;s=x, split: lines}", 10, "'split'"),
        ("x: {source: plc, node: ns=2;s=x, binary: {type: int16}}", 10, "'binary'"),
    ],
)
def test_p10_what_does_not_fit_is_refused_with_its_place(tmp_path: Path, inputs: str, line: int, told: str) -> None:
    """Where the configuration is read."""
    file = tmp_path / "gateway.yaml"
    file.write_text(f"{HEAD}      {inputs}\n")
    with pytest.raises(ConfigError) as caught:
        read_config(file, {})
    assert f"gateway.yaml:{line}:" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("floor", "plc", "told"),
    [
        ('url: "mqtt://h"', 'url: "mqtt://h:1883"', "'floor' has this client_id at the same broker"),
        ('url: "mqtt://h"', 'url: "mqtt://i", alternatives: ["mqtt://h"]', "'floor' has this client_id at the same"),
        ('url: "mqtt://h", alternatives: ["mqtt://i"]', 'url: "mqtt://i"', "'floor' has this client_id at the same"),
        ('url: "mqtt://h"', 'url: "mqtt://i", version: "3.1.1", password: none', "a password needs 'username'"),
        ('url: "mqtt://h"', 'url: "mqtt://i", keepalive: 40h', "must be at most 65535 s"),
        ('url: "mqtt://h"', 'url: "mqtt://i", version: "5", password: none, keepalive: 18h', ""),
    ],
)
def test_p10_what_no_broker_takes_is_refused(tmp_path: Path, floor: str, plc: str, told: str) -> None:
    """Two sessions of one name, also where one names the broker as an alternative; what MQTT does not allow."""
    file = tmp_path / "gateway.yaml"
    sources = f"sources: {{floor: {{type: mqtt, {floor}, client_id: c}}, plc: {{type: mqtt, {plc}, client_id: c}}}}"
    file.write_text("\n".join(sources if line.startswith("sources") else line for line in HEAD.splitlines()) + "\n")
    if not told:
        assert len(read_config(file, {})[1]) == 1
        return
    with pytest.raises(ConfigError) as caught:
        read_config(file, {})
    assert "gateway.yaml:3:" in str(caught.value)
    assert told in str(caught.value)


def test_what_fits_is_taken(tmp_path: Path) -> None:
    """Two inputs of one topic with names, in the same form."""
    file = tmp_path / "gateway.yaml"
    inputs = "x: {source: floor, topic: q/+a/b, split: lines}\n      y: {source: floor, topic: q/+a/b, split: lines}"
    file.write_text(f"{HEAD}      {inputs}\n      z: {{source: floor, topic: bin, binary: {{type: int16}}}}\n")
    [plan_] = read_config(file, {})[1]
    assert form_of(plan_.subscriptions["floor", "bin"]) == Form(raw=True)
    assert form_of(plan_.subscriptions["floor", "q/+a/b"]) == Form("lines")
