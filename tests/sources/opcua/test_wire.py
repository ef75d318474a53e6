"""Publish responses read from their bytes: whatever one value is, the others are there."""

from contextlib import suppress
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.opcua.wire import read_publish, read_republish

TEXT = b"\x0f\x08\x00\x00\x00POISONED"


def change(handle: int, value: Any) -> ua.MonitoredItemNotification:
    return ua.MonitoredItemNotification(ua.UInt32(handle), ua.DataValue(ua.Variant(value)))


def published(*notifications: Any) -> bytes:
    message = ua.NotificationMessage(ua.UInt32(17))
    message.NotificationData = list(notifications)
    response = ua.PublishResponse()
    response.Parameters = ua.PublishResult(ua.UInt32(3), [ua.UInt32(16), ua.UInt32(17)], False, message)
    return struct_to_binary(response)


def test_values_come_with_their_handles_in_the_order_of_the_server() -> None:
    first = ua.DataChangeNotification([change(1, 5), change(2, "x"), change(1, 6)])
    subscription, message = read_publish(Buffer(published(first, ua.DataChangeNotification([change(9, True)]))))
    assert (subscription, message.number, message.keepalive, message.spoilt) == (3, 17, False, [])
    assert [(handle, getattr(read, "value", read)) for handle, read in message.items] == [
        (1, 5),
        (2, "x"),
        (1, 6),
        (9, True),
    ]


def test_a_keepalive_holds_nothing() -> None:
    _, message = read_publish(Buffer(published()))
    assert message.keepalive
    assert message.items == []


def test_the_end_of_a_subscription_is_told() -> None:
    ended = ua.StatusChangeNotification(ua.StatusCode(ua.UInt32(StatusCodes.BadTimeout)))
    assert read_publish(Buffer(published(ended)))[1].ended == "BadTimeout"


def test_a_value_of_a_reserved_type_takes_no_other_with_it() -> None:
    """Types 26 to 31 are byte strings for whoever does not know them (Part 6, 5.1.2): refused, and read over."""
    data = published(ua.DataChangeNotification([change(1, 5), change(2, TEXT[5:]), change(3, 6)]))
    _, message = read_publish(Buffer(data.replace(TEXT, b"\x1b" + TEXT[1:])))
    assert [handle for handle, _ in message.items] == [1, 2, 3]
    assert isinstance(message.items[1][1], str)
    assert message.spoilt == []


def test_of_an_unreadable_value_the_handle_is_known_and_what_stood_before() -> None:
    """What stands in another notification of the message is there, too."""
    first = ua.DataChangeNotification([change(1, 5), change(2, TEXT[5:]), change(3, 6)])
    data = published(first, ua.DataChangeNotification([change(4, 7)]))
    _, message = read_publish(Buffer(data.replace(TEXT, b"\x0f\xff\xff\xff\x7fPOISONED")))
    assert [handle for handle, _ in message.items] == [1, 4]
    assert message.spoilt == [2]


def test_what_was_read_as_something_that_it_is_not_is_not_used() -> None:
    """A length that is too small shifts everything behind it: no exception need come of that."""
    data = published(ua.DataChangeNotification([change(1, 5), change(2, bytes(8))]))
    short = data.replace(b"\x0f\x08\x00\x00\x00", b"\x0f\x02\x00\x00\x00")
    _, message = read_publish(Buffer(short))
    assert message.spoilt != []
    assert [handle for handle, _ in message.items if handle != 1] == []


@pytest.mark.parametrize("read", [read_publish, read_republish])
def test_a_refusal_is_raised_as_what_it_is(read: Any) -> None:
    response = ua.PublishResponse()
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(StatusCodes.BadMessageNotAvailable))
    with pytest.raises(UaStatusCodeError, match="BadMessageNotAvailable"):
        read(Buffer(struct_to_binary(response)))


@given(st.binary(max_size=80), st.integers(0, 200))
def test_whatever_the_bytes_are_nothing_but_a_value_error_comes_of_them(junk: bytes, at: int) -> None:
    """Bytes of the network never raise what nobody expects, and never take for ever."""
    data = published(ua.DataChangeNotification([change(1, 5), change(2, "x")]))
    with suppress(ValueError, UaStatusCodeError):
        read_publish(Buffer(data[:at] + junk + data[at:]))
