"""Times of what waits, mended after a wrong clock."""

from dataclasses import replace
from pathlib import Path

from gateway.clock_evidence import KnownTime
from gateway.mending import keep_time, known_time, retime
from gateway.model import Output, StartInterval, UpdateInterval
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import LifeMark, begin_life
from gateway.outbox.store import Outbox
from tests.outbox.floor import LINE

T0 = 1_793_500_000
SINCE = T0 + 1000
AHEAD = 3600


def start(key: str, at: int, end: int | None = None) -> StartInterval:
    return StartInterval(key, LINE, float(at), "RUN", at, key, {}, end)


def output(key: str, interval: str, at: int) -> Output:
    return Output(key, LINE, float(at), "RUN", interval, at, {"yield": 5}, ("yield",))


def waiting(outbox: Outbox) -> dict[str, object]:
    return {work.records[0].key: work.records[0] for work in outbox.work()}


def test_p11_what_waits_is_mended_and_what_is_older_stays() -> None:
    """Starts, ends and output of the wrong clock move; a run from before gets its right end; nothing that is under way
    is changed, and what comes then merges by the right times. It holds after a restart too."""
    rows = MemoryStore()
    outbox = Outbox(rows)
    outbox.commit(Commit(number=1, records=(start("OLD", T0),)))
    outbox.settle(outbox.work()[0], {0: "id of OLD"})
    wrong = SINCE + AHEAD
    outbox.commit(
        Commit(
            number=2,
            states={LINE: {"head": "wrong"}},
            records=(
                output("OUT-OLD", "OLD", T0 + 60),
                UpdateInterval("END", LINE, float(wrong), "RUN", "OLD", wrong),
                start("NEW", wrong),
                output("OUT-NEW", "NEW", wrong + 60),
            ),
        )
    )
    assert retime(outbox, SINCE, -AHEAD, {LINE: {"head": "right"}}, {}) == 3
    for box in (outbox, Outbox(rows)):
        assert box.line_state(LINE) == {"head": "right"}
        works = waiting(box)
        assert works["NEW"] == start("NEW", SINCE)
        assert works["OUT-OLD"] == output("OUT-OLD", "OLD", T0 + 60)
        interval = box.interval("NEW")
        assert interval is not None
        assert interval.start == SINCE
    outbox.commit(Commit(number=3, records=(output("MORE", "NEW", SINCE + 70),)))
    merged = [text for key, text in rows.items() if key.startswith("record/") and "OUT-NEW" in text]
    assert '"yield":10' in merged[0]


def test_p4_output_takes_the_second_that_is_free() -> None:
    """One of the interval's entries is at Oden under the second that what waits would get."""
    outbox = Outbox(MemoryStore())
    wrong = SINCE + AHEAD
    outbox.commit(Commit(number=1, records=(start("OLD", T0),)))
    outbox.settle(outbox.work()[0], {0: "id of OLD"})
    outbox.commit(Commit(number=2, records=(output("OUT", "OLD", wrong + 60),)))
    assert retime(outbox, SINCE, -AHEAD, {}, {("OLD", wrong + 60, False): SINCE + 61}) == 1
    out = waiting(outbox)["OUT"]
    assert isinstance(out, Output)
    assert out.timestamp == SINCE + 61


def test_p11_a_request_that_was_stored_is_not_changed() -> None:
    """What may be at Oden is told as it was told."""
    outbox = Outbox(MemoryStore())
    outbox.commit(Commit(number=1, records=(start("NEW", SINCE + AHEAD),)))
    (work,) = outbox.work()
    assert outbox.begin(work, Attempt(work.lane, work.positions, "interval/set", "{}", begun=0.0))
    assert retime(outbox, SINCE, -AHEAD, {}, {}) == 0
    assert waiting(outbox)["NEW"] == start("NEW", SINCE + AHEAD)


def test_p11_what_is_in_doubt_is_looked_up_when_the_right_clock_says() -> None:
    """And not only when the wrong one would have, which may be in a year."""
    outbox = Outbox(MemoryStore())
    outbox.commit(Commit(number=1, records=(start("NEW", SINCE - 5),)))
    (work,) = outbox.work()
    attempt = Attempt(work.lane, work.positions, "interval/set", "{}", begun=SINCE - 4.0)
    assert outbox.begin(work, attempt)
    later = replace(attempt, phase="in_doubt", not_before=SINCE + AHEAD + 60.0)
    (work,) = outbox.work()
    assert outbox.begin(work, later)
    assert retime(outbox, SINCE, -AHEAD, {}, {}) == 0
    (work,) = outbox.work()
    assert work.attempt == replace(later, not_before=SINCE + 60.0)


def test_p11_a_request_that_never_left_is_made_anew() -> None:
    """Oden was away: the request is stored, and nothing of it has gone."""
    outbox = Outbox(MemoryStore())
    outbox.commit(Commit(number=1, records=(start("NEW", SINCE + AHEAD),)))
    (work,) = outbox.work()
    assert outbox.begin(work, Attempt(work.lane, work.positions, "interval/set", "{}", begun=0.0, phase="retry"))
    assert retime(outbox, SINCE, -AHEAD, {}, {}) == 1
    (work,) = outbox.work()
    assert (work.attempt, work.records) == (None, (start("NEW", SINCE),))


def test_p11_an_end_of_another_life_is_mended_though_it_is_looked_up_first(tmp_path: Path) -> None:
    """The run of the life before is told, its end by a clock that is ahead: an earlier life may have told another, so
    that it is offered as if it were in doubt. Nothing of it was ever sent."""
    rows = MemoryStore()
    outbox = Outbox(rows)
    begin_life(outbox, LifeMark(tmp_path / "box", tmp_path), T0 - 10.0)
    outbox.commit(Commit(number=1, records=(start("OLD", T0),)))
    outbox.settle(outbox.work()[0], {0: "id of OLD"})
    outbox, wrong = Outbox(rows), SINCE + AHEAD
    assert begin_life(outbox, LifeMark(tmp_path / "box", tmp_path / "rebooted"), wrong - 5.0, settle=60.0)
    outbox.commit(Commit(number=2, records=(UpdateInterval("END", LINE, float(wrong), "RUN", "OLD", wrong),)))
    (work,) = outbox.work()
    assert work.attempt is not None
    assert work.attempt.not_before > wrong
    assert retime(outbox, SINCE, -AHEAD, {}, {}) == 1
    for box in (outbox, Outbox(rows)):
        assert waiting(box)["END"] == UpdateInterval("END", LINE, float(SINCE), "RUN", "OLD", SINCE)
        assert not box.attempts(work.lane)


def test_the_known_time_is_kept() -> None:
    """An outbox that never knew any says so."""
    rows = MemoryStore()
    assert known_time(Outbox(rows)) == KnownTime()
    keep_time(Outbox(rows), KnownTime(5.0, 7.0))
    assert known_time(Outbox(rows)) == KnownTime(5.0, 7.0)
