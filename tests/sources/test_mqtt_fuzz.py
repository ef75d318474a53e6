"""Payloads and topics with anything in them, through source, intake and outbox: mapped or rejected, acknowledged, and
nothing in the way of the good ones."""

import json
import random
from pathlib import Path

from tests.peers import wait_until
from tests.receipts.models import KeepsIds
from tests.sources.scripted_broker import ScriptedBroker
from tests.sources.test_mqtt_redelivery import BEGIN, ORDER, SCRAP, Gateway, scrap

MESSAGES = 4_000
GOOD = (
    b'{"qty": 1, "code": "x", "more": [1, 2.5, null, true, {"a": "b"}]}',
    b'{"number": "4711", "sku": "A-1"}',
    b'"text"',
    b"12.5",
    b"",
    "Größe 7 \U0001f600".encode(),
)
ODD = (
    b"NaN", b"Infinity", b"1e999", b"-0", b"1" * 400, b"[" * 5_000, b'{"qty": 9223372036854775808}', b'"\\ud83d"',
    b'{"qty": true}', b'{"qty": []}', b'{"qty": "1"}', b'{"qty": null}', b'{"qty": -1}', b"\xef\xbb\xbf{}", b"\x00",
    b'{"qty": 1e308, "code": {}}', b'{"code": "no amount"}', b"null", b"[]", b"{}", b"\xff",
    b'{"qty": 0.1, "code": "' + b"y" * 5_000 + b'"}',
)  # fmt: skip


def fuzzed(chance: random.Random) -> bytes:
    """A payload that was right, or is odd, with up to three changes of its bytes."""
    if chance.random() < 0.2:
        return chance.choice(ODD)
    data = bytearray(chance.choice(GOOD))
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(data) + 1)
        data[at : at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
    return bytes(data)


def topic(chance: random.Random) -> str:
    """One that is wanted, or nearly so."""
    wanted = chance.choice((ORDER, SCRAP))
    return chance.choice(
        (wanted, wanted, wanted, wanted + "/", wanted.upper(), "/" + wanted, "$SYS/" + wanted, "ä \U0001f600")
    )


async def test_p12_whatever_comes_is_mapped_or_rejected(tmp_path: Path) -> None:
    """Every message is acknowledged, none breaks a line or the connection, and events after them count exactly."""
    chance = random.Random(16)
    async with ScriptedBroker(KeepsIds(window=500)) as broker:
        gateway = Gateway(broker, tmp_path)
        async with gateway.alive() as intake:
            broker.publish(BEGIN)
            broker.publish(*((topic(chance), fuzzed(chance)) for _ in range(MESSAGES)))
            await wait_until(lambda: broker.done)
            assert intake.health.faults == {}
        async with gateway.alive() as intake:
            broker.publish((ORDER, json.dumps({"number": "4712"}).encode()))
            broker.publish(*scrap("last", "last", "end"))
            await wait_until(lambda: broker.done)
            assert intake.health.faults == {}
    assert len(broker.levels) == 2
