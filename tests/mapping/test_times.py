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
        (f"{T * 1_000:.1f}", T),
        (f"{T * 1_000_000_000:.15e}", T),
        ("2026-11-30T10:15:30Z", T),
        ("2026-11-30t10:15:30z", T),
        ("2026-11-30T10:15:30,5Z", T + 0.5),
        ("2026-W49-1T10:15:30Z", T),
        ("2026-11-29T24:00:00Z", T - 36_930),
        ("2026-11-30 24:00+14:00", T - 930),
        ("20261129T2400Z", T - 36_930),
        ("29.11.2026 24:00:00.000Z", T - 36_930),
        ("2026-11-30T10:15:30.123456789Z", T + 0.123456),
        ("20261130T101530Z", T),
        ("Mon, 30 Nov 2026 11:15:30 +0100", T),
        ("30 Nov 2026 10:15:30 GMT", T),
        ("30 Nov 26 10:15:30 UT", T),
        ("Mon, 30 Nov 2026 05:15:30 EST", T),
        ("Mon, 30 Nov 2026 11:15:30 +0100 (CET)", T),
        ("30.11.2026 11:15:30+01:00", T),
        ("30.11.2026 10:15:30Z", T),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800.0),
        ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_800.0),
        ("20161231T235960Z", 1_483_228_800.0),
        ("31.12.2016 23:59:60.5Z", 1_483_228_800.5),
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
        "Mon, 30 Nov 2026 11:15:30",
        "Mon, 30 Nov 2026 11:15:30 CET",
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
        "2026-11-30T24:00:01Z",
        "2026-11-30T24:30Z",
        "2026-11-30T24:00:00.001Z",
        "Mon, 30 Nov 2026 11:15:30 CEST",
        "Mon, 30 Nov 2026 11:15:30 MST7",
        "Mon, 30 Nov 2026 11:15:30 ROK",
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


@pytest.mark.parametrize("value", ["30.11.2026", "2026-11-30", "20261130", "29.11.2026 24:00", "20261129240000"])
def test_a_date_alone_is_when_it_begins(value: str) -> None:
    """However it is written; and a day ends when the next one begins."""
    assert epoch_seconds(value) is None
    assert epoch_seconds(value, BERLIN) == datetime(2026, 11, 29, 23, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("fold", [False, True])
def test_the_name_of_a_zone_tells_which_of_two_hours_is_meant(fold: bool) -> None:
    """CEST is the first, CET the second; a day of 25 hours ends at its end."""
    for name, hour in (("CEST", 0), ("CET", 1)):
        at = epoch_seconds(f"Sun, 25 Oct 2026 02:30:00 {name}", BERLIN, fold=fold)
        assert at == datetime(2026, 10, 25, hour, 30, tzinfo=UTC).timestamp()
    assert epoch_seconds("25.10.2026 24:00", BERLIN, fold=fold) == datetime(2026, 10, 25, 23, tzinfo=UTC).timestamp()


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
