"""Packets as bytes: as the specifications have them, cut anywhere, and with anything in them."""

import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources import mqtt_packets as packets
from gateway.sources.mqtt_packets import Publish, Reader, Version
from gateway.sources.mqtt_reasons import Malformed

OTHER = "it does not speak this version of MQTT"
VERSIONS: tuple[Version, ...] = ("3.1.1", "5")
BOTH = pytest.mark.parametrize("version", VERSIONS)
TOPICS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=40)


def varint(number: int) -> bytes:
    digits = bytearray()
    while not digits or number:
        number, digit = divmod(number, 128)
        digits.append(digit | (0x80 if number else 0))
    return bytes(digits)


def publish(
    version: Version, topic: bytes, payload: bytes, packet_id: int | None, *, flags: int = 0, properties: bytes = b""
) -> bytes:
    """A PUBLISH as a broker makes it."""
    body = len(topic).to_bytes(2, "big") + topic
    body += packet_id.to_bytes(2, "big") if packet_id is not None else b""
    body += varint(len(properties)) + properties if version == "5" else b""
    return bytes([0x30 | flags | 2 * (packet_id is not None)]) + varint(len(body) + len(payload)) + body + payload


def read(version: Version, data: bytes, cuts: Iterator[int] | None = None) -> list[packets.Incoming]:
    """All packets in `data`, which comes in pieces of the lengths `cuts`."""
    reader, found, at = Reader(version), list[packets.Incoming](), 0
    while at < len(data):
        length = next(cuts) if cuts is not None else len(data)
        reader.feed(data[at : at + length])
        at += length
        while (packet := reader.next()) is not None:
            found.append(packet)
    return found


@given(
    version=st.sampled_from(VERSIONS),
    messages=st.lists(
        st.tuples(TOPICS, st.binary(max_size=300), st.none() | st.integers(1, 65_535), st.sampled_from((0, 1, 8, 9))),
        max_size=6,
    ),
    seed=st.integers(),
)
def test_messages_are_the_same_however_they_are_cut(
    version: Version, messages: list[tuple[str, bytes, int | None, int]], seed: int
) -> None:
    """Topic, payload, id and flags come out as they were put in, whatever pieces the network makes of them."""
    chance = random.Random(seed)
    data = b"".join(publish(version, t.encode(), p, packet_id, flags=flags) for t, p, packet_id, flags in messages)
    found = read(version, data, iter(lambda: chance.randint(1, 40), 0))
    assert found == [Publish(t, p, i, flags & 8 > 0, flags & 1 > 0) for t, p, i, flags in messages]


@pytest.mark.parametrize("written", ['p%ss"word/ü', "p%25ss%22word%2f%c3%bc", "cCVzcyJ3b3JkL8O8"])
def test_p8_what_a_broker_says_is_told_without_the_password(written: str) -> None:
    """Beside a refusal, at the end, and where it is no broker and sends back what it got, cut or not."""
    reader, said = Reader("5", 'p%ss"word/ü'), f"no {written} here".encode()
    properties = b"\x1f" + len(said).to_bytes(2, "big") + said
    reader.feed(bytes([0x20, 3 + len(properties), 0, 0x86, len(properties)]) + properties)
    refused = reader.next()
    reader.feed(bytes([0xE0, 2 + len(properties), 0x8E, len(properties)]) + properties)
    ended = reader.next()
    assert isinstance(refused, packets.Connack)
    assert isinstance(ended, packets.Disconnect)
    for words in (refused.refusal, ended.reason):
        assert words is not None
        assert words.endswith("(no (the password) here)")
    for before in range(40, 60):
        reader = Reader("5", 'p%ss"word/ü')
        reader.feed(b"x" * before + f"{written} and more".encode())
        assert {*reader.beginning.removeprefix("x" * before)} <= {*"(the password) and more"}


@given(version=st.sampled_from(VERSIONS), data=st.binary(max_size=400), seed=st.integers())
def test_any_bytes_are_packets_or_refused(version: Version, data: bytes, seed: int) -> None:
    """Rubbish is refused with words; nothing else is ever raised, and where it is cut makes no difference."""
    chance, outcomes = random.Random(seed), []
    for cuts in (None, iter(lambda: chance.randint(1, 9), 0)):
        try:
            outcomes.append(str(read(version, data, cuts)))
        except Malformed as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_twenty_thousand_broken_packets() -> None:
    """Real packets with bytes changed, left out and doubled: each is a packet or Malformed; memory does not grow."""
    chance = random.Random(20)
    good = [
        *(publish(v, b"plant/line", b'{"qty": 1}', 7, properties=b"\x01\x01" * (v == "5")) for v in VERSIONS),
        b"\x20\x02\x00\x00",
        b"\x20\x0a\x00\x00\x07\x21\x00\x14\x11\x00\x00\x00\x05",
        b"\x90\x04\x00\x01\x00\x01",
        b"\xb0\x04\x00\x01\x00\x11",
        b"\xe0\x0c\x8e\x0a\x1f\x00\x07go away",
    ]
    refused: list[str] = []
    tracemalloc.start()
    for number in range(20_000):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 2)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
            data = data or bytearray(b"\0")
        try:
            read(VERSIONS[number % 2], bytes(data))
        except Malformed as error:
            refused.append(str(error))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(refused) > 2_000
    assert max(map(len, refused)) < 300
    assert peak < 5_000_000


@BOTH
def test_a_flood_of_properties_costs_nothing(version: Version) -> None:
    """A million user properties in an answer or a message are passed over by their length."""
    flood = b"\x26\x00\x01a\x00\x01b" * 100_000
    if version == "5":
        (message,) = read(version, publish(version, b"a/b", b"1", 9, properties=flood))
        assert message == Publish("a/b", b"1", 9, dup=False, retained=False)
        with pytest.raises(Malformed, match="CONNACK of"):
            read(version, b"\x20" + varint(2 + 4 + 2 * len(flood)) + b"\0\0" + varint(2 * len(flood)) + flood + flood)


@BOTH
def test_of_a_message_that_is_very_long_only_the_beginning_is_kept(version: Version) -> None:
    """200 MB in pieces take no more memory than their beginning; the digest tells two apart that differ at the end."""
    length, digests = 200_000_000, []
    for last in (b"x", b"y"):
        head = publish(version, b"a/b", b"", 9)
        head = head[:1] + varint(len(head) - 2 + length) + head[2:]
        reader, piece, found = Reader(version), bytes(250_000), None
        tracemalloc.start()
        reader.feed(head)
        for number in range(length // len(piece)):
            assert found is None
            assert reader.next() is None
            reader.feed(piece)
            found = reader.next() if number == length // len(piece) - 1 else None
            if found is None and number == length // len(piece) - 2:
                piece = piece[:-1] + last
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(found, Publish)
        assert (found.topic, found.packet_id, len(found.payload) + found.left_out) == ("a/b", 9, length)
        assert peak < 5_000_000
        digests.append(found.rest)
    assert digests[0] != digests[1]
    assert read(version, publish(version, b"a", b"x" * packets.WHOLE, 1))[0].left_out > 0  # type: ignore[union-attr]


def test_a_topic_that_is_no_text_is_taken() -> None:
    """It equals no topic that somebody could have configured, and nothing fails."""
    (message,) = read("3.1.1", publish("3.1.1", b"plant/\xff\xfe", b"1", 3))
    assert isinstance(message, Publish)
    assert message.topic.encode("utf-8", "surrogateescape") == b"plant/\xff\xfe"


@BOTH
@pytest.mark.parametrize(
    ("packet", "told"),
    [
        (b"\x32\x02\x00\x01", "longer inside than outside"),
        (b"\x36\x08\x00\x01a\x00\x01\x00zz", "at QoS 3"),
        (b"\x32\x06\x00\x01a\x00\x00\x00", "the packet id 0"),
        (b"\x30\x04\x00\x00\x00\x00", "without a topic"),
        (b"\xc0\x00", "PINGREQ, which no broker sends"),
        (b"\x82\x02\x00\x01", "SUBSCRIBE, which no broker sends"),
        (b"\x90\x01\x00", "SUBACK of 1 bytes"),
        (b"\x40\xff\xff\xff\xff\x01", "a length of more than four bytes"),
    ],
)
def test_what_is_wrong_is_said(version: Version, packet: bytes, told: str) -> None:
    """Each mistake by its name."""
    with pytest.raises(Malformed, match=told):
        read(version, packet)


@pytest.mark.parametrize(
    ("version", "packet", "expected"),
    [
        ("3.1.1", b"\x20\x02\x01\x00", packets.Connack(resumed=True)),
        ("5", b"\x20\x03\x00\x00\x00", packets.Connack(resumed=False)),
        (
            "5",
            b"\x20\x0b\x01\x00\x08\x11\x00\x00\x0e\x10\x13\x00\x05",
            packets.Connack(True, expiry=3600, keep_alive=5),
        ),
        ("3.1.1", b"\x20\x02\x00\x04", packets.Connack(resumed=False, refusal="wrong user name or password")),
        (
            "5",
            b"\x20\x02\x00\x01",
            packets.Connack(False, OTHER, other_version=True),
        ),
        (
            "5",
            b"\x20\x03\x00\x84\x00",
            packets.Connack(False, OTHER, other_version=True),
        ),
        ("5", b"\x20\x0a\x00\x87\x07\x1f\x00\x04no!\n", packets.Connack(False, "not authorised (no!\\n)")),
        ("5", b"\x90\x05\x00\x09\x00\x01\x87", packets.Suback(9, b"\x01\x87")),
        ("3.1.1", b"\x90\x04\x00\x09\x01\x80", packets.Suback(9, b"\x01\x80")),
        ("5", b"\xb0\x04\x00\x09\x00\x11", packets.Unsuback(9)),
        ("3.1.1", b"\xb0\x02\x00\x09", packets.Unsuback(9)),
        ("5", b"\xd0\x00", packets.Pingresp()),
        ("5", b"\xe0\x00", packets.Disconnect("it gives no reason")),
        ("5", b"\xe0\x01\x8b", packets.Disconnect("it is shutting down")),
    ],
)
def test_answers(version: Version, packet: bytes, expected: packets.Incoming) -> None:
    """The answers of brokers, as the specifications have them."""
    assert read(version, packet) == [expected]


@BOTH
def test_what_is_sent(version: Version) -> None:
    """CONNECT with everything in it, SUBSCRIBE and UNSUBSCRIBE, byte for byte, but for the properties of MQTT 5."""
    sent = packets.connect(
        version,
        "edge",
        15,
        username="me",
        password="secret",
        will=packets.Will("a/b", b"gone"),
        session_expiry=1,
        window=2,
    )
    is_v5 = version == "5"
    properties = b"\x0d\x11\x00\x00\x00\x01\x21\x00\x02\x27\x01\x00\x00\x00" if is_v5 else b""
    assert sent == b"\x10" + varint(len(sent) - 2) + (
        b"\x00\x04MQTT" + bytes([5 if is_v5 else 4]) + b"\xec\x00\x0f" + properties + b"\x00\x04edge"
        + (b"\x00" if is_v5 else b"") + b"\x00\x03a/b\x00\x04gone\x00\x02me\x00\x06secret"
    )  # fmt: skip
    none = b"\x00" if is_v5 else b""
    assert packets.subscribe(version, 300, ["a", "é"]) == (
        bytes([0x82, 11 + is_v5]) + b"\x01\x2c" + none + b"\x00\x01a\x01\x00\x02\xc3\xa9\x01"
    )
    assert packets.unsubscribe(version, 1, ["a"]) == bytes([0xA2, 5 + is_v5]) + b"\x00\x01" + none + b"\x00\x01a"
    assert packets.publish(version, "a", b"x", retain=True) == bytes([0x31, 4 + is_v5]) + b"\x00\x01a" + none + b"x"
    assert packets.puback(258) == b"\x40\x02\x01\x02"
