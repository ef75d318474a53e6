"""What reaches the log: not everything, but everything counted."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.health import Problem
from gateway.model import Notice
from gateway.status.journal import HOUR, WINDOW, Journal, LogLine, Refusals, Throttle
from gateway.status.snapshot import Snapshot, SourceStatus

NOTICES = st.builds(
    Notice,
    st.sampled_from(["gap", "reject", "loss", "time"]),
    st.just(0.0),
    st.sampled_from("ab"),
    st.sampled_from("xy"),
    st.text(max_size=3),
    count=st.integers(1, 5),
)
CALLS = st.lists(st.tuples(st.floats(0.0, 2 * WINDOW), st.lists(NOTICES, max_size=4)), max_size=30)


def kind(notice: Notice) -> tuple[str, str, str]:
    return notice.kind, notice.source, notice.address


def notice(text: str, address: str = "l01/scrap") -> Notice:
    return Notice("reject", 0.0, "floor", address, text)


@given(CALLS)
def test_every_notice_is_told_or_counted_and_none_too_often(calls: list[tuple[float, list[Notice]]]) -> None:
    """Of each kind, source and address: the first at once, at most one line a minute, and lines and withheld add up."""
    throttle, now = Throttle(), 0.0
    came: Counter[tuple[str, str, str]] = Counter()
    told: Counter[tuple[str, str, str]] = Counter()
    written: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for pause, notices in calls:
        now += pause
        first = {kind(one): one for one in reversed(notices) if not came[kind(one)]}
        lines = throttle.tell(notices, now)
        assert all(LogLine(one, one.count - 1) in lines for one in first.values())
        for one in notices:
            came[kind(one)] += one.count
        for one, withheld in lines:
            told[kind(one)] += 1 + withheld
            written[kind(one)].append(now)
    for one, withheld in throttle.tell((), float("inf")):
        told[kind(one)] += 1 + withheld
    assert told == came
    assert all(later >= before + WINDOW for times in written.values() for before, later in pairwise(times))


def test_a_payload_that_is_wrong_ten_times_a_second() -> None:
    """Ten minutes of it are eleven lines, each with what was withheld; after a quiet minute the next is told at
    once."""
    throttle = Throttle()
    lines = [line for tick in range(6000) for line in throttle.tell((notice(str(tick)),), tick / 10)]
    lines += throttle.tell((), 600.0)
    assert lines[0] == LogLine(notice("0"), 0)
    assert lines[1] == LogLine(notice("599"), 598)
    assert len(lines) == 11
    assert throttle.tell((), 661.0) == []
    assert throttle.tell((notice("again"),), 662.0) == [LogLine(notice("again"), 0)]


def test_the_log_has_constant_names_and_the_words_beside_them() -> None:
    """Warnings named by kind, with source, address and text; `withheld` where there were more; the rest at the end."""
    now = 100.0
    with capture_logs() as logs:
        journal = Journal(lambda: now)
        journal.noticed(
            (notice("not JSON"), notice("not JSON"), notice("still not"), Notice("gap", 1.0, "plc", "", "away"))
        )
        journal.noticed((Notice("loss", 2.0, "plc", "good", "12 are lost"), Notice("time", 2.0, "plc", "", "off")))
        journal.close()
    rejected = {"event": "payload_rejected", "log_level": "warning", "source": "floor", "address": "l01/scrap"}
    assert logs == [
        rejected | {"text": "not JSON"},
        {"event": "data_gap", "log_level": "warning", "source": "plc", "address": "", "text": "away"},
        {"event": "output_lost", "log_level": "warning", "source": "plc", "address": "good", "text": "12 are lost"},
        {"event": "time_not_used", "log_level": "warning", "source": "plc", "address": "", "text": "off"},
        rejected | {"text": "still not", "withheld": 1},
    ]


def source(name: str, *, connected: bool = True, **failed: str) -> SourceStatus:
    return SourceStatus(name, "mqtt", connected, 1.0, "", failed, None, {}, 0)


def test_a_refused_address_is_told_once_and_once_when_it_is_right(picture: Snapshot) -> None:
    """Refused: one warning with the reason, however long it lasts. Right again: one line."""
    with capture_logs() as logs:
        journal = Journal(lambda: 0.0)
        for _ in range(3):
            journal.look(replace(picture, sources=(source("floor", order="refused"), source("plc"))))
        journal.look(replace(picture, sources=(source("floor", order="refused for another reason"),)))
        for _ in range(3):
            journal.look(replace(picture, sources=(source("floor"),)))
    assert logs == [
        {"event": "address_refused", "log_level": "warning", "source": "floor", "address": "order", "text": "refused"},
        {"event": "address_accepted_again", "log_level": "info", "source": "floor", "address": "order"},
    ]


def test_an_outbox_that_fills_up_is_told_once_and_again_where_it_had_room_for_an_hour(picture: Snapshot) -> None:
    """At the edge it comes and goes with each record."""
    now, filling = 0.0, replace(picture, sources=(), problems=(Problem("outbox_filling", "", 0.0, "fills up", ""),))
    with capture_logs() as logs:
        journal = Journal(lambda: now)
        for now in (0.0, 1.0, HOUR - 1, HOUR, 2 * HOUR - 2):
            journal.look(replace(filling, now=now))
            journal.look(replace(filling, now=now, problems=()))
        now = 3 * HOUR - 1
        journal.look(filling)
    assert [(line["event"], line["log_level"], line["text"]) for line in logs if line["event"] != "hour"] == [
        ("outbox_filling", "warning", "fills up")
    ] * 2


def test_once_an_hour_it_is_told_what_was_done_in_it(picture: Snapshot) -> None:
    """The first look only remembers; an hour later, and each hour, one line with the differences."""
    now, picture = 0.0, replace(picture, sources=())
    with capture_logs() as logs:
        journal = Journal(lambda: now)
        journal.look(picture)
        for now in (1.0, HOUR - 1.0, HOUR, HOUR + 1.0, 2 * HOUR):
            requests = {("interval", "set", "delivered"): int(now), ("interval", "set", "again"): 1}
            journal.look(
                replace(
                    picture, merged_total=picture.merged_total + int(now), oden=replace(picture.oden, requests=requests)
                )
            )
    before = sum(picture.oden.requests.values())
    hours = [line for line in logs if line["event"] == "hour"]
    assert [line["merged"] for line in hours] == [HOUR, HOUR]
    assert [line["requests"] for line in hours] == [HOUR + 1 - before, HOUR]
    assert hours[1] == {
        "event": "hour",
        "log_level": "info",
        "samples": 0,
        "records": 0,
        "merged": HOUR,
        "requests": HOUR,
        "delivered": HOUR,
        "rejected": 0,
        "gaps": 0,
        "waiting": picture.outbox.to_do,
        "text": picture.headline,
    }


def test_an_absent_source_changes_nothing_about_its_addresses() -> None:
    """While a connection is made again nothing is known of its addresses, so nothing is told of them."""
    refusals = Refusals()
    first = refusals.change((source("floor", order="refused"),))
    assert first == ({("floor", "order"): "refused"}, set())
    assert refusals.change((source("floor", connected=False),)) == ({}, set())
    assert refusals.change((replace(source("floor"), failed={"order": "refused"}),)) == ({}, set())
    assert refusals.change((source("floor"),)) == ({}, {("floor", "order")})
