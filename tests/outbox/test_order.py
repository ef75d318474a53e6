"""What must not overtake what: ends and output, older updates and newer ones, open intervals and a backlog."""

import pytest

from gateway.errors import OutboxError
from gateway.model import StartInterval, UpdateInterval
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, Listed, page
from gateway.outbox.operator_actions import Retried, retry
from gateway.outbox.record_rules import MOST_OPEN
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines
from tests.outbox.floor import Floor, Oden, begun, commit, deliver, drain, in_phase, work_in


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(MemoryStore())


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.fixture
def oden() -> Oden:
    return Oden()


def kinds(outbox: Outbox) -> list[str]:
    """What can be begun."""
    return [work.records[0].kind for work in outbox.work() if work.attempt is None and not work.stuck]


def known(outbox: Outbox, floor: Floor, oden: Oden) -> StartInterval:
    """A run that is open at Oden."""
    run = floor.start()
    commit(outbox, run)
    drain(outbox, oden)
    return run


# Ends and output


def test_p4_an_end_waits_for_the_output_from_before_it_whatever_goes_first(
    outbox: Outbox, floor: Floor, oden: Oden
) -> None:
    """Output from before the end has to be tried again; the entry from after it is delivered meanwhile. The end goes
    nevertheless only after the former, also after a restart."""
    run = known(outbox, floor, oden)
    commit(outbox, floor.output(run, 1, "A"))
    commit(outbox, floor.end(run))
    commit(outbox, floor.output(run, 1, "B"))
    early = in_phase(outbox, begun(outbox, work_in(outbox, "output")), "retry")
    outbox = Outbox(outbox._rows)
    deliver(outbox, oden, work_in(outbox, "output"))
    assert kinds(outbox) == []
    deliver(outbox, oden, early)
    assert kinds(outbox) == ["update"]


def test_p4_an_end_waits_for_output_that_was_merged_into_a_later_entry(
    outbox: Outbox, floor: Floor, oden: Oden
) -> None:
    """Output from before the end was not taken and is put back, into an entry from after it: the end waits for both."""
    run = known(outbox, floor, oden)
    commit(outbox, floor.output(run, 1))
    early = begun(outbox, work_in(outbox, "output"))
    commit(outbox, floor.end(run))
    commit(outbox, floor.output(run, 2))
    outbox.settle(early, {})
    assert kinds(outbox) == ["output"]
    assert [one.problems for line in lines(outbox) for one in check(outbox, line) if one] == [[], []]
    deliver(outbox, oden, work_in(outbox, "output"))
    assert kinds(outbox) == ["update"]


def test_p4_lateness_survives_being_parked(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """Both were parked with their run: once it is found, the end waits for the entry from before it, and not for the
    other."""
    run = floor.start()
    commit(outbox, run)
    start = begun(outbox, work_in(outbox, "runs"), "in_doubt")
    commit(outbox, floor.output(run, 1, "A"))
    commit(outbox, floor.end(run))
    commit(outbox, floor.output(run, 1, "B"))
    while stuck := [work for work in outbox.work() if work.stuck]:
        outbox.park(stuck[0])
    outbox.settle(start, {start.positions[0]: oden.take(run)})
    first = begun(outbox, work_in(outbox, "output"))
    second = begun(outbox, work_in(outbox, "output")) if "output" in kinds(outbox) else None
    assert second is None or second.records[0].kind == "output"
    deliver(outbox, oden, first)
    assert kinds(outbox)[-1] == "update"


# Updates


def refused(outbox: Outbox, update: UpdateInterval) -> Listed:
    """The update, after Oden refused it."""
    commit(outbox, update)
    work = begun(outbox, work_in(outbox, f"updates {update.type}"))
    outbox.settle(work, {}, dict.fromkeys(work.positions, "no such product"), 5.0)
    return next(one for one in dead(outbox) if one.record.key == update.key)


def dead(outbox: Outbox) -> list[Listed]:
    return page(outbox, Filter(where="dead"))[0]


def test_p4_a_dead_update_says_nothing_that_a_later_one_has_said(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """Sent once more, it leaves out the fields that a later update has set, and the answer counts that; the others
    reach Oden. It makes no difference that the later one is delivered, waits or is on its way."""
    for stage in ("delivered", "waiting", "sending"):
        run = known(outbox, floor, oden)
        letter = refused(outbox, floor.update(run, product="old", shift="early"))
        commit(outbox, floor.update(run, product="new"))
        later = work_in(outbox, "updates RUN") if stage != "sending" else begun(outbox, work_in(outbox, "updates RUN"))
        if stage == "delivered":
            deliver(outbox, oden, later)
        assert retry(outbox, [letter]) == Retried(sent=1, outdated=1)
        if stage == "sending":
            deliver(outbox, oden, later)
        drain(outbox, oden)
        assert oden.made[run.key].details == {"product": "new", "shift": "early"}


def test_p4_an_update_that_waited_while_one_was_refused_is_the_later(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """The later update was there already when the first was refused."""
    run = known(outbox, floor, oden)
    commit(outbox, floor.update(run, product="old"))
    first = begun(outbox, work_in(outbox, "updates RUN"))
    commit(outbox, floor.update(run, product="new"))
    outbox.settle(first, {}, dict.fromkeys(first.positions, "no"), 5.0)
    drain(outbox, oden)
    assert retry(outbox, dead(outbox)) == Retried(outdated=1)
    drain(outbox, oden)
    assert oden.made[run.key].details == {"product": "new"}
    assert (outbox.counts().dead, outbox.totals.outdated) == (0, 1)
    interval = outbox.interval(run.key)
    assert interval is not None
    assert not interval.pending


def test_p4_of_several_dead_updates_the_last_word_stands(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """Whichever is sent first; and an end is a field like any other."""
    for order in (1, -1):
        run = known(outbox, floor, oden)
        letters = [refused(outbox, floor.update(run, product="one")), refused(outbox, floor.end(run))]
        letters.append(refused(outbox, floor.update(run, product="two")))
        for letter in letters[::order]:
            retry(outbox, [letter])
            drain(outbox, oden)
        assert (oden.made[run.key].details, oden.made[run.key].end) == ({"product": "two"}, letters[1].record.at)


def test_what_a_person_changes_is_the_last_word(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """A field that was changed in the dead letter is sent, whatever was said since; one that was not is left out."""
    run = known(outbox, floor, oden)
    letter = refused(outbox, floor.update(run, product="old", shift="early"))
    commit(outbox, floor.update(run, product="new", shift="late"))
    drain(outbox, oden)
    assert isinstance(letter.record, UpdateInterval)
    changed = floor.update(run, product="mended", shift="early")
    object.__setattr__(changed, "key", letter.record.key)
    assert retry(outbox, [letter], {changed.key: changed}) == Retried(sent=1, outdated=1)
    drain(outbox, oden)
    assert oden.made[run.key].details == {"product": "mended", "shift": "late"}
    with pytest.raises(OutboxError, match="not a dead letter any more"):
        retry(outbox, [letter], {changed.key: changed})


# Open intervals


def live(outbox: Outbox) -> list[str]:
    """The keys of starts in the live part of the lane of runs."""
    lane = outbox.lanes["Factory A/Line 01/runs"]
    texts = (outbox.row(f"record/Factory A/Line 01/runs/{at}") for at in range(lane.head, lane.tail))
    return [text for text in texts if text]


def test_after_an_outage_every_open_interval_stays_live(outbox: Outbox, floor: Floor, oden: Oden) -> None:
    """A run that is open, behind it batches that have ended and one that is open: after the outage both open ones are
    live, in their order, the others backlog; also after a restart, and after a second outage. Everything reaches Oden
    once."""
    run = floor.start()
    commit(outbox, run)
    for _ in range(40):
        batch = floor.start(type_="BATCH")
        commit(outbox, batch)
        commit(outbox, floor.end(batch))
    commit(outbox, last := floor.start(type_="BATCH"))
    outbox.resume()
    outbox = Outbox(outbox._rows)
    for _ in range(2):
        assert [run.key in live(outbox)[0], last.key in live(outbox)[1], len(live(outbox))] == [True, True, 2]
        works = [work for work in outbox.work() if work.lane.endswith("/runs")]
        assert [(work.live, work.records[0].key == run.key) for work in works] == [(True, True), (False, False)]
        outbox.resume()
    commit(outbox, floor.end(run))
    outbox.resume()
    assert len(live(outbox)) == 1
    drain(outbox, oden)
    assert len(oden.made) == 42
    assert oden.made[run.key].end is not None


def test_p12_open_intervals_that_stay_live_are_bounded(outbox: Outbox, floor: Floor) -> None:
    """Of more, the oldest are backlog as anything else."""
    commit(outbox, *(floor.start(type_="BATCH") for _ in range(MOST_OPEN + 3)))
    outbox.resume()
    assert len(live(outbox)) == MOST_OPEN
    assert outbox.lanes["Factory A/Line 01/runs"].waiting == MOST_OPEN + 3
