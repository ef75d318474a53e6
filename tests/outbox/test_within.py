"""What waits and is at Oden within another life's entries: taken out as it was when Oden was asked."""

import pytest

from gateway.model import Output
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, page
from gateway.outbox.store import Outbox
from tests.outbox.floor import Floor, begun, commit, next_commit


@pytest.mark.parametrize("what", ["waits", "has grown", "is carried", "was parked"])
def test_p4_only_what_is_as_it_was_listed_is_within_others(what: str) -> None:
    """Oden is asked for seconds, beside delivery: what was merged since into an entry that waits is told, one that may
    be on its way is settled by its answer, and one that is no longer parked is still the same."""
    outbox, floor = Outbox(MemoryStore()), Floor()
    start = floor.start()
    commit(outbox, start)
    (work,) = outbox.work()
    if what == "was parked":
        in_doubt = begun(outbox, work, "in_doubt")
    else:
        outbox.settle(work, {work.positions[0]: "oden 1"})
    first = floor.output(start, 5)
    commit(outbox, first)
    if what == "was parked":
        outbox.park(next(work for work in outbox.work() if work.stuck))
    (listed,), _ = page(outbox, Filter(keys=frozenset({first.key})))
    if what == "has grown":
        commit(outbox, floor.output(start, 7))
    elif what == "is carried":
        begun(outbox, outbox.work()[0])
    elif what == "was parked":
        outbox.settle(in_doubt, {in_doubt.positions[0]: "oden 1"})
    outbox.commit(next_commit(outbox, within=((listed.lane, listed.position, listed.record),)))
    left = [record.raw_data["yield"] for work in outbox.work() for record in work.records if isinstance(record, Output)]
    assert left == {"waits": [], "has grown": [12], "is carried": [5], "was parked": []}[what]
    assert outbox.counts().waiting + outbox.counts().sending == len(left)
    interval = outbox.interval(start.key)
    assert interval is not None
    assert (interval.outputs, interval.parked) == (len(left), 0)
