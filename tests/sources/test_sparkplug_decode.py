"""Payloads of Sparkplug B, against bytes that were put together by hand."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.sparkplug_decode import LARGEST, Metric, Payload, decode, rebirth, value
from tests import edge_node as wire

SIZES = {
    wire.INT8: (-(2**7), 2**7 - 1),
    wire.INT16: (-(2**15), 2**15 - 1),
    wire.INT32: (-(2**31), 2**31 - 1),
    wire.INT64: (-(2**63), 2**63 - 1),
    wire.UINT8: (0, 2**8 - 1),
    wire.UINT16: (0, 2**16 - 1),
    wire.UINT32: (0, 2**32 - 1),
    wire.UINT64: (0, 2**64 - 1),
    wire.DATETIME: (0, 2**63 - 1),
}
NUMBERS = [st.integers(*SIZES[kind]) for kind in range(1, 9)]
REALS = [st.floats(allow_nan=False, allow_infinity=False, width=width) for width in (32, 64)]
ELEMENTS = dict(zip(range(22, 32), zip("bhiqBHIQfd", [*NUMBERS, *REALS], strict=True), strict=True))
"""Data type of an array -> how `struct` packs an element, and what it can be."""


def only(content: bytes) -> Metric:
    (metric,) = decode(wire.payload([content], 0)).metrics
    return metric


def test_a_payload_by_hand() -> None:
    """A payload spelt out byte by byte: time, a named metric with alias, type and value, sequence number."""
    metric = b"\x0a\x04Good\x10\x07\x18\x90\x4e\x20\x07\x50\xac\x02"
    content = b"\x08\xa0\x9c\x01" + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x05"
    good = Metric("Good", 7, 7, 10.0, good=True, historical=False, raw=300)
    assert decode(content) == Payload(20.0, 5, (good,))


@given(st.sampled_from(sorted(SIZES)).flatmap(lambda kind: st.tuples(st.just(kind), st.integers(*SIZES[kind]))))
def test_whole_numbers_of_every_size(case: tuple[int, int]) -> None:
    """Whole numbers keep their sign and size, also where only the birth has said their type."""
    kind, number = case
    assert value(only(wire.metric(number, kind, name="x")), None) == number
    assert value(only(wire.metric(number, kind, alias=1, typed=False)), kind) == number


def test_a_small_negative_number_in_its_own_size() -> None:
    """Some nodes send an Int8 of -1 as 255, others as 4294967295."""
    assert value(only(wire.metric(0xFF, wire.INT8, name="x")), None) == -1
    assert value(only(wire.metric(-1, wire.INT8, name="x")), None) == -1


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_single_precision(number: float) -> None:
    """A Float comes out as the same single-precision number, and a decimal that a person wrote as it was written."""
    shortest = value(only(wire.metric(number, wire.FLOAT, name="x")), None)
    assert isinstance(shortest, float)
    assert struct.pack("f", shortest) == struct.pack("f", number)
    assert value(only(wire.metric(0.1, wire.FLOAT, name="x")), None) == 0.1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_precision(number: float) -> None:
    """A Double is the number that was sent."""
    assert value(only(wire.metric(number, wire.DOUBLE, name="x")), None) == number


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [wire.FLOAT, wire.DOUBLE])
def test_what_is_no_number(number: float, kind: int) -> None:
    """What cannot be counted or sent is refused."""
    with pytest.raises(ValueError, match="not a number that can be counted"):
        value(only(wire.metric(number, kind, name="x")), None)


def test_truth_and_text() -> None:
    """Booleans and texts are themselves; a boolean that was sent as a number is one."""
    assert value(only(wire.metric(True, wire.BOOLEAN, name="x")), None) is True
    assert value(only(wire.metric(False, wire.BOOLEAN, name="x")), None) is False
    assert value(only(wire.metric("Größe", wire.STRING, name="x")), None) == "Größe"
    assert value(Metric("x", None, wire.BOOLEAN, None, good=True, historical=False, raw=1), None) is True


def array(content: bytes, kind: int) -> object:
    return value(only(wire.put(2, wire.put(1, b"x") + wire.put(4, kind) + wire.put(16, content))), None)


@given(st.sampled_from(sorted(ELEMENTS)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(ELEMENTS[kind][1]))))
def test_arrays_of_numbers(case: tuple[int, list[float]]) -> None:
    """Each element as it was sent, in its order; one that was cut off is told."""
    kind, numbers = case
    code = ELEMENTS[kind][0]
    packed = struct.pack(f"<{len(numbers)}{code}", *numbers)
    found = array(packed, kind)
    assert isinstance(found, list)
    assert struct.pack(f"<{len(numbers)}{code}", *found) == packed
    if len(packed) > 1 and struct.calcsize(code) > 1:
        with pytest.raises(ValueError, match="ends within an element"):
            array(packed[:-1], kind)


@given(st.lists(st.booleans(), max_size=40))
def test_arrays_of_booleans(bits: list[bool]) -> None:
    """As bits, the first the highest of its byte, behind how many there are."""
    padded = "".join("1" if bit else "0" for bit in bits) + "0" * (-len(bits) % 8)
    packed = bytes(int(padded[place : place + 8], 2) for place in range(0, len(padded), 8))
    assert array(struct.pack("<I", len(bits)) + packed, wire.BOOLEAN_ARRAY) == bits
    with pytest.raises(ValueError, match="as many as it says"):
        array(struct.pack("<I", len(padded) + 1) + packed, wire.BOOLEAN_ARRAY)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)))
def test_arrays_of_texts(texts: list[str]) -> None:
    """Each with a zero behind it; also empty ones."""
    assert array(b"".join(text.encode() + b"\0" for text in texts), wire.STRING_ARRAY) == texts
    with pytest.raises(ValueError, match="not UTF-8"):
        array(b"\xff\0", wire.STRING_ARRAY)


def test_a_data_set_is_its_rows() -> None:
    """Objects by the names of the columns; a row that is shorter is told."""
    columns = (
        wire.put(1, 2) + wire.put(2, b"code") + wire.put(2, b"qty") + wire.put(3, wire.STRING) + wire.put(3, wire.INT8)
    )
    elements = [(b"Gel", 3), (b"Gauge", -1 & 0xFF)]
    rows = [wire.put(4, wire.put(1, wire.put(6, text)) + wire.put(1, wire.put(1, qty))) for text, qty in elements]
    data_set = value(only(wire.metric(columns + b"".join(rows), wire.DATASET, name="x")), None)
    assert data_set == [{"code": "Gel", "qty": 3}, {"code": "Gauge", "qty": -1}]
    with pytest.raises(ValueError, match="not as long as its columns"):
        value(only(wire.metric(columns + wire.put(4, wire.put(1, wire.put(6, b"Gel"))), wire.DATASET, name="x")), None)


def test_a_template_is_its_members() -> None:
    """An object by their names, also of templates within: a metric has the same number in a template as in a
    payload.
    """
    inner = wire.metric(-1, wire.INT8, name="Speed")
    outer = wire.metric("4711", wire.STRING, name="Order") + wire.metric(inner, wire.TEMPLATE, name="Motor")
    found = value(only(wire.metric(outer, wire.TEMPLATE, name="x")), None)
    assert found == {"Order": "4711", "Motor": {"Speed": -1}}


@pytest.mark.parametrize(("kind", "words"), [(wire.BYTES, "row of bytes"), (wire.FILE, "file")])
def test_what_is_no_value(kind: int, words: str) -> None:
    """Bytes and files are named for what they are."""
    with pytest.raises(ValueError, match=f"{words}, which is no value"):
        array(b"\x0a\x01x", kind)


@pytest.mark.parametrize(
    ("code", "good"), [(0, False), (192, True), (500, False), (512, False), (24, False), (200, True)]
)
def test_quality(code: int, good: bool) -> None:
    """0 is bad, 192 good, 500 stale; what else systems say goes by its range."""
    assert only(wire.metric(1, wire.INT32, name="x", more=wire.quality(code))).good is good


def test_null_and_nothing() -> None:
    """A null has no good value, and neither has a metric without one."""
    assert not only(wire.metric(None, wire.INT32, name="x")).good
    assert not only(wire.put(2, wire.put(1, b"x"))).good


def test_history() -> None:
    """What the node had kept says so."""
    assert only(wire.metric(1, wire.INT32, name="x", more=wire.put(5, 1))).historical


def test_what_is_not_sparkplug() -> None:
    """JSON, a compressed payload and one that is too large are refused by name."""
    with pytest.raises(ValueError, match="is not Sparkplug B"):
        decode(b'{"timestamp": 1}')
    with pytest.raises(ValueError, match="is compressed"):
        decode(wire.put(4, b"SPBV1.0_COMPRESSED") + wire.put(5, b"x"))
    with pytest.raises(ValueError, match="at most"):
        decode(wire.put(5, bytes(LARGEST)))


@given(st.binary(max_size=200))
def test_anything_else(content: bytes) -> None:
    """Whatever comes is read or refused, never anything else."""
    try:
        message = decode(content)
    except ValueError:
        return
    for metric in message.metrics:
        try:
            plain = value(metric, None)
        except ValueError:
            continue
        assert plain is None or isinstance(plain, str | int | float)


def test_the_request_for_births() -> None:
    """It is the metric that the specification names, a boolean that is true."""
    (metric,) = decode(rebirth(1_767_592_800.5)).metrics
    assert (metric.name, metric.datatype, metric.raw, metric.time) == (
        "Node Control/Rebirth",
        11,
        True,
        1_767_592_800.5,
    )
