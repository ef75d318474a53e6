"""Data values read at once are what the library reads, and what it does not know it leaves alone."""

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.sources.opcua.decode import Decoded
from gateway.sources.opcua.wire import read_scalar, reading

KINDS: dict[ua.VariantType, st.SearchStrategy[Any]] = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-(2**7), 2**7 - 1),
    ua.VariantType.Byte: st.integers(0, 2**8 - 1),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: st.integers(0, 2**64 - 1),
    ua.VariantType.Float: st.floats(width=32),
    ua.VariantType.Double: st.floats(),
    ua.VariantType.String: st.text(max_size=20) | st.none(),
}
TIMES = st.none() | st.datetimes(datetime(1601, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
VARIANTS = st.one_of(
    [content.map(lambda value, kind=kind: ua.Variant(value, kind)) for kind, content in KINDS.items()]  # type: ignore[misc]
)


@given(st.none() | VARIANTS, st.integers(0, 2**32 - 1), TIMES, TIMES)
@example(ua.Variant(5, ua.VariantType.Int32), 0, datetime(1601, 1, 1, tzinfo=UTC), None)
def test_what_is_read_at_once_is_what_the_library_reads(variant: Any, status: int, source: Any, server: Any) -> None:
    """Value, type, quality and times, and where it ends."""
    data = struct_to_binary(ua.DataValue(variant, ua.StatusCode(ua.UInt32(status)), source, server))
    read = read_scalar(b"\x00" + data + b"more", 1)
    expected = reading(struct_from_binary(ua.DataValue, Buffer(data)))
    if read is None:
        assert isinstance(expected, str) or isinstance(expected.value, str | None)
        return
    assert read[1] == len(data) + 1
    assert isinstance(expected, Decoded)
    ours, theirs = (each._replace(source_time=None, server_time=None) for each in (read[0], expected))
    assert ours == theirs
    assert type(read[0].value) is type(expected.value)
    times = ((read[0].source_time, expected.source_time), (read[0].server_time, expected.server_time))
    for own, other in times:
        # The library counts microseconds in floats, which is not exact for times far from 1970.
        assert own == other or (own is not None and other is not None and abs(own - other) < 1e-5)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2],
        b"bytes",
        datetime(2026, 1, 1, tzinfo=UTC),
        ua.LocalizedText("Jam"),
        ua.NodeId(ua.Int32(1)),
        float("nan"),
    ],
)
def test_what_is_not_of_the_usual_kind_is_left_to_the_library(value: Any) -> None:
    assert read_scalar(struct_to_binary(ua.DataValue(ua.Variant(value))), 0) is None


def test_a_value_that_ends_too_soon_is_not_read() -> None:
    data = struct_to_binary(ua.DataValue(ua.Variant(5, ua.VariantType.Int32)))
    for end in range(len(data)):
        with pytest.raises((struct.error, IndexError)):
            read_scalar(data[:end], 0)
