"""What the outbox shows of its records: page by page, narrowed by filters, with what stands beside them."""

from collections import Counter
from dataclasses import replace

from gateway.outbox.key_value import MemoryStore
from gateway.outbox.listing import Filter, details
from gateway.outbox.store import Outbox
from tests.outbox.actions_rig import LINES, Plant, all_of, buried, next_work, send
from tests.outbox.floor import commit


def test_pages_show_everything_once_whatever_their_size() -> None:
    """Dead letters first, then parked ones, then the lanes; the same with pages of one row as with one of all."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    first = buried(outbox, plant)
    commit(outbox, plant.output(first))
    outbox.park(next_work(outbox, "output"))
    starts = [plant.start(type_="STATE") for _ in range(5)]
    commit(outbox, *starts, *(plant.output(start) for start in starts), plant.start(LINES[1]))
    work = next_work(outbox, "start")
    outbox.begin(work, replace(send(outbox, work).attempt, phase="in_doubt", reason="cut"))  # type: ignore[arg-type, type-var]
    outbox.resume()
    whole = all_of(outbox, rows=10**6)
    assert [all_of(outbox, rows=rows) for rows in (1, 2, 7)] == [whole] * 3
    assert [one.where for one in whole[:2]] == ["dead", "parked"]
    assert Counter(one.where for one in whole) == {"dead": 1, "parked": 1, "doubt": 1, "waiting": 10}
    assert len({one.record.key for one in whole}) == 13


def test_filters_narrow_it_down() -> None:
    """By key, line, kind, type, where, error and age; all that are given hold together."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    first = buried(outbox, plant)
    other = plant.start(LINES[1], "STATE")
    entry = plant.output(other)
    commit(outbox, other, entry)

    def keys(**wanted: object) -> set[str]:
        return {one.record.key for one in all_of(outbox, Filter(**wanted))}  # type: ignore[arg-type]

    assert keys(keys=frozenset({first.key[:20]})) == keys(keys=frozenset({first.key})) == {first.key}
    assert keys(lines=(LINES[1],)) == {other.key, entry.key}
    assert keys(kind="output") == {entry.key}
    assert keys(kind="state") == {other.key, entry.key}
    assert keys(where="dead") == keys(error="NO SUCH") == {first.key}
    assert keys(before=1002) == {first.key}
    assert keys(after=1003) == keys(lines=(LINES[1],), kind="output") == {entry.key}
    assert keys(interval=frozenset({other.key})) == {entry.key}
    assert keys(where="again") == set()


def test_what_stands_beside_a_record_is_found() -> None:
    """The letter of a dead one, the attempt of one under way, with the request as it was sent; the interval of
    either."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    buried(outbox, plant)
    commit(outbox, plant.start(LINES[1]))
    send(outbox, next_work(outbox))
    letter, moving = all_of(outbox)
    beside = details(outbox, letter)
    assert beside.letter is not None
    assert (beside.letter.body, beside.letter.error, beside.attempt) == ('{"a":1}', "400: no such product", None)
    beside = details(outbox, moving)
    assert beside.attempt is not None
    assert (beside.attempt.body, beside.letter, moving.where) == ('{"a":1}', None, "sending")
