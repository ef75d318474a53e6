"""OPC UA data values, decoded."""

import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway.single_precision import shortest
from gateway.sources.opcua.decode import NOT_ACTIVE, decode, plain
from gateway.sources.opcua.wire import read_scalar


def decimal(body: bytes) -> ua.ExtensionObject:
    return ua.ExtensionObject(ua.NodeId(ua.Int32(50), ua.Int16(0), ua.NodeIdType.TwoByte), ua.ByteString(body))


def value(content: Any, kind: ua.VariantType | None = None, *, status: int = 0, time: Any = None) -> ua.DataValue:
    variant = ua.Variant(content, kind) if kind is not None else ua.Variant(content)
    return ua.DataValue(variant, ua.StatusCode(ua.UInt32(status)), time)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (value(True), True),
        (value(7, ua.VariantType.Byte), 7),
        (value(-7, ua.VariantType.Int16), -7),
        (value(2**63, ua.VariantType.UInt64), 2**63),
        (value(0.5, ua.VariantType.Float), 0.5),
        (value(0.1, ua.VariantType.Float), 0.1),
        (value("A-1"), "A-1"),
        (value(ua.QualifiedName("Press", ua.Int16(2))), "Press"),
        (value(UUID("09087e75-8e5e-499b-954f-f2a9603db28a")), "09087e75-8e5e-499b-954f-f2a9603db28a"),
        (value(ua.NodeId(ua.String("A"), ua.Int16(2))), "ns=2;s=A"),
        (value(ua.ServerState.Failed, ua.VariantType.Int32), 1),
        (value(ua.LocalizedText("Jam", "en")), "Jam"),
        (value(datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)), "2026-11-03T10:20:30Z"),
        (value(datetime(1601, 1, 1, tzinfo=UTC)), ""),
        (value(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)), "9999-12-31T23:59:59Z"),
        (value(decimal(b"\x02\x00" + (-12345).to_bytes(3, "little", signed=True))), -123.45),
        (value(decimal(b"\xff\xff\x2a")), 420.0),
        (value(decimal(b"\x00\x00" + (2**70).to_bytes(9, "little"))), 2**70),
        (value(None), None),
        (value(None, ua.VariantType.String), ""),
        (value(ua.LocalizedText(None)), ""),
        (value("Execute", status=NOT_ACTIVE), ""),
        (value(7, ua.VariantType.UInt32, status=NOT_ACTIVE), ""),
    ],
)
def test_scalars_become_plain_values(data: ua.DataValue, expected: object) -> None:
    """Each scalar type becomes the plain value that it stands for."""
    decoded = decode(data)
    assert decoded.value == expected
    assert type(decoded.value) is type(expected)
    assert decoded.quality == "good"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (value([1, 2], ua.VariantType.Int32), "array"),
        (value([], ua.VariantType.Int32), "array"),
        (value(b"\x00", ua.VariantType.ByteString), "ByteString"),
        (value(ua.ExtensionObject(ua.NodeId(ua.Int32(1)))), "a structure; name the part of it with `field`"),
        (value(decimal(b"\x02\x00")), "no digits"),
        (value(decimal(b"\x00\x80\x01")), "too large"),
        (value(decimal(b"\x00\x00" + b"\x7f" * 200)), "too large"),
        (value(decimal(b"")), "no digits"),
        (value([decimal(b"\x00\x00\x01")]), "array"),
        (value(float("nan")), "nan"),
        (value(float("-inf")), "inf"),
    ],
)
def test_what_is_no_scalar_is_refused(data: ua.DataValue, reason: str) -> None:
    """Arrays, bytes, structures and numbers that are none are refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        plain(decode(data).value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_32_bit_number_is_told_by_its_shortest_decimal(number: float) -> None:
    """It is the same in 32 bits, and what a PLC shows is what comes."""
    assert struct.pack("<f", shortest(number)) == struct.pack("<f", number)
    assert shortest(struct.unpack("<f", struct.pack("<f", 12.3))[0]) == 12.3


@given(st.integers(0, 2**32 - 1))
def test_quality_is_the_severity(code: int) -> None:
    """The two highest bits of any status code decide; only a bad one takes the value away."""
    decoded = decode(value(1, status=code))
    assert decoded.quality == ("good", "uncertain", "bad", "bad")[code >> 30]
    assert decoded.value == (None if decoded.quality == "bad" else 1)
    assert decoded.overflowed == (bool(code & 0x0400) and bool(code & 0x0080))


def test_a_bad_array_is_bad_not_refused() -> None:
    """A value that does not count is not looked at."""
    assert decode(value([1], ua.VariantType.Int32, status=StatusCodes.BadNoCommunication)).quality == "bad"


@pytest.mark.parametrize(
    ("time", "epoch"),
    [
        (None, None),
        (datetime(1601, 1, 1, tzinfo=UTC), None),
        (datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC), 1.5),
        (datetime(1970, 1, 1, 0, 0, 1, 500_000), 1.5),  # noqa: DTZ001  # without a zone it is UTC
        (datetime(1970, 1, 1, 2, 0, 0, tzinfo=timezone(timedelta(hours=2))), 0.0),
    ],
)
def test_source_time_is_seconds_since_1970(time: datetime | None, epoch: float | None) -> None:
    """A missing time, and the wire's word for it (1601), is None."""
    assert decode(value(1, time=time)).source_time == epoch


@pytest.mark.parametrize("time", [datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_p11_the_words_for_no_time_are_none(time: datetime) -> None:
    """Earlier than any, or later: it is the same however a value was read."""
    data = value(7, ua.VariantType.Int32, time=time)
    assert decode(data).source_time is None
    fast = read_scalar(struct_to_binary(data), 0)
    assert fast is None or fast[0].source_time is None
