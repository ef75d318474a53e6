"""An outbox that an earlier version of this format has left opens with everything in it, and is delivered to its
end."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model import Notice, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import ATTEMPT, Attempt, Interval, LineRef, Totals, Work
from gateway.outbox.lanes import Lane
from gateway.outbox.listing import Filter, page
from gateway.outbox.operator_actions import retry
from gateway.outbox.statistics import Counts
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox
from gateway.outbox.verify import check, lines, strays
from tests.outbox.floor import LINE, OTHER, Floor, Oden, commit, drain, id_of, next_commit

DONE, RUN, STATE = "0000XSNKF89Y8ZXD6SSEQB3EEJ", "0000XSNPD05SM7CJTZF4H87GW8", "0000XSNV98566VMX64PPECMYFK"
LATE, REFUSED, BATCH = "0000XSP610848DQAP0C5XHAT16", "0000XSP9Y0159ND2T7RT8S0QYA", "0000XSPDV0YVEMYDETKBDH3MCB"
BODY = '{"exact": "body"}'
OPEN_UPDATE = Attempt(
    f"{LINE}/updates RUN", (0,), "interval/set", BODY, 5.0, 1, "retry", not_before=42.0, reason="503: busy", failed=1
)
DOUBT = Attempt(
    f"{LINE}/states", (1,), "interval/set", BODY, 5.0, 2, "in_doubt", not_before=60.0, reason="cut", looks=1
)
WASHES = Attempt(f"{LINE}/custom WASH", (0, 1), "interval/set", BODY, 5.0, 1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of a gateway with the kept store in it."""
    store = tmp_path / "outbox"
    store.mkdir()
    with closing(sqlite3.connect(store / "cache.db")) as connection:
        connection.executescript((Path(__file__).parent / "kept" / "format_2.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return tmp_path


def opened(directory: Path) -> Outbox:
    return open_outbox(directory, limit=2**30, min_free=0.0, span=60.0)


def problems(outbox: Outbox) -> list[str]:
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [*(text for verdict in verdicts for text in verdict.problems), *strays(outbox)]


def test_everything_in_a_kept_store_is_there(directory: Path) -> None:
    """Records, attempts with their phases, intervals, dead letters, counts, receipts, notices, line states and line
    ids."""
    outbox = opened(directory)
    assert problems(outbox) == []
    assert not list(directory.glob("outbox-damaged-*"))
    by_line = {LINE: 13, OTHER: 7}
    assert outbox.counts() == Counts(15, 2, in_doubt=1, parked=2, dead=2, oldest_at=1_000_005.0, by_line=by_line)
    assert outbox.totals == Totals(
        {"start": 12, "output": 6, "update": 6, "setting": 4},
        delivered=5, merged=1, dead=2, notices=2, gaps={"plc": 1}, rejects=1, receipts={"mqtt": 2},
    )  # fmt: skip
    attempts = [attempt for name in outbox.lanes for attempt in outbox.attempts(name)]
    assert attempts == [OPEN_UPDATE, DOUBT, WASHES]
    assert outbox.lanes[f"{OTHER}/output"] == Lane(OTHER, tail=3, head=3, backlog=[(0, 3)], waiting=3)
    assert outbox.interval(RUN) == Interval(
        LINE, "RUN", 1_000_004, id_of(RUN), update_at=1, updating=True, outputs=2,
        field_versions={"details product": 2, "details shift": 1},
    )  # fmt: skip
    assert outbox.interval(REFUSED) == Interval(
        OTHER, "RUN", 1_000_024, stalled=True, parked=1, outputs=1, ended=True, dead=1, field_versions={"end": 1}
    )
    run_letter, setting_letter = outbox.dead_letters(9)
    assert (run_letter.record.key, run_letter.error, run_letter.at) == (REFUSED, "400: unknown product", 51.0)
    assert isinstance(setting_letter.record, Setting)
    assert setting_letter.record.fields == {"product": {"name": "Film"}, "metric_group": {"name": "Speed"}, "usl": 9}
    assert outbox.notices(9) == [
        Notice("reject", 6.0, "mqtt", "order", "not JSON"),
        Notice("gap", 5.0, "plc", "s=Good", "a gap"),
    ]
    assert outbox.old_ring("mqtt") == [(7, "abc"), (8, "def")]
    assert [outbox.line_state(line) for line in (LINE, OTHER)] == [{"": '{"seq":2}'}, {"": '{"seq":9}'}]
    assert outbox.line_refs() == {
        LINE: LineRef("Factory A", "Line 01", "line-1"),
        OTHER: LineRef("Factory A", "Line 02"),
    }
    outbox.close()


def test_work_of_a_kept_store_goes_on_where_it_was(directory: Path) -> None:
    """Each lane offers what it did: attempts with their stored requests, what is live, and what is backlog."""
    outbox = opened(directory)
    works = {(work.lane, work.positions): work for work in outbox.work()}
    assert {key for key, work in works.items() if work.attempt} == {
        (attempt.lane, attempt.positions) for attempt in (OPEN_UPDATE, DOUBT, WASHES)
    }
    live = {key: work.live for key, work in works.items() if work.attempt is None}
    assert live == {
        (f"{LINE}/output", (1,)): False, (f"{LINE}/states", (2,)): True, (f"{LINE}/custom WASH", (2,)): False,
        (f"{LINE}/tests", (0,)): False, (f"{LINE}/settings", (1,)): True, (f"{LINE}/products", (0,)): True,
        (f"{OTHER}/runs", (2,)): True, (f"{OTHER}/output", (0,)): False,
    }  # fmt: skip
    (update,) = works[OPEN_UPDATE.lane, (0,)].records
    assert isinstance(update, UpdateInterval)
    assert update.metadata == {"product": "Q"}
    outbox.close()


def known_to(outbox: Outbox) -> Oden:
    """An Oden that has the intervals whose ids the store knows."""
    oden = Oden()
    for key in (DONE, RUN, LATE):
        interval = outbox.interval(key)
        assert interval is not None
        oden.take(StartInterval(key, interval.line, 0.0, interval.type, interval.start))
    return oden


def test_a_kept_store_is_delivered_to_its_end(directory: Path) -> None:
    """Found attempts are settled, what was refused is sent once more, commits go on from number 1: everything is at
    Oden, and what is stored then is read again."""
    outbox = opened(directory)
    oden = known_to(outbox)
    assert outbox.last_commit() == 0
    commit(outbox, new := Floor(2_000_000, 1_000).start(lasts=5))
    letters, _ = page(outbox, Filter(where="dead"))
    assert retry(outbox, letters).sent == 2
    drain(outbox, oden)
    assert (outbox.work(), outbox.counts()) == ([], Counts(0, 0, 0, 0, 0, None))
    assert new.key in oden.made
    assert oden.made[RUN].details == {"product": "R", "shift": "late"}
    assert [entry.raw_data for entry in oden.made[RUN].output] == [{"scrap": 3, "code": "Splice"}, {"torque": 12}]
    assert [oden.made[key].end for key in (STATE, LATE, REFUSED, BATCH)] == [1_000_010, 1_000_022, 1_000_026, None]
    assert [entry.raw_data for entry in oden.made[LATE].output] == [{"yield": 1}, {"scrap": 2, "code": "X"}]
    film, pipe, wire = oden.set.values()
    assert (film["lsl"], film["usl"], pipe["usl"], wire) == (2, 9, 7, {"name": "Wire"})
    outbox.close()
    outbox = opened(directory)
    assert (problems(outbox), outbox.last_commit()) == ([], 1)
    outbox.close()


def test_what_is_stored_now_has_the_names_of_the_kept_store(directory: Path) -> None:
    """A version that has the format reads what is written today: the same members in every kind of row."""

    def members(rows: dict[str, str]) -> dict[str, set[str]]:
        names: dict[str, set[str]] = {}
        for key, text in rows.items():
            value = json.loads(text)
            kind = f"{key.partition('/')[0]} {value.get('kind', '')}" if isinstance(value, dict) else key
            names.setdefault(kind, set()).update(value if isinstance(value, dict) else ())
        return names

    outbox = opened(directory)
    before = dict(outbox.rows())
    for work in [work for work in outbox.work() if work.attempt]:
        touch(outbox, work)
    outbox.commit(next_commit(outbox, states={LINE: {"head": '{"seq":3}'}, OTHER: {"head": '{"seq":9}', "": None}}))
    outbox.resume()
    after = dict(outbox.rows())
    assert attempts(after) == attempts(before)
    totals = members(before)["totals "] | {"transactions"}  # which the versions before leave out
    known = members(before) | {"commit ": {"number", "digest"}, "totals ": totals}
    written = members(after)
    assert written.keys() == known.keys()
    assert all(written[kind] <= known[kind] for kind in known)  # what has its default may be left out
    outbox.close()


def attempts(rows: dict[str, str]) -> dict[str, Attempt]:
    """The rows of attempts, as they are read."""
    return {key: ATTEMPT.validate_json(text) for key, text in rows.items() if key.startswith("attempt/")}


def touch(outbox: Outbox, work: Work) -> None:
    """Write the attempt of `work`, changed and as it was."""
    assert work.attempt is not None
    assert outbox.begin(work, replace(work.attempt, tries=99))
    assert outbox.begin(work, work.attempt)
