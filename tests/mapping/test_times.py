"""What a message can say of its own time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.times import epoch_seconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 30, 10, 15, 30, tzinfo=UTC)
T = AT.timestamp()


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (T, T),
        (T * 1_000, T),
        (T * 1_000 + 250, T + 0.25),
        (T * 1_000_000, T),
        (int(T) * 1_000_000_000 + 250_000_000, T + 0.25),
        (f"{T:.0f}", T),
        (f" {T:.3f} ", T),
        (f"{T * 1_000:.0f}", T),
        (f"{T * 1_000_000:.0f}", T),
        (f"{T * 1_000_000_000:.0f}", T),
        ("2026-11-30T10:15:30Z", T),
        ("2026-11-30T10:15:30.123456789Z", T + 0.123456),
        ("20261130T101530Z", T),
        ("Mon, 30 Nov 2026 11:15:30 +0100", T),
        ("30 Nov 2026 10:15:30 GMT", T),
        ("30.11.2026 11:15:30+01:00", T),
        ("30.11.2026 10:15:30Z", T),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800.0),
        ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_800.0),
    ],
)
def test_a_time_that_says_when_it_is(value: object, at: float) -> None:
    """Numbers by their size, also as text; ISO 8601, as in e-mails, and the German way with a zone."""
    assert epoch_seconds(value) == pytest.approx(at, abs=1e-6)
    assert epoch_seconds(value, BERLIN) == pytest.approx(at, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-30T11:15:30",
        "2026-11-30 11:15:30",
        "30.11.2026 11:15:30",
        "30.11.2026, 11:15:30",
        "30.11.2026T11:15:30",
        "20261130111530",
        "20261130 111530",
        "Mon, 30 Nov 2026 11:15:30 -0000",
    ],
)
def test_a_time_without_a_zone_is_of_the_one_that_is_given(value: str) -> None:
    """And none at all without it: nobody guesses."""
    assert epoch_seconds(value) is None
    assert epoch_seconds(value, BERLIN) == T


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        "yesterday",
        "31.02.2026 10:00:00",
        "11/30/2026 10:15",
        "2026-11-30T10:07:60Z",
        "2026-11-30T25:00:00Z",
        "Mon, 32 Nov 2026 11:15:30 +0100",
        float("nan"),
        float("inf"),
        2**63,
        10**400,
        "9" * 39,
        "1" * 5_000,
    ],
)
def test_what_is_no_time(value: object) -> None:
    """Also where the month and the day could change places, and where a leap second cannot be."""
    assert epoch_seconds(value, BERLIN) is None


def test_an_hour_that_comes_twice_is_the_first() -> None:
    """When clocks are put back."""
    assert epoch_seconds("25.10.2026 02:30:00", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()


@given(st.integers(946_684_800_000_000, 4_102_444_800_000_000).map(lambda micro: EPOCH + timedelta(microseconds=micro)))
def test_each_way_of_writing_a_time_says_the_same(at: datetime) -> None:
    """To what the way can tell."""
    seconds, whole = at.timestamp(), at.replace(microsecond=0).timestamp()
    local = at.astimezone(BERLIN)
    micro = (at - EPOCH) // timedelta(microseconds=1)
    for value in (at.isoformat(), micro, str(micro), micro * 1_000, local.strftime("%d.%m.%Y %H:%M:%S.%f%z")):
        if not isinstance(value, int) or micro > 10**14:
            assert epoch_seconds(value) == pytest.approx(seconds, abs=1e-5)
    assert epoch_seconds(local.strftime("%a, %d %b %Y %H:%M:%S %z")) == whole
    if not local.fold:
        assert epoch_seconds(local.strftime("%d.%m.%Y %H:%M:%S"), BERLIN) == whole


@given(st.text(max_size=80) | st.integers() | st.floats() | st.from_regex(r"[0-9:.TZ+, -]{0,40}", fullmatch=True))
def test_anything_is_a_time_or_none(value: object) -> None:
    """Nothing raises."""
    at = epoch_seconds(value, BERLIN)
    assert at is None or isinstance(at, int | float)
